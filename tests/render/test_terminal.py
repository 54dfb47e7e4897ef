"""Mirrors auditkit/render/terminal.py."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from auditkit.render.terminal import render_terminal, render_verdict
from auditkit.result import Result
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result


def printed(result: Result, width: int, *, colour: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=width, highlight=False, force_terminal=colour, color_system=(
            "standard" if colour else None
        ),
    )  # fmt: skip
    render_terminal(result, console)
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 110, 120])
def test_the_summary_fits_the_screen_and_says_everything(width: int) -> None:
    text = printed(image_result(), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert text.startswith("Fail: 1 of 5 limits are missed.")
    flat = " ".join(text.split())
    for check in ("pgd-linf", "clean-accuracy", "group-gap", "attribution-trust", "token-swap"):
        assert check in flat
    assert "30.5 %" in flat
    assert "errored" in flat
    assert "not applicable" in flat
    assert flat.index("limit at least 50 %") < flat.index("clean-accuracy")


def test_what_the_policy_calls_each_method_stands_on_one_line() -> None:
    lines = printed(image_result(), 120).splitlines()
    expected = "attribution-trust: integrated gradients trustworthy; occlusion not informative"
    assert expected in lines
    assert "trustworthy" not in printed(text_result(), 120)


def test_one_line_per_check_where_there_is_room() -> None:
    lines = [line for line in printed(text_result(), 120).splitlines() if "passed" in line]
    assert [line.split()[:2] for line in lines] == [
        ["performance", "clean-accuracy"],
        ["robustness", "token-swap"],
    ]
    assert "86.2 % (82.9 to 89.1 %)" in lines[1]
    assert "500" in lines[1]


@pytest.mark.parametrize("width", [60, 120])
def test_hostile_names_cannot_move_the_cursor(width: int) -> None:
    plain = printed(hostile(image_result()), width)
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", plain
    )
    coloured = printed(hostile(image_result()), width, colour=True)
    allowed = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert "\x1b" not in allowed
    assert "\\x1b[31m" in " ".join(plain.split())


def test_colour_can_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    render_terminal(image_result(), Console(file=file, width=80, force_terminal=True))
    assert not re.search(r"\x1b\[(3|9)\d", file.getvalue())


def test_a_verdict_alone_names_what_decided_it() -> None:
    file = io.StringIO()
    render_verdict(image_result(), Console(file=file, width=200))
    lines = file.getvalue().splitlines()
    assert lines[0] == "Fail: 1 of 5 limits are missed. 1 waived. 2 are not decided."
    assert [one.strip() for one in lines[1].split("  ") if one] == [
        "failed",
        "Robust accuracy at epsilon 0.1: 24.2 to 37.4 %, limit at least 50 %; the whole interval"
        " misses the limit [pgd-linf/robust_accuracy/all/epsilon=0.1]",
    ]
    assert len(lines) == 5


def test_a_model_without_a_hash_says_so() -> None:
    """Functions and endpoints have none."""
    result = text_result()
    without = result.model_copy(update={"model": result.model.model_copy(update={"sha256": ""})})
    assert "(no hash)" in printed(without, 120)
    assert "(no hash)" not in printed(result, 120)
