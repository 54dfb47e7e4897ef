"""Verdict to a badge in SVG: words that can be read without colour."""

from __future__ import annotations

from html import escape

from auditkit.render import words
from auditkit.result import Result, VerdictStatus

LABEL = "audit"
# Each is at least 4.5 times as dark as the white text on it (WCAG 2.2, 1.4.3).
COLOURS: dict[VerdictStatus, str] = {
    "pass": "#1a7f37",
    "fail": "#b42318",
    "incomplete": "#8a5a00",
    "not_judged": "#5b6470",
}
_DARK = "#30363d"
# Widths of letters at 11 px in Verdana, which is among the widest of what is likely installed.
_WIDTHS = {
    " ": 3.9, "a": 6.6, "c": 5.7, "d": 6.9, "e": 6.6, "f": 3.9, "g": 6.9, "i": 3.0, "j": 3.8,
    "l": 3.0, "m": 10.7, "n": 7.0, "o": 6.7, "p": 6.9, "s": 5.7, "t": 4.3, "u": 7.0,
}  # fmt: skip


def render_badge(result: Result) -> str:
    """Return the SVG text; the same result always gives the same text."""
    status = result.verdict.status
    word = words.VERDICTS[status].lower()
    left, right = _width(LABEL) + 12, _width(word) + 12
    about = f"{LABEL}: {word}"
    subject = f"{result.model.name} on {result.data.name}"
    title = f"{words.short(subject, 120)}. {words.short(result.verdict.sentence, 200)}"
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" \
aria-label="{about}">
 <title>{_inert(f"{about}. {title}")}</title>
 <clipPath id="audit-{status}"><rect width="{left + right}" height="20" rx="3"/></clipPath>
 <g clip-path="url(#audit-{status})">
  <rect width="{left}" height="20" fill="{_DARK}"/>
  <rect x="{left}" width="{right}" height="20" fill="{COLOURS[status]}"/>
 </g>
 <g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" \
font-size="11">
  <text x="{left / 2:g}" y="14" textLength="{left - 12}">{LABEL}</text>
  <text x="{left + right / 2:g}" y="14" textLength="{right - 12}">{word}</text>
 </g>
</svg>
"""


def _width(text: str) -> int:
    return round(sum(_WIDTHS[letter] for letter in text))


def _inert(text: str) -> str:
    return escape(words.line(text))
