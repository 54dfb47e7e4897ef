"""From a misclassified point back towards the input, as far as the answer stays wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ball import column
from auditkit.models.classifier import Logits


def shortened(
    logits: Logits,
    inputs: Tensor,
    points: Tensor,
    labels: Tensor,
    *,
    halvings: int = 16,
    batch_size: int = 128,
) -> Tensor:
    """Return misclassified points nearer to their inputs, on the segment between the two.

    Undoes an attack's overshoot. A point moves only to places that were judged misclassified; the
    segment may cross the boundary more than once, so a still nearer one can exist.

    Parameters
    ----------
    logits : callable
        The model in its own precision.
    inputs : Tensor
        (n, ...) inputs that are classified correctly.
    points : Tensor
        (n, ...) misclassified points.
    labels : Tensor
        (n,) int64.
    halvings : int
        The crossing is known to 2**-halvings of the segment's length.
    batch_size : int
        Points per forward pass.
    """
    best = points.clone()
    low = torch.zeros(len(inputs), dtype=inputs.dtype, device=inputs.device)
    high = torch.ones_like(low)
    smallest, largest = torch.minimum(inputs, points), torch.maximum(inputs, points)
    for _ in range(halvings):
        middle = (low + high) / 2
        tried = inputs + column(middle, inputs) * (points - inputs)
        tried = tried.clamp(smallest, largest)  # rounding must not leave the bounds
        flipped = judged(logits, tried, labels, batch_size=batch_size)
        best[flipped] = tried[flipped]
        high = torch.where(flipped, middle, high)
        low = torch.where(flipped, low, middle)
    return best
