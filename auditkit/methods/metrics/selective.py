"""What is gained by leaving the least certain inputs to somebody else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from auditkit.statistics import LEVEL, Interval, clopper_pearson
from auditkit.types import Bools, Floats, Ints

_PIECE = 2_000_000  # draws at a time
_CANDIDATES = 20  # coverages that a guaranteed one is chosen from


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Inputs from the surest to the least sure; those with equal scores make one group, g of them.

    No threshold tells inputs of one group apart.
    """

    score: Floats  # (g,) falling
    count: Ints  # (g,)
    wrong: Ints  # (g,)

    @property
    def n(self) -> int:
        """All inputs."""
        return int(self.count.sum())

    @property
    def risk(self) -> float:
        """Share of all inputs that are wrong."""
        return float(self.wrong.sum() / self.n)


def ranking(scores: Floats, wrong: Bools) -> Ranking:
    """Return inputs ranked by a score, a higher one being surer.

    Parameters
    ----------
    scores, wrong : ndarray
        (n,) each.
    """
    values, group = np.unique(-scores, return_inverse=True)
    return Ranking(
        score=-values,
        count=np.bincount(group, minlength=len(values)),
        wrong=np.bincount(group[wrong], minlength=len(values)),
    )


def aurc(table: Ranking) -> float:
    """Return the area under the risk-coverage curve: (1/n) sum over i of the i surest inputs' risk.

    The mean over all orders of inputs with equal scores.

    References
    ----------
    Geifman et al., 2019, arXiv:1805.08206, section 3.

    Examples
    --------
    >>> aurc(ranking(np.array([0.9, 0.8]), np.array([False, True])))  # (0 + 1/2) / 2
    0.25
    """
    return float(_areas(table.count[None], table.wrong[None])[0])


def best_aurc(risk: float) -> float:
    """Return the area when every wrong input is less sure than every right one, for large n.

    r + (1 - r) ln(1 - r), of which the excess area (E-AURC) is what remains.

    References
    ----------
    Geifman et al., 2019, arXiv:1805.08206, equation 5.
    """
    return risk + (1 - risk) * math.log(1 - risk) if risk < 1 else 1.0


def worst_aurc(risk: float) -> float:
    """Return the area when every wrong input is surer than every right one, for large n."""
    return risk - risk * math.log(risk) if risk > 0 else 0.0


def aurc_draws(table: Ranking, *, seed: int, replicates: int = 2000) -> tuple[Floats, Floats]:
    """Return area and risk of resampled inputs, each (replicates,)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    n, groups = table.n, len(table.count)
    cells = 2 * np.repeat(np.arange(groups), table.count) + _wrong_inputs(table)  # (n,)
    areas, risks = np.empty(replicates), np.empty(replicates)
    for here in _pieces(replicates, n):
        rows = here.stop - here.start
        drawn = cells[rng.integers(0, n, size=(rows, n))] + np.arange(rows)[:, None] * 2 * groups
        counts = np.bincount(drawn.ravel(), minlength=rows * 2 * groups).reshape(rows, groups, 2)
        areas[here] = _areas(counts.sum(axis=2), counts[:, :, 1])
        risks[here] = counts[:, :, 1].sum(axis=1) / n
    return areas, risks


def random_aurcs(table: Ranking, *, seed: int, replicates: int = 2000) -> Floats:
    """Return areas when the wrong inputs are anywhere in the ranking, (replicates,).

    Their mean is the risk of all inputs: leaving out at random changes no risk.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    wrong, starts = _wrong_inputs(table), np.cumsum(table.count) - table.count
    areas = np.empty(replicates)
    for here in _pieces(replicates, table.n):
        shape = (here.stop - here.start, table.n)
        orders = rng.permuted(np.broadcast_to(wrong, shape), axis=1)
        drawn = np.add.reduceat(orders, starts, axis=1, dtype=np.int64)
        areas[here] = _areas(np.broadcast_to(table.count, drawn.shape), drawn)
    return areas


def _wrong_inputs(table: Ranking) -> Ints:
    """Return 1 for every wrong input (n,), group by group."""
    cells = np.stack([table.count - table.wrong, table.wrong], axis=1).ravel()
    return np.repeat(np.tile(np.array([0, 1], dtype=np.int8), len(table.count)), cells)


def _pieces(replicates: int, n: int) -> list[slice]:
    size = max(1, _PIECE // n)
    return [slice(i, min(replicates, i + size)) for i in range(0, replicates, size)]


def _areas(count: Ints, wrong: Ints) -> Floats:
    """Return the area of each row of groups, from the surest: counts (r, g), wrong ones (r, g).

    Within a group the expected risk after j of its c inputs is (E + j m) / (C + j), C inputs and E
    errors being before it and m its share of errors; the sum over j is m c + (E - m C) (H(C + c) -
    H(C)) with harmonic numbers H.
    """
    after, errors = np.cumsum(count, axis=1), np.cumsum(wrong, axis=1)
    before, earlier = after - count, errors - wrong
    share = np.divide(wrong, count, out=np.zeros(count.shape), where=count > 0)
    parts = np.cumsum(1 / np.arange(1, int(after[0, -1]) + 1))
    numbers = np.concatenate([[0.0], parts])  # harmonic ones
    harmonic = numbers[after] - numbers[before]
    sums = share * count + (earlier - share * before) * harmonic
    return sums.sum(axis=1) / after[:, -1]


def kept_at(table: Ranking, coverage: float) -> int:
    """Return how many inputs a coverage in (0, 1] keeps: rounded up, at least one."""
    return max(1, math.ceil(round(coverage * table.n, 9)))


def threshold_at(table: Ranking, kept: int) -> float:
    """Return the score of the last of the `kept` surest inputs."""
    return float(table.score[np.searchsorted(np.cumsum(table.count), kept)])


def errors_among(table: Ranking, kept: int) -> float:
    """Return how many of the `kept` surest inputs are wrong; in a group of equals, on average."""
    after = np.cumsum(table.count)
    g = int(np.searchsorted(after, kept))
    before = int(after[g - 1]) if g else 0
    earlier = float(table.wrong[:g].sum())
    return earlier + float(table.wrong[g] / table.count[g]) * (kept - before)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The largest share of inputs that can be answered at a stated risk."""

    coverage: float
    interval: Interval
    threshold: float | None  # the lowest score that is accepted


def coverage_at(table: Ranking, risk: float, *, level: float = LEVEL) -> Accepted:
    """Return the largest coverage of a threshold at which at most `risk` of the answers are wrong.

    The low end is a coverage that is safe: chosen among 20, evenly spread, whose exact upper limits
    hold together (Bonferroni). The high end is the largest one whose exact lower limit does not
    exceed the risk; the truly largest one is fixed, so it need not pay for having been chosen.

    Parameters
    ----------
    table : Ranking
        What was observed.
    risk : float
        In (0, 1).

    References
    ----------
    Geifman and El-Yaniv, 2017, arXiv:1705.08500, algorithm 1 (the guaranteed coverage).
    """
    after, errors = np.cumsum(table.count), np.cumsum(table.wrong)
    (fine,) = np.nonzero(errors <= risk * after + 1e-12)
    last = int(fine[-1]) if len(fine) else -1
    tail = (1 - level) / 2
    wanted = np.arange(1, _CANDIDATES + 1) / _CANDIDATES * table.n
    candidates = np.unique(np.searchsorted(after, wanted, side="right") - 1)
    safe = [
        g
        for g in candidates[candidates >= 0].tolist()
        if _upper(int(errors[g]), int(after[g]), tail / _CANDIDATES) <= risk
    ]
    open_ = [
        g
        for g in range(len(after))
        if clopper_pearson(int(errors[g]), int(after[g]), level=level).low <= risk
    ]
    return Accepted(
        coverage=float(after[last] / table.n) if last >= 0 else 0.0,
        interval=Interval(
            float(after[safe[-1]] / table.n) if safe else 0.0,
            float(after[open_[-1]] / table.n) if open_ else 0.0,
        ),
        threshold=float(table.score[last]) if last >= 0 else None,
    )


def _upper(count: int, n: int, tail: float) -> float:
    return clopper_pearson(count, n, level=1 - 2 * tail).high
