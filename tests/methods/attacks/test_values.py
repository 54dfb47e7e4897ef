"""Mirrors auditkit/methods/attacks/values.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.data.schema import Feature, Schema
from auditkit.methods.attacks import values
from auditkit.methods.attacks.reach import Reach, permitted
from auditkit.methods.attacks.values import Candidates, put, telling_values
from tests.methods.attacks.tables import NAN, linear_table, numbers


def tried(candidates: Candidates, row: int, column: int) -> list[float]:
    mine = (candidates.column == column) & candidates.valid[row]
    return candidates.value[row, mine].tolist()


def test_every_candidate_is_permitted_and_another_value() -> None:
    subject = linear_table(1)
    reach = Reach.of(subject.schema, subject.rows, spread=0.5)
    candidates = Candidates.of(reach, values=6)
    before = subject.rows.numpy()
    for place, column in enumerate(candidates.column.tolist()):
        which = candidates.valid[:, place].numpy()
        after = put(
            subject.rows,
            torch.full((len(reach),), column),
            candidates.value[:, place],
        ).numpy()
        assert permitted(subject.schema, before, after, spread=0.5)[which].all()
        assert (after[which, column] != before[which, column]).all()
    assert not candidates.valid[:, candidates.column == 0].any()  # immutable
    gone = subject.rows[:, 3].isnan()
    assert gone.any()
    assert not candidates.valid[gone][:, candidates.column == 3].any()


def test_all_other_categories_and_whole_numbers_once() -> None:
    schema = Schema(
        (
            Feature(name="work", kind="categorical", categories=tuple("abcde")),
            Feature(name="hours", integer=True, low=0, high=99, std=4.0),
            Feature(name="gain", low=0.0, high=100.0, std=4.0),
        )
    )
    rows = torch.tensor([[2.0, 50.0, 50.0], [0.0, 1.0, 1.0]])
    candidates = Candidates.of(Reach.of(schema, rows, spread=0.5), values=6)
    assert sorted(tried(candidates, 0, 0)) == [0, 1, 3, 4]
    assert sorted(tried(candidates, 0, 1)) == [48, 49, 51, 52]
    assert sorted(tried(candidates, 1, 1)) == [0, 2, 3]
    assert tried(candidates, 0, 2) == [48, 52, 49, 51, 48.5]  # ends first; the middle is its own


def test_telling_values_come_between_the_ends() -> None:
    reach = Reach.of(numbers(2), torch.zeros(1, 2), spread=1.0)
    telling = [torch.tensor([-5.0, -0.3, 0.2, 0.7, 5.0]), torch.empty(0)]
    candidates = Candidates.of(reach, values=5, telling=telling)
    assert tried(candidates, 0, 0) == pytest.approx([-1, 1, 0.2, -0.3, 0.7])
    assert tried(candidates, 0, 1) == pytest.approx([-1, 1, -0.5, 0.5])


def test_wide_tables_are_bounded_and_no_column_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(values, "MOST", 9)
    reach = Reach.of(numbers(8), torch.zeros(3, 8), spread=1.0)
    candidates = Candidates.of(reach, values=6)
    assert candidates.column.tolist() == [*range(8), 0]


def test_a_narrow_step_is_found() -> None:
    """A model that answers otherwise between 2.98 and 3.12 alone, among numbers up to 100."""

    def model(rows: Tensor) -> Tensor:
        inside = (rows[:, 0] > 2.98) & (rows[:, 0] < 3.12)
        return torch.stack([torch.zeros(len(rows)), 4.0 * inside - 2.0], dim=1)

    known = torch.tensor([0.0, 1.0, 3.1, 50.0, 100.0])
    rows = torch.tensor([[0.0, 1.0], [NAN, 2.0]])
    first, second = telling_values(model, rows, [known, torch.empty(0)], [0.5, 0.5])
    assert bool(((first > 2.98) & (first < 3.12)).any())
    assert len(first) == 2  # one value within the step, one beyond it
    assert len(second) == 0


def test_what_lies_within_reach_of_many_rows_is_looked_at_closely() -> None:
    """No row has the value, and even steps over the whole range would miss it."""

    def model(rows: Tensor) -> Tensor:
        inside = (rows[:, 0] > 3050) & (rows[:, 0] < 3130)
        return torch.stack([torch.zeros(len(rows)), 4.0 * inside - 2.0], dim=1)

    known = torch.tensor([0.0] * 95 + [5000.0, 7000.0, 9000.0, 50_000.0, 99_999.0])
    (found,) = telling_values(model, torch.zeros(2, 1), [known], [3757.0])
    assert bool(((found > 3050) & (found < 3130)).any())


def test_telling_values_of_a_linear_model_are_evenly_spaced() -> None:
    def model(rows: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(rows)), rows[:, 0]], dim=1)

    known = torch.linspace(0, 1, 1000) ** 3
    (found,) = telling_values(model, torch.zeros(2, 1), [known], [0.1])
    assert len(found) <= values.TELLING
    gaps = np.diff(found.numpy())
    assert gaps.max() < 3 / values.TELLING
    whole = torch.arange(1000.0)
    (found,) = telling_values(model, torch.zeros(2, 1), [whole], [50.0])
    assert torch.equal(found, found.round())


def test_a_constant_model_still_gives_values() -> None:
    (found,) = telling_values(
        lambda rows: torch.zeros(len(rows), 2), torch.zeros(2, 1), [torch.arange(300.0)], [9.0]
    )
    assert 30 < len(found) <= values.TELLING


@pytest.mark.parametrize("known", [[], [3.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
def test_columns_with_hardly_any_values_keep_them(known: list[float]) -> None:
    def refuse(rows: Tensor) -> Tensor:
        assert len(rows) == 2
        return torch.zeros(2, 2)

    (found,) = telling_values(refuse, torch.zeros(2, 1), [torch.tensor(sorted(known))], [1.0])
    assert found.tolist() == sorted(set(known))
