"""Mirrors auditkit/checks/bias/threshold_sweep.py and _decisions.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from auditkit.checks.base import Context, Measured, NotApplicable, Records
from auditkit.checks.bias._decisions import Sample
from auditkit.checks.bias.threshold_sweep import ThresholdSweep, equalising
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Note, Table
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import gap_of_shares, paired_difference
from tests.checks.bias.test_group_gap import ByPixels
from tests.subjects import Subject, image_data, measured, run_check, values

CHECK = ThresholdSweep()
REVEALS = "selection_rate_gap"


def scoring(
    scores: np.ndarray, labels: np.ndarray, groups: Sequence[str], **columns: Sequence[str]
) -> Subject:
    """A model that gives these probabilities (n,) of the second class."""
    logits = np.log(scores / (1 - scores))
    pixels = torch.from_numpy(np.stack([np.zeros_like(logits), logits], axis=1)).float()
    model = ImageClassifier(ByPixels(), classes=("no", "yes"), input_shape=(1, 1, 2))
    data = image_data(
        pixels[:, None, None], torch.from_numpy(labels), classes=("no", "yes"),
        attributes={"g": list(groups), **columns}, sensitive=("g",),
    )  # fmt: skip
    return Subject(model, data)


def shifted(by: float, *, n: int = 200, seed: int = 0) -> Subject:
    """Two groups alike in labels; the scores of the second are lower by so many logits."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], n)
    groups = np.repeat(["a", "b"], n)
    logits = rng.normal(1.5 * (2 * labels - 1), 1.5) - by * (groups == "b")
    return scoring(1 / (1 + np.exp(-logits)), labels, groups.tolist())


def broken() -> Subject:
    return shifted(2.0)


def sound() -> Subject:
    return shifted(0.0)


def test_rates_are_counted_at_every_threshold() -> None:
    """Closed form: group a has scores 1/8 to 7/8, group b half of them."""
    a = np.repeat(np.arange(1, 8) / 8, 6)
    scores = np.concatenate([a, a / 2])
    labels = np.concatenate([(a > 0.5), (a > 0.5)]).astype(int)
    check = ThresholdSweep(thresholds=(0.3, 0.5), minimum_n=5)
    outcome = measured(check, scoring(scores, labels, ["a"] * 42 + ["b"] * 42))
    found = values(outcome)
    assert found["selection_rate_gap/g/threshold=0.3"] == pytest.approx(5 / 7 - 3 / 7)
    assert found["selection_rate_gap/g/threshold=0.5"] == pytest.approx(3 / 7)
    assert found["tpr_gap/g/threshold=0.3"] == pytest.approx(0)
    assert found["tpr_gap/g/threshold=0.5"] == pytest.approx(1)
    assert found["fpr_gap/g/threshold=0.3"] == pytest.approx(2 / 4)
    assert found["accuracy/threshold=0.5"] == pytest.approx((42 + 24) / 84)
    gap = next(one for one in outcome.findings if one.id.endswith("tpr_gap/g/threshold=0.5"))
    expected = gap_of_shares(np.array([18, 0]), np.array([18, 18]))
    assert (gap.low, gap.high, gap.n) == (expected.low, expected.high, 36)
    curve = outcome.evidence["sweep-1"]
    assert isinstance(curve, Curve)
    assert [one.x for one in curve.series] == [[0.3, 0.5]] * 4


def test_a_threshold_per_group_closes_a_gap_of_scores_on_the_other_half() -> None:
    outcome = measured(CHECK, broken())
    found = values(outcome)
    for kind in ("tpr", "selection_rate"):
        before, after = (found[f"{one}_gap/g/equal={kind}"] for one in ("shared", "equalised"))
        assert before > 0.2 > after  # type: ignore[operator]
    assert found["accuracy_change/g/equal=tpr"] > 0  # type: ignore[operator]
    table = outcome.evidence["per-group-1"]
    assert isinstance(table, Table)
    cuts = {row[1]: row[2] for row in table.rows if row[0] == "true positive rate"}
    assert cuts["a"] > 0.5 > cuts["b"]  # type: ignore[operator]
    bought = outcome.evidence["bought"]
    assert isinstance(bought, Table)
    assert bought.rows[0][:3] == ["g", "true positive rate", found["shared_gap/g/equal=tpr"]]
    assert bought.rows[0][8] == found["accuracy_change/g/equal=tpr"]
    assert outcome.headline == "threshold-sweep/selection_rate_gap/g/threshold=0.5"
    note = outcome.evidence["picture"]
    assert isinstance(note, Note)
    assert "not advice" in note.text


def test_what_was_fitted_is_not_what_is_measured() -> None:
    """One half says nothing of the other: the fitted half's groups differ, the other's do not."""
    subject = shifted(0.0)
    n = len(subject.data)
    rng = np.random.default_rng(1)
    fitted = np.tile([True, True, False, False], n // 4)
    score = rng.random(n)
    b = np.repeat([False, True], n // 2)
    score[fitted & b] /= 2
    records = Records(subject.data.ids, examples=(), score=score, fitted=fitted)
    outcome = CHECK.summarise(records, Context(data=subject.data, seed=0))
    assert isinstance(outcome, Measured)
    found = {one.id.partition("/")[2]: one for one in outcome.findings}
    one = found["equalised_gap/g/equal=selection_rate"]
    assert one.n == n // 2
    assert one.value > 0.3  # type: ignore[operator]
    assert found["shared_gap/g/equal=selection_rate"].value < 0.2  # type: ignore[operator]
    train = Sample(
        score[fitted], subject.data.labels[fitted] == 1, b[fitted].astype(int), ("a", "b")
    )
    cuts = equalising(train, "selection_rate", 20)
    own, shared = (
        (score[~fitted] > cut) == (subject.data.labels[~fitted] == 1)
        for cut in (cuts[b[~fitted].astype(int)], 0.5)
    )
    value, interval = paired_difference(own, shared)
    change = found["accuracy_change/g/equal=selection_rate"]
    assert (change.value, change.low, change.high) == (value, interval.low, interval.high)


def test_fitted_rates_are_those_of_all() -> None:
    rng = np.random.default_rng(0)
    sample = Sample(
        rng.random(300) ** np.repeat([1, 2, 3], 100), rng.random(300) < 0.5,
        np.repeat([0, 1, 2], 100), ("a", "b", "c"),
    )  # fmt: skip
    target = np.mean(sample.score > 0.5)
    cuts = equalising(sample, "selection_rate", 20)
    hits, totals = sample.counts("selection_rate", sample.score > cuts[sample.codes])
    assert np.abs(hits / totals - target).max() <= 0.005
    assert equalising(sample, "selection_rate", 101).tolist() == [0.5] * 3


def test_a_group_absent_from_a_class_takes_no_part_in_its_rate() -> None:
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.tile([0, 1], 50), np.zeros(50, dtype=int)])
    groups = ["<b>a</b>"] * 50 + ["ü/="] * 50 + ["none"] * 50
    outcome = measured(CHECK, scoring(rng.uniform(0.1, 0.9, 150), labels, groups))
    found = values(outcome)
    assert found["tpr_gap/g/threshold=0.5"] is not None
    two = measured(CHECK, scoring(rng.uniform(0.1, 0.9, 100), labels[50:], groups[50:]))
    assert values(two)["tpr_gap/g/threshold=0.5"] is None
    assert values(two)["selection_rate_gap/g/threshold=0.5"] is not None


def test_a_thousand_groups_and_an_attribute_equal_to_the_label() -> None:
    rng = np.random.default_rng(0)
    labels, scores = np.tile([0, 1], 500), rng.uniform(0.1, 0.9, 1000)
    many = measured(CHECK, scoring(scores, labels, [f"g{i}" for i in range(1000)]))
    assert values(many)["selection_rate_gap/g/threshold=0.5"] is None
    assert many.headline is None
    same = values(measured(CHECK, scoring(scores, labels, labels.astype(str).tolist())))
    assert same["tpr_gap/g/threshold=0.5"] is None
    assert same["selection_rate_gap/g/threshold=0.5"] is not None


def test_it_needs_a_decision_and_groups() -> None:
    subject = sound()
    one = replace(subject.data, attributes=subject.data.attributes.assign(g="x"))
    assert isinstance(run_check(CHECK, Subject(subject.model, one)), NotApplicable)
    plain = replace(subject.data, sensitive=())
    assert isinstance(CHECK.applies(subject.model, plain), NotApplicable)
    three = replace(subject.data, classes=("a", "b", "c"))
    assert isinstance(CHECK.applies(subject.model, three), NotApplicable)
    assert ThresholdSweep(positive="b").applies(subject.model, three) is None
    with pytest.raises(ConfigError, match="positive is 'B'"):
        ThresholdSweep(positive="B").applies(subject.model, three)


def test_the_other_class_can_be_the_positive_one() -> None:
    one = values(measured(ThresholdSweep(thresholds=(0.25,)), broken()))
    other = values(measured(ThresholdSweep(thresholds=(0.75,), positive="no"), broken()))
    assert one["tpr_gap/g/threshold=0.25"] == pytest.approx(other["fpr_gap/g/threshold=0.75"])


def test_small_cells_take_no_part() -> None:
    subject = broken()
    data = replace(subject.data, min_cell=150)
    found = values(measured(CHECK, Subject(subject.model, data)))
    assert found["selection_rate_gap/g/threshold=0.5"] is not None
    assert found["tpr_gap/g/threshold=0.5"] is None  # 100 are labelled positive
    assert found["shared_gap/g/equal=selection_rate"] is None


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"thresholds": ()}, "thresholds"), ({"thresholds": (0.5, 0.5)}, "thresholds"),
        ({"thresholds": (1.0,)}, "a threshold is 1.0"), ({"minimum_n": 0}, "minimum_n"),
    ],
)  # fmt: skip
def test_impossible_parameters_are_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ThresholdSweep(**parameters)  # type: ignore[arg-type]
