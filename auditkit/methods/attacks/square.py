"""Random squares of changed pixels, kept where they help: an attack that sees scores alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import CLEARLY, judged, misclassified
from auditkit.methods.attacks.ball import LinfBall
from auditkit.methods.attacks.losses import margin_against
from auditkit.models.classifier import Logits
from auditkit.randomness import at_step, uniform
from auditkit.types import Keys

Propose: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""Maps points (m, ...), their rows (m,) and the number of a query to the points to try."""

LONGER = 4  # times the granted queries, where they still promise something
_FIRST_MARK = 62.5  # queries; every further mark is twice as many
_HOPE = 16  # gains of the last half that every doubling of the queries may still bring
_FIRST_SHARE = 0.8  # of the pixels that the first squares cover
_HALVED_AT = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # shares of the usual 10,000
_USUAL = 10_000


def square_linf(
    logits: Logits,
    labels: Tensor,
    *,
    ball: LinfBall,
    keys: Keys,
    queries: int,
    give_up: bool = False,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return misclassified images of the ball, or those of the smallest margin that were met.

    Starts with vertical stripes at the ball's surface; every query then sets a random square of all
    channels to one corner of the ball, and stays where the margin got no better for the label. The
    size of the squares follows the number of the query alone, so that more queries continue a
    search and never lose a success.

    Parameters
    ----------
    logits : callable
        The model in its own precision.
    labels : Tensor
        (n,) int64.
    ball : LinfBall
        Around n images (n, c, h, w).
    keys : ndarray
        (n,) one key per image, for its random squares.
    queries : int
        Forward passes per image, at least 1; up to four times as many where they still gain much.
    give_up : bool
        Whether a search without hope ends early, as where stronger attacks failed before.
    search : callable, optional
        The model in a cheaper precision; what it takes for a success is judged again.
    batch_size : int
        Images per forward pass.

    References
    ----------
    Andriushchenko et al., 2020, arXiv:1912.00049, algorithms 1 and 2.
    """
    inputs = ball.inputs
    n, c, h, w = inputs.shape
    signs = torch.from_numpy(uniform(keys, (c, w)) < 0.5).to(inputs.device)
    stripes = torch.where(signs, 1.0, -1.0)[:, :, None, :]  # (n, c, 1, w)
    start = ball.project(inputs + ball.epsilon * stripes.expand(n, c, h, w))

    def propose(points: Tensor, rows: Tensor, query: int) -> Tensor:
        side = side_of(query, h, w, share=_FIRST_SHARE)
        return _with_square(points, ball, rows, draws_of(keys, query, 2 + c, rows), side)

    return random_search(
        logits,
        labels,
        start,
        propose,
        queries=queries,
        give_up=give_up,
        search=search,
        batch_size=batch_size,
    )


def random_search(
    logits: Logits,
    labels: Tensor,
    start: Tensor,
    propose: Propose,
    *,
    queries: int,
    give_up: bool = False,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return the points (n, ...) that came nearest to another label, or have another one.

    A proposal is taken where the margin got no better for the label; inputs that have fallen cost
    nothing any more. The first query is spent on the start. After the granted queries an input goes
    on as long as another gain like that of the second half of its queries would make it fall, but
    for at most four times as many. With `give_up` it ends early where the margin moves, but not
    even sixteen such gains for every doubling that is left would be enough: of 683 images of four
    networks that fell to 500 squares alone, 5 fell after that. Halves are counted from fixed marks
    (62, 125, 250, 500, ...), so that more granted queries never end an input's search sooner.
    """
    points = start.clone()
    lowest = torch.full((len(start),), -torch.inf, device=start.device)
    before = lowest.clone()  # at the last mark
    promising = torch.zeros(len(start), dtype=torch.bool, device=start.device)
    active, mark = torch.arange(len(start), device=start.device), _FIRST_MARK
    for query in range(LONGER * queries):
        if query == int(mark):
            gained = lowest - before
            promising = before.isfinite() & (lowest + gained > 0)
            if give_up:
                most = _HOPE * math.log2(LONGER * queries / mark) * gained
                hopeless = before.isfinite() & (gained > 0) & (lowest + most < 0)
                active = active[~hopeless[active]]
            before, mark = lowest.clone(), 2 * mark
        if query >= queries:
            active = active[promising[active]]
        if len(active) == 0:
            break
        tried = points[active]
        if query:
            tried = propose(tried, active, query)
        margins, fooled = _margins(search or logits, tried, labels[active], batch_size)
        if search is not None and fooled.any():
            (seeming,) = torch.where(fooled)
            fooled[seeming] = judged(logits, tried[seeming], labels[active[seeming]])
        better = (margins > lowest[active]) | fooled
        points[active[better]] = tried[better]
        lowest[active[better]] = margins[better]
        active = active[~fooled]
    return points


def side_of(query: int, h: int, w: int, *, share: float) -> int:
    """Return the side of the square of a query, in pixels."""
    halvings = sum(query > when * _USUAL for when in _HALVED_AT)
    return max(1, min(min(h, w) - 1, round((share * 0.5**halvings * h * w) ** 0.5)))


def draws_of(keys: Keys, query: int, count: int, rows: Tensor) -> Tensor:
    """Return numbers in (0, 1) for the places and signs of one query, (m, count)."""
    mine = at_step(keys[rows.cpu().numpy()], query)
    return torch.from_numpy(uniform(mine, (count,))).to(rows.device)


def _with_square(points: Tensor, ball: LinfBall, rows: Tensor, draws: Tensor, side: int) -> Tensor:
    """Return points (m, c, h, w) with one square each set to a corner of the ball."""
    h, w = points.shape[2:]
    top = (draws[:, 0] * (h - side + 1)).long()[:, None]
    left = (draws[:, 1] * (w - side + 1)).long()[:, None]
    y, x = torch.arange(h, device=rows.device), torch.arange(w, device=rows.device)
    inside = ((y >= top) & (y < top + side))[:, :, None] & ((x >= left) & (x < left + side))[
        :, None
    ]
    signs = torch.where(draws[:, 2:] < 0.5, 1.0, -1.0)[:, :, None, None]
    corner = torch.where(signs > 0, ball.box.high[rows], ball.box.low[rows])
    return torch.where(inside[:, None], corner, points)


def _margins(
    logits: Logits, points: Tensor, labels: Tensor, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Return by how much the label has lost (m,), and whether it clearly has."""
    with torch.no_grad():
        scores = torch.cat([logits(part) for part in points.split(batch_size)])
    margins = margin_against(scores, labels).nan_to_num(nan=-torch.inf)
    return margins, misclassified(scores, labels, margin=CLEARLY)
