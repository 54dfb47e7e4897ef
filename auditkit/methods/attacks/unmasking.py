"""Gradients where a network hides its own: rounding, saturated outputs, untraced preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from auditkit.models.classifier import ImageClassifier, Inputs

ROUNDING = "rounding"
SATURATION = "saturated output"
PREPROCESSING = "preprocessing without gradients"


@final
class Unmasked:
    """A classifier's logits, with a gradient past the steps that would hide it.

    The answers are the classifier's own, or what they are computed from where they saturate: only
    good to *search* with. Rounding counts as the identity on the way back (a straight-through
    estimate); a softmax or sigmoid at the end is left out; and where no gradient gets from the
    first layer to the image, what lies between counts as the identity, too.

    Parameters
    ----------
    model : ImageClassifier
        Differentiable; it is left as it is.
    images : Tensor
        (m, c, h, w) raw images on which the masks are looked for.

    Attributes
    ----------
    masks : tuple of str
        What was found; empty where there is nothing to get around.

    References
    ----------
    Athalye et al., 2018, arXiv:1802.00420, section 4 (backward pass differentiable approximation).
    """

    def __init__(self, model: ImageClassifier, images: Tensor) -> None:
        self._model = model
        self._bridges = False
        rounds, saturates = self._met(images)
        self._bridges = not self._reaches_the_image(images)
        found = {ROUNDING: rounds, SATURATION: saturates, PREPROCESSING: self._bridges}
        self.masks = tuple(name for name, present in found.items() if present)

    def __call__(self, inputs: Inputs) -> Tensor:
        """Return scores (n, k) whose order is that of the logits wherever those differ."""
        return self._answer(inputs)[0]

    def _answer(self, inputs: Inputs) -> tuple[Tensor, _Watch]:
        assert isinstance(inputs, Tensor)
        with _Watch() as watch, self._bridged(inputs):
            output = self._model.outputs(inputs)
        scores = watch.scores(output)
        if scores is None:
            return self._model.as_logits(output, len(inputs)), watch
        if scores.shape == (len(inputs), 1):
            scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
        return scores.float(), watch

    def _met(self, images: Tensor) -> tuple[bool, bool]:
        """Return whether the network rounds, and whether a softmax or sigmoid ends it."""
        with torch.enable_grad():
            _, watch = self._answer(images.detach().requires_grad_(True))
        return watch.rounded, watch.ended

    def _reaches_the_image(self, images: Tensor) -> bool:
        leaf = images.detach().requires_grad_(True)
        with torch.enable_grad():
            scores = self(leaf)
        if not scores.requires_grad:
            return False
        (slopes,) = torch.autograd.grad(
            scores.square().sum(), leaf, allow_unused=True, materialize_grads=True
        )
        return bool((slopes != 0).any())

    @contextmanager
    def _bridged(self, inputs: Tensor) -> Generator[None]:
        """Let the gradient go straight from the input of the first layer to the images."""
        if not (self._bridges and inputs.requires_grad):
            yield
            return
        bridge = _Bridge(inputs)
        handles = [
            part.register_forward_pre_hook(bridge)
            for part in self._model.module.modules()
            if part is not self._model.module and any(True for _ in part.parameters())
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


@final
class _Bridge:
    """A hook that gives the first layer's input the gradient of the images."""

    def __init__(self, images: Tensor) -> None:
        self._images, self._crossed = images, False

    def __call__(self, _part: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        first = inputs[0] if inputs else None
        if self._crossed or not isinstance(first, Tensor) or first.shape != self._images.shape:
            return None
        self._crossed = True
        return (first.detach() + _nothing(self._images), *inputs[1:])


_STEPS = frozenset({"round", "floor", "ceil", "trunc", "fix", "sign", "sgn"})
_ENDS = frozenset({"softmax", "log_softmax", "sigmoid", "logsigmoid"})
_ROUND_TRIPS = frozenset(
    {"to", "float", "double", "type", "half", "bfloat16", "div", "true_divide"}
)


@final
class _Watch(TorchFunctionMode):
    """Replaces the slopes of steps, and remembers what saturating functions were given."""

    def __init__(self) -> None:
        super().__init__()
        self.rounded, self.ended = False, False
        self._given = WeakTensorKeyDictionary()  # output of softmax or sigmoid -> its input
        self._whole = WeakTensorKeyDictionary()  # whole numbers or truths -> what they were

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, and see to the slope of its output."""
        name = getattr(func, "__name__", "")
        first = args[0] if args else (kwargs or {}).get("input")
        inplace = name.endswith("_") and not name.endswith("__")
        name = name.rstrip("_") if inplace else name.strip("_")
        if not isinstance(first, Tensor):
            return func(*args, **(kwargs or {}))
        if name in _STEPS and first.requires_grad:
            self.rounded = True
            if inplace:
                before = first.clone()
                with torch.no_grad():
                    step = func(before.detach().clone(), *args[1:], **(kwargs or {}))
                return first.copy_(step + _nothing(before))
            return func(first.detach(), *args[1:], **(kwargs or {})) + _nothing(first)
        output = func(*args, **(kwargs or {}))
        if isinstance(output, Tensor):
            return self._noted(name, first, output)
        return output

    def _noted(self, name: str, first: Tensor, output: Tensor) -> Tensor:
        if name in _ENDS:
            self._given[output] = first
        elif name == "log" and first in self._given:
            self._given[output] = self._given[first]
        elif not output.is_floating_point() and output.shape == first.shape:
            source = first if first.requires_grad else self._whole.get(first)
            if source is not None:
                self._whole[output] = source
        elif name in _ROUND_TRIPS and first in self._whole and output.shape == first.shape:
            self.rounded = True
            return output + _nothing(self._whole[first])
        return output

    def scores(self, output: object) -> Tensor | None:
        """Return what the last softmax or sigmoid was given, if its output is the network's."""
        found = self._given.get(output) if isinstance(output, Tensor) else None
        self.ended = found is not None
        return found


def _nothing(values: Tensor) -> Tensor:
    """Return zeros with a slope of one."""
    return values - values.detach()
