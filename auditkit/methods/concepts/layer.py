"""One vector per input from inside a network, and the slope of a score along it.

Functions are watched while the network runs, not modules, as in `saliency.activations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from auditkit.methods.saliency.activations import last_spatial_activation
from auditkit.methods.saliency.rules import tensors_in
from auditkit.methods.saliency.scores import centred, score_of
from auditkit.methods.saliency.slopes import slopes_at
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.methods.saliency.watch import Watch
from auditkit.models.classifier import Logits

_JOINS = frozenset({"cat", "concat", "concatenate"})


class Layer(NamedTuple):
    """What a layer holds of n inputs."""

    values: Tensor  # (n, d)
    slopes: Tensor  # (n, d) of the explained score, as all places move alike
    words: str


def image_layer(logits: Logits, images: Tensor, target: Tensor) -> Layer | Unsuited:
    """Return the last activation with the layout of the image, its mean over places.

    A network without one, such as a perceptron, gives the vector of `vector_layer`.

    Parameters
    ----------
    logits : callable
        Maps images (n, c, h, w) to (n, k).
    images : Tensor
        (n, c, h, w).
    target : Tensor
        (n,) class whose centred logit is explained.
    """
    found = last_spatial_activation(centred(logits), images, target)
    if isinstance(found, Unsuited):
        return vector_layer(logits, images, target)
    values, slopes = found.values.mean(dim=(2, 3)), found.slopes.sum(dim=(2, 3))
    return Layer(values.float().cpu(), slopes.float().cpu(), f"mean over places of {found.layer}")


def vector_layer(logits: Logits, points: Tensor, target: Tensor) -> Layer | Unsuited:
    """Return the vector that each input becomes: the last (n, d) made from more dimensions.

    In a reader of texts it is what is taken from the tokens, by their mean, their maximum, or one
    token that stands for all; in a perceptron for images it is the input itself.

    Parameters
    ----------
    logits : callable
        Maps points (n, ...) of at least three dimensions to (n, k).
    points : Tensor
        Images, or embeddings of texts.
    target : Tensor
        (n,) class whose centred logit is explained.
    """
    leaf = points.detach().clone().requires_grad_(True)
    watch = _Watch(len(points))
    with torch.enable_grad(), watch:
        scores = score_of(centred(logits), leaf, target)
    for values, name in reversed(watch.seen):
        (slopes,) = slopes_at(scores.sum(), [values])
        if slopes is not None and slopes.any():
            words = f"vector of {values.shape[1]} numbers after {name.replace('_', ' ')}"
            return Layer(values.detach().float().cpu(), slopes.detach().float().cpu(), words)
    return Unsuited("no vector per input was seen between the input and the logits")


@final
class _Watch(Watch):
    """Remembers vectors (n, d) that come from more dimensions, and joined ones."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n
        self.seen: list[tuple[Tensor, str]] = []

    def saw(self, name: str, given: Sequence[object], output: object) -> None:
        """Remember what a function returns, if it is one vector per input."""
        if isinstance(output, Tensor) and self._is_vector(output):
            tensors = tensors_in(list(given))
            joined = name in _JOINS and any(one is old for one in tensors for old, _ in self.seen)
            if joined or any(one.ndim > 2 and one.is_floating_point() for one in tensors):
                self.seen.append((output, name))

    def _is_vector(self, output: Tensor) -> bool:
        vector = output.ndim == 2 and len(output) == self.n and output.shape[1] > 1
        return vector and output.requires_grad and output.is_floating_point()
