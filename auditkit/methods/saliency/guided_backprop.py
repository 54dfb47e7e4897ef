"""Guided backpropagation: the slope of a class score, where only positive slopes pass a rectifier.

Springenberg et al., 2014, arXiv:1412.6806, section 3.4.
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

from auditkit.methods.saliency.function_kinds import RECTIFIERS
from auditkit.methods.saliency.rules import Call, Interception, scaled
from auditkit.methods.saliency.scores import score_of
from auditkit.models.classifier import Logits


class Guided(NamedTuple):
    """A map, and whether anything guided it."""

    scores: Tensor  # of the shape of the inputs
    rectifiers: tuple[str, ...]  # functions that held slopes back; none: the plain gradient
    unseen: tuple[str, ...] = ()  # functions that ran where no rule reaches


def guided_backprop(
    logits: Logits, inputs: Tensor, target: Tensor, *, batch_size: int = 128
) -> Guided:
    """Return the guided slope of the target logit, of the shape of the inputs.

    At each rectifier negative slopes from above are set to zero before they are multiplied by the
    rectifier's own slope. For ReLU that is the published rule. For GELU, SiLU and other functions
    that let positive numbers through and hold negative ones back it is the same rule, an extension
    that the paper does not have; their own slope may then be negative where they bend. Sigmoid,
    tanh and softmax are no rectifiers. A network without any has nothing that guides, and its map
    is the plain gradient: see `Guided.rectifiers`.

    Parameters
    ----------
    logits : callable
        Maps inputs (m, ...) to (m, k); its parameters require no gradient.
    inputs : Tensor
        (n, ...), n at least 1.
    target : Tensor
        (n,) class whose logit is explained.
    batch_size : int
        Inputs per pass.

    Examples
    --------
    >>> image = torch.tensor([[1.0, 2.0]])
    >>> difference = lambda x: x.relu() @ torch.tensor([[1.0], [-1.0]])
    >>> guided_backprop(difference, image, torch.tensor([0]))
    Guided(scores=tensor([[1., 0.]]), rectifiers=('relu',), unseen=())
    """
    maps: list[Tensor] = []
    met: set[str] = set()
    unseen: set[str] = set()
    for i in range(0, len(inputs), batch_size):
        rows = slice(i, i + batch_size)
        leaf = inputs[rows].detach().clone().requires_grad_(True)
        mode = _Guide()
        with torch.enable_grad(), mode:
            total = score_of(logits, leaf, target[rows]).sum()
        maps.append(torch.autograd.grad(total, leaf)[0])
        met |= mode.met
        unseen |= {*mode.unseen(total)}
    return Guided(torch.cat(maps), tuple(sorted(met)), tuple(sorted(unseen)))


@final
class _Guide(Interception):
    """Only positive slopes pass."""

    def __init__(self) -> None:
        super().__init__({"pointwise": self._pointwise, "gate": self._gate})
        self.met: set[str] = set()

    def _pointwise(self, call: Call) -> Tensor | None:
        if call.name not in RECTIFIERS and not _is_relu(call):
            return None
        self.met.add(call.name)
        value = call.run()
        assert isinstance(value, Tensor)
        return scaled(value, lambda slope: slope.clamp(min=0))

    def _gate(self, call: Call) -> Tensor | None:
        """Answer a mask by the same rule where it is a ReLU, such as z * (z > 0)."""
        value, (x, *more) = call.run(), call.sources
        if more or not isinstance(value, Tensor) or value.shape != x.shape:
            return None
        if not (bool((x < 0).any()) and torch.equal(value, x.relu())):
            return None
        self.met.add("relu")
        return scaled(value, lambda slope: slope.clamp(min=0))


def _is_relu(call: Call) -> bool:
    """Return whether a clamp at zero is meant, one-sided or up to a limit."""
    names = {"clamp": "min", "clamp_min": "min", "clip": "min", "hardtanh": "min_val"}
    if call.name not in names:
        return False
    least = call.argument(1, names[call.name])
    return isinstance(least, int | float) and least == 0
