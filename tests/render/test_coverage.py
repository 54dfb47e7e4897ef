"""Mirrors auditkit/render/coverage.py."""

from __future__ import annotations

from itertools import pairwise

import pytest

from auditkit.findings import Outcome
from auditkit.render import coverage
from auditkit.render.html import render_html
from auditkit.render.markdown import render_markdown
from auditkit.result import Result
from tests.render.sample import image_result


def with_missing(*reasons: tuple[str, str, str]) -> Result:
    """Return a result with one measured check and others given as (id, status, reason)."""
    result = image_result()
    first = result.outcomes[0]
    bare = first.model_copy(update={"findings": [], "evidence": {}, "headline": None})
    rest: list[Outcome] = [
        bare.model_copy(update={"check": check, "status": status, "reason": reason})
        for check, status, reason in reasons
    ]
    return result.model_copy(update={"outcomes": [first, *rest]})


REASONS = (
    ("typos", "not_applicable", "it is about text models"),
    ("patch", "skipped", "left out; to run it, add: --check patch"),
    ("token-swap", "not_applicable", "it is about text models"),
    ("swap", "skipped", "left out; to run it, add: --check swap"),
    ("edges", "errored", "ValueError: no edges"),
)


def test_checks_with_the_same_reason_stand_together_errored_first() -> None:
    found = coverage.missing(with_missing(*REASONS))
    assert [(one.status, one.reason, one.checks) for one in found] == [
        ("errored", "ValueError: no edges", ["edges"]),
        ("skipped", "left out; to run it, add: --check ID", ["patch", "swap"]),
        ("not_applicable", "it is about text models", ["typos", "token-swap"]),
    ]


def test_a_reason_of_one_check_keeps_its_name_and_no_check_is_lost() -> None:
    result = with_missing(*REASONS[:3])
    found = coverage.missing(result)
    assert found[0].reason.endswith("--check patch")
    assert sorted(name for one in found for name in one.checks) == ["patch", "token-swap", "typos"]
    same = coverage.missing(with_missing(("swap", "skipped", "token-swap and swap")))
    assert same[0].reason == "token-swap and swap"


def test_counts_tell_what_does_not_apply_from_what_is_missing() -> None:
    result = with_missing(*REASONS)
    assert coverage.sentence(result) == (
        "1 of 4 checks that apply here gives numbers; 1 errored, 2 skipped, 2 not applicable."
    )
    assert coverage.sentence(with_missing()) == "1 of 1 check that applies here gives numbers."


def test_the_bar_is_filled_by_all_checks() -> None:
    parts = coverage.parts(with_missing(*REASONS))
    assert [one.status for one in parts] == ["measured", "errored", "skipped", "not_applicable"]
    assert [one.n for one in parts] == [1, 1, 2, 2]
    assert sum(one.width for one in parts) == pytest.approx(coverage.NAMED, abs=0.05)
    for left, right in pairwise(parts):
        assert right.start == pytest.approx(left.start + left.width, abs=0.05)
    assert coverage.parts(with_missing().model_copy(update={"outcomes": []})) == []


def test_every_renderer_says_a_shared_reason_once() -> None:
    result = with_missing(*REASONS)
    page = render_html(result)
    assert page.count("It is about text models") == 1
    assert "2 questions" in page
    text = render_markdown(result)
    assert "- `typos`, `token-swap`: not applicable, it is about text models\n" in text
    assert text.count("it is about text models") == 1
