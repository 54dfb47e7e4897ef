"""Comparison of two results to one HTML page: offline, without script, in the report's style."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.diff.report import Diff, Flip
from auditkit.findings import ImageRow, TextRow
from auditkit.render import diff_words, evidence
from auditkit.render.page import TEMPLATES, content_policy, environment, own

MOST_ROWS = 400  # findings of one family


def render_diff_html(diff: Diff, *, home: str = "") -> str:
    """Return the page; the same comparison always gives the same text.

    Parameters
    ----------
    diff : Diff
        The comparison.
    home : str
        Address of the page that led here; empty for a page that stands alone.
    """
    style = own("style.css", "diff.css")
    templates = environment(TEMPLATES, {})
    return templates.get_template("diff.html").render(
        diff=diff,
        home=home,
        style=style,
        policy_of_content=content_policy(style),
        judged=diff_words.judged(diff),
        families=diff_words.families(diff),
        groups=diff_words.pressing_groups(diff, 40),
        methods=sorted({one.interval for one in diff.changes} & set(diff_words.METHODS)),
        said=diff_words,
        shown=_shown,
        evidence=templates.get_template("evidence.html").module,
        tint=evidence.tint,
        spelled=evidence.spelled,
        pictures=evidence.Pictures(),
        most_rows=MOST_ROWS,
    )


def _shown(flips: Sequence[Flip]) -> list[tuple[Flip, ImageRow | TextRow, list[evidence.Tile]]]:
    """Return the flips of which a gallery holds the input, with the pictures."""
    found: list[tuple[Flip, ImageRow | TextRow, list[evidence.Tile]]] = []
    for one in flips:
        if isinstance(one.exhibit, ImageRow):
            found.append((one, one.exhibit, evidence.tiles_of(one.exhibit, {})))
        elif isinstance(one.exhibit, TextRow):
            found.append((one, one.exhibit, []))
    return found
