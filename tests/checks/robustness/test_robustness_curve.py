"""Mirrors auditkit/checks/robustness/robustness_curve.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.checks.base import Context, Measured, NotApplicable, Records
from auditkit.checks.robustness._flips import POINTS
from auditkit.checks.robustness.robustness_curve import RobustnessCurve
from auditkit.errors import ConfigError
from auditkit.findings import Curve, ImageExhibit, Table
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import ImageClassifier
from auditkit.result import Execution
from tests.methods.attacks.subjects import (
    Hidden,
    clear_subject,
    feature_subject,
    like,
    trained_digits,
    valley_subject,
)
from tests.subjects import LinearSubject, Subject, image_data, linear_subject, measured, run_check
from tests.subjects import values as values_of

CHECK = RobustnessCurve(linf=(0.02, 0.05), l2=(0.2,), rounds=1, queries=20)
REVEALS = "median_distance"


def broken() -> Subject:
    """A right answer that rests on fifteen pixels that differ by 0.02."""
    return feature_subject(robust=False)


def sound() -> Subject:
    """A right answer that rests on one pixel, far apart."""
    return feature_subject(robust=True)


def wide(subject: LinearSubject, scale: float = 1.0) -> Subject:
    """The subject with bounds so far away that they never cut a step."""
    old = subject.model
    assert isinstance(old, ImageClassifier)
    model = ImageClassifier(
        old.module, classes=old.classes, input_shape=old.input_shape,
        bounds=(-4.5 * scale, 5.5 * scale), std=(scale,),
    )  # fmt: skip
    return Subject(model, image_data(scale * subject.artifacts.images, subject.artifacts.labels))


@pytest.mark.parametrize("scale", [1.0, 25.0])
def test_distances_equal_the_closed_form_on_a_linear_model(scale: float) -> None:
    """The nearest wrong answer costs the margin over the dual norm: of the range, 10 here."""
    subject = clear_subject(0)
    check = RobustnessCurve(
        linf=(0.002, 0.01), l2=(0.005, 0.02), l1=(0.05,), l0=(1.0,), rounds=1, queries=0
    )
    weight, margins = subject.weight.double(), subject.margins.double().numpy()
    duals = {"linf": weight.abs().sum(), "l2": weight.norm(), "l1": weight.abs().max()}
    records = check.measure(wide(subject, scale).artifacts)
    outcome = check.summarise(records, Context(data=subject.data, seed=0))
    assert isinstance(outcome, Measured)
    found = values_of(outcome)
    for norm, dual in duals.items():
        expected = np.where(margins > 0, margins / float(dual) / 10, 0)
        assert records[f"distance_{norm}"] == pytest.approx(expected, abs=1e-5)
        middle = np.quantile(expected[expected > 0], 0.5, method="inverted_cdf")
        assert found[f"median_distance/norm={norm}"] == pytest.approx(middle, abs=1e-5)
        assert found[f"nothing_found/norm={norm}"] == 0
    assert set(records["distance_l0"].tolist()) <= {0.0, 1.0}
    for radius in check.l2:
        expected = np.where(margins > 0, margins / float(duals["l2"]) / 10, 0)
        share = float(np.mean(expected > radius))
        assert found[f"robust_accuracy/l2={radius}"] == pytest.approx(share, abs=1 / 37)


def test_the_curve_falls_and_agrees_with_the_records() -> None:
    outcome = measured(RobustnessCurve(rounds=1, queries=20, max_inputs=60), trained_digits())
    found = values_of(outcome)
    curve, table = outcome.evidence["curve-linf"], outcome.evidence["attacks-linf"]
    assert isinstance(curve, Curve)
    series = curve.series[0]
    y = [value or 0.0 for value in series.y]
    assert y == sorted(y, reverse=True)
    assert len(series.x) <= POINTS + 6
    for radius in (0.01, 0.05):
        assert y[series.x.index(radius)] == found[f"robust_accuracy/linf={radius}"]
    assert isinstance(table, Table)
    counts = [row[1] for row in table.rows if isinstance(row[1], int)]
    right = next(one.n for one in outcome.findings if one.metric == "median_distance")
    assert sum(counts) == right
    assert isinstance(outcome.evidence["worst"], ImageExhibit)
    assert outcome.headline == "robustness-curve/median_distance/all/norm=linf"
    assert outcome.findings[0].interval == "order-statistics"
    truth, _, changed = outcome.evidence["worst"].rows[0].caption.split("; ")
    assert changed.split(": ")[1].split()[0] != truth.removeprefix("true class ")


def test_only_so_many_images_are_attacked_and_the_rest_is_undefined() -> None:
    subject = trained_digits()
    check = RobustnessCurve(linf=(0.05,), l2=(), rounds=1, queries=0, max_inputs=25)
    records = check.measure(subject.artifacts)
    assert records.count("drawn") == 25
    assert np.isnan(records["distance_linf"]).sum() == len(records) - 25
    outcome = measured(check, subject)
    robust = next(one for one in outcome.findings if one.metric == "robust_accuracy")
    assert robust.n == 25
    assert values_of(measured(check, subject, shard_size=60)) == values_of(outcome)


def summary(distance: list[float], before: list[float] | None = None) -> Measured | NotApplicable:
    """What is said of given distances on sixteen pixels."""
    n = len(distance)
    subject = linear_subject(0, n=max(n, 8))
    check = RobustnessCurve(linf=(0.1,), l2=())
    records = Records(
        subject.data.ids[:n],
        correct=np.array(distance) > 0,
        drawn=np.ones(n, dtype=bool),
        gradients=np.ones(n, dtype=bool),
        distance_linf=np.array(distance),
        minimum_linf=np.array(before or distance),
        attack_linf=np.array(["" if np.isinf(one) else "rays" for one in distance]),
    )
    return check.summarise(records, Context(data=subject.data, seed=0))


def test_infinite_distances_are_counted_as_what_they_are() -> None:
    """Where half of the images hold there is no median; an open end is the whole range."""
    few = summary([0.0] * 2 + [0.2] * 20 + [np.inf] * 10)
    assert isinstance(few, Measured)
    assert few.findings[0].value == 0.2
    assert few.findings[0].n == 30
    assert values_of(few)["nothing_found/norm=linf"] == pytest.approx(1 / 3)
    close = summary([0.2] * 16 + [np.inf] * 14)
    assert isinstance(close, Measured)
    assert (close.findings[0].value, close.findings[0].high) == (0.2, 1.0)
    many = summary([0.2] * 10 + [np.inf] * 20)
    assert isinstance(many, Measured)
    assert many.findings[0].value is None
    assert "half of the images" in (many.findings[0].undefined or "")
    assert many.headline == "robustness-curve/robust_accuracy/all/linf=0.1"
    assert values_of(many)["robust_accuracy/linf=0.1"] == 1


def test_what_only_a_fixed_radius_finds_is_a_gap() -> None:
    outcome = summary([0.1, 0.1, 0.05, 0.3], before=[0.2, np.inf, 0.05, 0.3])
    assert isinstance(outcome, Measured)
    found = values_of(outcome)
    assert found["attack_gap/norm=linf"] == 0.5
    assert found["nothing_found/norm=linf"] == 0.25
    robust = next(one for one in outcome.findings if one.metric == "robust_accuracy")
    assert robust.controls[:2] == [
        "robustness-curve/nothing_found/all/norm=linf",
        "robustness-curve/attack_gap/all/norm=linf",
    ]


def test_hidden_gradients_are_seen_through_by_answers() -> None:
    subject = trained_digits()
    network = subject.model.module
    assert isinstance(network, torch.nn.Sequential)
    hidden = like(subject, Hidden(network))
    options = {"linf": (0.1,), "l2": (), "rounds": 1, "max_inputs": 40}
    with_answers = values_of(measured(RobustnessCurve(**options, queries=150), hidden))  # type: ignore[arg-type]
    without = values_of(measured(RobustnessCurve(**options, queries=0), hidden))  # type: ignore[arg-type]
    plain = values_of(measured(RobustnessCurve(**options, queries=0), subject))  # type: ignore[arg-type]
    assert without["median_distance/norm=linf"] is None
    assert without["nothing_found/norm=linf"] == 1
    assert with_answers["nothing_found/norm=linf"] == 0
    masked, true = (one["median_distance/norm=linf"] or 9 for one in (with_answers, plain))
    assert masked < 1.4 * true


def test_black_boxes_and_attacks_of_foolbox_enter_the_table() -> None:
    subject = trained_digits()
    network = subject.model.module
    box = BlackBox(lambda x: network(torch.from_numpy(x)).numpy(), output="logits")
    check = RobustnessCurve(
        linf=(0.05,), l2=(0.5,), queries=30, max_inputs=12, foolbox=("noise", "contrast")
    )
    outcome = measured(check, like(subject, box))
    for norm, known in (("linf", "rays"), ("l2", "surfree")):
        table = outcome.evidence[f"attacks-{norm}"]
        assert isinstance(table, Table)
        names = {row[0] for row in table.rows}
        assert known in names
        assert names <= {known, "square", "noise", "contrast", "none"}


def test_a_cheaper_search_finds_much_the_same() -> None:
    subject = trained_digits()
    check = RobustnessCurve(linf=(0.05,), l2=(), rounds=1, queries=0, max_inputs=40)
    plain = values_of(measured(check, subject))
    low = values_of(measured(check, subject, execution=Execution(search_dtype="bfloat16")))
    name = "median_distance/norm=linf"
    assert low[name] == pytest.approx(plain[name], rel=0.1)


def test_an_attack_cannot_repair_a_wrong_answer() -> None:
    check = RobustnessCurve(linf=(0.1,), l2=(), rounds=1, queries=0)
    records = check.measure(valley_subject().artifacts)
    assert records["distance_linf"] == pytest.approx([0, 0.15], abs=1e-3)


def test_without_a_right_answer_there_is_nothing_to_attack() -> None:
    subject = linear_subject(0)
    wrong = 1 - subject.model.predict(subject.artifacts.images).argmax(dim=1)
    outcome = run_check(CHECK, Subject(subject.model, image_data(subject.artifacts.images, wrong)))
    assert isinstance(outcome, NotApplicable)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"linf": (0.2, 0.1)}, "linf"),
        ({"linf": (0.5, 1.5)}, "linf"),
        ({"linf": (), "l2": ()}, "all empty"),
        ({"max_inputs": 1}, "max_inputs"),
        ({"rounds": 0}, "rounds"),
        ({"queries": -1}, "queries"),
        ({"foolbox": ("deepfol-l2",)}, "deepfool-l2"),
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RobustnessCurve(**parameters)  # type: ignore[arg-type]
