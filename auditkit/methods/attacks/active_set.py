"""What every gradient attack is built of: the loss, the judge, and the set of inputs still held."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from auditkit.models.classifier import Logits

Advance: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps points (m, ...), their loss gradients (m, ...) and their rows (m,) to the next points."""


CLEARLY = 1e-5
"""Margin of a success: float32 sums of another batch shape must not take it back."""


class Slopes(NamedTuple):
    """What one pass forward and backward tells of a batch."""

    scores: Tensor  # (m, k)
    gradients: Tensor  # (m, ...) of the log odds against the labels


def log_odds_against(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the log odds against the label, log((1 - p) / p), shape (n,).

    Per input its gradient is that of cross-entropy divided by 1 - p: the same direction, which does
    not vanish where the model is certain, however large its logits are.

    Parameters
    ----------
    logits : Tensor
        (n, k) with k at least 2.
    labels : Tensor
        (n,) int64.
    """
    own = labels[:, None]
    others = logits.scatter(1, own, -torch.inf).logsumexp(dim=1)
    return others - logits.gather(1, own)[:, 0]


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


def scores_and_gradients(logits: Logits, points: Tensor, labels: Tensor) -> Slopes:
    """Return the scores of one batch of points, and which way each point's loss rises."""
    leaf = points.detach().requires_grad_(True)
    with torch.enable_grad():
        scores = logits(leaf)
        loss = log_odds_against(scores, labels).sum()
    if not loss.requires_grad:  # the graph does not reach the input: as good as a zero gradient
        return Slopes(scores.detach(), torch.zeros_like(points))
    (gradients,) = torch.autograd.grad(loss, leaf, allow_unused=True, materialize_grads=True)
    return Slopes(scores.detach(), gradients)


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
            scores, gradients = scores_and_gradients(search or logits, points[batch], labels[batch])
            holds = ~misclassified(scores, labels[batch], margin=CLEARLY)
            if search is not None:
                holds[~holds] = ~judged(logits, points[batch[~holds]], labels[batch[~holds]])
            rows = batch[holds]
            points[rows] = advance(points[rows], gradients[holds], rows)
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
