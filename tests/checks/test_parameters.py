"""Mirrors auditkit/checks/parameters.py."""

from __future__ import annotations

import math

import pytest

from auditkit.checks.bias.group_shift import GroupShift
from auditkit.checks.parameters import require_choice, require_least
from auditkit.errors import ConfigError


def test_what_is_below_the_least_is_refused_by_name() -> None:
    check = GroupShift(minimum_n=5)
    require_least(check, minimum_n=5, permutations=1)
    with pytest.raises(
        ConfigError, match=r"group-shift: minimum_n is 5, expected at least 6\."
    ) as e:
        require_least(check, permutations=1, minimum_n=6, hint="Leave it out.")
    assert e.value.hint == "Leave it out."


def test_nan_is_below_everything() -> None:
    check = GroupShift()
    object.__setattr__(check, "minimum_n", math.nan)
    with pytest.raises(ConfigError, match="minimum_n is nan"):
        require_least(check, minimum_n=-1)


@pytest.mark.parametrize(
    ("chosen", "said"), [((), "is empty"), (("a", "b", "a"), "names 'a' twice")]
)
def test_a_choice_names_something_and_nothing_twice(chosen: tuple[str, ...], said: str) -> None:
    require_choice("check", "kinds", ("a", "b"))
    with pytest.raises(ConfigError, match=said):
        require_choice("check", "kinds", chosen)
