"""Mirrors auditkit/checks/robustness/feature_changes.py."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import NotApplicable, Records
from auditkit.checks.robustness._attacked_rows import CELLS, marked
from auditkit.checks.robustness.feature_changes import FeatureChanges
from auditkit.data.dataset import InMemory
from auditkit.data.schema import Feature, Schema
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Table, TextExhibit
from auditkit.methods.attacks.all_columns import AllColumns
from auditkit.methods.attacks.few_columns import Changed, FewColumns
from auditkit.methods.attacks.reach import permitted
from auditkit.models.tabular import TabularClassifier
from tests.methods.attacks.tables import LinearTable, black_box, linear_table, numbers
from tests.subjects import Subject, linear_subject, measured, plain_data, run_check, values

CHECK = FeatureChanges(columns=(1, 2), radii=(0.2, 0.6), values=4, beam=2, queries=16, steps=3)
REVEALS = "robust_accuracy"


def decided_by(column: int) -> Subject:
    """The age, which is immutable, decides, or the wage; each row lies a little off the middle."""
    schema = Schema(
        (
            Feature(name="age", immutable=True, low=-9.0, high=9.0),
            Feature(name="wage", low=-9.0, high=9.0),
            Feature(name="home", kind="categorical", categories=("Own", "Rent")),
        )
    )
    sides = np.where(np.arange(20) % 2 == 0, 0.1, -0.1)
    rows = np.zeros((20, 3), dtype=np.float32)
    rows[:, 0], rows[:, 1] = sides, sides
    layer = nn.Linear(4, 1)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, column] = 1.0
        layer.bias.zero_()
    labels = (sides > 0).astype(int).tolist()
    return Subject(
        TabularClassifier(layer, schema=schema, classes=("0", "1")),
        plain_data("tabular", InMemory(rows), labels, schema),
    )


def broken() -> Subject:
    """The wage alone decides."""
    return decided_by(1)


def sound() -> Subject:
    """What cannot change decides."""
    return decided_by(0)


def records_of(check: FeatureChanges, subject: Subject) -> Records:
    return check.measure(subject.artifacts)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_closed_form_on_a_linear_model(seed: int) -> None:
    """A margin falls by the k largest gains of columns, or by the sum of those of numbers."""
    subject = linear_table(seed, n=40, wrong=4)
    found = values(measured(CHECK, subject))
    margins = subject.margins.numpy()
    right = margins > 0
    assert right.sum() < 40
    gains = -np.sort(-subject.gains(0.5), axis=1)
    for count in (1, 2):
        kept = margins - gains[:, :count].sum(axis=1) > 0
        assert found[f"robust_accuracy/columns={count}"] == pytest.approx((kept & right).mean())
        rate = (right & ~kept).sum() / right.sum()
        assert found[f"attack_success_rate/columns={count}"] == pytest.approx(rate)
    for radius in (0.2, 0.6):
        kept = margins - subject.gains(radius, categories=False).sum(axis=1) > 0
        assert found[f"robust_accuracy/radius={radius}"] == pytest.approx((kept & right).mean())
    assert found["random_only_share"] == 0


def test_findings_say_how_many_and_how_surely() -> None:
    subject = linear_table(3, n=40, wrong=4)
    outcome = measured(CHECK, subject)
    records = records_of(CHECK, subject)
    right = int(records["correct"].sum())
    by_id = {one.id: one for one in outcome.findings}
    robust = by_id["feature-changes/robust_accuracy/all/columns=2"]
    assert (robust.n, robust.interval) == (40, "clopper-pearson")
    assert robust.controls == ["feature-changes/random_only_share/all"]
    assert by_id["feature-changes/attack_success_rate/all/columns=2"].n == right
    assert outcome.headline == "feature-changes/robust_accuracy/all/columns=1"
    assert robust.params["spread"] == 0.5


def test_medians_are_of_the_right_rows() -> None:
    subject = linear_table(3, n=40, wrong=14)
    check = replace(CHECK, spread=2.0)
    records = records_of(check, subject)
    needed = np.sort(records["columns"][records["correct"]])
    (median,) = (one for one in measured(check, subject).findings if one.metric == "median_columns")
    assert median.n == len(needed) == 26
    assert median.value == needed[12] == 1
    assert needed[20] > 1
    assert median.low == 1


def test_medians_need_half_of_the_rows() -> None:
    found = values(measured(CHECK, broken()))
    assert found["median_columns"] == 1
    assert found["median_radius"] == 0.2
    held = measured(CHECK, sound())
    assert values(held)["median_columns"] is None
    undefined = {one.metric: one.undefined for one in held.findings if one.value is None}
    assert "half of the rows" in (undefined["median_radius"] or "")


@settings(max_examples=8)
@given(seed=st.integers(0, 30))
def test_more_columns_radii_or_steps_never_raise_robust_accuracy(seed: int) -> None:
    """On a bent score, where no attack is exact."""
    subject = bent_table(seed)
    kept: list[dict[str, float | None]] = []
    for steps, beam, radii in ((0, 1, (0.6,)), (2, 1, (0.6,)), (6, 2, (0.6,)), (6, 2, (0.2, 0.6))):
        check = replace(CHECK, steps=steps, beam=beam, radii=radii, columns=(1, 2, 3))
        kept.append(values(measured(check, subject)))
    for one in kept:
        by_columns = [cast("float", one[f"robust_accuracy/columns={k}"]) for k in (1, 2, 3)]
        assert by_columns == sorted(by_columns, reverse=True)
    for weak, strong in pairwise(kept):
        for name in ("columns=1", "columns=2", "columns=3", "radius=0.6"):
            before, after = weak[f"robust_accuracy/{name}"], strong[f"robust_accuracy/{name}"]
            assert cast("float", after) <= cast("float", before), name


class Bent(nn.Module):
    """A small random network without kinks."""

    def __init__(self, seed: int, width: int) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.first = nn.Parameter(torch.randn(width, 8, generator=rng))
        self.second = nn.Parameter(torch.randn(8, 2, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return (2 * x @ self.first).sin() @ self.second


def bent_table(seed: int) -> Subject:
    plain = linear_table(seed, n=30)
    model = TabularClassifier(Bent(seed, 10), schema=plain.schema, classes=("0", "1"))
    labels = model.predict(plain.rows).argmax(dim=1).tolist()
    return Subject(model, replace(plain.data, labels=np.array(labels)))


def test_a_search_that_cheats_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes what cannot change, and goes farther than it may."""

    def cheat(rows: Tensor, labels: Tensor) -> Tensor:
        return torch.stack([5.0 - 10.0 * labels, *rows.T[1:]], dim=1)

    def few(self: FewColumns, logits, reach, labels, keys, **more: object) -> Changed:
        return Changed(cheat(reach.rows, labels), torch.ones(len(labels), dtype=torch.float64))

    def every(self: AllColumns, logits, reach, labels, keys, **more: object):
        return cheat(reach.rows, labels), torch.ones(len(labels), dtype=torch.bool)

    monkeypatch.setattr(FewColumns, "search", few)
    monkeypatch.setattr(AllColumns, "search", every)
    subject = sound()
    points = cheat(cast("Tensor", subject.artifacts.inputs), subject.artifacts.labels)
    wrong = subject.model.predict(points).argmax(dim=1) != subject.artifacts.labels
    assert wrong.all()  # the model does fall to it
    found = values(measured(CHECK, subject))
    assert found["robust_accuracy/columns=2"] == 1
    assert found["robust_accuracy/radius=0.6"] == 1


def test_a_search_that_chance_beats_fails_its_control(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: FewColumns, logits, reach, labels, keys, **more: object) -> Changed:
        return Changed(reach.rows, torch.full((len(labels),), torch.inf))

    monkeypatch.setattr(FewColumns, "search", nothing)
    found = values(measured(replace(CHECK, radii=()), broken()))
    assert cast("float", found["random_only_share"]) > 0.9
    assert cast("float", found["robust_accuracy/columns=2"]) < 0.1  # what chance found counts


def test_immutable_and_sensitive_columns_stay() -> None:
    subject = broken()
    held = values(measured(replace(CHECK, immutable=("wage",)), subject))
    assert held["robust_accuracy/columns=2"] == 1
    sensitive = Subject(subject.model, replace(subject.data, sensitive=("wage",)))
    outcome = measured(CHECK, sensitive)
    assert values(outcome)["robust_accuracy/columns=2"] == 1
    table = outcome.evidence["table"]
    assert isinstance(table, Table)
    stays = {str(row[0]) for row in table.rows if row[1] == "stays as it is"}
    assert stays == {"age", "wage"}


def test_an_unknown_immutable_column_is_named() -> None:
    subject = broken()
    with pytest.raises(ConfigError, match=r"'wagee'.*Did you mean 'wage'") as error:
        replace(CHECK, immutable=("wagee",)).applies(subject.model, subject.data)
    assert "age, wage, home" in (error.value.hint or "")


def test_where_nothing_can_change_it_does_not_apply() -> None:
    subject = broken()
    obstacle = replace(CHECK, immutable=("wage", "home")).applies(subject.model, subject.data)
    assert isinstance(obstacle, NotApplicable)
    assert "immutable" in obstacle.reason
    image = linear_subject(0)
    assert CHECK.applies(image.model, image.data) is not None


def test_without_numbers_the_radius_is_undefined() -> None:
    outcome = measured(replace(CHECK, immutable=("wage",)), sound())
    undefined = {one.id: one.undefined for one in outcome.findings if one.value is None}
    assert undefined["feature-changes/robust_accuracy/all/radius=0.2"] == (
        "no number in these rows can change"
    )
    assert "feature-changes/robust_accuracy/all/columns=1" not in undefined


def test_evidence_names_columns_and_categories() -> None:
    schema = Schema(
        (
            Feature(name="work", kind="categorical", categories=("State", "Private", "None")),
            Feature(name="hours", integer=True, low=1, high=99, std=10.0, mean=40.0),
        )
    )
    rows = np.array([[0, 40], [1, 50]] * 4)
    subject = black_box(lambda x: np.where(x[:, 0] == 2, 0.9, 0.2), schema, rows)
    outcome = measured(CHECK, subject)
    worst, bars, table = (outcome.evidence[name] for name in ("worst", "bars", "table"))
    assert isinstance(worst, TextExhibit)
    for row in worst.rows:
        (changed,) = [one for one in row.tokens if one.was is not None]
        assert (changed.text, changed.was) == (
            "None",
            "State" if int(row.id) % 2 == 0 else "Private",
        )
        whole = "".join(one.text for one in row.tokens)
        assert whole == f"work None, hours {40 if int(row.id) % 2 == 0 else 50}"
        assert "1 column changed: 1 (90.0 %)" in row.caption
    assert isinstance(bars, Bars)
    assert [(one.label, one.value, one.n) for one in bars.bars] == [("work", 1.0, 8)]
    assert isinstance(table, Table)
    assert table.rows == [
        ["work", "any of 2 other categories", 8, 8],
        ["hours", "up to 5 more or less", 0, 0],
    ]


def test_long_rows_show_what_changed_most() -> None:
    schema = Schema(tuple(Feature(name=f"c{j}", std=float(j + 1)) for j in range(20)))
    before = np.zeros(20, dtype=np.float32)
    after = before.copy()
    after[:12] = 1.0
    tokens = list(marked(schema, before, after))
    shown = [one.text for one in tokens if one.was is None]
    assert shown[:2] == ["c0 ", ", c1 "]  # the same move is farthest where the spread is small
    assert sum(one.was is not None for one in tokens) == CELLS
    assert shown[-1] == "; 4 more changed and 8 as they were"


def test_stored_inputs_are_what_the_findings_count() -> None:
    subject = linear_table(4, n=40, wrong=2)
    records = records_of(CHECK, subject)
    by_columns, by_radius = records.adversarial
    assert (by_columns.parameter, by_columns.measure) == ("columns", "columns")
    assert (by_radius.parameter, by_radius.measure) == ("radius", "std")
    fallen = np.isfinite(records["columns"]) & records["correct"]
    assert by_columns.ids == tuple(np.array(subject.data.ids)[fallen])
    place = [subject.data.ids.index(one) for one in by_radius.ids]
    before, after = subject.rows.numpy()[place], by_radius.inputs
    assert isinstance(after, np.ndarray)
    assert permitted(
        subject.schema, before, after, spread=by_radius.budgets, categories=False
    ).all()
    answers = subject.model.predict(torch.from_numpy(after)).argmax(dim=1)
    assert (answers != subject.labels[place]).all()


def test_without_gradients_none_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a gradient was taken")

    subject: LinearTable = linear_table(1)
    with_gradients = values(measured(CHECK, subject))
    monkeypatch.setattr(subject.model, "differentiable", False)
    monkeypatch.setattr(torch.autograd, "grad", refuse)
    assert values(measured(CHECK, subject)) == with_gradients


def test_either_attacker_can_be_left_out() -> None:
    names = {one.split("/")[-1] for one in values(measured(replace(CHECK, radii=()), broken()))}
    assert names == {"columns=1", "columns=2", "median_columns", "random_only_share"}
    outcome = measured(replace(CHECK, columns=()), broken())
    assert outcome.headline == "feature-changes/robust_accuracy/all/radius=0.2"
    assert "table" not in outcome.evidence


def test_shards_change_no_record() -> None:
    subject = bent_table(2)
    whole = records_of(CHECK, subject)
    shared: dict = {}
    parts = [
        CHECK.measure(
            Artifacts(
                subject.model, subject.data, np.arange(start, min(start + 7, 30)), shared=shared
            )
        )
        for start in range(0, 30, 7)
    ]
    joined = Records.merged(parts)
    assert joined.columns.keys() == whole.columns.keys()
    for name, column in whole.columns.items():
        assert np.array_equal(joined[name], column), name


def test_missing_values_stay_missing() -> None:
    """A model that reads only whether a value is there cannot be fooled."""
    schema = Schema((replace(numbers(1).features[0], missing=True),))
    rows = np.array([[np.nan], [1.0]] * 3)
    subject = black_box(lambda x: np.where(np.isnan(x[:, 0]), 0.9, 0.1), schema, rows)
    assert values(measured(CHECK, subject))["robust_accuracy/columns=1"] == 1


def test_without_a_right_answer_there_is_nothing_to_attack() -> None:
    subject = sound()
    wrong = replace(subject.data, labels=1 - subject.data.labels)
    assert isinstance(run_check(CHECK, Subject(subject.model, wrong)), NotApplicable)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("columns", (2, 1)),
        ("columns", (0, 1)),
        ("radii", (0.5, 0.1)),
        ("radii", (float("inf"),)),
        ("spread", 0.0),
        ("values", 1),
        ("beam", 0),
        ("queries", 0),
        ("steps", -1),
    ],
)
def test_bad_parameters_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        FeatureChanges(**{name: value})  # type: ignore[arg-type]


def test_one_attacker_must_be_there() -> None:
    with pytest.raises(ConfigError, match="both empty"):
        FeatureChanges(columns=(), radii=())
