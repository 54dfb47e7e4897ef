"""Mirrors auditkit/render/badge.py."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from auditkit.render import words
from auditkit.render.badge import COLOURS, render_badge
from auditkit.result import Verdict, VerdictStatus
from tests.render.hostile import hostile
from tests.render.sample import image_result, text_result

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("status", COLOURS)
def test_it_says_the_verdict_in_words_to_eyes_and_ears(status: VerdictStatus) -> None:
    verdict = Verdict(status=status, exit_code=0, sentence="Said.", decided_by=[])
    root = ElementTree.fromstring(
        render_badge(text_result().model_copy(update={"verdict": verdict}))
    )
    word = words.VERDICTS[status].lower()
    assert [one.text for one in root.iter(f"{SVG}text")] == ["audit", word]
    assert (root.get("role"), root.get("aria-label")) == ("img", f"audit: {word}")
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == f"audit: {word}. phrases-transformer on phrases. Said."
    right = list(root.iter(f"{SVG}rect"))[-1]
    assert contrast("#ffffff", right.get("fill", "")) >= 4.5


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_hostile_names_stay_in_the_title() -> None:
    text = render_badge(hostile(image_result()))
    plain = ElementTree.fromstring(render_badge(image_result()))
    root = ElementTree.fromstring(text)
    assert [one.tag for one in root.iter()] == [one.tag for one in plain.iter()]
    assert "<script" not in text
    assert "<img" not in text
