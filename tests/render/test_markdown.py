"""Mirrors auditkit/render/markdown.py."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.render.markdown import code, escape, render_markdown
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result


def test_the_verdict_comes_first_and_every_family_has_a_row() -> None:
    text = render_markdown(image_result())
    assert text.startswith("## ❌ Fail: digits-cnn on digits\n\n**1 of 5 limits are missed.")
    assert "| Robustness | ❌ Failed | Robust accuracy at epsilon 0.1 | 30.5 % |" in text
    assert "`fgsm-linf`: skipped, the time budget of 60 s was used up" in text
    assert "needs about 940 inputs (an extrapolation)" in text


@given(st.text())
def test_an_escaped_text_has_no_markup(text: str) -> None:
    safe = escape(text)
    assert "\n" not in safe
    assert not re.search(r"[<>]|(?<!\\)(?:\\\\)*[`*_\[\]|~$]|@\w|#\d|://", safe)


@given(st.text())
def test_nothing_ends_a_code_span(text: str) -> None:
    assert re.fullmatch(r"`[^`\n]+`", code(text))


@pytest.mark.parametrize("start", ["- x", "1. x", "1) x", "+ x", "# x", "= x", "---", "===", "1."])
def test_a_text_starts_no_block(start: str) -> None:
    assert not re.match(r"\s*([-+#=]+|\d+[.)])(\s|$)", escape(start))


@pytest.mark.parametrize("result", [image_result, text_result])
def test_hostile_names_stay_in_their_cells(result) -> None:
    text = render_markdown(hostile(result()))
    plain = re.sub(r"`[^`\n]*`", "", text.replace("\\`", ""))
    assert "<script" not in plain
    assert "<img" not in plain
    assert not re.search(r"@octocat|https://|(?<!\\)\]\(", plain)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}
    assert len(rows) == 2 + len({one.family for one in result().outcomes})


def test_what_the_policy_calls_each_method_has_a_section() -> None:
    text = render_markdown(image_result())
    line = "- `attribution-trust`: integrated gradients trustworthy; occlusion not informative"
    assert f"### What the policy calls them\n\n{line}\n" in text
    assert "policy calls" not in render_markdown(text_result())


def test_the_same_result_gives_the_same_text() -> None:
    assert render_markdown(image_result()) == render_markdown(image_result())
