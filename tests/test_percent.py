"""Mirrors auditkit/percent.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.percent import percent, percent_range, plain_percent

PACKAGE = Path(__file__).parents[1] / "auditkit"


@given(st.floats(1e-8, 1 - 1e-8), st.integers(0, 3))
def test_it_is_the_share_and_only_all_reads_as_100_percent(share: float, digits: int) -> None:
    said = float(percent(share, digits).removesuffix(" %"))
    assert said == pytest.approx(100 * share, abs=0.51 * 10**-digits)
    assert said not in (0, 100)


def test_nothing_and_everything_are_whole_numbers() -> None:
    assert (percent(0), percent(1), percent(-1)) == ("0 %", "100 %", "-100 %")
    assert percent_range(0, 0.5, 0) == "0 to 50 %"


def test_what_was_chosen_has_no_zeros_at_its_end() -> None:
    assert [plain_percent(one) for one in (0.05, 0.95, 0.975, 1 - 0.05 / 3)] == [
        "5 %", "95 %", "97.5 %", "98.33 %"
    ]  # fmt: skip


def test_no_other_way_is_used_in_the_package() -> None:
    own_way = re.compile(r":\.\d+%\}|[fg]\} ?%")  # as "{share:.1%}", "{100 * share:.1f} %"
    found = [
        f"{file.name}: {line.strip()}"
        for file in PACKAGE.rglob("*.py")
        if file.name != "percent.py"
        for line in file.read_text(encoding="utf-8").splitlines()
        if own_way.search(line) and "task.percentage" not in line  # filled in by rich
    ]
    assert found == []
