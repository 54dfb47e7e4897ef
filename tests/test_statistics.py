"""Mirrors auditkit/statistics.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditkit.statistics import (
    Interval,
    benjamini_hochberg,
    binomial_p_above,
    binomial_p_below,
    bonferroni,
    bootstrap,
    bootstrap_mean,
    bounded_mean,
    clopper_pearson,
    fewer_p,
    gap_of_bounded_means,
    gap_of_differences,
    gap_of_means,
    gap_of_paired_means,
    gap_of_paired_shares,
    gap_of_shares,
    gap_p,
    holm,
    holm_adjusted,
    lowest_share,
    mean_limits,
    mean_minus_share,
    mean_of_shares,
    median_interval,
    n_for_half_width,
    n_needed_for_mean,
    n_needed_for_share,
    newcombe,
    newcombe_paired,
    normal_quantile,
    normal_tail,
    paired_difference,
    permutation_p,
    ratio_of_shares,
    standard_errors,
    weighted_mean,
    weighted_share,
    wilson,
)

steady = settings(deadline=None, derandomize=True)  # the same examples on a busy machine, too


def accepts(misses: int, runs: int, nominal: float) -> bool:
    """Whether a simulated error rate is compatible with the nominal one (one-sided, 99 %)."""
    return float(stats.binom.sf(misses - 1, runs, nominal)) >= 0.01


# --- medians -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [6, 10, 57, 200])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_median_interval_is_the_narrowest_with_that_coverage(n: int, level: float) -> None:
    """Ranks l and n + 1 - l cover a median with P(l <= Binomial(n, 1/2) < n + 1 - l)."""
    low, high = median_interval(np.arange(1.0, n + 1)[::-1], level=level)
    assert low + high == n + 1
    covered = [
        stats.binom.cdf(n - k, n, 0.5) - stats.binom.cdf(k - 1, n, 0.5) for k in (low, low + 1)
    ]
    assert covered[0] >= level > covered[1]


def test_median_interval_covers_at_its_level_and_stands_infinite_values() -> None:
    rng = np.random.default_rng(0)
    drawn = np.exp(rng.normal(size=(4000, 30)))  # the median is 1
    ends = np.array([median_interval(row) for row in drawn])
    misses = int(((ends[:, 0] > 1) | (ends[:, 1] < 1)).sum())
    assert accepts(misses, 4000, 0.05)
    assert misses > 0.02 * 4000  # discrete, but not needlessly wide
    half = np.r_[np.ones(11), np.full(9, np.inf)]
    assert median_interval(half) == (1.0, np.inf)
    assert median_interval(np.ones(5)) == (-np.inf, np.inf)


# --- shares --------------------------------------------------------------------------------------


@steady
@given(n=st.integers(1, 300), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_clopper_pearson_and_wilson_equal_scipy(n: int, share: float, level: float) -> None:
    count = round(share * n)
    peer = stats.binomtest(count, n)
    exact = peer.proportion_ci(level, method="exact")
    assert clopper_pearson(count, n, level=level) == pytest.approx((exact.low, exact.high))
    score = peer.proportion_ci(level, method="wilson")
    assert wilson(count, n, level=level) == pytest.approx((score.low, score.high), abs=1e-12)


@pytest.mark.parametrize("n", [1, 7, 30])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_clopper_pearson_covers_at_least_nominally(n: int, level: float) -> None:
    """Exactly, not by simulation: the binomial mass of the counts whose interval holds p."""
    counts = np.arange(n + 1)
    low, high = np.array([clopper_pearson(int(k), n, level=level) for k in counts]).T
    for p in np.linspace(0, 1, 401):
        inside = (low <= p + 1e-12) & (p <= high + 1e-12)
        assert stats.binom.pmf(counts[inside], n, p).sum() >= level - 1e-9


@steady
@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_intervals_hold_the_share_itself(n: int, share: float) -> None:
    count = round(share * n)
    for interval in (clopper_pearson(count, n), wilson(count, n)):
        assert 0 <= interval.low <= count / n <= interval.high <= 1


@pytest.mark.parametrize(("count", "n"), [(1, 0), (0, 0), (-1, 3), (4, 3)])
def test_a_share_without_sense_is_an_error(count: int, n: int) -> None:
    for interval in (clopper_pearson, wilson):
        with pytest.raises(ValueError, match="undefined"):
            interval(count, n)


@steady
@given(n=st.integers(1, 200), count=st.integers(0, 200), share=st.floats(0.001, 0.999))
def test_binomial_tails_equal_scipy(n: int, count: int, share: float) -> None:
    count = min(count, n)
    assert binomial_p_below(count, n, share) == pytest.approx(stats.binom.cdf(count, n, share))
    assert binomial_p_above(count, n, share) == pytest.approx(stats.binom.sf(count - 1, n, share))


def test_the_normal_distribution_keeps_its_far_tail() -> None:
    assert normal_quantile(0.975) == pytest.approx(1.959963985)
    assert normal_tail(1.959963985) == pytest.approx(0.025)
    assert normal_tail(10) == pytest.approx(stats.norm.sf(10))
    assert normal_quantile(1e-20) == pytest.approx(stats.norm.ppf(1e-20))


# --- differences ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [  # Newcombe, 1998, Statistics in Medicine 17, 2635-2650, method 10
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((18, 12, 2, 18), 0.0562, 0.3290),
        ((53, 0, 0, 1), -0.0729, 0.0729),
        ((0, 30, 0, 0), 0.8395, 1.0),
    ],
)
def test_newcombe_paired_gives_the_published_values(
    cells: tuple[int, int, int, int], low: float, high: float
) -> None:
    assert newcombe_paired(*cells) == pytest.approx((low, high), abs=5.1e-5)


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [  # Newcombe, 1998, Statistics in Medicine 17, 873-890, method 10
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_gives_the_published_values(
    cells: tuple[int, int, int, int], low: float, high: float
) -> None:
    assert newcombe(*cells) == pytest.approx((low, high), abs=5.1e-5)


@steady
@given(st.lists(st.integers(0, 60), min_size=4, max_size=4).filter(sum))
def test_newcombe_paired_turns_with_its_arguments(cells: list[int]) -> None:
    both, first, second, neither = cells
    low, high = newcombe_paired(both, first, second, neither)
    difference = (first - second) / sum(cells)
    assert low - 1e-12 <= difference <= high + 1e-12
    turned = newcombe_paired(both, second, first, neither)
    assert turned == pytest.approx((-high, -low))


def test_newcombe_equals_a_published_example() -> None:
    """Airway hyper-responsiveness of 21 children before and after a transplant.

    1, 1, 7 and 12 children in the cells: -0.507 to -0.026 (Bentur et al., 2009, as worked out in
    Fagerland, Lydersen and Laake, 2014, Statistics in Medicine 33, 2850-2875).
    """
    low, high = newcombe_paired(1, 1, 7, 12)
    assert round(low, 3) == -0.507
    assert round(high, 3) == -0.026


@pytest.mark.parametrize("cells", [(14, 5, 0, 22), (80, 12, 3, 5), (30, 2, 9, 40), (9, 9, 9, 9)])
def test_newcombe_equals_its_formula_written_out(cells: tuple[int, int, int, int]) -> None:
    e, f, g, h = cells
    n, z = e + f + g + h, 1.959963984540054
    limits: list[tuple[float, float, float]] = []
    for count in (e + f, e + g):
        middle, root = 2 * count + z * z, z * math.sqrt(z * z + 4 * count * (1 - count / n))
        limits.append(
            (count / n, (middle - root) / 2 / (n + z * z), (middle + root) / 2 / (n + z * z))
        )
    (p1, l1, u1), (p2, l2, u2) = limits
    product = e * h - f * g
    corrected = max(product - n / 2, 0) if product > 0 else product
    phi = corrected / math.sqrt((e + f) * (g + h) * (e + g) * (f + h))
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    expected = (p1 - p2 - math.sqrt(below), p1 - p2 + math.sqrt(above))
    assert newcombe_paired(*cells) == pytest.approx(expected)


def test_paired_difference_counts_who_was_lost_and_who_was_won() -> None:
    first = np.array([True] * 8 + [False] * 4)
    second = np.array([True] * 3 + [False] * 5 + [True] * 1 + [False] * 3)
    value, interval = paired_difference(first, second, level=0.9)
    assert value == pytest.approx((5 - 1) / 12)
    assert interval == newcombe_paired(3, 5, 1, 3, level=0.9)


def test_mean_of_shares_adds_variances_over_equal_weights() -> None:
    """Four equal groups give half the width of one; a small group keeps its full weight."""
    one = mean_of_shares(np.array([50]), np.array([100]))
    four = mean_of_shares(np.full(4, 50), np.full(4, 100))
    assert four == pytest.approx((0.5 - (0.5 - one.low) / 2, 0.5 + (one.high - 0.5) / 2))
    assert one == pytest.approx((0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05), abs=1e-5)
    uneven = mean_of_shares(np.array([1, 500]), np.array([2, 1000]))
    assert uneven.high - uneven.low > 0.5
    perfect = mean_of_shares(np.full(10, 10), np.full(10, 10))
    assert perfect.low < 0.95, "a hundred hits in a hundred leave room for a miss"


def test_mean_minus_share_is_wilson_for_a_constant_mean() -> None:
    hits = np.arange(50) < 45
    low, high = wilson(45, 50)
    assert mean_minus_share(np.full(50, 0.8), hits) == pytest.approx((0.8 - high, 0.8 - low))
    sure = mean_minus_share(np.full(50, 0.99), np.ones(50, dtype=bool))
    assert sure.high > 0.05, "fifty hits in fifty leave room for a miss"


def test_mean_minus_share_of_a_share_with_itself_is_nearly_nothing() -> None:
    hits = np.arange(1000) < 500
    low, high = mean_minus_share(hits.astype(float), hits)
    assert abs(low) < 1e-3
    assert abs(high) < 1e-3


# --- gaps ----------------------------------------------------------------------------------------


def test_a_gap_of_two_groups_is_newcombe_folded_at_zero() -> None:
    counts, totals = np.array([48, 56]), np.array([80, 70])
    assert gap_of_shares(counts, totals) == newcombe(56, 70, 48, 80)
    low, high = newcombe(50, 100, 49, 100)
    assert low < 0
    assert gap_of_shares(np.array([49, 50]), np.array([100, 100])) == Interval(0.0, high)


def test_a_gap_of_more_groups_comes_from_joint_exact_intervals() -> None:
    counts, totals = np.array([90, 50, 10]), np.array([100, 100, 100])
    low, high = gap_of_shares(counts, totals)
    top, bottom = (clopper_pearson(k, 100, level=1 - 0.025 / 3) for k in (90, 10))
    assert low == pytest.approx(top.low - bottom.high)
    top, bottom = (clopper_pearson(k, 100, level=1 - 0.025) for k in (90, 10))
    assert high == pytest.approx(top.high - bottom.low)
    shared = gap_of_shares(counts, totals, families=5)
    assert shared.low < low
    assert shared.high == high


@steady
@given(
    st.lists(st.tuples(st.integers(1, 80), st.floats(0, 1)), min_size=2, max_size=6),
)
def test_gap_intervals_hold_the_gap(cells: list[tuple[int, float]]) -> None:
    totals = np.array([n for n, _ in cells])
    counts = np.array([round(share * n) for n, share in cells])
    low, high = gap_of_shares(counts, totals)
    assert 0 <= low <= np.ptp(counts / totals) + 1e-12
    assert np.ptp(counts / totals) - 1e-12 <= high <= 1


def test_a_gap_needs_two_groups() -> None:
    with pytest.raises(ValueError, match="two groups"):
        gap_of_shares(np.array([3]), np.array([4]))


def gap_misses(shares: tuple[float, ...], sizes: tuple[int, ...], runs: int) -> tuple[int, int]:
    """How often the interval lies above and below the true gap."""
    rng, totals, truth = np.random.default_rng(0), np.resize(sizes, len(shares)), np.ptp(shares)
    above = below = 0
    for _ in range(runs):
        low, high = gap_of_shares(rng.binomial(totals, shares), totals)
        above, below = above + (low > truth), below + (high < truth)
    return above, below


@pytest.mark.parametrize("shares", [(0.7, 0.7), (0.7, 0.9), (0.8, 0.8, 0.8, 0.8), (0.5, 0.7, 0.9)])
def test_gap_intervals_cover_the_true_gap(shares: tuple[float, ...]) -> None:
    """At least nominally, and they reach zero where there is no gap."""
    above, below = gap_misses(shares, (60,), 300)
    assert accepts(above + below, 300, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(25, 25, 25), (30, 300, 60)])
@pytest.mark.parametrize(
    "shares",
    [(0.5,) * 3, (0.98,) * 8, (0.6, 0.9, 0.9), (0.2, 0.5, 0.5, 0.8), (0.9, 0.9, 0.9, 0.9, 0.5)],
)
def test_gap_intervals_of_many_groups_cover_at_either_end(
    shares: tuple[float, ...], sizes: tuple[int, ...]
) -> None:
    for misses in gap_misses(shares, sizes, 1000):
        assert accepts(misses, 1000, 0.025)


def difference_misses(cells: tuple[tuple[float, ...], ...], size: int, runs: int) -> int:
    rng, misses = np.random.default_rng(3), 0
    truth = np.ptp([before - after for _, before, after, _ in cells])
    for _ in range(runs):
        low, high = gap_of_differences(np.stack([rng.multinomial(size, one) for one in cells]))
        misses += not low - 1e-12 <= truth <= high + 1e-12
    return misses


DIFFERENCES = [
    ((0.5, 0.3, 0.0, 0.2), (0.5, 0.3, 0.0, 0.2)),
    ((0.8, 0.1, 0.0, 0.1), (0.5, 0.4, 0.0, 0.1)),
    ((0.5, 0.2, 0.1, 0.2), (0.4, 0.3, 0.2, 0.1)),
    ((0.9, 0.02, 0.0, 0.08), (0.9, 0.05, 0.0, 0.05), (0.95, 0.0, 0.0, 0.05)),
]


@pytest.mark.parametrize("cells", DIFFERENCES)
def test_gaps_of_differences_cover_the_true_gap(cells: tuple[tuple[float, ...], ...]) -> None:
    assert accepts(difference_misses(cells, 60, 300), 300, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("size", [40, 200])
@pytest.mark.parametrize("cells", DIFFERENCES)
def test_gaps_of_differences_cover_over_2000_repetitions(
    cells: tuple[tuple[float, ...], ...], size: int
) -> None:
    assert accepts(difference_misses(cells, size, 2000), 2000, 0.05)


def test_a_gap_of_two_differences_puts_their_intervals_together() -> None:
    tables = np.array([[20, 25, 2, 3], [30, 5, 4, 11]])
    one, two = (newcombe_paired(*row) for row in tables.tolist())
    a, b = 23 / 50, 1 / 50
    low, high = gap_of_differences(tables)
    assert low == pytest.approx(a - b - math.hypot(a - one.low, two.high - b))
    assert high == pytest.approx(a - b + math.hypot(one.high - a, b - two.low))
    assert gap_of_differences(tables[::-1]) == (low, high)
    with pytest.raises(ValueError, match="two groups"):
        gap_of_differences(tables[:1])


def test_gap_p_equals_permuting_rows() -> None:
    counts, totals = np.array([18, 12, 25]), np.array([30, 25, 30])
    groups = np.repeat(np.arange(3), totals)
    hits = np.concatenate([np.arange(n) < k for k, n in zip(counts, totals, strict=True)])

    def gap(labels: np.ndarray) -> float:
        return float(np.ptp(np.bincount(labels, weights=hits) / totals))

    rows = permutation_p(gap, groups, seed=1, permutations=4000)
    cells = gap_p(counts, totals, seed=2, permutations=4000)
    assert 0.01 < rows < 0.2
    assert cells == pytest.approx(rows, abs=4 * math.sqrt(2 * rows / 4000))


def test_gap_p_equals_fishers_exact_test_of_two_equal_groups() -> None:
    p = gap_p(np.array([28, 18]), np.array([40, 40]), seed=0, permutations=20_000)
    _, peer = stats.fisher_exact([[28, 12], [18, 22]])
    assert p == pytest.approx(peer, abs=0.006)


def test_gap_p_is_never_zero() -> None:
    p = gap_p(np.array([100, 0]), np.array([100, 100]), seed=0, permutations=500)
    assert p == 1 / 501


def _null_p_values(runs: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    totals = np.array([40, 60, 25])
    return np.array(
        [gap_p(rng.binomial(totals, 0.7), totals, seed=i, permutations=399) for i in range(runs)]
    )


def test_gap_p_keeps_its_level_without_a_gap() -> None:
    p = _null_p_values(150)
    assert accepts(int((p <= 0.05).sum()), len(p), 0.05)
    assert accepts(int((p <= 0.5).sum()), len(p), 0.5)
    assert (p <= 0.5).mean() > 0.3, "a test that never rejects keeps any level"


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.5])
def test_gap_p_keeps_its_level_over_500_repetitions(alpha: float) -> None:
    p = _null_p_values(500)
    assert accepts(int((p <= alpha).sum()), len(p), alpha)


def test_permutation_p_counts_as_documented() -> None:
    """Eight inputs, four per group, all hits in one: 2 of 70 splits are as extreme."""
    hits = np.array([1, 1, 1, 1, 0, 0, 0, 0])

    def gap(groups: np.ndarray) -> float:
        return abs(hits[groups == 0].mean() - hits[groups == 1].mean())

    p = permutation_p(gap, np.repeat([0, 1], 4), seed=0, permutations=7000)
    assert p == pytest.approx(2 / 70, abs=0.008)
    assert permutation_p(lambda _: 0.0, np.repeat([0, 1], 4), seed=0, permutations=9) == 1.0


# --- corrections ---------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    """Holm steps down and stops at the first p above alpha / (tests left)."""
    p = [0.01, 0.04, 0.03, 0.005]  # thresholds .0125 .0167 .025 .05 in order .005 .01 .03 .04
    assert holm(p, alpha=0.05) == [True, False, False, True]
    assert holm([0.03, 0.02], alpha=0.05) == [True, True]
    assert holm([0.03, 0.03], alpha=0.05) == [False, False]
    assert holm([], alpha=0.05) == []


@steady
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_at_least_what_bonferroni_does(p: list[float]) -> None:
    rejected = holm(p, alpha=0.05)
    for one, value in zip(rejected, p, strict=True):
        assert one or value > 0.05 / len(p)
        assert not one or value <= 0.05
    assert any(rejected) == (bonferroni(p) <= 0.05) or min(p) == pytest.approx(0.05 / len(p))


def test_bonferroni_stays_a_probability() -> None:
    assert bonferroni([0.01, 0.5, 0.02]) == pytest.approx(0.03)
    assert bonferroni([0.6, 0.7]) == 1.0


# --- bootstrap -----------------------------------------------------------------------------------


def test_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=400)
    low, high = bootstrap_mean(values, seed=0)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    assert bootstrap_mean(values, seed=0) == (low, high)
    assert bootstrap_mean(values, seed=1) != (low, high)


def test_bootstrap_keeps_the_sizes_of_strata() -> None:
    strata = np.repeat([0, 1], [5, 45])

    def of_the_first(rows: np.ndarray) -> np.ndarray:
        return (strata[rows] == 0).sum(axis=1).astype(float)

    assert bootstrap(of_the_first, 50, seed=0, strata=strata) == (5.0, 5.0)
    low, high = bootstrap(of_the_first, 50, seed=0)
    assert low < 5 < high


def test_bootstrap_refuses_a_mostly_undefined_statistic() -> None:
    with pytest.raises(ValueError, match="undefined"):
        bootstrap(lambda rows: np.full(len(rows), np.nan), 10, seed=0)


def test_bootstrap_draws_large_data_in_small_pieces() -> None:
    seen: list[int] = []

    def size(rows: np.ndarray) -> np.ndarray:
        seen.append(rows.size)
        return rows[:, 0].astype(float)

    bootstrap(size, 1_000_000, seed=0, replicates=8)
    assert max(seen) <= 4_000_000


@pytest.mark.slow
@pytest.mark.parametrize("skewed", [False, True])
def test_bootstrap_covers_about_nominally(skewed: bool) -> None:
    """The percentile interval runs a little short on skewed data: that is known and documented."""
    rng = np.random.default_rng(1)
    runs = 400
    misses = 0
    for i in range(runs):
        values = rng.exponential(size=100) if skewed else rng.normal(1, 1, size=100)
        low, high = bootstrap_mean(values, seed=i)
        misses += not low <= 1 <= high
    assert accepts(misses, runs, 0.08 if skewed else 0.06)
    assert misses > 0


@pytest.mark.slow
@pytest.mark.parametrize("recall", [0.6, 0.9, 0.98])
@pytest.mark.parametrize("size", [10, 50])
@pytest.mark.parametrize("groups", [2, 10])
def test_mean_of_shares_covers_about_nominally(recall: float, size: int, groups: int) -> None:
    rng = np.random.default_rng(2)
    shares = np.clip(recall + np.linspace(-0.1, 0.02, groups), 0, 1)
    totals, runs, misses = np.full(groups, size), 2000, 0
    for _ in range(runs):
        low, high = mean_of_shares(rng.binomial(totals, shares), totals)
        misses += not low <= shares.mean() <= high
    assert accepts(misses, runs, 0.055)


@pytest.mark.slow
@pytest.mark.parametrize("slope", [-0.5, 0.0, 1.0])
def test_mean_minus_share_covers_about_nominally(slope: float) -> None:
    """Confidences that say something, nothing, or the opposite about being right."""
    rng = np.random.default_rng(3)
    runs, misses = 1000, 0
    for _ in range(runs):
        confidence = rng.uniform(0.6, 1, size=150)
        hits = rng.random(150) < 0.85 + slope * (confidence - 0.8) / 2
        low, high = mean_minus_share(confidence, hits)
        misses += not low <= 0.8 - 0.85 <= high
    assert accepts(misses, runs, 0.055)


# --- how many inputs -----------------------------------------------------------------------------


@steady
@given(share=st.floats(0.05, 0.95), distance=st.floats(0.02, 0.3), n=st.integers(20, 400))
def test_n_needed_for_share_decides_and_is_near_the_smallest(
    share: float, distance: float, n: int
) -> None:
    limit = max(0.0, share - distance)
    needed = n_needed_for_share(share, limit, n)
    assert needed is not None
    low, high = clopper_pearson(round(share * needed), needed)
    assert not low <= limit <= high
    if needed > n:  # one tenth fewer would not have been enough, but for rounding of the count
        fewer = int(needed * 0.9) - 2
        low, high = clopper_pearson(round(share * fewer), fewer)
        assert low - 2 / fewer <= limit <= high + 2 / fewer


def test_n_needed_for_share_gives_up_above_a_million() -> None:
    assert n_needed_for_share(0.5, 0.5, 100) is None
    assert n_needed_for_share(0.5, 0.49999, 100) is None
    found = n_needed_for_share(0.5, 0.4987, 450_000)  # between the last doubling and the cap
    assert found is not None
    assert 450_000 < found <= 1_000_000


def test_n_needed_for_mean_follows_the_root_of_n() -> None:
    assert n_needed_for_mean(1.0, 0.8, 1.4, 1.2, 100) == 400  # the upper half-width is .4
    assert n_needed_for_mean(1.0, 0.8, 1.4, 0.9, 100) == 400  # the lower one .2
    assert n_needed_for_mean(1.0, 0.8, 1.4, 1.0, 100) is None


def test_n_for_half_width_is_the_published_example() -> None:
    assert n_for_half_width(0.9, 0.05) == 139  # 138.3: "about 138"


@pytest.mark.parametrize("n", [1, 5, 6, 9, 30])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_median_interval_is_the_narrowest_that_covers(n: int, level: float) -> None:
    """Of order statistics x_(d), x_(n-d+1) the coverage is that of scipy's binomial."""
    values = np.random.default_rng(n).permutation(n).astype(float)
    found = median_interval(values, level=level)
    covers = {d: 1 - 2 * stats.binom.cdf(d - 1, n, 0.5) >= level for d in range(1, n // 2 + 1)}
    if not any(covers.values()):
        assert found == (-np.inf, np.inf)
    else:
        d = max(d for d, enough in covers.items() if enough)
        assert found == (d - 1, n - d)


@pytest.mark.parametrize("seed", range(5))
def test_gap_of_two_means_is_welchs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 1, 30), rng.normal(2, 3, 12)
    groups = np.repeat([0, 1], [30, 12])
    low, high = gap_of_means(np.concatenate([first, second]), groups)
    peer = stats.ttest_ind(second, first, equal_var=False).confidence_interval()
    assert low == pytest.approx(max(0.0, peer.low))
    assert high == pytest.approx(peer.high)


@pytest.mark.parametrize(
    "means", [(0.0, 0.0), (0.0, 1.0), (0.0, 0.0, 0.0, 0.0), (0.0, 0.5, 0.5, 2.0)]
)
def test_gap_of_means_covers_the_true_gap(means: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    sizes = [25] * len(means)
    groups, missed = np.repeat(np.arange(len(means)), sizes), 0
    for _ in range(1000):
        values = rng.normal(np.repeat(means, sizes), 1)
        low, high = gap_of_means(values, groups)
        missed += not low <= max(means) - min(means) <= high
    assert missed <= stats.binom.ppf(0.99, 1000, 0.05)


def test_gap_of_many_means_is_made_of_students_limits() -> None:
    """The low end holds for all three groups at once, the high end for two."""
    values = np.array([0.0, 1.0, 5.0, 7.0, 50.0, 54.0])
    means, errors = np.array([0.5, 6.0, 52.0]), np.array([0.5, 1.0, 2.0])
    low, high = gap_of_means(values, np.repeat([0, 1, 2], 2), level=0.5)
    strict, wide = (float(stats.t.ppf(1 - one / 2, 1)) for one in (0.5 / 6, 0.5 / 2))
    assert low == pytest.approx(
        max((means - strict * errors).max() - (means + strict * errors).min(), 0)
    )
    assert high == pytest.approx(52.0 - 0.5 + wide * 2.5)
    assert low > 0


def test_gap_of_means_of_constant_groups_is_exact() -> None:
    values = np.array([1.0, 1.0, 3.0, 3.0])
    assert gap_of_means(values, np.array([0, 0, 1, 1])) == (2.0, 2.0)


@pytest.mark.parametrize("groups", [[0, 0, 0, 0], [0, 0, 0, 1]])
def test_gap_of_means_needs_two_groups_of_two(groups: list[int]) -> None:
    with pytest.raises(ValueError, match="at least two"):
        gap_of_means(np.arange(4.0), np.array(groups))


# --- ratios, the lowest, means -------------------------------------------------------------------


def ratio_misses(shares: tuple[float, ...], sizes: tuple[int, ...], runs: int) -> tuple[int, int]:
    """How often the interval lies above and below the true ratio."""
    rng, above, below = np.random.default_rng(8), 0, 0
    totals, truth = np.resize(sizes, len(shares)), min(shares) / max(shares)
    for _ in range(runs):
        low, high = ratio_of_shares(rng.binomial(totals, shares), totals)
        above, below = above + (low > truth + 1e-12), below + (high < truth - 1e-12)
    return above, below


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.6, 0.3), (0.3, 0.3, 0.3), (0.6, 0.5, 0.3)])
def test_ratio_intervals_cover_the_true_ratio(shares: tuple[float, ...]) -> None:
    assert stats.binom.sf(sum(ratio_misses(shares, (60,), 300)) - 1, 300, 0.05) >= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("shares", [(0.4, 0.4), (0.7, 0.35), (0.2, 0.1, 0.2), (0.5, 0.5, 0.5, 0.1)])
@pytest.mark.parametrize("sizes", [(50,), (300, 60)])
def test_ratio_intervals_cover_over_2000_repetitions(
    shares: tuple[float, ...], sizes: tuple[int, ...]
) -> None:
    assert stats.binom.sf(sum(ratio_misses(shares, sizes, 2000)) - 1, 2000, 0.05) >= 0.01


def test_a_ratio_with_nothing_is_zero_and_nothing_over_nothing_undefined() -> None:
    low, high = ratio_of_shares(np.array([0, 20]), np.array([40, 40]))
    assert low == 0
    assert high == pytest.approx(wilson(0, 40).high / wilson(20, 40).low)
    with pytest.raises(ValueError, match="one success"):
        ratio_of_shares(np.array([0, 0]), np.array([40, 40]))


def test_a_ratio_does_not_depend_on_the_order_of_groups() -> None:
    counts, totals = np.array([30, 45, 20]), np.array([50, 60, 55])
    assert ratio_of_shares(counts, totals) == ratio_of_shares(counts[::-1], totals[::-1])
    assert ratio_of_shares(counts[:2], totals[:2]) == ratio_of_shares(counts[1::-1], totals[1::-1])


@pytest.mark.parametrize("shares", [(0.8,) * 6, (0.9, 0.9, 0.5), (0.97, 0.95, 0.96)])
def test_the_interval_of_the_lowest_share_covers_at_either_end(shares: tuple[float, ...]) -> None:
    rng, totals = np.random.default_rng(9), np.full(len(shares), 40)
    drawn = [lowest_share(rng.binomial(totals, shares), totals) for _ in range(400)]
    for missed in (
        sum(low > min(shares) for low, _ in drawn),
        sum(high < min(shares) for _, high in drawn),
    ):
        assert stats.binom.sf(missed - 1, 400, 0.025) >= 0.01


@pytest.mark.parametrize("second", [(2, 5), (4, 3)])
@pytest.mark.parametrize("groups", [2, 4])
def test_gaps_of_means_cover_the_true_gap(second: tuple[int, int], groups: int) -> None:
    """Beta-distributed scores, all groups but the last alike."""
    rng, missed = np.random.default_rng(10), 0
    shapes = [(2, 5)] * (groups - 1) + [second]
    truth = np.ptp([a / (a + b) for a, b in shapes])
    for _ in range(300):
        drawn = [rng.beta(a, b, size=50) for a, b in shapes]
        means = np.array([one.mean() for one in drawn])
        squares = np.array([(one**2).mean() for one in drawn])
        errors = standard_errors(np.full(groups, 50), means, squares)
        low, high = gap_of_bounded_means(means, errors)
        missed += low > truth + 1e-12 or high < truth - 1e-12
    assert stats.binom.sf(missed - 1, 300, 0.05) >= 0.01


def test_standard_errors_count_one_more_of_each_end() -> None:
    values = np.array([0.2, 0.4, 0.9])
    error = standard_errors(
        np.array([3]), np.array([values.mean()]), np.array([(values**2).mean()])
    )
    assert error[0] == pytest.approx(np.std([*values, 0, 1]) / np.sqrt(3))
    low, high = mean_limits(np.array([0.5]), np.array([0.1]))
    assert (low[0], high[0]) == pytest.approx((0.5 - 0.19599640, 0.5 + 0.19599640))
    with pytest.raises(ValueError, match="two groups"):
        gap_of_bounded_means(np.array([0.5]), np.array([0.1]))


def test_values_that_are_all_alike_keep_an_interval_as_wide_as_their_range_allows() -> None:
    """None of 20 inputs differs, so fewer than 1 - .025^(1/20) do; a share alone is binomial."""
    most = 1 - 0.025**0.05
    value, interval, name = bounded_mean(np.zeros(20), seed=0)
    assert (value, name) == (0.0, "clopper-pearson")
    assert interval == pytest.approx((0.0, most))
    value, interval, name = bounded_mean(np.full(20, -1.0), seed=0, low=-1.0)
    assert (value, name) == (-1.0, "clopper-pearson-scaled")
    assert interval == pytest.approx((-1.0, -1.0 + 2 * most))
    _, interval, name = bounded_mean(np.full(20, 2.0), seed=0, high=3.0)
    assert name == "clopper-pearson-scaled"
    assert interval == pytest.approx((2 - 2 * most, 2 + most))
    drawn = np.arange(20) / 20
    assert bounded_mean(drawn, seed=0) == (drawn.mean(), bootstrap_mean(drawn, seed=0), "bootstrap")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_hochberg_equals_scipy(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values))


# --- the largest paired difference ----------------------------------------------------------------


def test_one_pair_of_means_has_the_folded_interval_of_the_paired_t_test() -> None:
    values = np.random.default_rng(0).normal(size=(30, 2)) + np.array([0.0, 0.4])
    found = gap_of_paired_means(values)
    assert found is not None
    difference = values[:, 1] - values[:, 0]
    expected = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    assert found.interval == pytest.approx((max(0.0, expected.low), expected.high))
    assert found.value == pytest.approx(difference.mean())
    assert (found.highest, found.lowest, found.n, found.pairs) == (1, 0, 30, 1)


def test_one_pair_of_shares_has_the_folded_paired_interval_of_newcombe() -> None:
    hits = (np.random.default_rng(0).random((40, 2)) < [0.6, 0.2]).astype(float)
    found = gap_of_paired_shares(hits)
    assert found is not None
    difference, interval = paired_difference(hits[:, 0] > 0, hits[:, 1] > 0)
    assert found.value == pytest.approx(difference)
    assert found.interval == pytest.approx(interval)


def test_pairs_are_compared_on_the_rows_they_share_and_short_ones_left_out() -> None:
    nan = np.nan
    values = np.array([[0.0, 1.0, nan], [0.0, 0.5, nan], [0.5, 0.5, 9.0], [1.0, nan, 9.0]])
    found = gap_of_paired_means(values, minimum_n=3)
    assert found is not None
    assert (found.value, found.n, found.pairs) == (pytest.approx(0.5), 3, 1)
    assert gap_of_paired_means(values, minimum_n=4) is None


@pytest.mark.parametrize("kind", ["means", "shares"])
@pytest.mark.parametrize("effect", [0.0, 0.3])
def test_the_interval_of_the_largest_paired_difference_covers_it(kind: str, effect: float) -> None:
    """Six columns of correlated rows; the first lies apart by the effect, or none does."""
    rng, missed, repetitions = np.random.default_rng(1), 0, 200
    for _ in range(repetitions):
        shared = rng.normal(size=(40, 1))
        if kind == "means":
            values = shared + 0.5 * rng.normal(size=(40, 6)) + effect * (np.arange(6) == 0)
            found = gap_of_paired_means(values)
        else:
            shares = 0.3 + 0.1 * np.sign(shared) + effect * (np.arange(6) == 0)
            found = gap_of_paired_shares((rng.random((40, 6)) < shares).astype(float))
        assert found is not None
        missed += not found.interval.low <= effect <= found.interval.high
    assert accepts(missed, repetitions, 0.05)


def test_adjusted_p_values_are_rejected_where_holm_rejects() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        p_values = (rng.random(6) ** 3).tolist()
        adjusted = holm_adjusted(p_values)
        for alpha in (0.01, 0.05, 0.2):
            assert [one <= alpha for one in adjusted] == holm(p_values, alpha=alpha)
    assert holm_adjusted([]) == []


@pytest.mark.parametrize("counts", [(3, 10, 20, 25), (0, 4, 5, 5), (7, 7, 2, 9), (5, 9, 5, 9)])
def test_fewer_p_is_fishers(counts: tuple[int, int, int, int]) -> None:
    a, n, b, m = counts
    _, peer = stats.fisher_exact([[a, n - a], [b, m - b]], alternative="less")
    assert fewer_p(a, n, b, m) == pytest.approx(peer)


# --- weights -------------------------------------------------------------------------------------


def test_a_weighted_share_of_one_group_is_that_of_wilson_and_equal_weights_narrow_it() -> None:
    counts, totals = np.array([9, 9]), np.array([10, 10])
    assert weighted_share(counts, totals, np.array([1.0, 0.0])) == wilson(9, 10)
    both = weighted_share(counts, totals, np.array([0.5, 0.5]))
    low = wilson(9, 10).low
    assert both.low == pytest.approx(0.9 - (0.9 - low) / math.sqrt(2))
    means, errors = np.array([0.9, 0.9]), np.array([0.1, 0.1])
    one = weighted_mean(means, errors, np.array([0.5, 0.5]))
    assert one.low == pytest.approx(0.9 - 1.959964 * 0.1 / math.sqrt(2))
    assert one.high == pytest.approx(0.9 + 0.1 / math.sqrt(2))  # limits of a mean end at 1
