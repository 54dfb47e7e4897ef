"""Mirrors auditkit/checks/calibration/conformal.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Measured
from auditkit.checks.calibration.calibration_error import CalibrationError
from auditkit.checks.calibration.conformal import Conformal
from auditkit.checks.halves import searched_half
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Curve, Finding, Note, Table
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import uniform
from tests.checks.shift.test_typos import subject as text_subject
from tests.subjects import (
    Subject,
    graph_subject,
    image_data,
    linear_subject,
    measured,
    table_subject,
)

CHECK = Conformal(kinds=("gaussian-noise",), severities=(5,))
REVEALS = "set_size"
PLAIN = Conformal(severities=())


class Means(nn.Module):
    """The logits are the columns' means, times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2)) * self.factor


def drawn(factor: float = 20.0, *, n: int = 240, k: int = 4, groups: bool = False) -> Subject:
    """Labels drawn from the softmax of the factor 20; a smaller one is a model that knows less."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.rand(n, k, generator=rng) * 20
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=rng)[:, 0]
    images = (logits / 20)[:, None, None]
    names = tuple("abcdefgh"[:k])
    model = ImageClassifier(Means(factor), classes=names, input_shape=(1, 1, k))
    where = ["left" if i % 6 else "right" for i in range(n)]
    data = image_data(images, labels, classes=names, attributes={"side": where} if groups else None)
    return Subject(model, data)


def broken() -> Subject:
    """Always nearly undecided about the truth: the labels are others than it was made for."""
    sound_ = drawn()
    labels = torch.from_numpy(np.random.default_rng(0).permutation(sound_.data.labels))
    data = image_data(sound_.artifacts.images, labels, classes=sound_.data.classes)
    return Subject(sound_.model, data)


def sound() -> Subject:
    return drawn()


def found(outcome: Measured, metric: str, where: str = "all", **swept: object) -> Finding:
    (one,) = [
        one
        for one in outcome.findings
        if one.metric == metric
        and one.slice == where
        and all(one.params.get(k) == v for k, v in swept.items())
        and ("severity" in one.params) == ("severity" in swept)
    ]
    return one


def by_hand(subject: Subject, method: str, alpha: float) -> tuple[float, float, float]:
    """Coverage, mean size and share of empty sets, one input and one class at a time."""
    artifacts: Artifacts = subject.artifacts
    probs = subject.model.predict(artifacts.inputs).double().softmax(dim=1).numpy()
    draws, labels = uniform(artifacts.keys("conformal/aps"), ()), subject.data.labels

    def score(i: int, c: int) -> float:
        if method == "lac":
            return 1 - probs[i, c]
        return sum(p for p in probs[i] if p > probs[i, c]) + draws[i] * probs[i, c]

    half = searched_half(artifacts, "conformal")
    scores = sorted(score(i, labels[i]) for i in np.flatnonzero(half).tolist())
    cut = scores[int(np.ceil((len(scores) + 1) * (1 - alpha))) - 1]
    sets = {
        i: [c for c in range(probs.shape[1]) if score(i, c) <= cut]
        for i in np.flatnonzero(~half).tolist()
    }
    hits = [labels[i] in one for i, one in sets.items()]
    sizes = [len(one) for one in sets.values()]
    return float(np.mean(hits)), float(np.mean(sizes)), float(np.mean([s == 0 for s in sizes]))


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_equals_the_definition(method: str, alpha: float) -> None:
    subject = drawn(n=120)
    outcome = measured(Conformal(severities=(), methods=(method,), alphas=(alpha,)), subject)
    expected = by_hand(subject, method, alpha)
    for metric, value in zip(("coverage", "set_size", "empty_share"), expected, strict=True):
        assert found(outcome, metric).value == pytest.approx(value), metric


def test_half_the_inputs_are_tested_and_the_band_is_said() -> None:
    outcome = measured(PLAIN, sound())
    assert found(outcome, "coverage", method="lac").n == 120
    note = outcome.evidence["promise"]
    assert isinstance(note, Note)
    assert "Calibrated on 120 inputs, tested on 120 others" in note.text
    assert "at least 90 %" in note.text
    assert (found(outcome, "coverage_p", method="lac").value or 0) > 0.01


def test_noise_the_sets_were_not_calibrated_on_breaks_the_promise() -> None:
    outcome = measured(CHECK, drawn(n=300))
    clean = found(outcome, "coverage", method="lac")
    noisy = found(outcome, "coverage", method="lac", severity=5, corruption="gaussian-noise")
    assert noisy.value < (clean.value or 0) - 0.05  # type: ignore[operator]
    assert noisy.high is not None
    assert noisy.high < 0.9, "surely less than promised"
    curve = outcome.evidence["under-change"]
    assert isinstance(curve, Curve)
    assert [one.name for one in curve.series] == ["lac, gaussian-noise", "aps, gaussian-noise"]
    assert curve.series[0].y == [clean.value, noisy.value]


def test_classes_and_slices_add_up_and_small_ones_are_undefined() -> None:
    subject = drawn(n=240, groups=True)
    outcome = measured(Conformal(severities=(), minimum_n=26), subject)
    whole = found(outcome, "coverage", method="lac")
    parts = [
        one
        for one in outcome.findings
        if one.metric == "coverage" and one.slice.startswith("class=")
        and one.params["method"] == "lac"
    ]  # fmt: skip
    assert sum(one.n for one in parts) == whole.n
    small = found(outcome, "coverage", "side=right", method="lac")
    assert small.value is None
    assert "minimum_n" in (small.undefined or "")
    assert found(outcome, "coverage", "side=left", method="lac").value is not None
    table = outcome.evidence["coverage"]
    assert isinstance(table, Table)
    assert ["lac, alpha 0.1", "side=right", small.n, *[None] * 7] in table.rows


def test_a_class_that_is_covered_less_is_named() -> None:
    """One label in twelve is turned into d: of d, sets miss many, of all inputs a tenth."""
    one = drawn(n=800)
    labels = torch.from_numpy(one.data.labels.copy())
    labels[::12] = 3
    data = image_data(one.artifacts.images, labels, classes=one.data.classes)
    note = measured(PLAIN, Subject(one.model, data)).evidence["unkept"]
    assert isinstance(note, Note)
    assert "covered less: class=d (" in note.text
    fine = measured(PLAIN, one).evidence["unkept"]
    assert isinstance(fine, Note)
    assert "none is covered less" in fine.text


def test_five_inputs_say_how_many_are_needed() -> None:
    outcome = measured(PLAIN, drawn(n=5))
    for one in outcome.findings:
        assert one.value is None
        assert "need 9 calibration inputs, half of 18; there are 2" in (one.undefined or "")
    note = outcome.evidence["promise"]
    assert isinstance(note, Note)
    assert "need 9 calibration inputs" in note.text


def test_an_alpha_too_small_is_undefined_beside_one_that_is_not() -> None:
    outcome = measured(Conformal(severities=(), alphas=(0.1, 0.001), methods=("lac",)), drawn(n=60))
    assert found(outcome, "coverage", alpha=0.1).value is not None
    assert "need 999" in (found(outcome, "coverage", alpha=0.001).undefined or "")


def test_a_model_that_is_always_right_has_sets_of_one_class() -> None:
    """Probabilities are exactly 0 and 1: all scores are equal, and no set is larger or empty."""
    subject = drawn(1e6, n=80)
    predicted = subject.model.predict(subject.artifacts.inputs).argmax(dim=1)
    data = image_data(subject.artifacts.images, predicted, classes=subject.data.classes)
    outcome = measured(Conformal(severities=(), methods=("lac",)), Subject(subject.model, data))
    assert found(outcome, "coverage").value == 1
    size = found(outcome, "set_size")
    assert (size.value, size.interval) == (1.0, "clopper-pearson-scaled")
    assert size.low is not None
    assert size.high is not None
    assert size.low < 1 < size.high, "40 inputs cannot exclude another size"
    bars = outcome.evidence["sizes"]
    assert isinstance(bars, Bars)
    assert [(one.label, one.value) for one in bars.bars] == [("lac, alpha 0.1: 1", 1.0)]


def test_texts_are_mistyped() -> None:
    check = Conformal(methods=("lac",), severities=(5,))
    outcome = measured(check, text_subject(first_only=True, wrong=6))
    assert found(outcome, "coverage", severity=5, corruption="typos").value is not None


@pytest.mark.parametrize("subject", [table_subject(), graph_subject(), linear_subject(0, n=1)])
def test_other_inputs_and_one_alone(subject: Subject) -> None:
    assert all(one.undefined for one in measured(CHECK, subject).findings)


def test_tables_have_no_changes() -> None:
    one = table_subject()
    many = np.tile(np.arange(4), 10)
    data = one.data.__class__(
        **{
            **one.data.__dict__,
            "ids": tuple(map(str, range(40))),
            "labels": one.data.labels[many],
            "rows": many,
            "attributes": one.data.attributes.iloc[many].reset_index(drop=True),
        }
    )
    outcome = measured(CHECK, Subject(one.model, data))
    assert found(outcome, "coverage", method="lac").value is not None
    assert "under-change" not in outcome.evidence


@pytest.mark.parametrize(
    "parameters",
    [
        {"methods": ("raps",)},
        {"alphas": ()},
        {"alphas": (1.0,)},
        {"minimum_n": 0},
        {"kinds": ("fgo",)},
        {"severities": (3, 3)},
    ],
)
def test_senseless_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="conformal") as error:
        Conformal(**parameters)  # type: ignore[arg-type]
    assert error.value.hint


def test_the_model_is_asked_once_about_changed_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What calibration-error has asked of a shard, conformal reads; the numbers stay the same."""
    alone, artifacts = CHECK.measure(drawn().artifacts), drawn().artifacts
    CalibrationError(kinds=CHECK.kinds, severities=CHECK.severities).measure(artifacts)
    monkeypatch.delattr("auditkit.checks.calibration._changed.logits_of")
    shared = CHECK.measure(artifacts)
    for name, column in alone.columns.items():
        np.testing.assert_array_equal(shared[name], column)
