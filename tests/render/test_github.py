"""Mirrors auditkit/render/github.py."""

from __future__ import annotations

import re

import pytest

from auditkit.render.github import MAX_BYTES, commands, render_summary
from auditkit.render.markdown import render_markdown
from auditkit.result import Result
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result


def many(n: int, *, reason: str = "the whole interval misses the limit") -> Result:
    """A result with so many failed limits."""
    plain = image_result()
    one = plain.verdict.decided_by[0]
    limits = [
        one.model_copy(update={"limit": f"robust_accuracy >= {i}", "reason": reason})
        for i in range(n)
    ]
    verdict = plain.verdict.model_copy(update={"decided_by": limits})
    return plain.model_copy(update={"verdict": verdict})


def test_the_summary_is_the_comment_and_a_table_of_every_limit() -> None:
    text = render_summary(image_result())
    assert text.startswith(render_markdown(image_result()))
    table = text[text.index("<details>") :]
    assert len(re.findall(r"^\| (❌|❔|🏳|✅) ", table, flags=re.M)) == 5
    assert "| ❌ Failed | robust\\_accuracy &gt;= 0.5 |" in table


@pytest.mark.parametrize("reason", ["short", "x" * 300_000])
def test_the_summary_fits_into_what_github_takes(reason: str) -> None:
    text = render_summary(many(20_000 if reason == "short" else 30, reason=reason))
    assert len(text.encode()) <= MAX_BYTES
    assert "more limits in the report" in text or "it did not fit here" in text
    assert text.endswith("</details>\n")


def test_an_annotation_stands_at_the_line_of_the_policy_where_there_is_one() -> None:
    first, second, third = commands(image_result())
    assert first.startswith(
        "::error file=audit.toml,line=12,title=Fail%3A Robust accuracy at epsilon 0.1::"
    )
    assert "30.5 %25 (95 %25 interval" in first
    assert first.endswith("pgd-linf/robust_accuracy/all/epsilon=0.1")
    assert second.startswith("::error title=Incomplete%3A ")
    assert third.startswith("::error title=Incomplete%3A fgsm-linf::Limit fgsm-linf is required")


def test_a_pass_annotates_nothing() -> None:
    assert commands(text_result()) == []


@pytest.mark.parametrize(("n", "shown"), [(9, 9), (10, 9), (500, 9)])
def test_the_rest_is_counted(n: int, shown: int) -> None:
    lines = commands(many(n))
    assert len(lines) == shown, "GitHub shows ten of a step, and adds one itself"
    if n > shown:
        assert f"::{n - 8} more limits failed or incomplete" in lines[-1]


def test_hostile_names_begin_no_command_of_their_own() -> None:
    for line in commands(hostile(image_result())):
        assert line.startswith("::error ")
        assert line.isprintable()
        properties = line.removeprefix("::error ").partition("::")[0].split(",")
        assert {one.partition("=")[0] for one in properties} <= {"file", "line", "title"}
