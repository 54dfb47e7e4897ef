"""Rates per group as plain counts, and how far groups lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from auditkit.statistics import LEVEL, Interval, normal_quantile
from auditkit.types import Floats, Ints


class Rates(NamedTuple):
    """One share per group; a group whose total is 0 has none."""

    hits: Ints  # (g,)
    totals: Ints  # (g,)

    def of(self, groups: Ints) -> Rates:
        """Return the rates of some of the groups, by position."""
        return Rates(self.hits[groups], self.totals[groups])

    @property
    def shares(self) -> Floats:
        """Hits over totals (g,); NaN where the total is 0."""
        with np.errstate(invalid="ignore"):
            return self.hits / self.totals


@dataclass(frozen=True, kw_only=True)
class GroupCounts:
    """What the rates of g groups and k classes are made of."""

    labels: Ints  # (g, k) inputs with each label
    predicted: Ints  # (g, k) inputs with each prediction
    hits: Ints  # (g, k) inputs with each label that were predicted so

    @property
    def n(self) -> Ints:
        """Inputs per group (g,)."""
        return self.labels.sum(axis=1)

    def accuracy(self) -> Rates:
        """Return correct predictions among all inputs of each group."""
        return Rates(self.hits.sum(axis=1), self.n)

    def selection_rate(self, positive: int) -> Rates:
        """Return predictions of the positive class among all inputs of each group."""
        return Rates(self.predicted[:, positive], self.n)

    def tpr(self, positive: int) -> Rates:
        """Return positive predictions among inputs that are positive."""
        return Rates(self.hits[:, positive], self.labels[:, positive])

    def fpr(self, positive: int) -> Rates:
        """Return positive predictions among inputs that are not positive."""
        wrong = self.predicted[:, positive] - self.hits[:, positive]
        return Rates(wrong, self.n - self.labels[:, positive])

    def fnr(self, positive: int) -> Rates:
        """Return other predictions among inputs that are positive."""
        return Rates(self.labels[:, positive] - self.hits[:, positive], self.labels[:, positive])

    def ppv(self, positive: int) -> Rates:
        """Return inputs that are positive among those predicted so."""
        return Rates(self.hits[:, positive], self.predicted[:, positive])


def count_groups(
    codes: Ints, labels: Ints, predicted: Ints, *, groups: int, classes: int
) -> GroupCounts:
    """Return the counts per group and class.

    Parameters
    ----------
    codes : ndarray
        (n,) group of each input, 0 to `groups` - 1.
    labels, predicted : ndarray
        (n,) class indices.

    Examples
    --------
    >>> one, two = np.array([0, 0, 1]), np.array([1, 0, 1])
    >>> count_groups(one, two, two, groups=2, classes=2).tpr(1).hits.tolist()
    [1, 1]
    """

    def tally(rows: Ints, columns: Ints) -> Ints:
        cells = np.bincount(rows * classes + columns, minlength=groups * classes)
        return cells.reshape(groups, classes)

    right = labels == predicted
    return GroupCounts(
        labels=tally(codes, labels),
        predicted=tally(codes, predicted),
        hits=tally(codes[right], labels[right]),
    )


def largest_distance(counts: Ints) -> Floats:
    """Return the largest total variation distance between two rows' distributions.

    Half the sum over classes of |share - share|: the most by which the chance of any set of classes
    differs between two groups.

    Parameters
    ----------
    counts : ndarray
        (..., g, k) predictions of each class per group; every group holds at least one.

    Returns
    -------
    ndarray
        (...), in [0, 1].
    """
    shares = counts / counts.sum(axis=-1, keepdims=True)
    largest = np.zeros(counts.shape[:-2])
    for i in range(counts.shape[-2] - 1):
        apart = np.abs(shares[..., i : i + 1, :] - shares[..., i + 1 :, :]).sum(axis=-1) / 2
        largest = np.maximum(largest, apart.max(axis=-1))
    return largest


def distance_interval(
    counts: Ints, *, seed: int, level: float = LEVEL, simulations: int = 2000
) -> Interval:
    """Return an interval of the largest distance between groups, at least `level`.

    The observed distance exceeds the true one by at most the distances of two groups' observed
    distributions from their true ones (triangle inequality); that sum, at its largest over the
    pairs, is simulated, with half a count added to every cell, so that a class never predicted
    still has noise. It falls short by at most the noise of one fixed difference: the probability of
    the set of classes, and of the pair of groups, that truly lie furthest apart. The high end adds
    a normal quantile of that, with the largest variance a probability can have.

    Parameters
    ----------
    counts : ndarray
        (g, k) predictions of each class per group.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    observed = float(largest_distance(counts))
    offs: list[Floats] = []
    for row in counts:
        truth = (row + 0.5) / (row + 0.5).sum()
        drawn = rng.multinomial(int(row.sum()), truth, size=simulations) / row.sum()
        offs.append(np.abs(drawn - truth).sum(axis=1) / 2)
    two_worst = np.sort(np.stack(offs), axis=0)[-2:].sum(axis=0)  # (simulations,)
    tail = (1 - level) / 2
    below = float(np.quantile(two_worst, 1 - tail))
    smallest = np.sort(counts.sum(axis=1))[:2]
    above = normal_quantile(1 - tail) * float(np.sqrt((0.25 / smallest).sum()))
    return Interval(max(0.0, observed - below), min(1.0, observed + above))


def distance_p(counts: Ints, *, seed: int, permutations: int = 2000) -> float:
    """Return the permutation p-value of "all groups have the same distribution of predictions".

    Tables with the observed row and column sums are drawn class by class and group by group, which
    is what permuting the groups of the inputs does to them.

    Parameters
    ----------
    counts : ndarray
        (g, k) predictions of each class per group.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    observed = float(largest_distance(counts))
    piece = max(1, 2_000_000 // counts.size)  # at most 16 MB at a time
    hits = 0
    for start in range(0, permutations, piece):
        drawn = _permuted(counts, min(piece, permutations - start), rng)
        hits += int(np.count_nonzero(largest_distance(drawn) >= observed - 1e-12))
    return (1 + hits) / (1 + permutations)


def _permuted(counts: Ints, size: int, rng: np.random.Generator) -> Ints:
    """Return tables (size, g, k) with the row and column sums of `counts`."""
    groups, classes = counts.shape
    drawn = np.zeros((size, groups, classes), dtype=np.int64)
    room = np.tile(counts.sum(axis=1), (size, 1))  # (r, g) inputs not yet given a class
    for c in range(classes):
        left = np.full(size, counts[:, c].sum())
        behind = room.sum(axis=1)  # room in this group and those after it
        for g in range(groups):
            behind = behind - room[:, g]
            drawn[:, g, c] = rng.hypergeometric(room[:, g], behind, left)
            left = left - drawn[:, g, c]
        room = room - drawn[:, :, c]
    return drawn


def equal_mass_bins(scores: Floats, *, bins: int = 20) -> tuple[Ints, Floats]:
    """Return the bin of each score (n,) and the mean score of each bin (b,).

    Bins hold about equally many inputs, wherever the scores lie; equal scores share a bin.

    Parameters
    ----------
    scores : ndarray
        (n,) finite numbers.
    """
    ordered = np.sort(scores)  # sums in this order do not depend on that of the inputs
    cuts = np.unique(np.quantile(ordered, np.arange(1, bins) / bins))
    starts = np.unique(np.searchsorted(ordered, cuts))
    starts = np.concatenate([[0], starts[(starts > 0) & (starts < len(ordered))]])
    means = np.add.reduceat(ordered, starts) / np.diff(starts, append=len(ordered))
    return np.searchsorted(ordered[starts], scores, side="right") - 1, means


def means_p(counts: Ints, values: Floats, *, seed: int, permutations: int = 2000) -> float:
    """Return the permutation p-value of "all groups have the same mean score".

    Scores come as counts of a few values, so that tables are drawn instead of inputs; the statistic
    is the largest minus the smallest mean. The test is exact for the scores so rounded.

    Parameters
    ----------
    counts : ndarray
        (g, b) inputs of each group with each value; no group is empty.
    values : ndarray
        (b,) the values.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    totals = counts.sum(axis=1)
    observed = float(np.ptp(counts @ values / totals))
    piece = max(1, 2_000_000 // counts.size)  # at most 16 MB at a time
    hits = 0
    for start in range(0, permutations, piece):
        drawn = _permuted(counts, min(piece, permutations - start), rng)
        gaps = np.ptp(drawn @ values / totals, axis=1)
        hits += int(np.count_nonzero(gaps >= observed - 1e-12))
    return (1 + hits) / (1 + permutations)
