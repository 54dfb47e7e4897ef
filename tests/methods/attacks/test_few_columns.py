"""Mirrors auditkit/methods/attacks/few_columns.py."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from auditkit.data.schema import Feature, Schema
from auditkit.methods.attacks.few_columns import Changed, FewColumns
from auditkit.methods.attacks.reach import Reach, changed_cells, permitted
from auditkit.models.tabular import TabularClassifier
from auditkit.randomness import keys_of
from tests.methods.attacks.tables import black_box, linear_table, numbers
from tests.subjects import Subject

SEARCH = FewColumns(beam=2, queries=32, values=6, steps=0, batch_size=64)


def searched(
    subject: Subject, search: FewColumns = SEARCH, *, most: int = 3, spread: float = 0.5
) -> tuple[Changed, Reach]:
    model = subject.model
    assert isinstance(model, TabularClassifier)
    rows = subject.artifacts.inputs
    assert isinstance(rows, Tensor)
    reach = Reach.of(model.schema, rows, spread=spread)
    labels = torch.from_numpy(subject.data.labels)
    keys = keys_of(0, "test", subject.data.ids)
    return search.search(model.logits, reach, labels, keys, most=most), reach


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("steps", [0, 3])
def test_equals_the_closed_form_on_a_linear_model(seed: int, steps: int) -> None:
    """With k columns the margin falls by the sum of the k largest gains, no more and no less."""
    subject = linear_table(seed, n=40)
    search = FewColumns(beam=1, queries=16, values=2, steps=steps)
    found, _ = searched(subject, search)
    gains = -np.sort(-subject.gains(0.5), axis=1)
    left = subject.margins.numpy()[:, None] - gains.cumsum(axis=1)[:, :3]  # (n, 3)
    clear = (np.abs(left) > 1e-4).all(axis=1)
    needed = np.where((left < 0).any(axis=1), 1 + (left < 0).argmax(axis=1), np.inf)
    assert np.array_equal(found.budget.numpy()[clear], needed[clear])
    assert len(set(needed)) > 2
    before, after = subject.rows.numpy(), found.rows.numpy()
    assert permitted(subject.schema, before, after, spread=0.5).all()
    fallen = np.isfinite(found.budget.numpy())
    assert (changed_cells(before, after).sum(axis=1) == np.where(fallen, found.budget, 0)).all()


def test_a_stump_falls_where_its_threshold_is_within_reach() -> None:
    schema = Schema((Feature(name="a", low=0.0, high=10.0, std=2.0), Feature(name="b")))
    rows = np.stack([np.linspace(0, 10, 41), np.zeros(41)], axis=1)
    subject = black_box(lambda x: 0.1 + 0.8 * (x[:, 0] >= 6.1), schema, rows)
    found, _ = searched(subject, spread=0.6)
    near = np.where(rows[:, 0] < 6.1, rows[:, 0] + 1.2 >= 6.1, rows[:, 0] - 1.2 < 6.1)
    assert np.array_equal(found.budget.numpy(), np.where(near, 1.0, np.inf))


def test_nothing_falls_where_an_immutable_column_decides() -> None:
    schema = Schema((Feature(name="a", immutable=True), Feature(name="b", low=-9.0, high=9.0)))
    rows = np.array([[-0.1, 0.0], [0.1, 0.0]])
    subject = black_box(lambda x: 1 / (1 + np.exp(-9 * x[:, 0])), schema, rows)
    assert torch.isinf(searched(subject, spread=9.0)[0].budget).all()


def small_space(seed: int, n: int = 24) -> tuple[Subject, list[list[int]]]:
    """A random score of every row of a small discrete space; few rows are of the second class."""
    rng = np.random.default_rng(seed)
    counts = [3, 4, 2, 3]
    schema = Schema(
        tuple(
            Feature(name=name, kind="categorical", categories=tuple("pqrs"[:count]))
            for name, count in zip("abcd", counts, strict=True)
        )
    )
    table = np.where(rng.random(counts) < 0.06, 0.9, 0.1 + 0.3 * rng.random(counts))
    rows = np.stack([rng.integers(0, one, n) for one in counts], axis=1)
    subject = black_box(lambda x: table[tuple(x.astype(int).T)], schema, rows)
    return subject, [list(range(one)) for one in counts]


def brute_force(subject: Subject, space: list[list[int]], most: int) -> np.ndarray:
    """The fewest columns that change each answer, by trying everything."""
    rows, labels = subject.artifacts.inputs, subject.data.labels
    assert isinstance(rows, Tensor)
    every = torch.tensor(list(product(*space)), dtype=torch.float32)
    answers = subject.model.predict(every).argmax(dim=1)
    needed: list[float] = []
    for row, label in zip(rows, labels, strict=True):
        sizes = (every != row).sum(dim=1)[answers != int(label)]
        fewest = float(sizes.min()) if len(sizes) else np.inf
        needed.append(fewest if fewest <= most else np.inf)
    return np.array(needed)


@pytest.mark.parametrize("seed", range(8))
def test_is_never_beaten_by_trying_everything_on_a_small_space(seed: int) -> None:
    """Of one column all values are tried; with a wide beam all pairs of columns too."""
    subject, space = small_space(seed)
    truth = brute_force(subject, space, 2)
    assert len(set(truth)) > 1
    one, _ = searched(subject, most=1)
    assert np.array_equal(one.budget.numpy() == 1, truth == 1)
    wide, _ = searched(subject, FewColumns(beam=16, queries=32, values=2, steps=0), most=2)
    assert np.array_equal(wide.budget.numpy(), truth)


@given(seed=st.integers(0, 50))
def test_results_nest_over_the_beam_and_the_number_of_columns(seed: int) -> None:
    """Whatever a score of six switches looks like."""
    rng = np.random.default_rng(seed)
    scores = np.where(rng.random([2] * 6) < 0.03, 0.9, 0.1 + 0.3 * rng.random([2] * 6))
    rows = np.unique(rng.integers(0, 2, (24, 6)), axis=0)
    subject = black_box(lambda x: scores[tuple(x.astype(int).T)], switches(6), rows)
    budgets = [
        searched(subject, FewColumns(beam=beam, queries=4, values=2, steps=0), most=most)[0].budget
        for beam, most in ((1, 3), (2, 3), (3, 3), (3, 4))
    ]
    for narrow, wide in pairwise(budgets):
        assert bool((wide <= narrow).all())


def test_a_second_version_does_not_push_out_the_first() -> None:
    """Only behind the first is a wrong answer; children of the second look better for a while."""
    scores = np.full([2] * 6, 0.2)
    for on, score in {"a": 0.4, "d": 0.39, "ab": 0.3, "de": 0.45, "df": 0.44, "abc": 0.9}.items():
        scores[tuple(int(one in on) for one in "abcdef")] = score
    subject = black_box(lambda x: scores[tuple(x.astype(int).T)], switches(6), np.zeros((2, 6)))
    for beam in (1, 2, 3):
        search = FewColumns(beam=beam, queries=8, values=2, steps=0)
        assert searched(subject, search)[0].budget.tolist() == [3.0, 3.0]


def switches(count: int, *, third: str = "") -> Schema:
    """Columns of two categories, those named in `third` of three."""
    return Schema(
        tuple(
            Feature(
                name=name,
                kind="categorical",
                categories=("0", "1", "2") if name in third else ("0", "1"),
            )
            for name in "abcdefgh"[:count]
        )
    )


def test_every_column_is_changed_once() -> None:
    """A third value of the first column would lead the greedy search away for good."""
    scores = np.full((3, 2, 2), 0.2)
    scores[2, 0, 0], scores[1, 0, 0] = 0.45, 0.44
    scores[2, 1, 0], scores[2, 0, 1], scores[2, 1, 1] = 0.4, 0.42, 0.9
    subject = black_box(
        lambda x: scores[tuple(x.astype(int).T)], switches(3, third="a"), np.zeros((2, 3))
    )
    found, _ = searched(subject, FewColumns(beam=1, queries=8, values=2, steps=0))
    assert found.budget.tolist() == [3.0, 3.0]
    assert found.rows.tolist() == [[2.0, 1.0, 1.0]] * 2


def test_gradients_find_what_lies_between_the_values() -> None:
    """A narrow dent at 0.3137 that a smooth score leads to."""

    def forward(x: Tensor) -> Tensor:
        score = 0.02 - (x[:, 0] - 0.3137).abs() + 0 * x[:, 1]
        return torch.stack([torch.zeros(len(x)), score], dim=1)

    rows = torch.tensor([[0.0, 0.0], [0.9, 0.0]])
    reach = Reach.of(numbers(2), rows, spread=1.0, fixed=["b"])
    labels, keys = torch.zeros(2, dtype=torch.int64), keys_of(0, "t", ["a", "b"])

    def fell(steps: int) -> list[bool]:
        search = FewColumns(beam=1, queries=8, values=3, steps=steps)
        return torch.isfinite(search.search(forward, reach, labels, keys, most=1).budget).tolist()

    assert fell(0) == [False, False]
    assert fell(60) == [True, True]


def test_answers_alone_are_enough_for_two_columns() -> None:
    """Scores of 0 and 1 say nothing; random changes still find that a and b together decide."""
    schema = Schema(
        tuple(Feature(name=name, kind="categorical", categories=tuple("pqr")) for name in "abcd")
    )
    rows = np.zeros((6, 4))
    subject = black_box(lambda x: 1.0 * ((x[:, 0] == 2) & (x[:, 1] == 1)), schema, rows)
    found, _ = searched(subject, FewColumns(beam=1, queries=200, values=2, steps=0))
    assert found.budget.tolist() == [2.0] * 6
    cells = changed_cells(rows.astype(np.float32), found.rows.numpy())
    assert cells.sum(axis=1).tolist() == [2] * 6


def test_two_values_that_only_help_together_are_found_by_the_beam() -> None:
    """Alone the pair's halves hurt the attack; the greedy search takes the decoy."""

    def answer(x: np.ndarray) -> np.ndarray:
        score = 0.1 + 0.2 * x[:, 2] + 0.15 * x[:, 3] - 0.02 * (x[:, 0] + x[:, 1])
        return np.where((x[:, 0] == 1) & (x[:, 1] == 1), 0.9, np.clip(score, 0.01, 0.49))

    subject = black_box(answer, switches(4), np.zeros((2, 4)))
    narrow, _ = searched(subject, FewColumns(beam=1, queries=8, values=2, steps=0), most=2)
    wide, _ = searched(subject, FewColumns(beam=4, queries=8, values=2, steps=0), most=2)
    assert torch.isinf(narrow.budget).all()
    assert wide.budget.tolist() == [2.0, 2.0]


def test_nan_scores_neither_count_nor_lead_astray() -> None:
    def forward(x: Tensor) -> Tensor:
        score = -1 + 0.6 * (x[:, 1] > 0) + 0.6 * (x[:, 2] > 0)
        bad = torch.where(x[:, 0] != 0, torch.nan, score)
        return torch.stack([torch.zeros(len(x)), bad], dim=1)

    rows, keys = torch.zeros(2, 3), keys_of(0, "t", ["a", "b"])
    reach = Reach.of(numbers(3, integer=True), rows, spread=1.0)
    labels = torch.zeros(2, dtype=torch.int64)
    search = FewColumns(beam=1, queries=8, values=3, steps=0)
    found = search.search(forward, reach, labels, keys, most=2)
    assert found.rows.tolist() == [[0.0, 1.0, 1.0]] * 2


def test_no_rows_and_no_free_columns() -> None:
    schema = numbers(2)
    labels, keys = torch.zeros(0, dtype=torch.int64), keys_of(0, "t", [])
    nothing = Reach.of(schema, torch.zeros(0, 2), spread=1.0)
    model = torch.nn.Linear(2, 2)
    assert len(SEARCH.search(model, nothing, labels, keys, most=2).budget) == 0
    held = Reach.of(schema, torch.zeros(2, 2), spread=1.0, fixed=["a", "b"])
    keys = keys_of(0, "t", ["a", "b"])
    found = SEARCH.search(model, held, torch.zeros(2, dtype=torch.int64), keys, most=2)
    assert torch.isinf(found.budget).all()
