"""Mirrors auditkit/checks/bias/individual.py."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auditkit.checks.base import Measured, NotApplicable
from auditkit.checks.bias.individual import Individual, standardised
from auditkit.data.dataset import InMemory
from auditkit.data.schema import Feature, Schema
from auditkit.errors import ConfigError
from auditkit.findings import Finding, Note, TextExhibit
from auditkit.models.tabular import TabularClassifier
from auditkit.statistics import clopper_pearson
from tests.subjects import Subject, linear_subject, measured, plain_data, table_subject

CHECK = Individual()
REVEALS = "flip_rate"
SCHEMA = Schema(
    (
        Feature(name="wage", low=-3.0, high=3.0),
        Feature(name="sex", kind="categorical", categories=("f", "m")),
        Feature(name="age", integer=True, mean=40.0, std=10.0),
    )
)


def people(weight: float, *, n: int = 200, age: float = 0.0, seed: int = 0) -> Subject:
    """Yes where wage plus a weight for men is above 0; the labels go by wage alone."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.normal(size=n), rng.integers(0, 2, n), rng.integers(20, 60, n)], axis=1)
    layer = nn.Linear(4, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0, weight, age]]))
        layer.bias.zero_()
    data = plain_data(
        "tabular", InMemory(rows.astype(np.float32)), (rows[:, 0] > 0).astype(int).tolist(), SCHEMA
    )
    sexes = pd.DataFrame({"sex": np.where(rows[:, 1] == 1, "m", "f")})
    return Subject(
        TabularClassifier(layer, schema=SCHEMA, classes=("0", "1")),
        dataclasses.replace(data, attributes=sexes, sensitive=("sex",)),
    )


def broken() -> Subject:
    return people(1.0)


def sound() -> Subject:
    return people(0.0)


def finding(outcome: Measured, metric: str, where: str = "all") -> Finding:
    return next(one for one in outcome.findings if (one.metric, one.slice) == (metric, where))


def test_flips_are_the_rows_near_the_border() -> None:
    """A man of wage w turns where w <= 0 < w + 1, a woman where w <= 0 < w + 1 the other way."""
    subject = broken()
    rows = subject.artifacts.inputs
    assert isinstance(rows, torch.Tensor)
    between = int(((rows[:, 0] <= 0) & (rows[:, 0] > -1)).sum())
    outcome = measured(CHECK, subject)
    flips = finding(outcome, "flip_rate", "sex")
    assert flips.value == between / 200
    assert (flips.low, flips.high) == clopper_pearson(between, 200)
    change = ((rows[:, 0] + 1).sigmoid() - rows[:, 0].sigmoid()).abs().mean()
    assert finding(outcome, "score_change", "sex").value == pytest.approx(float(change), abs=1e-6)
    assert outcome.headline == flips.id
    shown = outcome.evidence["flips-1"]
    assert isinstance(shown, TextExhibit)
    assert "another one if sex were as marked" in shown.rows[0].caption
    assert {(one.tokens[-1].was, one.tokens[-1].text) for one in shown.rows} <= {
        ("m", "f"), ("f", "m"),
    }  # fmt: skip
    assert finding(measured(CHECK, sound()), "flip_rate", "sex").value == 0


def test_a_column_that_the_model_does_not_read_is_undefined_not_zero() -> None:
    subject = sound()
    frame = subject.data.attributes.rename(columns={"sex": "race"})
    data = dataclasses.replace(subject.data, attributes=frame, sensitive=("race",))
    outcome = measured(CHECK, Subject(subject.model, data))
    flips = finding(outcome, "flip_rate", "race")
    assert flips.value is None
    assert flips.undefined is not None
    assert "does not read" in flips.undefined
    assert outcome.headline == "individual/consistency/all"


def test_numbers_are_set_to_quantiles_and_named_columns_are_changed() -> None:
    check = Individual(columns=("age",))
    outcome = measured(check, people(0.0, age=10.0))
    assert finding(outcome, "flip_rate", "age").value > 0.3  # type: ignore[operator]
    assert finding(measured(check, people(0.0)), "flip_rate", "age").value == 0
    with pytest.raises(ConfigError, match="'ages'"):
        measured(Individual(columns=("ages",)), sound())


def test_neighbours_do_not_look_at_the_sensitive_column() -> None:
    """All share the wage: with sex, the nearest would always be of the same sex."""
    subject = people(10.0, n=100)
    rows = subject.artifacts.inputs
    assert isinstance(rows, torch.Tensor)
    rows = rows.clone()
    rows[:, 0], rows[:, 2] = -0.5, 40.0
    data = dataclasses.replace(subject.data, reader=InMemory(rows.numpy()))
    men = float((rows[:, 1] == 1).float().mean())
    found = finding(measured(CHECK, Subject(subject.model, data)), "consistency")
    share = (men * 100 * (men * 100 - 1) + (1 - men) * 100 * ((1 - men) * 100 - 1)) / (100 * 99)
    assert found.value == pytest.approx(share)
    note = measured(CHECK, Subject(subject.model, data)).evidence["neighbours"]
    assert isinstance(note, Note)
    assert "nearest others by wage, age." in note.text


def test_noise_in_the_answers_lowers_consistency_but_not_that_of_the_labels() -> None:
    calm, wild = measured(CHECK, people(0.0)), measured(CHECK, people(3.0))
    assert finding(calm, "consistency").value == finding(calm, "label_consistency").value
    assert finding(wild, "consistency").value < finding(calm, "consistency").value - 0.1  # type: ignore[operator]
    assert finding(wild, "label_consistency") == finding(calm, "label_consistency")


def test_inequality_of_two_classes() -> None:
    subject = broken()
    rows = subject.artifacts.inputs
    assert isinstance(rows, torch.Tensor)
    extra = ((rows[:, 0] <= 0) & (rows[:, 0] + rows[:, 1] > 0)).float().mean().item()
    mean = 1 + extra  # benefits are 1, and 2 for a man who is given what is not due
    expected = (1 - extra) / mean * np.log(1 / mean) + 2 * extra / mean * np.log(2 / mean)
    outcome = measured(CHECK, subject)
    assert finding(outcome, "theil_index").value == pytest.approx(expected)
    assert finding(outcome, "generalised_entropy").value == pytest.approx(
        ((1 + 3 * extra) / mean**2 - 1) / 2
    )
    even = finding(measured(CHECK, sound()), "theil_index")
    assert even.value == even.low == 0
    assert even.high > 0  # type: ignore[operator]


def test_whoever_gets_the_other_class_may_be_the_one_who_benefits() -> None:
    """Men with no wage get yes: where no is the good class, they get less than is due."""
    usual, other = measured(CHECK, broken()), measured(Individual(positive="0"), broken())
    gained, lost = usual.evidence["benefit"], other.evidence["benefit"]
    assert isinstance(gained, Note)
    assert isinstance(lost, Note)
    assert "'1'" in gained.text
    assert "'0'" in lost.text
    records = CHECK.measure(broken().artifacts)
    b = 1.0 - (records["predicted"] - broken().data.labels)
    relative = b[b > 0] / b.mean()
    theil = float((relative * np.log(relative)).sum() / len(b))
    assert finding(other, "theil_index").value == pytest.approx(theil)
    assert finding(other, "theil_index").value != finding(usual, "theil_index").value


def test_a_class_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive is 'good'"):
        Individual(positive="good").applies(sound().model, sound().data)


def test_only_as_many_rows_as_asked_for_are_compared() -> None:
    found = finding(measured(Individual(max_inputs=50), sound()), "consistency")
    assert found.n == 50
    assert finding(measured(CHECK, sound()), "consistency").n == 200


def test_a_missing_value_is_apart_from_all_known_ones() -> None:
    rows = np.array([[0.0, 0.0, 40.0], [0.0, np.nan, 40.0], [0.0, 0.0, np.nan]])
    points = standardised(SCHEMA, rows)
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(1)
    assert np.linalg.norm(points[0] - points[2]) == pytest.approx(1)


def test_images_and_few_rows_do_not_apply() -> None:
    image, table = linear_subject(0), table_subject()
    assert isinstance(CHECK.applies(image.model, image.data), NotApplicable)
    few = CHECK.applies(table.model, table.data)
    assert isinstance(few, NotApplicable)
    assert "4 rows" in few.reason


@pytest.mark.parametrize("change", [{"neighbours": 0}, {"max_inputs": 5}, {"neighbours": 2000}])
def test_senseless_parameters_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        Individual(**change)  # type: ignore[arg-type]
