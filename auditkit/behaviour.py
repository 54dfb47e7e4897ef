"""Whether a model stays the same while it is asked, and answers the same twice."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from auditkit.models.classifier import Classifier, Inputs
from auditkit.models.layers import HOOKS

_ROUNDING = 1e-4  # of the largest logit: what another order of sums may change


@final
class KeptState:
    """A copy of a network's parameters, buffers, modes and hooks, to be put back after each step.

    What a module keeps elsewhere, in plain attributes or outside Python, is not seen.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._tensors = {name: value.detach().clone() for name, value in _tensors(module).items()}
        self._modes = {name: one.training for name, one in module.named_modules()}
        self._hooks = {key: dict(found) for key, found in _hooks(module).items()}
        self._frozen = {name: not one.requires_grad for name, one in module.named_parameters()}

    def put_back(self) -> list[str]:
        """Restore what has changed since this copy was made, and return its names."""
        now = _tensors(self._module)
        changed = [
            name
            for name, kept in self._tensors.items()
            if name not in now or not _same(kept, now[name])
        ]
        for name in changed:
            _put(self._module, name, self._tensors[name], now.get(name))
        for name, one in self._module.named_modules():
            if name in self._modes and one.training != self._modes[name]:
                one.training = self._modes[name]
                changed.append(f"{name or 'the module'}.training")
        for name, one in self._module.named_parameters():
            if one.requires_grad is self._frozen.get(name):
                one.requires_grad_(not one.requires_grad)
                changed += [f"{name}.requires_grad"] if name not in changed else []
        for (name, kind), found in _hooks(self._module).items():
            kept = self._hooks.get((name, kind), {})
            if list(found) != list(kept):
                found.clear()
                found.update(kept)
                changed.append(f"{name or 'the module'}.{kind}")
        return changed


def hooks_on(module: nn.Module) -> dict[str, int]:
    """Return how many hooks of each kind there are on a network, of the kinds there are."""
    counts: dict[str, int] = dict.fromkeys(HOOKS, 0)
    for (_, kind), found in _hooks(module).items():
        counts[kind] += len(found)
    return {kind.strip("_").replace("_", " "): count for kind, count in counts.items() if count}


def _hooks(module: nn.Module) -> dict[tuple[str, str], dict[int, object]]:
    """Return the hooks by the name of their module and by kind; compiled programs hold none."""
    return {
        (name, kind): getattr(one, kind)
        for name, one in module.named_modules()
        for kind in HOOKS
        if hasattr(one, kind)
    }


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal bit by bit; NaN equals itself."""
    if one.shape != other.shape or one.dtype != other.dtype or one.device != other.device:
        return False
    if torch.equal(one, other):
        return True
    both = (value.detach().contiguous().flatten() for value in (one, other))
    first, second = (value.view(torch.uint8) if value.numel() else value for value in both)
    return torch.equal(first, second)


def _put(module: nn.Module, name: str, kept: Tensor, now: Tensor | None) -> None:
    if now is not None and now.shape == kept.shape and now.dtype == kept.dtype:
        with torch.no_grad():
            now.copy_(kept)
        return
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    if leaf in dict(owner.named_parameters(recurse=False)):
        setattr(owner, leaf, nn.Parameter(kept.clone(), requires_grad=False))
    else:
        setattr(owner, leaf, kept.clone())


def difference_between_two_answers(model: Classifier, inputs: Inputs) -> float:
    """Return the largest difference of a logit when the same batch is asked twice.

    0 where it is no more than rounding.
    """
    first, second = (model.predict(inputs, batch_size=len(inputs)) for _ in range(2))
    gap = (first - second).abs()
    scale = 1 + first.abs().nan_to_num(posinf=0, neginf=0).max()
    largest = float(gap.nan_to_num(posinf=0, neginf=0).max())
    return largest if largest > _ROUNDING * float(scale) else 0.0
