"""Mirrors auditkit/render/diff_html.py, diff_markdown.py, diff_terminal.py and diff_words.py."""

from __future__ import annotations

import io
import re
from datetime import date

import pytest
from rich.console import Console

from auditkit.diff.compare import compare
from auditkit.diff.report import Diff
from auditkit.policy import Limit, Policy
from auditkit.render.diff_html import render_diff_html
from auditkit.render.diff_markdown import render_diff_markdown
from auditkit.render.diff_terminal import render_diff_terminal
from tests.diff.sample import accurate
from tests.render.hostile import PAYLOAD

NAME = PAYLOAD.replace("\ud800", "")


@pytest.fixture(scope="module")
def diff(tmp_path_factory: pytest.TempPathFactory) -> Diff:
    folder = tmp_path_factory.mktemp("diff")
    before = accurate(folder / "a", 200, [0], model=NAME)
    after = accurate(folder / "b", 200, range(1, 41), model=NAME)
    policy = Policy(limits=(Limit(finding="clean-accuracy/accuracy/all", min=0.9),))
    found = compare(before, after, policy=policy, today=date(2026, 1, 1))
    update = {"refused": [NAME], "notes": [NAME], "only_before": [NAME], "sentence": NAME}
    listed = [one.model_copy(update={"id": NAME, "label": NAME}) for one in found.flips.listed]  # type: ignore[union-attr]
    flips = found.flips.model_copy(update={"listed": listed})  # type: ignore[union-attr]
    changes = [one.model_copy(update={"about": NAME, "why": NAME}) for one in found.changes]
    return found.model_copy(update={**update, "flips": flips, "changes": changes})


def test_the_page_is_inert_and_loads_nothing(diff: Diff) -> None:
    page = render_diff_html(diff)
    body = page[page.index("<body>") :]
    assert "<script" not in page
    assert "onerror=alert(1)>" not in page.replace("&gt;", "")
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert not re.search(r'(?:src|href)="(?!data:|#|"|/")', body)
    assert "default-src 'none'" in page.replace("&#39;", "'")
    assert render_diff_html(diff) == page


def test_the_page_says_what_was_lost(diff: Diff) -> None:
    text = re.sub(r"<[^>]*>", " ", render_diff_html(diff))
    text = " ".join(text.split()).replace("\u00a0", " ")
    assert "Of 200 inputs, 40 became wrong and 1 became right." in text
    assert "99.5 % 80.0 % -19.5 points" in text
    assert "New failure" in text
    assert "class=cat" in text


def test_markdown_cannot_be_left_by_a_name(diff: Diff) -> None:
    text = re.sub(r"`[^`]*`", "", render_diff_markdown(diff))  # nothing in code acts
    assert "<script" not in text
    assert "@octocat" not in text
    assert "-19.5 points" in text
    assert all(line.count("|") - line.count("\\|") in (0, 8) for line in text.splitlines())


def test_the_terminal_cannot_be_moved_by_a_name(diff: Diff) -> None:
    out = io.StringIO()
    render_diff_terminal(diff, Console(file=out, width=100, force_terminal=False))
    assert "\x1b" not in out.getvalue()
    assert "Regression: " in out.getvalue()
    assert "Of 200 inputs, 40 became wrong, 1 right; 41 answers changed." in out.getvalue()
