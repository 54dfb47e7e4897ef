"""Mirrors auditkit/checks/shift/label_free_accuracy.py."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.base import Measured, NotApplicable
from auditkit.checks.halves import searched_half
from auditkit.checks.shift import label_free_accuracy
from auditkit.checks.shift.graph_shift import GraphShift
from auditkit.checks.shift.label_free_accuracy import LabelFreeAccuracy
from auditkit.checks.shift.table_shift import TableShift
from auditkit.errors import ConfigError, ModelError
from auditkit.findings import Bars, Curve, Finding, Note, Table
from auditkit.methods.corruptions.catalogue import CORRUPTIONS
from auditkit.methods.corruptions.typos import typos
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import keys_of
from auditkit.statistics import student
from tests.checks.shift.test_graph_shift import broken as graphs
from tests.checks.shift.test_table_shift import people as tables
from tests.checks.shift.test_typos import sound as texts
from tests.subjects import Subject, graph_subject, image_data, measured, run_check, table_subject

FOLDER = Path(mkdtemp())
REVEALS = "chosen_error"
SHAPE = (1, 8, 8)
KINDS = ("gaussian-noise", "shot-noise", "impulse-noise")
CHECK = LabelFreeAccuracy(corruptions=KINDS, severities=(1, 5))
PATTERN = torch.where((torch.arange(8)[:, None] + torch.arange(8)) % 4 < 2, 1.0, -1.0)
STRENGTH = 0.015


class Stripes(nn.Module):
    """Which way the stripes run: as sure as the noise allows, or as sure of every answer."""

    def __init__(self, *, blunt: bool) -> None:
        super().__init__()
        self.blunt = blunt

    def forward(self, images: Tensor) -> Tensor:
        score = (images[:, 0] * PATTERN).flatten(1).sum(dim=1)
        rest = images[:, 0] - score[:, None, None] / 64 * PATTERN
        odds = 2 * STRENGTH * score / rest.flatten(1).var(dim=1)  # Bayes' rule for normal noise
        odds = 3 * score.sign() if self.blunt else odds
        return torch.stack([-odds / 2, odds / 2], dim=1)


def model(*, blunt: bool = False) -> ImageClassifier:
    return ImageClassifier(Stripes(blunt=blunt), classes=("0", "1"), input_shape=SHAPE)


def images(seed: int, n: int, noise: float = 0.08) -> tuple[Tensor, Tensor]:
    """Faint stripes under noise."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (n,), generator=rng)
    stripes = (STRENGTH * (2.0 * labels - 1))[:, None, None, None] * PATTERN
    found = 0.5 + stripes + noise * torch.randn(n, *SHAPE, generator=rng)
    return found.clamp(0, 1), labels


def subject(one: ImageClassifier, n: int = 160) -> Subject:
    return Subject(one, image_data(*images(0, n)))


def broken() -> Subject:
    """As sure of what it cannot see."""
    return subject(model(blunt=True))


def sound() -> Subject:
    return subject(model())


def saved(name: str, *, labelled: bool) -> str:
    """More noise, under which the model is less often right."""
    found, labels = images(1, 120, noise=0.25)
    arrays = {"x": found.numpy()} | ({"y": labels.numpy()} if labelled else {})
    np.savez(FOLDER / f"{name}.npz", **arrays)  # type: ignore[arg-type]
    return f"{name}={FOLDER / name}.npz"


NOISY, BARE = saved("noisy", labelled=True), saved("bare", labelled=False)


@pytest.fixture
def _second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second model, named "second", that gives the opposite of every unsure answer."""

    class Other(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            score = (images[:, 0] * PATTERN).flatten(1).sum(dim=1)
            score = torch.where(score.abs() < 1, -score, score)
            return torch.stack([-score, score], dim=1)

    other = ImageClassifier(Other(), classes=("0", "1"), input_shape=SHAPE)
    monkeypatch.setattr(label_free_accuracy, "other_model", lambda _: other)
    monkeypatch.setattr(label_free_accuracy, "comparable", lambda *_: other)
    monkeypatch.setattr(label_free_accuracy, "hash_of_other", lambda _: {})


@cache
def outcome() -> Measured:
    check = LabelFreeAccuracy(corruptions=KINDS, severities=(1, 5), shift=(NOISY, BARE))
    return measured(check, sound())


def of(result: Measured, rest: str) -> Finding:
    return {one.id.removeprefix("label-free-accuracy/"): one for one in result.findings}[rest]


def damaged(one: Subject, kind: str, severity: int) -> Tensor:
    """Damage the judged half once more."""
    (rows,) = np.nonzero(~searched_half(one.artifacts, "label-free-accuracy"))
    ids = [one.data.ids[i] for i in rows]
    batch = torch.from_numpy(np.asarray(one.data.read(rows)))
    return CORRUPTIONS[kind](batch, severity, keys_of(0, f"corruptions/{kind}", ids))


def test_errors_equal_a_derivation_by_hand() -> None:
    one = sound()
    half = searched_half(one.artifacts, "label-free-accuracy")
    clean = one.model.predict(one.artifacts.images).double()
    right = clean.argmax(1).numpy() == one.data.labels
    sure = clean.softmax(1).amax(1).numpy()
    wrong = int((~right[half]).sum())
    threshold = np.sort(sure[half])[wrong]
    errors: dict[str, list[list[float]]] = {"atc-confidence": [], "doc": [], "unchanged": []}
    for kind in KINDS:
        for values in errors.values():
            values.append([])
        for severity in (1, 5):
            logits = one.model.predict(damaged(one, kind, severity)).double()
            truth = (logits.argmax(1).numpy() == one.data.labels[~half]).mean()
            there = logits.softmax(1).amax(1).numpy()
            known = right[half].mean()
            errors["atc-confidence"][-1].append((there >= threshold).mean() - truth)
            doc = min(1.0, known + there.mean() - sure[half].mean())
            errors["doc"][-1].append(doc - truth)
            errors["unchanged"][-1].append(known - truth)
    for method, values in errors.items():
        each = np.abs(values).mean(axis=1)  # kind by kind
        found = of(outcome(), f"estimation_error/all/method={method}")
        assert (found.value, found.n) == (pytest.approx(each.mean(), abs=1e-4), 3)
        low, high = student(each)
        assert (found.low, found.high) == pytest.approx((max(0, low), high), abs=1e-3)
        bias = of(outcome(), f"estimation_bias/all/method={method}")
        assert bias.value == pytest.approx(np.mean(values), abs=1e-4)
    assert np.abs(errors["unchanged"]).mean() > 0.04


def test_the_rule_of_a_kind_is_chosen_on_the_others() -> None:
    table = outcome().evidence["cells"]
    assert isinstance(table, Table)
    rules = table.columns[3:-1]
    assert table.columns[-1] == "unchanged"
    cells = np.array([row[2:] for row in table.rows], dtype=float)
    error = np.abs(cells[:, 1:-1] - cells[:, :1]).reshape(3, 2, -1).mean(axis=1)  # (kinds, rules)
    chosen = [np.delete(error, k, axis=0).mean(axis=0).argmin() for k in range(3)]
    expected = error[np.arange(3), chosen].mean()
    assert of(outcome(), "chosen_error/all").value == pytest.approx(expected)
    best = rules[int(error.mean(axis=0).argmin())]
    assert outcome().headline == f"label-free-accuracy/estimated_accuracy/shift=noisy/method={best}"


def test_without_labels_the_estimate_is_the_same_and_its_error_unknown() -> None:
    for method in ("atc-confidence", "atc-entropy", "doc", "unchanged"):
        seen, bare = (
            of(outcome(), f"estimated_accuracy/shift={one}/method={method}")
            for one in ("noisy", "bare")
        )
        assert (seen.value, seen.n) == (bare.value, 120)
        assert seen.low <= seen.value <= seen.high  # type: ignore[operator]
        assert of(outcome(), f"estimate_minus_truth/shift=bare/method={method}").value is None
    found, labels = images(1, 120, noise=0.25)
    truth = float((model().predict(found).argmax(1) == labels).double().mean())
    doc, error = (
        of(outcome(), f"{metric}/shift=noisy/method=doc")
        for metric in ("estimated_accuracy", "estimate_minus_truth")
    )
    assert error.value == pytest.approx(doc.value - truth)  # type: ignore[operator]
    nothing = of(outcome(), "estimate_minus_truth/shift=noisy/method=unchanged")
    assert abs(error.value) < 0.12 < nothing.value  # type: ignore[operator, arg-type]


class Always(nn.Module):
    """Says 1, a little sure."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.tensor([[0.0, 1.0]]).expand(len(images), 2)


def test_what_never_differs_keeps_an_interval() -> None:
    """One answer to everything: nothing moves under damage, and drawing inputs anew says little."""
    constant = ImageClassifier(Always(), classes=("0", "1"), input_shape=SHAPE)
    check = LabelFreeAccuracy(corruptions=KINDS, severities=(5,), shift=(BARE,))
    found = measured(check, Subject(constant, image_data(images(0, 60)[0], [1] * 60)))
    error = of(found, "estimation_error/all/method=unchanged")
    assert (error.value, error.low, error.interval) == (0.0, 0.0, "clopper-pearson-scaled")
    assert error.high == pytest.approx(1 - 0.025 ** (1 / 3))  # none of three kinds
    bars = found.evidence["error"]
    assert isinstance(bars, Bars)
    assert [one.high for one in bars.bars] == [error.high] * 4
    there = of(found, "estimated_accuracy/shift=bare/method=unchanged")
    assert (there.value, there.interval) == (1.0, "clopper-pearson-scaled")
    assert there.low == pytest.approx(0.025 ** (1 / 30))  # the fitted half is the smaller sample


@pytest.mark.usefixtures("_second")
def test_a_second_model_adds_the_rules_of_agreement() -> None:
    check = LabelFreeAccuracy(corruptions=KINDS, severities=(5,), other="second", shift=(BARE,))
    found = measured(check, sound())
    there = images(1, 120, noise=0.25)[0]
    agree = float(((there[:, 0] * PATTERN).flatten(1).sum(dim=1).abs() >= 1).double().mean())
    estimate = of(found, "estimated_accuracy/shift=bare/method=agreement")
    assert estimate.value == pytest.approx(agree)
    assert of(found, "estimation_error/all/method=agreement-difference").value is not None
    whole = {one.id: one.value for one in found.findings}
    parts = {one.id: one.value for one in measured(check, sound(), shard_size=7).findings}
    assert whole == pytest.approx(parts)


def test_evidence_shows_what_was_found() -> None:
    evidence = outcome().evidence
    curve, bars, note = (evidence[one] for one in ("estimates", "error", "reading"))
    assert isinstance(curve, Curve)
    assert isinstance(bars, Bars)
    assert isinstance(note, Note)
    assert curve.diagonal
    assert [one.label for one in bars.bars] == [one.name for one in curve.series]
    for bar in bars.bars:
        assert bar.value == of(outcome(), f"estimation_error/all/method={bar.label}").value
    assert "fitted on 80 inputs" in note.text
    assert "the other 80, under 3 kinds of damage, 6 with" in note.text
    assert "do not rely on it" not in note.text
    blunt = measured(CHECK, broken()).evidence["reading"]
    assert isinstance(blunt, Note)
    assert "do not rely on it" in blunt.text
    table = evidence["deployment"]
    assert isinstance(table, Table)
    assert len(table.rows) == 8


def test_texts_are_tested_on_typos() -> None:
    one = texts()
    check = LabelFreeAccuracy(typos=("keyboard", "drop"), severities=(5,))
    table = measured(check, one).evidence["cells"]
    assert isinstance(table, Table)
    (rows,) = np.nonzero(~searched_half(one.artifacts, "label-free-accuracy"))
    batch = one.data.read(rows)
    assert isinstance(batch, list)
    keys = keys_of(0, "typos", [one.data.ids[i] for i in rows])
    changed = [each.text for each in typos(batch, 5, keys, kinds=("drop",))]
    truth = one.model.predict(changed).argmax(1).numpy() == one.data.labels[rows]
    assert table.rows[1][:3] == ["drop", 5, pytest.approx(truth.mean())]


@pytest.mark.parametrize(
    ("one", "kinds"),
    [
        (tables(9), ["missing", "scale", "unit", "slip"]),  # there is no column of categories
        (graphs(), ["edges added", "edges removed"]),
    ],
)
def test_tables_and_graphs_are_tested_on_the_damage_of_their_own_checks(
    one: Subject, kinds: list[str]
) -> None:
    """What is true of the judged half is what the check of that damage says of it."""
    outcome = measured(LabelFreeAccuracy(severities=(5,)), one)
    assert of(outcome, "chosen_error/all").n == len(kinds)
    table = outcome.evidence["cells"]
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == kinds
    judged = ~searched_half(one.artifacts, "label-free-accuracy")
    tabular = one.data.modality == "tabular"
    records = (TableShift() if tabular else GraphShift()).measure(one.artifacts)
    for kind, _, true, *_ in table.rows:
        column = f"{str(kind).removeprefix('edges ')}-5"
        assert true == pytest.approx(records[column][judged].mean())


def test_where_nothing_can_be_tested_there_must_be_deployment_data() -> None:
    for one in (table_subject(), graph_subject()):
        assert isinstance(CHECK.applies(one.model, one.data), NotApplicable)
    impossible = LabelFreeAccuracy(cells=("unseen-category", "swapped-category"))
    assert isinstance(impossible.applies(tables(2).model, tables(2).data), NotApplicable)
    few = subject(model(), n=10)
    assert isinstance(CHECK.applies(few.model, few.data), NotApplicable)
    assert CHECK.applies(sound().model, sound().data) is None
    outcome = run_check(CHECK, subject(model(), n=20))
    assert isinstance(outcome, Measured)


def test_another_model_must_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    other = table_subject().model
    monkeypatch.setattr("auditkit.checks.other_model.other_model", lambda _: other)
    check = LabelFreeAccuracy(other="of tables")
    with pytest.raises(ModelError, match="the audited model reads images"):
        check.applies(sound().model, sound().data)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"severities": (6,)}, "from 1 to 5"),
        ({"corruptions": ("fogg", "snow")}, "Did you mean 'fog'"),
        ({"corruptions": ("fog",)}, "at least two"),
        ({"corruptions": ()}, "empty"),
        ({"typos": ("swap", "swap")}, "twice"),
        ({"typos": ("swapp", "drop")}, "Did you mean 'swap'"),
        ({"cells": ("scales", "unit")}, "Did you mean 'scale'"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, tuple[object, ...]], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        LabelFreeAccuracy(**parameters)  # type: ignore[arg-type]
