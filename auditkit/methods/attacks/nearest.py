"""The nearest misclassified point of each input that any search has met so far."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ball import column
from auditkit.methods.attacks.bisection import shortened
from auditkit.methods.attacks.hyperplane import Measure, size_of
from auditkit.models.classifier import Logits


@final
class Nearest:
    """Points that only ever come nearer, so that a search that goes on never loses what it had.

    Parameters
    ----------
    inputs : Tensor
        (n, ...) inputs that are classified correctly, within the bounds.
    labels : Tensor
        (n,) int64.
    norm : Measure
        What nearer means.
    bounds : (low, high)
        Range of an input value.
    """

    def __init__(
        self, inputs: Tensor, labels: Tensor, *, norm: Measure, bounds: tuple[float, float]
    ) -> None:
        self.inputs, self.labels, self.bounds = inputs, labels, bounds
        self.norm: Measure = norm
        self.points = inputs.clone()  # (n, ...) the input itself where none was met
        self.distances = torch.full(
            (len(inputs),), torch.inf, dtype=torch.float64, device=inputs.device
        )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def found(self) -> Tensor:
        """Which inputs have a misclassified point (n,)."""
        return self.distances.isfinite()

    def offer(self, rows: Tensor, points: Tensor) -> Tensor:
        """Take in points (m, ...) known to be misclassified; return which were nearer (m,)."""
        distances = size_of(self.norm, points.double() - self.inputs[rows].double())
        nearer = distances < self.distances[rows]
        self.distances[rows[nearer]] = distances[nearer]
        self.points[rows[nearer]] = points[nearer]
        return nearer

    def shorten(self, logits: Logits, rows: Tensor, *, batch_size: int = 128) -> None:
        """Move the points of some rows towards their inputs as far as they stay misclassified."""
        rows = rows[self.found[rows]]
        if len(rows) == 0:
            return
        inputs, points, labels = self.inputs[rows], self.points[rows], self.labels[rows]
        shorter = _thinned if self.norm == "l0" else shortened
        self.offer(rows, shorter(logits, inputs, points, labels, batch_size=batch_size))


def _thinned(
    logits: Logits, inputs: Tensor, points: Tensor, labels: Tensor, *, batch_size: int = 128
) -> Tensor:
    """Return misclassified points that differ in fewer numbers: the smallest changes are undone."""
    best = points.clone()
    size = (points - inputs).flatten(1).abs()
    rank = size.argsort(dim=1, descending=True, stable=True).argsort(dim=1)  # 0: changed most
    low = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
    high = (size > 0).sum(dim=1)  # this many changes are known to be enough
    while bool((high - low > 1).any()):
        middle = (low + high) // 2
        kept = (rank < middle[:, None]).view_as(points)
        tried = torch.where(kept, points, inputs)
        flipped = judged(logits, tried, labels, batch_size=batch_size)
        best[flipped] = tried[flipped]
        high = torch.where(flipped, middle, high)
        low = torch.where(flipped, low, middle)
    return best


def scaled(values: Tensor, like: Tensor) -> Tensor:
    """Return values (m,) as factors of points (m, ...), in their precision."""
    return column(values.to(like.dtype), like)
