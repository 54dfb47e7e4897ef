"""Mirrors auditkit/data/derived.py."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from auditkit.data.derived import (
    derived_slices,
    halves,
    image_quantities,
    table_quantities,
    text_quantities,
)
from auditkit.data.schema import Feature, Schema

NUMBERS = arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6, width=32))


@settings(deadline=None, derandomize=True)
@given(values=NUMBERS)
def test_the_named_edge_is_the_edge_that_is_used(values: np.ndarray) -> None:
    groups = halves(values)
    if groups is None:
        assert len(np.unique(values)) == 1
        return
    assert len(set(groups)) == 2
    for value, group in zip(values, groups, strict=True):
        half, edge = re.fullmatch(r"(low|high) \((?:<|>=) (\S+)\)", group).groups()  # type: ignore[union-attr]
        assert (value < float(edge)) == (half == "low")


@settings(deadline=None, derandomize=True)
@given(values=st.lists(st.integers(0, 10**6), min_size=2, max_size=60, unique=True))
def test_distinct_values_are_cut_in_the_middle(values: list[int]) -> None:
    """But for rounding the edge to three digits, the halves are equal."""
    scaled = np.argsort(np.argsort(values)).astype(np.float64)
    groups = halves(scaled)
    assert groups is not None
    assert abs(2 * sum(one.startswith("low") for one in groups) - len(values)) <= 1


def test_edges_are_short_where_they_can_be() -> None:
    assert halves(np.array([0, 1 / 3, 1])) == [
        "low (< 0.333)",
        "high (>= 0.333)",
        "high (>= 0.333)",
    ]


def test_many_equal_values_still_leave_two_groups() -> None:
    assert halves(np.array([0.0, 0, 0, 0, 7])) == ["low (< 7)"] * 4 + ["high (>= 7)"]
    assert halves(np.array([1.0, 1.0])) is None
    close = halves(np.array([0.1234567, 0.1234568]))
    assert close is not None
    assert len(set(close)) == 2


def test_closed_forms() -> None:
    image = np.zeros((1, 1, 6, 6), dtype=np.float32)
    image[0, 0, 2:4, 2:4] = 1.0
    found = image_quantities(image, (0.0, 1.0))
    share = 4 / 36
    assert found["brightness"] == pytest.approx(share)
    assert found["contrast"] == pytest.approx((share * (1 - share)) ** 0.5)
    assert found["ink"] == pytest.approx(share)
    assert image_quantities(1 - image, (0.0, 1.0))["ink"] == pytest.approx(share)
    assert image_quantities(0.3 + 0.2 * image, (0.0, 1.0))["ink"] == pytest.approx(share)
    raw = image_quantities(image * 255, (0.0, 255.0))
    assert {name: value[0] for name, value in raw.items()} == pytest.approx(
        {name: value[0] for name, value in found.items()}
    )
    assert image_quantities(np.full((1, 3, 4, 4), 0.5), (0.0, 1.0))["ink"] == 0
    assert text_quantities(["one", "two  words"])["length"].tolist() == [1, 2]


@settings(deadline=None, derandomize=True)
@given(images=arrays(np.float32, (7, 3, 4, 4), elements=st.floats(0, 1, width=32)))
def test_batches_do_not_matter(images: np.ndarray) -> None:
    whole = derived_slices([images])
    parts = derived_slices(images[i : i + 2] for i in range(0, 7, 2))
    assert whole.equals(parts)


def test_a_constant_quantity_is_no_slice() -> None:
    flat = np.full((4, 1, 3, 3), 0.25)
    flat[2:] = 0.75
    assert list(derived_slices([flat])) == ["brightness"]
    assert list(derived_slices([["a b", "c d"]])) == []


TABLE = Schema((Feature(name="x"), Feature(name="c", kind="categorical", categories=("a", "b"))))


def test_unusual_rows_lie_at_the_ends_or_in_rare_categories() -> None:
    rows = np.array([[1, 0], [2, 0], [3, 0], [np.nan, 1]], dtype=np.float32)
    found = table_quantities(rows, TABLE)
    # Ranks of 1, 2, 3 are 1/6, 1/2, 5/6; three in four have category 0, one has category 1.
    expected = [(2 / 3 + 1 / 4) / 2, (0 + 1 / 4) / 2, (2 / 3 + 1 / 4) / 2, 3 / 4]
    assert found["unusualness"] == pytest.approx(expected)
    assert found["missing values"].tolist() == [0, 0, 0, 1]


def test_columns_that_say_nothing_make_no_row_unusual() -> None:
    rows = np.array([[5, np.nan], [5, np.nan]], dtype=np.float32)
    assert table_quantities(rows, TABLE)["unusualness"].tolist() == [0, 0]
    assert list(derived_slices([rows], schema=TABLE)) == []


@given(rows=arrays(np.float32, (9, 2), elements=st.sampled_from([0.0, 1.0, float("nan")])))
def test_batches_of_a_table_do_not_matter(rows: np.ndarray) -> None:
    whole = derived_slices([rows], schema=TABLE)
    assert whole.equals(derived_slices((rows[i : i + 2] for i in range(0, 9, 2)), schema=TABLE))


def test_graphs_are_sliced_by_nodes_and_edges() -> None:
    graphs = np.zeros((2, 3, 1 + 3), dtype=np.float32)
    graphs[:, :2, 0] = 1
    graphs[1, 2, 0] = 1
    graphs[0, 0, 2] = graphs[0, 1, 1] = 1
    found = derived_slices([graphs])
    assert found["nodes"].tolist() == ["low (< 2.5)", "high (>= 2.5)"]
    assert found["edges per node"].tolist() == ["high (>= 0.25)", "low (< 0.25)"]
