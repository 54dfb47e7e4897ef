"""What every gradient attack is built of: the judge, slopes, and the set of inputs still held."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from auditkit.methods.attacks.losses import Loss, log_odds_against, margin_against
from auditkit.models.classifier import Logits

Advance: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Maps points (m, ...), loss gradients (m, ...), rows (m,) and steps taken (m,) to next points."""


CLEARLY = 1e-5
"""Margin of a success: float32 sums of another batch shape must not take it back."""
_HOPE = 8.0  # times its pace so far that a path may still make
_PROMISING = 1.0  # log odds; with less, a gradient that turns out not to be needed costs less


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


def slopes_and_successes(
    logits: Logits,
    points: Tensor,
    labels: Tensor,
    *,
    search: Logits | None,
    loss: Loss = log_odds_against,
    rows: Tensor | None = None,
) -> tuple[Slopes, Tensor]:
    """Return slopes at one batch of points, and which of them the model misclassifies (m,).

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    search : callable or None
        The model in a cheaper precision, which gives the slopes and proposes candidates.
    points, labels, loss, rows
        As for `scores_and_gradients`.
    """
    slopes = scores_and_gradients(search or logits, points, labels, loss=loss, rows=rows)
    fooled = misclassified(slopes.scores, labels, margin=CLEARLY)
    if search is not None and fooled.any():
        fooled[fooled.clone()] = judged(logits, points[fooled], labels[fooled])
    return slopes, fooled


def first_successes(
    logits: Logits,
    points: Tensor,
    labels: Tensor,
    *,
    steps: int,
    advance: Advance,
    settled: int = 0,
    patience: int | None = None,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return each input's first misclassified point, or the last of its path.

    Only inputs that still hold cost anything: batches are packed anew at every step, and a path
    that comes back to a point it has visited is over, because it would only go round again. Where
    the slope promises that one of the `settled` steps succeeds, the model is asked first, so that
    what fell costs no gradient. What a cheaper search takes for a success waits until a batch of
    them is full, and goes on from where it stood if the model does not agree. More steps go the
    same ways and end none earlier, so that they never lose a success.

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
        Gives the next points of some rows, within what the attacker may do; after the first
        `settled` steps a function of the point and its gradient alone, without memory.
    settled : int
        Number of first steps that differ from the later ones, and are long.
    patience : int, optional
        A path is over, too, where at eight times the pace of so many steps before the steps that
        are left would not take the label's lead away.
    search : callable, optional
        The model in a cheaper precision, used for gradients and to propose candidates.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Cycles of sign-gradient attacks: arXiv:2503.19347.
    """
    points, onward = points.clone(), points.clone()  # onward: where a candidate goes if it holds
    paths = _Paths(labels, steps=steps, settled=settled, patience=patience)
    active = torch.arange(len(points), device=points.device)
    waiting = active[:0]
    while len(active) > 0 or len(waiting) > 0:
        active = paths.going_on(active, points)
        promising = paths.promising(active)
        fell = judged(logits, points[promising], labels[promising], batch_size=batch_size)
        active = active[~torch.isin(active, promising[fell])]
        held, proposed = [active[:0]], [waiting]
        for batch in active.split(batch_size) if len(active) > 0 else ():
            slopes = scores_and_gradients(search or logits, points[batch], labels[batch])
            paths.saw(batch, slopes.scores)
            holds = ~misclassified(slopes.scores, labels[batch], margin=CLEARLY)
            moves = holds if search is None else torch.ones_like(holds)
            rows = batch[moves]
            taken = paths.taken[rows]
            onward[rows] = advance(points[rows], slopes.gradients[moves], rows, taken)
            rises = (slopes.gradients[moves] * (onward[rows] - points[rows])).flatten(1).sum(dim=1)
            paths.promised[rows] = (slopes.losses[moves] + rises).float()
            held.append(batch[holds])
            proposed.append(batch[~holds])
        active, waiting = torch.cat(held), torch.cat(proposed)
        if search is None:
            waiting = waiting[:0]
        elif len(waiting) >= batch_size or len(active) == 0:
            denied = waiting[~judged(logits, points[waiting], labels[waiting])]
            active, waiting = torch.cat([active, denied]), waiting[:0]
        points[active] = onward[active]
        paths.taken[active] += 1
    return points


class _Paths:
    """How far n paths are, where they have been, and whether they still get anywhere."""

    def __init__(self, labels: Tensor, *, steps: int, settled: int, patience: int | None) -> None:
        n = len(labels)
        self.labels, self.steps, self.settled = labels, steps, settled
        self.patience = steps if patience is None else patience
        self.taken = torch.zeros_like(labels)  # steps
        self.visited = torch.zeros(n, max(0, steps - settled)).to(labels)  # 0: nowhere yet
        self.leads = torch.zeros(n, steps, device=labels.device)  # the label's smallest up to here
        self.promised = torch.zeros(n, device=labels.device)  # loss at the point, were it a plane

    def going_on(self, rows: Tensor, points: Tensor) -> Tensor:
        """Return which rows go on from where they are."""
        rows = rows[self.taken[rows] < self.steps]
        rows = rows[~self._hopeless(rows)]
        new = torch.ones_like(rows, dtype=torch.bool)
        settled = self.taken[rows] >= self.settled
        seen = rows[settled]
        marks = _fingerprints(points[seen])
        new[settled] = (self.visited[seen] != marks[:, None]).all(dim=1)
        self.visited[seen, self.taken[seen] - self.settled] = marks
        return rows[new]

    def promising(self, rows: Tensor) -> Tensor:
        """Return which rows probably fell to the long step that they have just made."""
        long = (self.taken[rows] > 0) & (self.taken[rows] <= self.settled)
        return rows[long & (self.promised[rows] > _PROMISING)]

    def _hopeless(self, rows: Tensor) -> Tensor:
        """Return which rows (m,) are too slow to take the lead away in the steps that are left."""
        last = (self.taken[rows] - 1).clamp_min(0)
        before = (last - self.patience).clamp_min(0)
        lead = self.leads[rows, last]
        pace = (self.leads[rows, before] - lead) / self.patience
        return (last >= self.patience) & (_HOPE * pace * (self.steps - last) < lead)

    def saw(self, rows: Tensor, scores: Tensor) -> None:
        """Note what (m, k) scores of some rows leave of the label's lead."""
        lead, taken = -margin_against(scores, self.labels[rows]), self.taken[rows]
        before = self.leads[rows, (taken - 1).clamp_min(0)]
        self.leads[rows, taken] = torch.where(taken > 0, torch.minimum(lead, before), lead).float()


def _fingerprints(points: Tensor) -> Tensor:
    """Return an odd 64-bit number per point (n,), which two points share by accident only."""
    integer = {2: torch.int16, 4: torch.int32, 8: torch.int64}[points.element_size()]
    bits = points.flatten(1).contiguous().view(integer).long()  # (n, d)
    rng = torch.Generator().manual_seed(bits.shape[1])
    factors = torch.randint(-(2**62), 2**62, (bits.shape[1],), generator=rng)
    return (bits * (2 * factors + 1).to(bits.device)).sum(dim=1) | 1  # wraps around at 2**64


def _batches(points: Tensor, batch_size: int) -> list[slice]:
    return [slice(i, i + batch_size) for i in range(0, len(points), batch_size)]
