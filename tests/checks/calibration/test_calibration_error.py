"""Mirrors auditkit/checks/calibration/calibration_error.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as peer
from sklearn.calibration import calibration_curve
from torch import Tensor, nn

from auditkit.checks.base import Measured
from auditkit.checks.calibration.calibration_error import CalibrationError
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Curve, Note, Table
from auditkit.methods.metrics.smooth_calibration import smooth_error
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import clopper_pearson
from tests.checks.shift.test_typos import subject as text_subject
from tests.subjects import (
    Subject,
    graph_subject,
    image_data,
    linear_subject,
    measured,
    run_check,
    table_subject,
    values,
)

CHECK = CalibrationError(simulations=400, kinds=("gaussian-noise",), severities=(5,))
PLAIN = CalibrationError(simulations=100, severities=())
REVEALS = "ece"


class Scaled(nn.Module):
    """The logits are the pixels times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) * self.factor


def drawn(factor: float, *, n: int = 500, k: int = 3, seed: int = 0) -> Subject:
    """Labels drawn from the softmax of the pixels: factor 1 is perfectly calibrated."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 1, 1, k, generator=rng) * 2
    labels = torch.multinomial(images.flatten(1).softmax(dim=1), 1, generator=rng)[:, 0]
    names = tuple(map(str, range(k)))
    model = ImageClassifier(Scaled(factor), classes=names, input_shape=(1, 1, k), bounds=(-9, 9))
    return Subject(model, image_data(images, labels, classes=names))


def broken() -> Subject:
    """Logits four times too large: sure of everything, right no more often."""
    return drawn(4)


def sound() -> Subject:
    return drawn(1)


def by_metric(outcome: Measured) -> dict[str, tuple[float, float | None, float | None]]:
    """What is said of all inputs as they are."""
    plain = [one for one in outcome.findings if one.id.endswith(f"/{one.metric}/all")]
    return {one.metric: (one.value, one.low, one.high) for one in plain}  # type: ignore[misc]


def test_scores_equal_scikit_learn() -> None:
    subject = drawn(1.7)
    probs = subject.model.predict(subject.artifacts.inputs).double().softmax(dim=1).numpy()
    labels = subject.data.labels
    found = values(measured(PLAIN, subject))
    assert found["nll"] == pytest.approx(peer.log_loss(labels, probs))
    assert found["brier"] == pytest.approx(
        peer.brier_score_loss(labels, probs, scale_by_half=False)  # pyright: ignore[reportArgumentType]
    )
    accuracy = peer.accuracy_score(labels, probs.argmax(axis=1))
    assert found["overconfidence"] == pytest.approx(probs.max(axis=1).mean() - accuracy)


def test_a_calibrated_model_is_within_chance_and_an_overconfident_one_is_not() -> None:
    good, bad = (by_metric(measured(CHECK, drawn(factor, n=1000))) for factor in (1, 4))
    assert good["ece"][1] == 0, "the interval reaches a perfect calibration"
    assert good["ece_p"][0] > 0.05
    assert bad["ece"][1] > 0.1  # type: ignore[operator]
    assert bad["ece_p"][0] == 1 / 401
    assert bad["overconfidence"][1] > 0.1  # type: ignore[operator]
    low, high = good["overconfidence"][1:]
    assert low is not None
    assert high is not None
    assert low < 0 < high


def test_underconfidence_has_the_other_sign() -> None:
    value, _, high = by_metric(measured(PLAIN, drawn(0.3)))["overconfidence"]
    assert value < -0.1
    assert high is not None
    assert high < 0


def test_the_diagram_and_its_table_agree_and_add_up() -> None:
    subject = drawn(1, n=300)
    evidence = measured(PLAIN, subject).evidence
    curve, table = evidence["reliability"], evidence["bins"]
    assert isinstance(curve, Curve)
    assert isinstance(table, Table)
    assert curve.diagonal
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert sum(row["n"] for row in rows) == 300  # type: ignore[misc]
    series = curve.series[0]
    assert series.low is not None
    for row, x, y, low in zip(rows, series.x, series.y, series.low, strict=True):
        assert row["from"] <= x <= row["to"]  # type: ignore[operator]
        assert (row["mean confidence"], row["accuracy"]) == (x, y)
        assert (low, row["high"]) == clopper_pearson(round(y * row["n"]), row["n"])  # type: ignore[operator, arg-type]
    error = sum(row["n"] * abs(row["accuracy"] - row["mean confidence"]) for row in rows) / 300  # type: ignore[operator]
    assert values(measured(PLAIN, subject))["ece"] == pytest.approx(error)


def test_the_null_band_is_said_in_words() -> None:
    note = measured(CHECK, sound()).evidence["null-band"]
    assert isinstance(note, Note)
    assert "at n = 500" in note.text


def test_shards_change_nothing_but_rounding() -> None:
    whole, cut = (run_check(CHECK, drawn(2, n=60), shard_size=size) for size in (None, 7))
    assert isinstance(whole, Measured)
    assert isinstance(cut, Measured)
    assert len(whole.findings) == len(cut.findings)
    for one, other in zip(whole.findings, cut.findings, strict=True):
        assert one.id == other.id
        assert one.value == pytest.approx(other.value, rel=1e-6)
        if one.low is not None:
            assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-6)


def test_one_input_is_enough_to_answer_with_doubt() -> None:
    value, low, high = by_metric(measured(PLAIN, linear_subject(0, n=1, wrong=0)))["ece"]
    assert low is not None
    assert high is not None
    assert low <= value <= high
    assert high - low > 0.3


def test_findings_rest_on_evidence_that_exists() -> None:
    outcome = measured(CHECK, sound())
    assert {key for one in outcome.findings for key in one.evidence} <= outcome.evidence.keys()


@pytest.mark.parametrize(
    "parameters",
    [
        {"bins": 1},
        {"simulations": 99},
        {"minimum_n": 0},
        {"severities": (6,)},
        {"kinds": ("defocus-blur", "defocus-blur")},
    ],
)
def test_senseless_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="severity|" + next(iter(parameters))) as error:
        CalibrationError(**parameters)  # type: ignore[arg-type]
    assert error.value.hint


def test_confident_and_always_right_is_calibrated() -> None:
    """Every probability is exactly 1 in floating point: the last bin takes them."""
    images = torch.zeros(50, 1, 1, 2)
    images[:, 0, 0, 1] = 9.0
    model = ImageClassifier(Scaled(100), classes=("0", "1"), input_shape=(1, 1, 2), bounds=(0, 9))
    outcome = measured(PLAIN, Subject(model, image_data(images, [1] * 50)))
    found = values(outcome)
    assert found["ece"] == 0
    assert found["ece_p"] == 1
    of = {one.metric: one for one in outcome.findings if one.slice == "all"}
    assert (of["nll"].value, of["nll"].low, of["nll"].interval) == (0, None, "none")
    unseen = clopper_pearson(0, 50).high  # share of inputs that may score as much as 2
    assert (of["brier"].value, of["brier"].low, of["brier"].high) == (0, 0, 2 * unseen)


# --- the other errors ----------------------------------------------------------------------------


def rows_of(table: object) -> list[dict[str, Any]]:
    assert isinstance(table, Table)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_the_other_errors_equal_their_definitions() -> None:
    subject = drawn(1.7, n=150)
    probs = subject.model.predict(subject.artifacts.inputs).double().softmax(dim=1).numpy()
    labels, confidence = subject.data.labels, probs.max(axis=1)
    correct = probs.argmax(axis=1) == labels
    found = by_metric(measured(PLAIN, subject))
    pieces = np.array_split(np.argsort(confidence), 15)
    adaptive = sum(len(p) * abs(correct[p].mean() - confidence[p].mean()) for p in pieces) / 150
    assert found["adaptive_ece"][0] == pytest.approx(adaptive)
    total = 0.0
    for c in range(3):
        for b in range(15):
            here = np.minimum(np.floor(probs[:, c] * 15), 14) == b
            total += abs((labels[here] == c).sum() - probs[here, c].sum()) / 150 / 3
    assert found["classwise_ece"][0] == pytest.approx(total)
    assert found["smooth_ece"][0] == pytest.approx(smooth_error(confidence, correct))


def test_bins_equal_those_of_scikit_learn() -> None:
    subject = drawn(1.7, n=150)
    probs = subject.model.predict(subject.artifacts.inputs).double().softmax(dim=1).numpy()
    curve = measured(PLAIN, subject).evidence["reliability"]
    assert isinstance(curve, Curve)
    share, mean = calibration_curve(
        probs.argmax(axis=1) == subject.data.labels, probs.max(axis=1), n_bins=15
    )
    assert curve.series[0].y == pytest.approx(share)
    assert curve.series[0].x == pytest.approx(mean)


def test_every_score_stands_beside_what_chance_would_show() -> None:
    rows, bad = (
        {row["score"]: row for row in rows_of(measured(PLAIN, drawn(f)).evidence["chance"])}
        for f in (1, 4)
    )
    assert len(rows) == 8
    for name, row in rows.items():
        assert 0 <= row["by chance, low"] <= row["by chance"] <= row["by chance, high"], name
        assert row["n"] == 500
        assert row["p"] > 0.01, name
    for name, row in bad.items():
        if "not sure enough" not in name:
            assert row["observed"] > row["by chance, high"], name
            assert row["p"] == pytest.approx(1 / 101), name
    whole = bad["expected calibration error"]["observed"]
    parts = [row["observed"] for name, row in bad.items() if ":" in name]
    assert sum(parts) == pytest.approx(whole)


# --- a temperature -------------------------------------------------------------------------------


def test_the_temperature_that_was_planted_is_found_and_mends_it() -> None:
    found = by_metric(measured(PLAIN, drawn(4, n=800)))
    value, low, high = found["temperature"]
    assert low is not None
    assert high is not None
    assert low < 4 < high
    assert abs(value - 4) < 1
    assert found["unscaled_ece"][1] > 0.05  # type: ignore[operator]
    assert found["scaled_ece"][1] == 0, "nothing beyond chance remains"
    assert found["nll_saved"][1] > 0.1  # type: ignore[operator]


def test_the_halves_share_no_input() -> None:
    findings = {one.metric: one for one in measured(PLAIN, drawn(2, n=61)).findings}
    assert (findings["temperature"].n, findings["scaled_ece"].n) == (30, 31)


@pytest.mark.parametrize(("n", "why"), [(5, "too few"), (60, "surer, the likelier")])
def test_a_temperature_that_nothing_determines_is_undefined(n: int, why: str) -> None:
    outcome = measured(PLAIN, linear_subject(0, n=n, wrong=0))
    for one in outcome.findings:
        if one.metric in ("temperature", "unscaled_ece", "scaled_ece", "nll_saved"):
            assert one.value is None
            assert why in (one.undefined or "")


# --- slices and changes --------------------------------------------------------------------------


def test_a_slice_that_is_too_sure_shows_and_a_small_one_is_undefined() -> None:
    """Labels of one group follow the softmax, those of the other are drawn at random."""
    one = drawn(1, n=400)
    side = ["left" if i % 2 else "right" for i in range(385)] + ["few"] * 15
    labels = one.data.labels.copy()
    odd = np.arange(400) % 2 == 1
    labels[odd] = np.random.default_rng(0).integers(0, 3, odd.sum())
    data = image_data(
        one.artifacts.images, labels.tolist(), classes=one.data.classes, attributes={"side": side}
    )
    outcome = measured(PLAIN, Subject(one.model, data))
    found = {each.slice: each for each in outcome.findings if each.metric == "ece"}
    assert set(found) == {"all", "side=left", "side=right", "side=few"}
    assert found["side=left"].low > 0.1  # type: ignore[operator]
    assert found["side=right"].low == 0
    assert found["side=few"].value is None
    assert "15 inputs, fewer than 20" in (found["side=few"].undefined or "")
    rows = {row["group"]: row for row in rows_of(outcome.evidence["slices"])}
    assert rows["few"]["calibration error"] is None
    assert rows["left"]["adjusted p"] < 0.05 < rows["right"]["adjusted p"]
    bars = outcome.evidence["slices-1"]
    assert isinstance(bars, Bars)
    assert [bar.label for bar in bars.bars] == ["few", "left", "right"]


def test_one_slice_is_no_slice() -> None:
    one = drawn(1, n=40)
    data = image_data(
        one.artifacts.images,
        one.data.labels.tolist(),
        classes=one.data.classes,
        attributes={"side": ["left"] * 40},
    )
    outcome = measured(PLAIN, Subject(one.model, data))
    assert {each.slice for each in outcome.findings} == {"all"}
    assert "slices" not in outcome.evidence


def test_noise_costs_accuracy_and_leaves_the_confidence() -> None:
    """Pixels times 9 are noisy by a tenth of the bounds, 18: the answers change, not the odds."""
    outcome = measured(CHECK, drawn(1, n=400))
    clean, noisy = rows_of(outcome.evidence["changes"])
    assert (clean["corruption"], noisy["severity"]) == ("(clean)", 5)
    assert noisy["accuracy"] < clean["accuracy"] - 0.05
    assert noisy["calibration error"] > noisy["by chance, high"]
    (found,) = [one for one in outcome.findings if one.metric == "ece" and "severity" in one.params]
    assert found.id == "calibration-error/ece/all/corruption=gaussian-noise,severity=5"
    assert found.value == noisy["calibration error"]
    curve = outcome.evidence["change-curve"]
    assert isinstance(curve, Curve)
    assert curve.series[0].x == [0.0, 5.0]


def test_texts_are_mistyped_and_tables_left_alone() -> None:
    check = CalibrationError(simulations=100, severities=(5,))
    ids = [one.id for one in measured(check, text_subject(first_only=True, wrong=3)).findings]
    assert "calibration-error/ece/all/corruption=typos,severity=5" in ids
    for subject in (table_subject(), graph_subject()):
        outcome = measured(check, subject)
        assert "changes" not in outcome.evidence
        assert by_metric(outcome)["ece"][0] is not None


def test_labels_of_one_class_and_five_inputs() -> None:
    one = drawn(1, n=5)
    subject = Subject(one.model, image_data(one.artifacts.images, [0] * 5, classes=("0", "1", "2")))
    for finding in measured(CHECK, subject).findings:
        assert finding.value is not None or finding.undefined
