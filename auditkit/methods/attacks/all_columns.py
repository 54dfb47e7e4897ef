"""All numbers of a row of a table, moved a little at once, so that a model's answer is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from auditkit.methods.attacks.ascent import ascend
from auditkit.methods.attacks.few_columns import Asked
from auditkit.methods.attacks.reach import Reach
from auditkit.methods.attacks.values import Candidates, put
from auditkit.models.classifier import Logits
from auditkit.randomness import at_step
from auditkit.types import Keys

SWEEPS = 4  # over all columns, for a search that sees scores alone


@final
@dataclass(frozen=True, kw_only=True)
class AllColumns:
    """How changes of all numbers at once are searched.

    First along gradients, where there are any. Then by scores: values of every column are tried
    one by one, the best of each is taken, and from there the same again; where several together do
    worse than the best alone, that is taken. A model whose answers come without different scores
    gets random changes, half of them at the ends of every interval.

    Parameters
    ----------
    steps : int
        Gradients per row; 0 for none.
    values : int
        Values per number and sweep.
    queries : int
        Random changes where scores say nothing.
    batch_size : int
        Rows per forward pass.
    """

    steps: int
    values: int
    queries: int
    batch_size: int = 128

    def search(
        self,
        logits: Logits,
        reach: Reach,
        labels: Tensor,
        keys: Keys,
        *,
        telling: Sequence[Tensor] = (),
    ) -> tuple[Tensor, Tensor]:
        """Return rows (n, c), changed where the answer became wrong, and where it did (n,).

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
        telling : sequence of Tensor
            Per column values to prefer; see `telling_values`.
        """
        asked = Asked(logits, self.batch_size)
        found = reach.rows.clone()
        fallen = torch.zeros(len(reach), dtype=torch.bool, device=found.device)
        if self.steps:
            found, fallen = ascend(
                logits, reach, found, labels, steps=self.steps, batch_size=self.batch_size
            )
        left = (~fallen & reach.numbers.any(dim=1)).nonzero()[:, 0]
        own_keys = keys[left.cpu().numpy()]
        points, wrong = self._by_scores(asked, reach.at(left), labels[left], own_keys, telling)
        found[left[wrong]], fallen[left[wrong]] = points[wrong], True
        return found, fallen

    def _by_scores(
        self, asked: Asked, reach: Reach, labels: Tensor, keys: Keys, telling: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return points (n, c) and which are answered wrongly, from scores alone."""
        points = reach.rows.clone()
        fallen, losses = asked(points, labels)
        fallen &= False  # right as it stands
        candidates = Candidates.of(reach, values=self.values, telling=telling)
        active = torch.arange(len(points), device=points.device)
        for sweep in range(SWEEPS):
            if len(active) == 0 or candidates.value.shape[1] == 0:
                break
            now = _swept(
                asked, points[active], losses[active], candidates.at(active), labels[active]
            )
            if sweep == 0:
                self._guess(asked, reach, labels, keys, now)
            better = now.wrong | (now.losses > losses[active])
            rows = active[better]
            points[rows], losses[rows] = now.points[better], now.losses[better]
            fallen[rows] = now.wrong[better]
            active = active[better & ~now.wrong]
        return points, fallen

    def _guess(self, asked: Asked, reach: Reach, labels: Tensor, keys: Keys, swept: _Swept) -> None:
        """Try random changes on rows on which no single value made a difference."""
        for guess in range(self.queries):
            left = (swept.flat & ~swept.wrong).nonzero()[:, 0]
            if len(left) == 0:
                break
            own_keys = at_step(keys[left.cpu().numpy()], guess + 1)
            points = reach.at(left).drawn(own_keys, corners=guess % 2 == 0)
            wrong, _ = asked(points, labels[left])
            rows = left[wrong]
            swept.points[rows], swept.wrong[rows] = points[wrong], True


@final
@dataclass(frozen=True)
class _Swept:
    """What one sweep over all columns came to."""

    points: Tensor  # (n, c)
    losses: Tensor  # (n,)
    wrong: Tensor  # (n,) bool
    flat: Tensor  # (n,) bool, no value alone made any difference


def _swept(
    asked: Asked, points: Tensor, losses: Tensor, candidates: Candidates, labels: Tensor
) -> _Swept:
    """Try every value alone, then the best of every column together."""
    n, column = len(points), candidates.column
    rows = torch.arange(n, device=points.device)
    every = torch.arange(len(column), device=points.device).expand(n, -1)
    which = candidates.valid & (candidates.value != points[:, column])  # (n, m)
    fell, alone = (
        one[:, 0]
        for one in asked.children(points[:, None], candidates, every, which[:, None], labels)
    )
    together = _together(points, losses, candidates, alone)
    joint_fell, joint = asked(together, labels)
    best = torch.where(fell, torch.inf, alone).argmax(dim=1)  # a wrong answer beats any loss
    single = put(points, column[best], candidates.value[rows, best])
    some, loss = fell.any(dim=1), alone[rows, best]
    as_joint = joint_fell | (~some & (joint >= loss))
    return _Swept(
        points=torch.where(as_joint[:, None], together, single),
        losses=torch.where(as_joint, joint, loss),
        wrong=joint_fell | some,
        flat=((alone == losses[:, None]) | ~which).all(dim=1),
    )


def _together(points: Tensor, losses: Tensor, candidates: Candidates, alone: Tensor) -> Tensor:
    """Return points (n, c) with the best value of every column that gains by it."""
    together = points.clone()
    for j in candidates.column.unique().tolist():
        (mine,) = (candidates.column == j).nonzero(as_tuple=True)
        loss, place = alone[:, mine].max(dim=1)
        value = candidates.value[:, mine].gather(1, place[:, None])[:, 0]
        together[:, j] = torch.where(loss > losses, value, points[:, j])
    return together
