"""Mirrors auditkit/checks/calibration/calibration_error.py."""

from __future__ import annotations

import pytest
import torch
from sklearn import metrics as peer
from torch import Tensor, nn

from auditkit.checks.base import Measured
from auditkit.checks.calibration.calibration_error import CalibrationError
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Note, Table
from auditkit.models.classifier import ImageClassifier
from auditkit.statistics import clopper_pearson
from tests.subjects import Subject, image_data, linear_subject, measured, run_check, values

CHECK = CalibrationError(simulations=400)
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
    found = values(measured(CHECK, subject))
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
    value, _, high = by_metric(measured(CHECK, drawn(0.3)))["overconfidence"]
    assert value < -0.1
    assert high is not None
    assert high < 0


def test_the_diagram_and_its_table_agree_and_add_up() -> None:
    subject = drawn(1, n=300)
    evidence = measured(CHECK, subject).evidence
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
    assert values(measured(CHECK, subject))["ece"] == pytest.approx(error)


def test_the_null_band_is_said_in_words() -> None:
    note = measured(CHECK, sound()).evidence["null-band"]
    assert isinstance(note, Note)
    assert "at n = 500" in note.text


def test_shards_change_nothing_but_rounding() -> None:
    whole, cut = (run_check(CHECK, drawn(2, n=60), shard_size=size) for size in (None, 7))
    assert isinstance(whole, Measured)
    assert isinstance(cut, Measured)
    for one, other in zip(whole.findings, cut.findings, strict=True):
        assert one.id == other.id
        assert one.value == pytest.approx(other.value, rel=1e-6)
        if one.low is not None:
            assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-6)


def test_one_input_is_enough_to_answer_with_doubt() -> None:
    value, low, high = by_metric(measured(CHECK, linear_subject(0, n=1, wrong=0)))["ece"]
    assert low is not None
    assert high is not None
    assert low <= value <= high
    assert high - low > 0.3


def test_findings_rest_on_evidence_that_exists() -> None:
    outcome = measured(CHECK, sound())
    assert {key for one in outcome.findings for key in one.evidence} <= outcome.evidence.keys()


@pytest.mark.parametrize("parameters", [{"bins": 1}, {"simulations": 99}])
def test_senseless_parameters_are_refused(parameters: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(parameters))) as error:
        CalibrationError(**parameters)
    assert error.value.hint


def test_confident_and_always_right_is_calibrated() -> None:
    """Every probability is exactly 1 in floating point: the last bin takes them."""
    images = torch.zeros(50, 1, 1, 2)
    images[:, 0, 0, 1] = 9.0
    model = ImageClassifier(Scaled(100), classes=("0", "1"), input_shape=(1, 1, 2), bounds=(0, 9))
    found = values(measured(CHECK, Subject(model, image_data(images, [1] * 50))))
    assert found["ece"] == 0
    assert found["nll"] == 0
    assert found["ece_p"] == 1
