"""Few columns of a row of a table, changed within reach, that make a model's answer wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import CLEARLY, misclassified
from auditkit.methods.attacks.ascent import ascend
from auditkit.methods.attacks.losses import log_odds_against
from auditkit.methods.attacks.reach import Reach
from auditkit.methods.attacks.values import Candidates, put
from auditkit.models.classifier import Logits
from auditkit.randomness import at_step
from auditkit.types import Keys


@final
@dataclass(frozen=True)
class Changed:
    """Rows as a search left them.

    Parameters
    ----------
    rows : Tensor
        (n, c), changed where the answer became wrong.
    budget : Tensor
        (n,) float64, the changed columns it took; inf where nothing was found.
    """

    rows: Tensor
    budget: Tensor


@final
@dataclass(frozen=True, kw_only=True)
class FewColumns:
    """How few columns are searched.

    First every value of every column is tried alone. In each further round a row that still holds
    has up to `beam` versions, and of each the `queries` values that were worst alone are tried in
    one more column, the worst of every column first. The next first version is the worst child of
    the first; the next second one the worst other child of the first two; and so on, so that
    results nest over `beam` and the number of columns. Where there are gradients, the numbers that
    a version changed are then moved along them. A model whose answers come without
    different scores gets random changes instead of versions.

    Parameters
    ----------
    beam : int
        Versions of a row that are followed.
    queries : int
        Values tried per version and round after the first.
    values : int
        Values per number.
    steps : int
        Gradients per version and round; 0 for none.
    batch_size : int
        Rows per forward pass.

    References
    ----------
    Search over one-hot columns: Ballet et al., 2019, arXiv:1911.03274 (tables); Kantchelian et al.,
    2016, arXiv:1509.07892 (trees, few columns).
    """

    beam: int
    queries: int
    values: int
    steps: int
    batch_size: int = 128

    def search(
        self,
        logits: Logits,
        reach: Reach,
        labels: Tensor,
        keys: Keys,
        *,
        most: int,
        telling: Sequence[Tensor] = (),
    ) -> Changed:
        """Return rows with few changed columns whose answer is wrong, where they were found.

        Parameters
        ----------
        logits : callable
            Maps rows (m, c) to logits (m, k).
        reach : Reach
            What n rows can become; all are answered rightly as they are.
        labels : Tensor
            (n,) int64, on the device of the rows.
        keys : ndarray
            (n,) one key per row, for random changes.
        most : int
            Columns that may change.
        telling : sequence of Tensor
            Per column values to prefer; see `telling_values`.
        """
        asked = Asked(logits, self.batch_size)
        found, n, device = reach.rows.clone(), len(reach), reach.rows.device
        budget = torch.full((n,), torch.inf, dtype=torch.float64, device=device)
        candidates = Candidates.of(reach, values=self.values, telling=telling)
        beams = _Beams.start(reach.rows)
        every = torch.arange(len(candidates.column), device=device).expand(n, -1)
        blind = torch.zeros(n, dtype=torch.bool, device=device)
        active = torch.arange(n, device=device)
        for size in range(1, most + 1):
            if len(active) == 0:
                break
            mine, tried = candidates.at(active), every[active]
            tree = beams.children(mine, tried, reach.at(active))
            wrong, losses = asked.children(beams.rows, mine, tried, tree, labels[active])
            if size == 1:
                every = _worst_first(candidates, losses[:, 0])[:, : self.queries]
                blind = _blind(losses[:, 0], asked(reach.rows, labels)[1])
            into = _worst(beams.rows, mine, tried, torch.where(wrong, losses, -torch.inf))
            beams = beams.grown(mine, tried, losses, self.beam)
            if self.steps:
                self._along_gradients(logits, reach.at(active), beams, labels[active], into)
            if size > 1:
                own_keys = keys[active.cpu().numpy()]
                self._at_random(
                    asked, reach.at(active), labels[active], own_keys, blind[active], size, into
                )
            rows = active[into.fallen]
            found[rows], budget[rows] = into.points[into.fallen], float(size)
            active, beams = active[~into.fallen], beams.at(~into.fallen)
        return Changed(found, budget)

    def _along_gradients(
        self, logits: Logits, reach: Reach, beams: _Beams, labels: Tensor, into: _Fallen
    ) -> None:
        """Move the numbers that versions of rows changed."""
        for place in range(beams.rows.shape[1]):
            left = (~into.fallen & beams.there[:, place]).nonzero()[:, 0]
            start = beams.rows[left, place]
            points, wrong = ascend(
                logits,
                reach.at(left),
                start,
                labels[left],
                steps=self.steps,
                free=start != reach.rows[left],
                batch_size=self.batch_size,
            )
            into.take(left[wrong], points[wrong])

    def _at_random(
        self,
        asked: Asked,
        reach: Reach,
        labels: Tensor,
        keys: Keys,
        blind: Tensor,
        size: int,
        into: _Fallen,
    ) -> None:
        """Try random changes on rows without different scores."""
        for guess in range(self.beam * self.queries):
            left = (blind & ~into.fallen).nonzero()[:, 0]
            if len(left) == 0:
                break
            drawn_by = at_step(keys[left.cpu().numpy()], guess + 2)
            points = reach.at(left).drawn_few(drawn_by, size)
            wrong, _ = asked(points, labels[left])
            into.take(left[wrong], points[wrong])


@final
@dataclass(frozen=True)
class _Fallen:
    """Which rows of a round have fallen, and to what."""

    points: Tensor  # (n, c)
    fallen: Tensor  # (n,) bool

    def take(self, rows: Tensor, points: Tensor) -> None:
        self.points[rows], self.fallen[rows] = points, True


@final
class Asked:
    """The model, asked about many rows."""

    def __init__(self, logits: Logits, batch_size: int) -> None:
        self._logits, self._batch_size = logits, batch_size

    def __call__(self, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return which points (m, c) are clearly answered wrongly, and their losses (m,)."""
        wrong = torch.zeros(len(points), dtype=torch.bool, device=points.device)
        losses = torch.empty(len(points), device=points.device)
        for start in range(0, len(points), self._batch_size):
            some = slice(start, start + self._batch_size)
            with torch.no_grad():
                logits = self._logits(points[some])
            wrong[some] = misclassified(logits, labels[some], margin=CLEARLY)
            losses[some] = log_odds_against(logits, labels[some]).nan_to_num(nan=-torch.inf)
        return wrong, losses

    def children(
        self, parents: Tensor, candidates: Candidates, tried: Tensor, which: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Judge the children of versions of rows that `which` (n, b, q) marks, losses -inf else.

        Parameters
        ----------
        parents : Tensor
            (n, b, c) versions of rows.
        candidates : Candidates
            Of the rows.
        tried : Tensor
            (n, q) which candidates are tried.
        """
        wrong = torch.zeros_like(which)
        losses = torch.full(which.shape, -torch.inf, device=parents.device)
        places = which.nonzero()
        for some in places.split(64 * self._batch_size):  # so that few rows are there at once
            i, version, place = some.unbind(dim=1)
            candidate = tried[i, place]
            points = put(
                parents[i, version], candidates.column[candidate], candidates.value[i, candidate]
            )
            wrong[i, version, place], losses[i, version, place] = self(points, labels[i])
        return wrong, losses


@final
@dataclass(frozen=True)
class _Beams:
    """The versions of every row that are followed."""

    rows: Tensor  # (n, b, c)
    there: Tensor  # (n, b) bool
    changed: Tensor  # (n, b, c) bool

    @classmethod
    def start(cls, rows: Tensor) -> _Beams:
        first = torch.ones(len(rows), 1, dtype=torch.bool, device=rows.device)
        return cls(rows[:, None], first, torch.zeros_like(rows, dtype=torch.bool)[:, None])

    def at(self, which: Tensor) -> _Beams:
        return _Beams(self.rows[which], self.there[which], self.changed[which])

    def children(self, candidates: Candidates, tried: Tensor, reach: Reach) -> Tensor:
        """Return which children there are to try (n, b, q): one more column each."""
        valid = candidates.valid.gather(1, tried)[:, None, :]  # (n, 1, q)
        column = candidates.column[tried][:, None, :].expand(-1, self.rows.shape[1], -1)
        free = reach.movable[:, None, :] & ~self.changed  # (n, b, c)
        return valid & free.gather(2, column) & self.there[:, :, None]

    def grown(self, candidates: Candidates, tried: Tensor, losses: Tensor, beam: int) -> _Beams:
        """Return the next versions: each the worst other child of as many versions as it is."""
        n = len(self.rows)
        left = losses.clone()  # (n, b, q)
        rows, there, changed = ([] for _ in range(3))
        every = torch.arange(n, device=losses.device)
        for place in range(beam):
            if left.shape[2] == 0:
                break
            within = left[:, : place + 1].flatten(1)
            loss, best = within.max(dim=1)
            version, slot = best // left.shape[2], best % left.shape[2]
            candidate = tried[every, slot]
            column = candidates.column[candidate]
            child = put(self.rows[every, version], column, candidates.value[every, candidate])
            real = loss > -torch.inf
            child = torch.where(real[:, None], child, self.rows[every, version])
            rows.append(child)
            there.append(real)
            changed.append(self.changed[every, version].scatter(1, column[:, None], value=True))
            left[self._same(child, candidates, tried)] = -torch.inf
        if not rows:
            return _Beams(self.rows, torch.zeros_like(self.there), self.changed)
        return _Beams(torch.stack(rows, 1), torch.stack(there, 1), torch.stack(changed, 1))

    def _same(self, child: Tensor, candidates: Candidates, tried: Tensor) -> Tensor:
        """Return which children (n, b, q) are this child (n, c) of a row."""
        differs = (self.rows != child[:, None]) & ~child.isnan()[:, None]  # (n, b, c)
        column = candidates.column[tried]  # (n, q)
        value = candidates.value.gather(1, tried)
        fits = value == child.gather(1, column)  # (n, q)
        wide = column[:, None, :].expand(-1, differs.shape[1], -1)
        elsewhere = differs.sum(dim=2, keepdim=True) - differs.gather(2, wide).long()
        return (elsewhere == 0) & fits[:, None, :]


def _worst(parents: Tensor, candidates: Candidates, tried: Tensor, losses: Tensor) -> _Fallen:
    """Return of every row the child of highest loss, and whether there is any above -inf."""
    q = tried.shape[1]
    if q == 0:
        none = torch.zeros(len(parents), dtype=torch.bool, device=parents.device)
        return _Fallen(parents[:, 0].clone(), none)
    every = torch.arange(len(parents), device=parents.device)
    loss, best = losses.flatten(1).max(dim=1)
    candidate = tried[every, best % q]
    column, value = candidates.column[candidate], candidates.value[every, candidate]
    return _Fallen(put(parents[every, best // q], column, value), loss > -torch.inf)


def _worst_first(candidates: Candidates, losses: Tensor) -> Tensor:
    """Return the order (n, m) of candidates: the worst of every column, then the others."""
    best = torch.full_like(losses, -torch.inf)
    for j in candidates.column.unique().tolist():
        mine = candidates.column == j
        best[:, mine] = losses[:, mine].amax(dim=1, keepdim=True)
    is_best = (losses == best) & (losses > -torch.inf)
    by_loss = losses.argsort(dim=1, descending=True, stable=True)
    last = (~is_best.gather(1, by_loss)).long().argsort(dim=1, stable=True)
    return by_loss.gather(1, last)


def _blind(losses: Tensor, before: Tensor) -> Tensor:
    """Return for which rows (n,) no value alone (n, m) made any difference."""
    there = losses > -torch.inf
    return ((losses == before[:, None]) | ~there).all(dim=1) & there.any(dim=1)
