"""What every gradient attack is built of: the judge, slopes, and the set of inputs still held."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from auditkit.methods.attacks.losses import Loss, log_odds_against
from auditkit.models.classifier import Logits

Advance: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps points (m, ...), their loss gradients (m, ...) and their rows (m,) to the next points."""


CLEARLY = 1e-5
"""Margin of a success: float32 sums of another batch shape must not take it back."""


class Slopes(NamedTuple):
    """What one pass forward and backward tells of a batch."""

    scores: Tensor  # (m, k)
    losses: Tensor  # (m,)
    gradients: Tensor  # (m, ...) of the losses


def misclassified(logits: Tensor, labels: Tensor, *, margin: float = 0.0) -> Tensor:
    """Return which inputs get another label (n,); logits that are NaN or infinite never count.

    With a margin another logit must exceed the label's by this share of the largest one.
    """
    lead = margin * logits.abs().amax(dim=1, keepdim=True)
    logits = logits.scatter_add(1, labels[:, None], lead)
    return (logits.argmax(dim=1) != labels) & logits.isfinite().all(dim=1)


def judged(
    logits: Logits,
    points: Tensor,
    labels: Tensor,
    *,
    margin: float = CLEARLY,
    batch_size: int = 128,
) -> Tensor:
    """Return which points are misclassified (n,), batch by batch and without gradients."""
    with torch.no_grad():
        parts = [
            misclassified(logits(points[rows]), labels[rows], margin=margin)
            for rows in _batches(points, batch_size)
        ]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.bool, device=points.device)


def loss_gradients(
    logits: Logits, points: Tensor, labels: Tensor, *, batch_size: int = 128
) -> Tensor:
    """Return the gradients of the log odds against the labels, shape of `points`."""
    parts = [
        scores_and_gradients(logits, points[rows], labels[rows]).gradients
        for rows in _batches(points, batch_size)
    ]
    return torch.cat(parts) if parts else torch.zeros_like(points)


def scores_and_gradients(
    logits: Logits,
    points: Tensor,
    labels: Tensor,
    *,
    loss: Loss = log_odds_against,
    rows: Tensor | None = None,
) -> Slopes:
    """Return the scores of one batch of points, and which way each point's loss rises.

    Parameters
    ----------
    logits : callable
        The model.
    points : Tensor
        (m, ...) inputs.
    labels : Tensor
        (m,) int64.
    loss : Loss
        What is to rise; by default the log odds against the labels.
    rows : Tensor, optional
        (m,) which inputs the points belong to, for a loss that needs it.
    """
    leaf = points.detach().requires_grad_(True)
    with torch.enable_grad():
        scores = logits(leaf)
        losses = loss(scores, labels, rows if rows is not None else labels)
    if not losses.requires_grad:  # the graph does not reach the input: as good as a zero gradient
        return Slopes(scores.detach(), losses.detach(), torch.zeros_like(points))
    (gradients,) = torch.autograd.grad(
        losses.sum(), leaf, allow_unused=True, materialize_grads=True
    )
    return Slopes(scores.detach(), losses.detach(), gradients)


def first_successes(
    logits: Logits,
    points: Tensor,
    labels: Tensor,
    *,
    steps: int,
    advance: Advance,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return each input's first misclassified point, or the last of its path.

    Only inputs that still hold cost anything: batches are packed anew at every step, and a path
    that comes back to a point it has visited is over, because it would only go round again.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone decides what is misclassified.
    points : Tensor
        (n, ...) first points.
    labels : Tensor
        (n,) int64.
    steps : int
        How often a point may move.
    advance : callable
        Gives the next points of some rows, within what the attacker may do; a function of the
        point and its gradient alone, without memory.
    search : callable, optional
        The model in a cheaper precision, used for gradients and to propose candidates.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Cycles of sign-gradient attacks: arXiv:2503.19347.
    """
    points = points.clone()
    visited = torch.zeros(len(points), steps, dtype=torch.int64, device=points.device)
    active = torch.arange(len(points), device=points.device)
    for step in range(steps):
        visited[active, step] = marks = _fingerprints(points[active])
        active = active[(visited[active, :step] != marks[:, None]).all(dim=1)]
        if len(active) == 0:
            break
        held: list[Tensor] = []
        for batch in active.split(batch_size):
            slopes = scores_and_gradients(search or logits, points[batch], labels[batch])
            holds = ~misclassified(slopes.scores, labels[batch], margin=CLEARLY)
            if search is not None:
                holds[~holds] = ~judged(logits, points[batch[~holds]], labels[batch[~holds]])
            rows = batch[holds]
            points[rows] = advance(points[rows], slopes.gradients[holds], rows)
            held.append(rows)
        active = torch.cat(held)
    return points


def _fingerprints(points: Tensor) -> Tensor:
    """Return a 64-bit number per point (n,) that two different points share by accident only."""
    integer = {2: torch.int16, 4: torch.int32, 8: torch.int64}[points.element_size()]
    bits = points.flatten(1).contiguous().view(integer).long()  # (n, d)
    rng = torch.Generator().manual_seed(bits.shape[1])
    factors = torch.randint(-(2**62), 2**62, (bits.shape[1],), generator=rng)
    return (bits * (2 * factors + 1).to(bits.device)).sum(dim=1)  # wraps around at 2**64


def _batches(points: Tensor, batch_size: int) -> list[slice]:
    return [slice(i, i + batch_size) for i in range(0, len(points), batch_size)]
