"""Mirrors auditkit/checks/shift/drift.py."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.checks.base import Measured, NotApplicable
from auditkit.checks.shift._two_samples import Known
from auditkit.checks.shift.drift import Drift, summary_of
from auditkit.data.dataset import InMemory
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Curve, Finding, Table
from auditkit.models.classifier import ImageClassifier
from auditkit.types import Floats, Ints
from tests.subjects import Subject, graph_subject, image_data, measured, table_subject

FOLDER = Path(mkdtemp())
REVEALS = "p_value"
SHAPE = (1, 4, 4)
CLASSES = ("dark", "bright")
FEW = {"permutations": 150, "splits": 10, "repetitions": 4, "sizes": (0.1, 1.5)}


def drawn(seed: int, n: int, *, bright: float = 0.5, by: float = 0.0) -> tuple[Floats, Ints]:
    """Images of two classes, of which so many are bright; all are brighter by some amount."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < bright).astype(np.int64)
    noise = rng.uniform(0.0, 0.3, size=(n, *SHAPE))
    return (noise + 0.3 * labels[:, None, None, None] + by).astype(np.float32), labels


def model() -> ImageClassifier:
    """Two layers that tell dark images from bright ones."""
    rng = torch.Generator().manual_seed(0)
    first, last = nn.Linear(16, 6), nn.Linear(6, 2)
    with torch.no_grad():
        first.weight.copy_(0.05 + 0.02 * torch.rand(6, 16, generator=rng))
        first.bias.zero_()
        last.weight.copy_(torch.tensor([[-1.0] * 6, [1.0] * 6]))
        last.bias.copy_(torch.tensor([1.73, -1.73]))
    net = nn.Sequential(nn.Flatten(), first, nn.ReLU(), last)
    return ImageClassifier(net, classes=CLASSES, input_shape=SHAPE)


def saved(name: str, images: Floats, labels: Ints | None = None) -> str:
    arrays = {"x": images} if labels is None else {"x": images, "y": labels}
    np.savez(FOLDER / f"{name}.npz", **arrays)  # type: ignore[arg-type]
    return f"{name}={FOLDER / name}.npz"


LIKE = saved("like", *drawn(1, 80))
MOVED = saved("moved", drawn(2, 80, by=0.15)[0])
MIXED = saved("mixed", drawn(3, 80, bright=0.9)[0])
CHECK = Drift(shift=(LIKE,), **FEW)


def subject(n: int = 80, by: float = 0.0) -> Subject:
    images, labels = drawn(0, n, by=by)
    return Subject(model(), image_data(torch.from_numpy(images), labels.tolist(), classes=CLASSES))


def broken() -> Subject:
    """Audited data that are brighter than the deployment data."""
    return subject(by=0.15)


def sound() -> Subject:
    """Audited data like the deployment data."""
    return subject()


@cache
def outcome() -> Measured:
    return measured(Drift(shift=(LIKE, MOVED, MIXED), **FEW), subject())


def found(rest: str, result: Measured | None = None) -> Finding:
    whole = {one.id.removeprefix("drift/"): one for one in (result or outcome()).findings}
    return whole[rest]


def test_what_moved_alarms_and_what_did_not_does_not() -> None:
    assert found("p_value/shift=like").value > 0.05  # type: ignore[operator]
    assert found("p_value/shift=moved").value <= 0.05  # type: ignore[operator]
    for space in ("inputs", "features"):
        for metric in ("mmd2", "largest_distance"):
            like, moved = (found(f"{metric}/shift={one}/on={space}") for one in ("like", "moved"))
            assert like.value < moved.value  # type: ignore[operator]
            assert moved.low <= moved.value <= moved.high  # type: ignore[operator]
    assert found("told_apart/shift=moved/on=inputs").low > 0.55  # type: ignore[operator]
    assert found("told_apart/shift=like/on=inputs").low < 0.5  # type: ignore[operator]


def test_all_tests_together_are_corrected_for_their_number() -> None:
    each = [
        one.value
        for one in outcome().findings
        if one.metric == "p_value" and one.slice == "shift=moved" and "test" in one.params
    ]
    assert len(each) == 7
    expected = min(1.0, 7 * min(each))  # type: ignore[type-var, operator]
    assert found("p_value/shift=moved").value == pytest.approx(expected)
    together = {name: found(f"p_value/shift={name}").value for name in ("like", "moved", "mixed")}
    worst = min(together, key=lambda name: together[name])  # type: ignore[arg-type, return-value]
    assert outcome().headline == f"drift/p_value/shift={worst}" != "drift/p_value/shift=like"


def test_the_mix_of_classes_is_estimated_without_labels() -> None:
    change = found("class_share_change/shift=mixed")
    assert abs(abs(change.value) - 0.4) < 0.15  # type: ignore[operator, arg-type]
    assert change.low * change.high > 0  # type: ignore[operator]
    like = found("class_share_change/shift=like")
    assert like.low <= 0 <= like.high  # type: ignore[operator]
    bars = outcome().evidence["data-2-classes"]
    assert isinstance(bars, Bars)
    assert [one.label for one in bars.bars] == list(CLASSES)
    assert found("p_value/shift=mixed/on=answers,test=chi-square").value < 0.02  # type: ignore[operator]


def test_false_alarms_and_power_are_those_of_random_parts() -> None:
    rate = found("false_alarm_rate/shift=like")
    assert (rate.n, rate.interval) == (10, "clopper-pearson")
    assert rate.value <= 0.3  # type: ignore[operator]
    for space in ("inputs", "features"):
        small, large = (
            found(f"power/shift=like/on={space},size={size}") for size in ("0.1", "1.5")
        )
        assert small.value < large.value  # type: ignore[operator]
        assert large.value == 1.0
    curve = outcome().evidence["data-0-power-features"]
    assert isinstance(curve, Curve)
    assert [one.name for one in curve.series] == [
        "maximum mean discrepancy", "Kolmogorov-Smirnov", "classifier",
    ]  # fmt: skip
    assert curve.series[0].x == pytest.approx([0.1, 1.5], abs=0.25)  # the realised differences


def test_parts_that_differ_differ_by_about_what_was_asked() -> None:
    points = np.random.default_rng(0).normal(size=(200, 3)) * [3.0, 1.0, 1.0]
    known = Known(points, 70, permutations=19)
    rng = np.random.default_rng(1)
    for asked in (0.0, 0.3, 1.0):
        parts = [known.apart(asked, rng) for _ in range(30)]
        assert all((~one).sum() == 70 for one in parts)
        apart = float(np.mean([known.difference(one) for one in parts]))
        assert apart == pytest.approx(asked, abs=0.12)
        along = np.mean(
            [(points[~one] - points[one].mean(axis=0)).mean(axis=0) for one in parts], 0
        )
        assert abs(along[0]) / 3 == pytest.approx(asked, abs=0.12)  # the widest column


def test_the_numbers_that_moved_are_named() -> None:
    table = outcome().evidence["data-1-inputs"]
    assert isinstance(table, Table)
    assert str(table.rows[0][0]).startswith("channel 1, field (")
    distances = [row[1] for row in table.rows]
    assert distances == sorted(distances, reverse=True)  # type: ignore[type-var]


def test_shards_change_nothing() -> None:
    check = Drift(shift=(MOVED,), **{**FEW, "splits": 2, "repetitions": 1})
    whole, parts = (measured(check, subject(), shard_size=size).findings for size in (None, 33))
    assert [(one.id, one.n) for one in whole] == [(one.id, one.n) for one in parts]
    for one, other in zip(whole, parts, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-6)


def test_so_many_inputs_are_compared_and_no_more() -> None:
    check = Drift(shift=(LIKE,), most=30, **{**FEW, "splits": 2, "repetitions": 1})
    table = measured(check, subject()).evidence["data-0-tests"]
    assert isinstance(table, Table)
    assert "30 inputs beside 30 audited" in table.title


@pytest.mark.parametrize(("n", "m"), [(5, 5), (2, 40), (1, 5), (5, 1), (3, 3)])
def test_tiny_samples_say_what_is_too_few(n: int, m: int) -> None:
    source = saved(f"tiny{n}-{m}", drawn(5, m)[0])
    result = measured(Drift(shift=(source,), **FEW), subject(n))
    undefined = [one for one in result.findings if one.undefined is not None]
    assert undefined
    assert all("too few" in str(one.undefined) or "tell" in str(one.undefined) for one in undefined)
    assert all(
        0 < one.value <= 1 for one in result.findings if one.metric == "p_value" and one.value
    )
    if min(n, m) < 2:
        assert result.headline is None


def test_constant_inputs_and_a_single_class_are_said() -> None:
    images = np.full((30, *SHAPE), 0.5, np.float32)
    data = image_data(torch.from_numpy(images), [1] * 30, classes=CLASSES)
    source = saved("constant", images)
    result = measured(Drift(shift=(source,), **FEW), Subject(model(), data))
    assert found("p_value/shift=constant", result).value == 1.0
    for metric in ("mmd2", "largest_distance"):
        why = found(f"{metric}/shift=constant/on=inputs", result).undefined
        assert why is not None
        assert "is the same in both samples" in why
    assert found("class_share_change/shift=constant", result).value is None


def test_tables_and_graphs_have_numbers_with_names() -> None:
    table, graph = table_subject(), graph_subject()
    for one, names in ((table, "work is State"), (graph, "highest degree")):
        summary = summary_of(one.data.read(slice(None)), one.data)
        assert names in summary.names
        assert summary.values.shape == (4, len(summary.names))
        assert np.isfinite(summary.values).all()
    texts = replace(
        table.data, schema=None, modality="text", reader=InMemory(["so", "", "a b", "?"])
    )
    assert np.isfinite(summary_of(texts.read(slice(None)), texts).values).all()


def test_without_deployment_data_it_says_what_to_type() -> None:
    why = Drift().applies(subject().model, subject().data)
    assert isinstance(why, NotApplicable)
    assert "--shift DATA" in why.reason
    assert CHECK.applies(subject().model, subject().data) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"permutations": 18}, {"splits": 0}, {"repetitions": 0}, {"most": 0}, {"alpha": 0.0},
        {"sizes": ()}, {"sizes": (0.1, 0.0)},
    ],
)  # fmt: skip
def test_parameters_outside_their_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Drift(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_whole_check_alarms_no_more_often_than_said_on_splits_of_real_images() -> None:
    """Halves of the digits: 500 splits, all seven tests together."""
    from scipy import stats

    from auditkit.data.digits import load
    from auditkit.models.load import ModelSpec, load_model

    data = load("test").sample(200, seed=0)
    digits = Subject(load_model(ModelSpec(source="digits-cnn", device="cpu")), data)
    source = saved("digits", np.asarray(data.read(np.arange(100))))
    check = Drift(shift=(source,), splits=500, repetitions=1, sizes=(1.0,))
    rates = [one for one in measured(check, digits).findings if one.metric == "false_alarm_rate"]
    assert len(rates) == 8
    for one in rates:
        alarms = round(one.value * 500)  # type: ignore[operator]
        assert stats.binom.sf(alarms - 1, 500, 0.05) >= 0.01, one.id
