"""Mirrors auditkit/methods/corruptions/severity.py."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.errors import ConfigError
from auditkit.methods.corruptions.severity import (
    SIZES,
    Constants,
    constant,
    origin_of_constants,
    require_severity,
)

TABLE: Constants = {32: (1, 2, 3, 4, 5), 64: (2, 4, 6, 8, 10), 224: (5, 6, 7, 8, 20)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_published_sizes_have_exactly_the_published_constants(size: int, severity: int) -> None:
    found = constant(TABLE, severity, height=size, width=size)
    assert found == TABLE[size][severity - 1]


def test_between_sizes_it_is_linear_in_the_logarithm() -> None:
    side = 45  # not halfway in pixels
    share = math.log(45 / 32) / math.log(2)
    found = constant(TABLE, 5, height=side, width=side)
    assert found == pytest.approx(5 + share * 5)
    share = math.log(100 / 64) / math.log(224 / 64)
    assert constant(TABLE, 5, height=100, width=100) == pytest.approx(10 + share * 10)


@pytest.mark.parametrize(("side", "size"), [(1, 32), (8, 32), (31, 32), (225, 224), (1000, 224)])
def test_beyond_the_published_sizes_the_nearest_is_used(side: int, size: int) -> None:
    assert constant(TABLE, 2, height=side, width=side) == TABLE[size][1]


def test_an_oblong_counts_as_the_square_of_as_many_pixels() -> None:
    assert constant(TABLE, 4, height=16, width=64) == TABLE[32][3]
    assert constant(TABLE, 4, height=256, width=16) == TABLE[64][3]


@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, 5))
def test_a_constant_lies_between_its_neighbours(height: int, width: int, severity: int) -> None:
    found = constant(TABLE, severity, height=height, width=width)
    assert TABLE[32][severity - 1] <= found <= TABLE[224][severity - 1]


@pytest.mark.parametrize("severity", [0, 6, -1, 2.0, True, "3"])
def test_other_severities_are_refused(severity: object) -> None:
    with pytest.raises(ConfigError, match="from 1 to 5"):
        require_severity(severity)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        constant(TABLE, severity, height=8, width=8)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("height", "width", "says"),
    [
        (32, 32, "those published for 32"),
        (64, 64, "those published for 64"),
        (16, 64, "those published for 32"),
        (8, 8, "below 32"),
        (28, 28, "below 32"),
        (48, 40, "between those published for 32 and 64"),
        (96, 96, "between those published for 64 and 224"),
        (299, 299, "above 224"),
    ],
)
def test_the_sentence_says_which_constants_apply(height: int, width: int, says: str) -> None:
    sentence = origin_of_constants(height=height, width=width)
    assert says in sentence
    assert f"{height} x {width}" in sentence
