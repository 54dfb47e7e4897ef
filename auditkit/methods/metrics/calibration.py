"""Calibration errors over bins, what chance alone would show of them, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from auditkit.methods.metrics.groups import equal_mass_bins
from auditkit.statistics import LEVEL, Interval
from auditkit.types import Bools, Floats, Ints

BINS = 15

Side: TypeAlias = Literal["both", "too_sure", "not_sure_enough"]


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Inputs gathered by confidence into the bins that hold any, b of them."""

    bin: Ints  # (b,) of equal width: i holds [i/bins, (i+1)/bins), the last one 1.0 as well
    count: Ints  # (b,)
    hits: Ints  # (b,) correct predictions
    confidence: Floats  # (b,) mean confidence

    @property
    def accuracy(self) -> Floats:
        """Share of correct predictions per bin (b,)."""
        return self.hits / self.count

    @property
    def error(self) -> float:
        """Expected calibration error: mean over inputs of |accuracy - confidence| of their bin.

        Its expectation lies above the calibration error of the population, most so for few inputs.

        References
        ----------
        Guo et al., 2017, arXiv:1706.04599, section 2.
        """
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.count))

    @property
    def too_sure(self) -> float:
        """The part of the error from bins whose confidence is above their accuracy."""
        beyond = np.maximum(self.confidence - self.accuracy, 0.0)
        return float(np.average(beyond, weights=self.count))

    @property
    def not_sure_enough(self) -> float:
        """The part of the error from bins whose confidence is below their accuracy."""
        return self.error - self.too_sure


def reliability(confidence: Floats, correct: Bools, *, bins: int = BINS) -> Reliability:
    """Return accuracy and mean confidence in bins of equal width.

    Parameters
    ----------
    confidence : ndarray
        (n,) highest probability of each input, in [0, 1].
    correct : ndarray
        (n,) whether the prediction was right.

    Examples
    --------
    >>> both = reliability(np.array([0.95, 1.0]), np.array([True, False]))
    >>> both.count.tolist(), round(both.error, 3)
    ([2], 0.475)
    """
    return _gathered(confidence, correct, _bin_of(confidence, bins), bins)


def equal_mass_reliability(confidence: Floats, correct: Bools, *, bins: int = BINS) -> Reliability:
    """Return accuracy and mean confidence in bins of about equally many inputs.

    Equal confidences share a bin, so that a model that says 1.0 most of the time has fewer bins.

    References
    ----------
    Nixon et al., 2019, arXiv:1904.01685 (adaptive calibration error, of the predicted class).

    Examples
    --------
    >>> few = equal_mass_reliability(np.array([0.9, 0.91, 0.99, 1.0]), np.ones(4, bool), bins=2)
    >>> few.count.tolist(), round(few.error, 3)
    ([2, 2], 0.05)
    """
    index, means = equal_mass_bins(confidence, bins=bins)
    return _gathered(confidence, correct, index, len(means))


def classwise_reliability(
    probabilities: Floats, labels: Ints, *, bins: int = BINS
) -> list[Reliability]:
    """Return one table per class: its probability against whether it is the truth.

    The mean of their errors over all classes is the classwise calibration error.

    Parameters
    ----------
    probabilities : ndarray
        (n, k) that sum to 1.
    labels : ndarray
        (n,) class indices.

    References
    ----------
    Kull et al., 2019, arXiv:1910.12656, equation 4.
    """
    return [reliability(column, labels == c, bins=bins) for c, column in enumerate(probabilities.T)]


def _gathered(confidence: Floats, correct: Bools, index: Ints, bins: int) -> Reliability:
    count = np.bincount(index, minlength=bins)
    filled = np.flatnonzero(count)
    stated = np.bincount(index, weights=confidence, minlength=bins)
    hits = np.bincount(index[correct], minlength=bins)
    return Reliability(
        bin=filled,
        count=count[filled],
        hits=hits[filled],
        confidence=stated[filled] / count[filled],
    )


def null_errors(
    confidence: Floats,
    *,
    bins: int = BINS,
    seed: int,
    simulations: int = 1000,
    equal_mass: bool = False,
    side: Side = "both",
) -> Floats:
    """Return calibration errors that a perfectly calibrated model would show, (simulations,).

    Every input is right with a probability equal to its own confidence; everything else stays as it
    is, so the spread is what chance alone does at this n and with these confidences.

    Parameters
    ----------
    confidence : ndarray
        (n,) highest probability of each input.
    equal_mass : bool
        Bins of about equally many inputs instead of equal width.
    side : Side
        Only the part of the error from bins that are too sure, or not sure enough.

    References
    ----------
    Broecker and Smith, 2007, doi:10.1175/WAF993.1 (consistency bars of a reliability diagram).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    index = equal_mass_bins(confidence, bins=bins)[0] if equal_mass else _bin_of(confidence, bins)
    order = np.argsort(index, kind="stable")
    chance = confidence[order]  # (n,) inputs of one bin side by side
    starts = np.flatnonzero(np.diff(index[order], prepend=-1))
    stated = np.add.reduceat(chance, starts)  # (b,)
    n, errors = len(chance), np.empty(simulations)
    piece = max(1, 2_000_000 // n)  # at most 16 MB at a time
    for start in range(0, simulations, piece):
        stop = min(simulations, start + piece)
        right = rng.random((stop - start, n)) < chance
        hits = np.add.reduceat(right, starts, axis=1, dtype=np.int64)  # (r, b)
        beyond = stated - hits
        match side:
            case "both":
                beyond = np.abs(beyond)
            case "too_sure":
                beyond = np.maximum(beyond, 0.0)
            case "not_sure_enough":
                beyond = np.maximum(-beyond, 0.0)
        errors[start:stop] = beyond.sum(axis=1) / n
    return errors


def error_interval(
    table: Reliability, *, seed: int, level: float = LEVEL, simulations: int = 2000
) -> Interval:
    """Return an interval for the binned calibration error of the population, at least `level`.

    Write e for the noise of the signed gaps, weighted by bin. Then the observed error exceeds the
    true one by at most sum |e| (triangle inequality), and falls short of it by at most a signed sum
    of e, whose mean is zero. The low end subtracts a quantile of the first, the high end adds a
    quantile of the second. Both come from redrawing the cells (bin, right or wrong); shares are
    moved towards one half by two successes and two failures, so that a bin without a single error
    still has noise.

    A percentile bootstrap would instead keep the upward bias and add its own.

    Parameters
    ----------
    table : Reliability
        What was observed.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    tail = (1 - level) / 2
    total, signed = _noise(table, rng, simulations)
    return _with_noise(table, float(np.quantile(total, 1 - tail)), signed, tail)


def mean_error_interval(
    tables: Sequence[Reliability], *, seed: int, level: float = LEVEL, simulations: int = 1000
) -> Interval:
    """Return an interval for the mean of several errors of the same inputs, at least `level`.

    As `error_interval`, with the noise of all tables put together as if it rose and fell in all at
    once: how it hangs together is not known, and that is the least favourable way.

    Parameters
    ----------
    tables : sequence of Reliability
        One per class.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    tail = (1 - level) / 2
    lows, highs = list[float](), list[float]()
    for table in tables:
        total, signed = _noise(table, rng, simulations)
        low, high = _with_noise(table, float(np.quantile(total, 1 - tail)), signed, tail, least=-1)
        lows.append(low)
        highs.append(high)
    return Interval(max(0.0, float(np.mean(lows))), min(1.0, float(np.mean(highs))))


def errors_of_groups(
    tables: Sequence[Reliability], *, seed: int, level: float = LEVEL, simulations: int = 1000
) -> tuple[list[Interval], Interval]:
    """Return an interval for the error of each group, and one for the largest of them.

    The group that came out worst was picked, so the low end of the largest error asks that the low
    ends of all groups hold at once: the noise of every group, measured in its own quantile, is
    below one common multiple. The high end need not pay for that: the truly worst group is fixed.

    Parameters
    ----------
    tables : sequence of Reliability
        One per group, at least one.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    tail = (1 - level) / 2
    each: list[Interval] = []
    scaled, reach = np.zeros(simulations), np.empty(len(tables))
    for i, table in enumerate(tables):
        total, signed = _noise(table, rng, simulations)
        reach[i] = np.quantile(total, 1 - tail)
        each.append(_with_noise(table, float(reach[i]), signed, tail))
        scaled = np.maximum(scaled, total / reach[i])
    common = max(1.0, float(np.quantile(scaled, 1 - tail)))
    observed = np.array([table.error for table in tables])
    low = max(0.0, float((observed - common * reach).max()))
    return each, Interval(low, max(high for _, high in each))


def _noise(table: Reliability, rng: np.random.Generator, simulations: int) -> tuple[Floats, Floats]:
    """Return the summed and the signed noise of the bins' gaps, each (simulations,)."""
    count, n = table.count, int(table.count.sum())
    share = (table.hits + 2) / (count + 4)
    cells = np.concatenate([count * share, count * (1 - share)]) / n  # (2b,)
    drawn = rng.multinomial(n, cells, size=simulations).reshape(simulations, 2, -1)
    right, size = drawn[:, 0], drawn.sum(axis=1)  # (r, b)
    noise = (right - table.confidence * size - count * (share - table.confidence)) / n
    signed = noise @ np.where(table.accuracy < table.confidence, -1.0, 1.0)  # (r,)
    return np.abs(noise).sum(axis=1), signed


def _with_noise(
    table: Reliability, below: float, signed: Floats, tail: float, *, least: float = 0.0
) -> Interval:
    above = max(float(np.quantile(signed, 1 - tail)), -float(np.quantile(signed, tail)))
    return Interval(max(least, table.error - below), min(1.0, table.error + above))


def _bin_of(confidence: Floats, bins: int) -> Ints:
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)
