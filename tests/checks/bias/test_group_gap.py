"""Mirrors auditkit/checks/bias/group_gap.py."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from fairlearn import metrics as fairlearn
from scipy import stats
from sklearn import metrics as sklearn
from torch import Tensor, nn

from auditkit.checks.base import Context, Measured, NotApplicable, Records
from auditkit.checks.bias.group_gap import GroupGap
from auditkit.errors import ConfigError
from auditkit.findings import Finding, Note, Table
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import clopper_pearson, newcombe
from tests.subjects import Subject, image_data, linear_subject, measured, run_check, values

CHECK = GroupGap(permutations=500)
FALSE_ALARMS = "wrongly answered 'yes', of those labelled 'no'"
REVEALS = "accuracy_gap"


class ByPixels(nn.Module):
    """The logits are the pixels: predictions can be written down."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def written(
    labels: np.ndarray,
    predicted: np.ndarray,
    *,
    classes: tuple[str, ...] = ("no", "yes"),
    sensitive: bool = True,
    **columns: list[str] | np.ndarray,
) -> Subject:
    k = len(classes)
    images = torch.nn.functional.one_hot(torch.from_numpy(predicted), k).float()[:, None, None]
    model = ImageClassifier(ByPixels(), classes=classes, input_shape=(1, 1, k))
    data = image_data(
        images,
        torch.from_numpy(labels),
        classes=classes,
        attributes={name: list(column) for name, column in columns.items()},
        sensitive=tuple(columns) if sensitive else (),
    )
    return Subject(model, data)


def split(error_rates: tuple[float, ...], *, n: int = 60, seed: int = 0) -> Subject:
    """Groups of n inputs with these error rates, half of each labelled yes."""
    rng = np.random.default_rng(seed)
    groups = np.repeat([f"g{i}" for i in range(len(error_rates))], n)
    labels = np.tile([0, 1], len(groups) // 2)
    wrong = rng.random(len(groups)) < np.repeat(error_rates, n)
    return written(labels, np.where(wrong, 1 - labels, labels), group=groups)


def broken() -> Subject:
    """Wrong on 40 % of one group and 5 % of the other."""
    return split((0.05, 0.4), n=120)


def sound() -> Subject:
    return split((0.1, 0.1), n=120)


def by_id(outcome: Measured) -> dict[str, Finding]:
    return {one.id.removeprefix("group-gap/"): one for one in outcome.findings}


def interval(finding: Finding) -> tuple[float, float]:
    assert finding.low is not None
    assert finding.high is not None
    return finding.low, finding.high


def three_groups(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b", "c"], size=300, p=[0.5, 0.3, 0.2])
    labels = (rng.random(300) < np.where(groups == "a", 0.6, 0.4)).astype(np.int64)
    wrong = rng.random(300) < np.where(groups == "c", 0.3, 0.1)
    return groups, labels, np.where(wrong, 1 - labels, labels)


# --- two classes ---------------------------------------------------------------------------------


def test_rates_and_gaps_equal_fairlearn_where_definitions_agree() -> None:
    groups, labels, predicted = three_groups()
    found = values(measured(CHECK, written(labels, predicted, group=groups)))
    frame = fairlearn.MetricFrame(
        metrics={
            "accuracy": sklearn.accuracy_score,
            "selection_rate": fairlearn.selection_rate,
            "tpr": fairlearn.true_positive_rate,
            "fpr": fairlearn.false_positive_rate,
        },
        y_true=labels,
        y_pred=predicted,
        sensitive_features=groups,
    )
    for metric in ("accuracy", "selection_rate", "tpr", "fpr"):
        for group in "abc":
            assert found[f"{metric}/group={group}"] == pytest.approx(
                frame.by_group.loc[group, metric]
            )
        assert found[f"{metric}_gap/group"] == pytest.approx(frame.difference()[metric])


def test_a_group_without_positives_is_undefined_where_fairlearn_says_zero() -> None:
    """The peer's zero turns into an equalised-odds difference of 1 that nobody observed."""
    groups = np.repeat(["a", "b", "c"], 30)
    labels = np.tile([0, 1], 45)
    labels[groups == "c"] = 0
    peer = fairlearn.equalized_odds_difference(labels, labels, sensitive_features=groups)
    assert peer == 1.0
    found = by_id(measured(GroupGap(minimum_n=10), written(labels, labels, group=groups)))
    cell = found["tpr/group=c"]
    assert cell.value is None
    assert cell.undefined == "the group has no inputs labelled positive"
    assert found["tpr_gap/group"].value == 0  # of the two groups that have a rate
    assert found["tpr_gap/group"].n == 30
    assert found["fpr/group=c"].n == 30


def test_rates_have_exact_intervals_of_their_own_denominators() -> None:
    groups, labels, predicted = three_groups()
    found = by_id(measured(CHECK, written(labels, predicted, group=groups)))
    among = (groups == "b") & (labels == 1)
    hits = int((predicted[among] == 1).sum())
    tpr = found["tpr/group=b"]
    assert tpr.n == among.sum()
    assert interval(tpr) == clopper_pearson(hits, int(among.sum()))


def test_two_groups_get_newcombes_interval() -> None:
    subject = broken()
    found = by_id(measured(CHECK, subject))
    gap = found["accuracy_gap/group"]
    right = (
        subject.artifacts.labels.numpy()
        == subject.model.predict(subject.artifacts.inputs).argmax(dim=1).numpy()
    )
    low, high = newcombe(int(right[:120].sum()), 120, int(right[120:].sum()), 120)
    assert low > 0
    assert interval(gap) == pytest.approx((low, high))
    assert gap.interval == "newcombe"
    assert gap.n == 240


def test_a_planted_gap_is_found_and_none_is_not() -> None:
    bad, good = by_id(measured(CHECK, broken())), by_id(measured(CHECK, sound()))
    assert bad["accuracy_gap_p/group"].value == 1 / 501
    assert interval(bad["accuracy_gap/group"])[0] > 0.1
    assert good["accuracy_gap_p/group"].value > 0.05  # type: ignore[operator]
    assert interval(good["accuracy_gap/group"])[0] == 0


def test_the_rate_of_each_gap_is_told_apart() -> None:
    """Group b is never said yes: selection and TPR differ, FPR does not (nobody is accused)."""
    groups = np.repeat(["a", "b"], 100)
    labels = np.tile([0, 1], 100)
    predicted = np.where(groups == "b", 0, labels)
    found = values(measured(CHECK, written(labels, predicted, group=groups)))
    assert found["tpr_gap/group"] == 1
    assert found["selection_rate_gap/group"] == 0.5
    assert found["fpr_gap/group"] == 0
    assert found["fpr_gap_p/group"] == 1
    assert found["tpr_gap_p/group"] == 1 / 501


def test_base_rates_that_differ_are_no_gap_in_tpr() -> None:
    """TPR is permuted among positives only: unequal shares of positives must not look like bias."""
    rng = np.random.default_rng(0)
    groups = np.repeat(["a", "b"], 500)
    labels = (rng.random(1000) < np.where(groups == "a", 0.8, 0.2)).astype(np.int64)
    predicted = np.where(rng.random(1000) < 0.2, 1 - labels, labels)
    found = values(measured(CHECK, written(labels, predicted, group=groups)))
    assert found["selection_rate_gap_p/group"] == 1 / 501
    assert found["tpr_gap_p/group"] > 0.02  # type: ignore[operator]
    assert found["fpr_gap_p/group"] > 0.02  # type: ignore[operator]


def test_the_test_keeps_its_level_without_a_gap() -> None:
    check, runs = GroupGap(permutations=199), 60
    p = [
        values(measured(check, split((0.2, 0.2, 0.2), n=40, seed=seed)))["accuracy_gap_p/group"]
        for seed in range(runs)
    ]
    assert stats.binom.sf(sum(one <= 0.05 for one in p) - 1, runs, 0.05) >= 0.01  # type: ignore[operator]


# --- more classes --------------------------------------------------------------------------------


def test_many_classes_are_each_held_against_the_rest() -> None:
    rng = np.random.default_rng(1)
    groups = rng.choice(["a", "b"], size=600)
    labels = rng.integers(0, 3, size=600)
    predicted = np.where(rng.random(600) < 0.8, labels, rng.integers(0, 3, size=600))
    predicted = np.where((groups == "b") & (labels == 2), 0, predicted)
    outcome = measured(CHECK, written(labels, predicted, classes=("x", "y", "z"), group=groups))
    found = by_id(outcome)
    gaps = [
        fairlearn.MetricFrame(
            metrics=fairlearn.true_positive_rate,
            y_true=labels == c,
            y_pred=predicted == c,
            sensitive_features=groups,
        ).difference()
        for c in range(3)
    ]
    assert found["tpr_gap/group"].value == pytest.approx(max(gaps))
    assert found["tpr_gap_p/group"].value == pytest.approx(3 / 501)  # Bonferroni over 3 classes
    assert "tpr/group=a" not in found
    table = outcome.evidence["classes-1"]
    assert isinstance(table, Table)
    assert len(table.rows) == 3 * 4 * 2
    assert table.rows[0][0] == "z"  # the widest gap first
    shares = [np.bincount(predicted[groups == g], minlength=3) / (groups == g).sum() for g in "ab"]
    distance = found["prediction_distance/group"]
    assert distance.value == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)
    low, high = interval(distance)
    assert 0 < low < distance.value < high  # type: ignore[operator]
    assert found["prediction_distance_p/group"].value == 1 / 501


def test_intervals_of_many_classes_hold_together() -> None:
    """The low end allows for having picked the widest of three; the true widest is fixed."""
    rng = np.random.default_rng(2)
    groups = np.repeat(["a", "b"], 300)
    labels = rng.integers(0, 3, size=600)
    predicted = np.where(rng.random(600) < 0.9, labels, rng.integers(0, 3, size=600))
    predicted[300:400] = 0  # a planted gap, so that the low end is not cut off at zero
    found = by_id(
        measured(CHECK, written(labels, predicted, classes=("x", "y", "z"), group=groups))
    )
    counts = [[int(((predicted == c) & (groups == g)).sum()) for g in "ab"] for c in range(3)]
    level = 1 - 0.05 / 3
    lows = [newcombe(max(pair), 300, min(pair), 300, level=level).low for pair in counts]
    highs = [newcombe(max(pair), 300, min(pair), 300).high for pair in counts]
    assert interval(found["selection_rate_gap/group"]) == pytest.approx((max(lows), max(highs)))


# --- further metrics -----------------------------------------------------------------------------


def scored(scores: np.ndarray, labels: np.ndarray, **columns: list[str] | np.ndarray) -> Subject:
    """A model of two classes whose probability of the second is written down."""
    images = torch.from_numpy(np.log(np.column_stack([1 - scores, scores]))).float()
    model = ImageClassifier(ByPixels(), classes=("no", "yes"), input_shape=(1, 1, 2))
    data = image_data(
        images[:, None, None],
        torch.from_numpy(labels),
        classes=("no", "yes"),
        attributes={name: list(column) for name, column in columns.items()},
        sensitive=tuple(columns),
    )
    return Subject(model, data)


def table_of(outcome: Measured, key: str) -> list[dict[str, object]]:
    table = outcome.evidence[key]
    assert isinstance(table, Table)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_further_metrics_equal_fairlearn_where_definitions_agree() -> None:
    groups, labels, predicted = three_groups()
    found = values(measured(CHECK, written(labels, predicted, group=groups)))
    frame = fairlearn.MetricFrame(
        metrics={
            "fnr": fairlearn.false_negative_rate,
            "ppv": sklearn.precision_score,
        },
        y_true=labels,
        y_pred=predicted,
        sensitive_features=groups,
    )
    for metric in ("fnr", "ppv"):
        for group in "abc":
            assert found[f"{metric}/group={group}"] == pytest.approx(
                frame.by_group.loc[group, metric]
            )
    assert found["ppv_gap/group"] == pytest.approx(frame.difference()["ppv"])
    assert found["tpr_gap/group"] == pytest.approx(frame.difference()["fnr"])
    assert found["equalized_odds_difference/group"] == pytest.approx(
        fairlearn.equalized_odds_difference(labels, predicted, sensitive_features=groups)
    )
    assert found["selection_rate_ratio/group"] == pytest.approx(
        fairlearn.demographic_parity_ratio(labels, predicted, sensitive_features=groups)
    )


def test_scores_and_calibration_are_of_the_positive_class() -> None:
    """Group a is scored as it is, group b is always said 0.9 while half of it is positive."""
    rng = np.random.default_rng(3)
    groups = np.repeat(["a", "b"], 400)
    scores = np.where(groups == "a", rng.choice([0.25, 0.75], size=800), 0.9)
    labels = (rng.random(800) < np.where(groups == "a", scores, 0.5)).astype(np.int64)
    outcome = measured(CHECK, scored(scores, labels, group=groups))
    found = by_id(outcome)
    means = [scores[groups == g].mean() for g in "ab"]
    assert found["mean_score/group=a"].value == pytest.approx(means[0], abs=1e-6)
    low, high = interval(found["mean_score/group=b"])  # all scores alike: no certainty of that
    assert high - low > 0.005
    assert found["score_gap/group"].value == pytest.approx(means[1] - means[0], abs=1e-6)
    assert found["score_gap_p/group"].value == 1 / 501
    off = labels[groups == "b"].mean() - 0.9
    assert found["ece/group=b"].value == pytest.approx(abs(off), abs=1e-6)
    assert interval(found["ece/group=a"])[0] == 0
    assert interval(found["ece/group=b"])[0] > 0.3
    worst = found["worst_group_ece/group"]
    assert worst.value == found["ece/group=b"].value
    assert worst.n == 400
    assert 0.3 < interval(worst)[0] <= interval(found["ece/group=b"])[0] + 0.02


def test_the_score_gap_is_none_where_scores_are_alike() -> None:
    rng = np.random.default_rng(4)
    subject = scored(
        rng.uniform(0.01, 0.99, 600), rng.integers(0, 2, 600), group=np.repeat(["a", "b", "c"], 200)
    )
    found = by_id(measured(CHECK, subject))
    assert found["score_gap_p/group"].value > 0.05  # type: ignore[operator]
    assert interval(found["score_gap/group"])[0] == 0


def test_worst_group_accuracy_is_of_a_label_within_a_group() -> None:
    """Both groups are right on three in four, but b on only half of its positives."""
    groups = np.repeat(["a", "b"], 80)
    labels = np.tile([0, 1], 80)
    predicted = labels.copy()
    flip = np.flatnonzero((groups == "b") & (labels == 1))[:20]
    predicted[flip] = 0
    predicted[np.flatnonzero(groups == "a")[:20]] ^= 1
    outcome = measured(CHECK, written(labels, predicted, group=groups))
    found = by_id(outcome)
    assert found["accuracy_gap/group"].value == 0
    worst = found["worst_group_accuracy/group"]
    assert worst.value == 0.5
    assert worst.n == 40
    assert interval(worst)[0] == pytest.approx(clopper_pearson(20, 40).low)
    assert interval(worst)[1] == pytest.approx(clopper_pearson(20, 40, level=1 - 0.05 / 4).high)
    first = table_of(outcome, "worst-1")[0]
    assert (first["group"], first["label"], first["accuracy"]) == ("b", "yes", 0.5)


def test_nobody_selected_has_no_ratio_and_equalised_odds_need_both_rates() -> None:
    groups, labels = np.repeat(["a", "b"], 60), np.zeros(120, dtype=np.int64)
    found = by_id(measured(CHECK, written(labels, labels, group=groups)))
    ratio = found["selection_rate_ratio/group"]
    assert ratio.undefined == "no group has a prediction of the positive class"
    assert found["equalized_odds_difference/group"].undefined is not None  # TPR has no denominator
    assert found["ppv/group=a"].undefined == "the group has no predictions of the positive class"


def test_equalised_odds_take_the_wider_of_two_gaps_and_pay_for_both() -> None:
    groups = np.repeat(["a", "b"], 100)
    labels = np.tile([0, 1], 100)
    predicted = np.where((groups == "b") & (np.arange(200) % 4 == 1), 0, labels)
    found = by_id(measured(CHECK, written(labels, predicted, group=groups)))
    odds = found["equalized_odds_difference/group"]
    assert odds.value == found["tpr_gap/group"].value == 0.5
    assert interval(odds) == pytest.approx(
        (newcombe(50, 50, 25, 50, level=0.975).low, newcombe(50, 50, 25, 50).high)
    )
    assert found["equalized_odds_difference_p/group"].value == pytest.approx(2 / 501)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (20, "not kept"),
        (98, "kept"),
        (85, "kept, but not surely"),
        (75, "not kept, but not surely"),
    ],
)
def test_the_four_fifths_rule_is_told_with_its_interval(second: int, said: str) -> None:
    groups = np.repeat(["a", "b"], 120)
    predicted = np.concatenate([np.arange(120) < 100, np.arange(120) < second]).astype(np.int64)
    outcome = measured(CHECK, written(predicted, predicted, group=groups))
    (row,) = table_of(outcome, "four-fifths")
    assert (row["by"], row["rule"]) == ("group", said)
    assert values(outcome)["selection_rate_ratio/group"] == pytest.approx(second / 100)


# --- intersections -------------------------------------------------------------------------------


def crossed_only(seed: int = 0) -> Subject:
    """Neither column alone shows the gap: women of site 1 and men of site 2 are served worse."""
    rng = np.random.default_rng(seed)
    sex, site = rng.choice(["f", "m"], 800), rng.choice(["1", "2"], 800)
    labels = rng.integers(0, 2, 800)
    worse = (sex == "f") == (site == "1")
    predicted = np.where(rng.random(800) < np.where(worse, 0.35, 0.05), 1 - labels, labels)
    return written(labels, predicted, sex=sex, site=site)


def test_an_intersection_shows_what_its_columns_hide() -> None:
    outcome = measured(CHECK, crossed_only())
    found = by_id(outcome)
    assert interval(found["accuracy_gap/sex"])[0] == 0
    assert interval(found["accuracy_gap/site"])[0] == 0
    gap = found["intersection_accuracy_gap/sex%20x%20site"]
    assert interval(gap)[0] > 0.1
    assert gap.n == 800
    cells = [one for one in found if one.startswith("accuracy/sex%20x%20site=")]
    assert len(cells) == 4
    assert sum(found[one].n for one in cells) == 800
    note = outcome.evidence["multiplicity"]
    assert isinstance(note, Note)
    assert "accuracy gap by sex x site" in note.text
    assert "accuracy gap by sex;" not in note.text


def test_pairs_and_all_columns_are_crossed_but_only_sensitive_ones() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 400)
    a, b, c = (rng.choice(["1", "2"], 400) for _ in range(3))
    subject = written(labels, labels, a=a, b=b, c=c)
    slices = {one.slice for one in measured(CHECK, subject).findings if "_accuracy_gap" in one.id}
    assert {one for one in slices if " x " in one} == {"a x b", "a x c", "b x c", "a x b x c"}
    plain = dataclasses.replace(subject.data, sensitive=("a",))
    again = measured(CHECK, Subject(subject.model, plain))
    assert not any("intersection" in one.id for one in again.findings)


def test_small_cells_stand_in_the_tables_with_the_n_they_need() -> None:
    first = np.array(["a"] * 60 + ["b"] * 60)
    second = np.array(["1"] * 57 + ["2"] * 3 + ["1"] * 30 + ["2"] * 30)
    labels = np.tile([0, 1], 60)
    outcome = measured(CHECK, written(labels, labels, first=first, second=second))
    found = by_id(outcome)
    assert "accuracy/first%20x%20second=a%20x%202" not in found
    assert found["intersection_accuracy_gap/first%20x%20second"].n == 117
    small = [row for row in table_of(outcome, "small-groups") if row["group"] == "a x 2"]
    assert [(row["rate"], row["n"]) for row in small] == [("accuracy", 3)]
    rates = [row for row in table_of(outcome, "rates-3") if row["group"] == "a x 2"]
    assert len(rates) == 6
    assert table_of(outcome, "gaps-3")[0]["left out (small)"] == "a x 2"


def test_of_too_many_cells_the_largest_are_kept_and_the_rest_is_said() -> None:
    rng = np.random.default_rng(6)
    first = np.array(["a"] * 200 + [f"r{i}" for i in range(40)])
    second = rng.choice(["1", "2"], 240)
    labels = rng.integers(0, 2, 240)
    subject = written(labels, labels, first=first, second=second)
    outcome = measured(GroupGap(permutations=100, most_cells=2), subject)
    assert by_id(outcome)["intersection_accuracy_gap/first%20x%20second"].n == 200
    note = outcome.evidence["definitions"]
    assert isinstance(note, Note)
    assert "Of the 42 cells of first x second the 2 largest are compared" in note.text
    assert "the others hold 40 inputs" in note.text


def test_an_intersection_with_a_cell_that_must_not_be_told_is_left_out() -> None:
    first = np.array(["a"] * 60 + ["b"] * 60)
    second = np.array(["1"] * 57 + ["2"] * 3 + ["1"] * 30 + ["2"] * 30)
    labels = np.tile([0, 1], 60)
    subject = written(labels, labels, first=first, second=second)
    for least, there in ((3, True), (4, False)):
        data = dataclasses.replace(subject.data, min_cell=least)
        outcome = measured(CHECK, Subject(subject.model, data))
        assert any("intersection" in one.id for one in outcome.findings) == there
        note = outcome.evidence["definitions"]
        assert isinstance(note, Note)
        assert ("first x second is left out" in note.text) != there


def test_names_that_contain_the_sign_stay_apart() -> None:
    """'a x b' with 'c' is another cell than 'a' with 'b x c', and a column may have that name."""
    first = np.repeat(["a x b", "a", "a x b", "a"], 40)
    second = np.repeat(["c", "b x c", "b x c", "c"], 40)
    labels = np.tile([0, 1], 80)
    third = {"u x v": np.tile(["1", "2"], 80)}
    outcome = measured(CHECK, written(labels, labels, u=first, v=second, **third))  # type: ignore[arg-type]
    assert len({one.id for one in outcome.findings}) == len(outcome.findings)
    cells = {
        one.slice
        for one in outcome.findings
        if one.metric == "accuracy" and one.slice.startswith("u x v (intersection)=")
    }
    assert cells == {
        'u x v (intersection)="a x b" x c',
        'u x v (intersection)="a x b" x "b x c"',
        "u x v (intersection)=a x c",
        'u x v (intersection)=a x "b x c"',
    }


# --- many tests ----------------------------------------------------------------------------------


def test_adjusted_p_values_are_those_of_scipy_over_the_whole_check() -> None:
    outcome = measured(CHECK, crossed_only())
    p = {one.id: one.value for one in outcome.findings if one.unit == "p" and one.value is not None}
    adjusted = dict(zip(p, stats.false_discovery_control(list(p.values())), strict=True))
    shown = {
        (row["rate"], i): row["adjusted p"]
        for i in (1, 2, 3)
        for row in table_of(outcome, f"gaps-{i}")
    }
    for i, where in enumerate(("/sex", "/site", "/sex%20x%20site"), 1):
        prefix = "intersection_" if i == 3 else ""
        assert shown["accuracy", i] == pytest.approx(
            adjusted[f"group-gap/{prefix}accuracy_gap_p{where}"]
        )
        assert shown["equalised odds", i] == pytest.approx(
            adjusted[f"group-gap/{prefix}equalized_odds_difference_p{where}"]
        )
    note = outcome.evidence["multiplicity"]
    assert isinstance(note, Note)
    assert f"{len(p)} gaps were tested" in note.text
    called = sum(one <= 0.05 for one in adjusted.values())
    assert f"{called} are more than chance" in note.text
    rows = table_of(outcome, "tested")
    assert [row["adjusted p"] for row in rows] == pytest.approx(sorted(adjusted.values()))
    key = "more than chance at 0.05"
    assert [row[key] for row in rows] == ["yes"] * called + ["no"] * (len(rows) - called)


def test_without_a_gap_none_survives() -> None:
    outcome = measured(CHECK, sound())
    note = outcome.evidence["multiplicity"]
    assert isinstance(note, Note)
    assert "None survives." in note.text


# --- in words ------------------------------------------------------------------------------------


def courts() -> Subject:
    """Of 100 without the label, 30 of group a and 10 of b are wrongly answered 'yes'."""
    groups = np.repeat(["a", "b", "tiny"], [200, 200, 30])
    labels = np.concatenate([np.tile([0, 1], 200), np.zeros(30, dtype=np.int64)])
    predicted = labels.copy()
    predicted[np.flatnonzero((groups == "a") & (labels == 0))[:30]] = 1
    predicted[np.flatnonzero((groups == "b") & (labels == 0))[:10]] = 1
    predicted[groups == "tiny"] = 1
    return written(labels, predicted, group=groups)


def test_a_reader_is_told_which_group_how_often_and_of_how_many() -> None:
    subject = courts()
    rows = table_of(measured(GroupGap(minimum_n=40), subject), "words-1")
    wrong = next(row for row in rows if row["what happened"] == FALSE_ALARMS)
    assert wrong["most often"] == "a: 30.0 % (30 of 100)"
    assert wrong["least often"] == "b: 10.0 % (10 of 100)"
    gap = newcombe(30, 100, 10, 100)
    assert wrong["gap in points"] == f"20.0 ({100 * gap.low:.1f} to {100 * gap.high:.1f})"
    assert wrong["more than chance"] == "yes"
    assert not any("wrongly answered 'no'" in str(row["what happened"]) for row in rows)  # no gap


def test_test_and_interval_must_both_call_a_gap_before_it_is_called_sure() -> None:
    outcome = measured(GroupGap(permutations=100), crossed_only())  # nothing of its own column
    groups, labels, predicted = three_groups()
    both = [outcome, measured(GroupGap(permutations=100), written(labels, predicted, group=groups))]
    words = {"yes": 2, "perhaps": 1, "chance could explain it": 0}
    said = 0
    for one in both:
        gaps = {f"{100 * row['gap']:.1f}": row for row in table_of(one, "gaps-1") if row["gap"]}  # type: ignore[operator]
        for row in table_of(one, "words-1"):
            gap = gaps[str(row["gap in points"]).split()[0]]
            votes = (gap["adjusted p"] <= 0.05) + (gap["low"] > 0)  # type: ignore[operator]
            assert words[str(row["more than chance"])] == votes
            said += 1
    assert said > 4


def test_only_what_chance_does_not_explain_is_told_in_short() -> None:
    outcome = measured(GroupGap(minimum_n=40), courts())
    sure = [row for row in table_of(outcome, "words-1") if row["more than chance"] == "yes"]
    told = table_of(outcome, "short")
    assert [one.pop("by") for one in told] == ["group"] * len(sure)
    assert told == [{name: row[name] for name in told[0]} for row in sure]
    assert FALSE_ALARMS in [row["what happened"] for row in told]
    nothing = measured(CHECK, sound()).evidence["short"]
    assert isinstance(nothing, Note)
    assert nothing.text.startswith("No gap between two groups of a column is surely more")


def test_the_gap_whose_interval_begins_highest_stands_for_the_check() -> None:
    outcome = measured(GroupGap(minimum_n=40), courts())
    gaps = {f"{rate}_gap" for rate in ("accuracy", "selection_rate", "tpr", "fpr", "ppv")}
    lows = {one.id: one.low or 0.0 for one in outcome.findings if one.metric in gaps}
    highest = max(lows, key=lambda id_: lows[id_])
    assert outcome.headline == highest
    assert lows[highest] > 0
    none = measured(CHECK, sound()).headline
    assert none is not None
    assert none.startswith("group-gap/accuracy_gap/")


def test_who_is_missed_is_told_the_right_way_round() -> None:
    groups = np.repeat(["a", "b"], 100)
    labels = np.tile([0, 1], 100)
    predicted = np.where((groups == "b") & (labels == 1), 0, labels)
    table = table_of(measured(CHECK, written(labels, predicted, group=groups)), "words-1")
    missed = next(one for one in table if str(one["what happened"]).startswith("wrongly"))
    assert missed["what happened"] == "wrongly answered 'no', of those labelled 'yes'"
    assert missed["most often"] == "b: 100 % (50 of 50)"
    assert missed["least often"] == "a: 0 % (0 of 50)"


def test_words_tell_nothing_of_fewer_than_the_least_that_may_be_told() -> None:
    subject = courts()  # the smallest group is at an end of every gap
    for least, there in ((30, True), (31, False)):
        data = dataclasses.replace(subject.data, min_cell=least)
        outcome = measured(CHECK, Subject(subject.model, data))
        assert ("words-1" in outcome.evidence) == there


def test_several_classes_are_told_by_name() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    groups = np.repeat(["a", "b"], 150)
    predicted = np.where((groups == "b") & (labels == 2), 0, labels)
    subject = written(labels, predicted, classes=("x", "y", "z"), group=groups)
    said = [row["what happened"] for row in table_of(measured(CHECK, subject), "words-1")]
    assert "wrongly answered something else, of those labelled 'z'" in said
    assert "wrongly answered 'x', of those labelled otherwise" in said


# --- groups that are odd -------------------------------------------------------------------------


def test_small_groups_are_shown_and_listed_but_leave_the_gap() -> None:
    groups = np.array(["a"] * 50 + ["b"] * 50 + ["tiny"] * 3)
    labels = np.zeros(103, dtype=np.int64)
    predicted = np.where(groups == "tiny", 1, 0)
    outcome = measured(CHECK, written(labels, predicted, group=groups))
    found = by_id(outcome)
    assert found["accuracy/group=tiny"].value == 0
    assert found["accuracy/group=tiny"].n == 3
    assert found["accuracy_gap/group"].value == 0
    assert found["accuracy_gap/group"].n == 100
    small = outcome.evidence["small-groups"]
    assert isinstance(small, Table)
    assert ["group", "tiny", "accuracy", 3, 314] in small.rows  # z^2 (2/7)(5/7) / .05^2
    gaps = outcome.evidence["gaps-1"]
    assert isinstance(gaps, Table)
    assert dict(zip(gaps.columns, gaps.rows[0], strict=True))["left out (small)"] == "tiny"


def test_a_gap_of_fewer_than_two_large_groups_is_undefined() -> None:
    groups = np.array(["a"] * 50 + ["b"] * 5)
    labels = np.zeros(55, dtype=np.int64)
    found = by_id(measured(CHECK, written(labels, labels, group=groups)))
    gap = found["accuracy_gap/group"]
    assert gap.value is None
    assert gap.undefined == "fewer than two groups have 20 inputs (minimum_n)"
    assert found["tpr_gap/group"].undefined is not None
    assert "labelled positive" in found["tpr_gap/group"].undefined
    assert found["accuracy_gap_p/group"].value is None


def test_missing_values_are_a_group_of_their_own() -> None:
    subject = split((0.1, 0.1))
    column = pd.Series(["a"] * 60 + [None] * 30 + [float("nan")] * 30, dtype=object)
    data = dataclasses.replace(subject.data, attributes=pd.DataFrame({"group": column}))
    found = by_id(measured(CHECK, Subject(subject.model, data)))
    assert found["accuracy/group=%28missing%29"].n == 60
    assert found["accuracy_gap/group"].n == 120


def test_one_group_only_does_not_apply() -> None:
    subject = split((0.1,))
    outcome = run_check(CHECK, subject)
    assert isinstance(outcome, NotApplicable)
    assert "one group (group)" in outcome.reason
    assert CHECK.applies(subject.model, subject.data) == outcome
    assert CHECK.applies(broken().model, broken().data) is None


def test_data_without_columns_does_not_apply() -> None:
    outcome = run_check(CHECK, linear_subject(0))
    assert isinstance(outcome, NotApplicable)
    assert "no column" in outcome.reason


def test_a_column_with_one_group_is_named_beside_one_with_two() -> None:
    groups, labels, predicted = three_groups()
    outcome = measured(CHECK, written(labels, predicted, group=groups, site=["here"] * 300))
    assert not any("site" in one.id for one in outcome.findings)
    note = outcome.evidence["definitions"]
    assert isinstance(note, Note)
    assert "one group: site" in note.text


def test_sensitive_columns_alone_or_else_all_and_derived_ones_are_named() -> None:
    groups, labels, predicted = three_groups()
    plain = written(labels, predicted, sensitive=False, group=groups, brightness=groups).data
    model = written(labels, predicted).model
    for data, compared, word in (
        (plain, {"group", "brightness"}, "every column"),
        (
            dataclasses.replace(plain, derived=("brightness",)),
            {"group", "brightness"},
            "Derived from the inputs themselves, not descriptions of people: brightness.",
        ),
        (
            dataclasses.replace(plain, derived=("brightness",), sensitive=("group",)),
            {"group"},
            "sensitive columns",
        ),
    ):
        outcome = measured(CHECK, Subject(model, data))
        slices = {one.slice for one in outcome.findings if one.metric == "accuracy_gap"}
        assert slices == compared
        note = outcome.evidence["definitions"]
        assert isinstance(note, Note)
        assert word in note.text
        assert "positive class is 'yes'" in note.text


def test_a_column_that_equals_the_label_has_no_gap_in_rates_by_label() -> None:
    groups = np.repeat(["bad", "good"], 60)
    labels = (groups == "good").astype(np.int64)
    predicted = np.where(np.arange(120) % 10 == 0, 1 - labels, labels)
    found = by_id(measured(CHECK, written(labels, predicted, group=groups)))
    assert found["tpr/group=bad"].undefined == "the group has no inputs labelled positive"
    assert found["fpr/group=good"].undefined == "the group has no inputs not labelled positive"
    for metric in ("tpr_gap", "fpr_gap", "equalized_odds_difference"):
        assert found[f"{metric}/group"].value is None
        assert "fewer than two groups" in str(found[f"{metric}/group"].undefined)
    assert found["selection_rate_gap/group"].value == pytest.approx(0.8)
    assert found["worst_group_accuracy/group"].value == pytest.approx(0.9)
    assert found["accuracy_gap/group"].value == 0


def test_a_thousand_groups_are_all_there() -> None:
    rng = np.random.default_rng(7)
    groups = np.array([f"g{i:04d}" for i in rng.integers(0, 1000, 6000)])
    groups[:60] = "large"
    labels = rng.integers(0, 2, 6000)
    predicted = np.where(rng.random(6000) < 0.1, 1 - labels, labels)
    outcome = measured(GroupGap(permutations=100), written(labels, predicted, group=groups))
    found = by_id(outcome)
    names = set(groups.tolist())
    assert {one.slice for one in outcome.findings if one.metric == "accuracy"} == {
        f"group={name}" for name in names
    }
    assert sum(one.n for one in outcome.findings if one.metric == "accuracy") == 6000
    assert found["accuracy_gap/group"].value is None  # one group alone is large enough
    small = {row["group"] for row in table_of(outcome, "small-groups")}
    assert small - {"large"} == names - {"large"}
    left_out = table_of(outcome, "gaps-1")[0]["left out (small)"]
    assert str(left_out).endswith(f"and {len(names) - 6} more")


def test_names_of_groups_may_be_anything() -> None:
    names = ['<b>& "x"</b>', "a/b=c", "é 语"]
    groups = np.repeat(names, 30)
    labels = np.tile([0, 1], 45)
    outcome = measured(CHECK, written(labels, labels, group=groups))
    slices = {one.slice for one in outcome.findings if one.metric == "accuracy"}
    assert slices == {f"group={name}" for name in names}
    assert len({one.id for one in outcome.findings}) == len(outcome.findings)


# --- error rates ---------------------------------------------------------------------------------

RUNS = 500
TPR, FPR = np.array([0.9, 0.9, 0.7]), np.array([0.1, 0.2, 0.3])


def drawn(seed: int, tpr: np.ndarray, fpr: np.ndarray) -> Measured:
    """Three groups with these rates, crossed with two sites that make no difference."""
    rng, n = np.random.default_rng(seed), 600
    group, site = np.repeat(np.arange(3), n // 3), np.tile([0, 1], n // 2)
    labels = rng.integers(0, 2, n)
    yes = rng.random(n) < np.where(labels == 1, tpr[group], fpr[group])
    predicted = yes.astype(np.int64)
    data = written(labels, predicted, group=group.astype(str), site=site.astype(str)).data
    records = Records(
        data.ids, predicted=predicted, correct=predicted == labels, score=np.where(yes, 0.8, 0.2)
    )
    outcome = GroupGap().summarise(records, Context(data=data, seed=seed))
    assert isinstance(outcome, Measured)
    return outcome


@pytest.mark.slow
def test_without_a_gap_alarms_stay_at_the_nominal_rate_over_the_whole_check() -> None:
    """Alarms: some gap of the whole check is called; and, metric by metric, zero is excluded."""
    alarms, excluded = 0, dict[str, int]()
    for seed in range(RUNS):
        outcome = drawn(seed, np.full(3, 0.8), np.full(3, 0.2))
        note = outcome.evidence["multiplicity"]
        assert isinstance(note, Note)
        alarms += "None survives" not in note.text
        for one in outcome.findings:
            if one.metric.endswith(("_gap", "_difference")) and one.low is not None:
                excluded[one.id] = excluded.get(one.id, 0) + (one.low > 0)
    assert stats.binom.sf(alarms - 1, RUNS, 0.05) >= 0.01
    assert alarms > 0  # the test could have called something
    assert len(excluded) == 3 * 7
    for missed in excluded.values():
        assert stats.binom.sf(missed - 1, RUNS, 0.05) >= 0.01


def planted() -> dict[str, float]:
    """The truth about `drawn(seed, TPR, FPR)`: labels are even."""
    selected = (TPR + FPR) / 2
    ppv, missed = TPR / 2 / selected, (1 - TPR) / 2 / (1 - selected)
    return {
        "accuracy_gap": np.ptp((TPR + 1 - FPR) / 2),
        "selection_rate_gap": np.ptp(selected),
        "tpr_gap": np.ptp(TPR),
        "fpr_gap": np.ptp(FPR),
        "ppv_gap": np.ptp(ppv),
        "equalized_odds_difference": max(np.ptp(TPR), np.ptp(FPR)),
        "selection_rate_ratio": selected.min() / selected.max(),
        "worst_group_accuracy": min(TPR.min(), 1 - FPR.max()),
        "worst_group_ece": (
            selected * np.abs(ppv - 0.8) + (1 - selected) * np.abs(missed - 0.2)
        ).max(),
        "score_gap": 0.6 * np.ptp(selected),
    }


@pytest.mark.slow
def test_intervals_cover_planted_gaps_at_least_at_the_nominal_rate() -> None:
    truth, missed = planted(), dict[str, int]()
    for seed in range(RUNS):
        for one in drawn(seed, TPR, FPR).findings:
            metric = one.metric.removeprefix("intersection_")
            if metric not in truth or one.slice == "site":
                continue
            low, high = interval(one)
            is_out = not low - 1e-12 <= truth[metric] <= high + 1e-12
            missed[one.id] = missed.get(one.id, 0) + is_out
    assert len(missed) == 2 * len(truth)
    for name, count in missed.items():
        assert stats.binom.sf(count - 1, RUNS, 0.05) >= 0.01, name


# --- the contract --------------------------------------------------------------------------------


def test_neither_shards_nor_order_change_findings() -> None:
    groups, labels, predicted = three_groups()
    whole = run_check(CHECK, written(labels, predicted, group=groups))
    assert whole == run_check(CHECK, written(labels, predicted, group=groups), shard_size=7)
    order = np.random.default_rng(0).permutation(300)
    turned = written(labels[order], predicted[order], group=groups[order])
    assert whole == run_check(CHECK, turned)


def test_findings_rest_on_evidence_that_exists() -> None:
    outcome = measured(CHECK, broken())
    assert {key for one in outcome.findings for key in one.evidence} <= outcome.evidence.keys()


@pytest.mark.parametrize("parameters", [{"minimum_n": 0}, {"permutations": 99}])
def test_senseless_parameters_are_refused(parameters: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(parameters))) as error:
        GroupGap(**parameters)
    assert error.value.hint
