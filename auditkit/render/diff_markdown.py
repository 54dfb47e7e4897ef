"""Comparison of two results to Markdown, for pull-request comments and job summaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditkit.diff.report import Change, Diff
from auditkit.render import diff_words as said
from auditkit.render import words
from auditkit.render.markdown import code, escape

ICONS = {"fail": "❌", "incomplete": "❔", "waived": "⚠️", "pass": "✅", "": "⚪"}
MAX_ROWS = 30
MAX_FLIPS = 20


def render_diff_markdown(diff: Diff) -> str:
    """Return the summary; the same comparison always gives the same text."""
    names = [escape(one.model) for one in (diff.before, diff.after)]
    title = " against ".join(reversed(names)) if names[0] != names[1] else names[0]
    icon = ICONS[said.CLASSES[diff.status]]
    lines = [
        f"## {icon} {said.STATUSES[diff.status]}: {title} on {escape(diff.after.data)}",
        "",
        f"**{escape(diff.sentence)}**",
        "",
        *[f"- {escape(one)}" for one in diff.notes],
        *[f"- Not compared: {escape(one)}" for one in diff.refused],
        "",
        *_judged(said.judged(diff)),
        *_section("Limits", list(_moves(diff))),
        *_section("Answers that changed", list(_flips(diff))),
        f"<sub>auditkit {escape(diff.auditkit)}, level {diff.level:g}."
        f" {escape(said.rules(diff)[0])}</sub>",
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"### {title}", "", *lines, ""] if lines else []


def _judged(changes: Sequence[Change]) -> list[str]:
    if not changes:
        return []
    head = [
        "| | Finding | Before | Now | Difference | Interval | |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    rows = [_row(one) for one in changes[:MAX_ROWS]]
    left = len(changes) - len(rows)
    more = ["", f"and {words.count(left, 'more judged finding')}"] if left else []
    return _section("What was judged", [*head, *rows, *more])


def _row(one: Change) -> str:
    kind, word = said.standing(one)
    difference = "" if one.difference is None else said.signed(one.difference, one.unit)
    cells = [
        f"{ICONS[kind]} {word}",
        escape(one.about),
        escape(said.value(one.before, one.unit)),
        escape(said.value(one.after, one.unit)),
        escape(difference),
        escape(said.span(one)),
        escape(said.because(one) or said.how(one)),
    ]
    return f"| {' | '.join(cells)} |"


def _moves(diff: Diff) -> Iterator[str]:
    for one in diff.moves[:MAX_ROWS]:
        icon = ICONS[said.MOVE_CLASSES[one.move]]
        yield (
            f"- {icon} {said.MOVES[one.move]}: {escape(one.about)}, limit {escape(one.limit)}:"
            f" {escape(one.reason)}"
        )
    if len(diff.moves) > MAX_ROWS:
        yield f"- and {words.count(len(diff.moves) - MAX_ROWS, 'more limit')}"


def _flips(diff: Diff) -> Iterator[str]:
    flips = diff.flips
    if flips is None:
        yield escape(diff.why_no_flips)
        return
    yield f"Of {words.count(flips.n, 'input')}, {flips.lost} became wrong and {flips.gained} right."
    groups = said.pressing_groups(diff, 10)
    if groups:
        yield ""
    for one in groups:
        sure = "too few inputs to test" if one.p_holm is None else f"p {one.p_holm:.2g} (Holm)"
        yield (
            f"- {escape(said.group_name(one))}: {one.lost} lost, {one.gained} gained of {one.n}"
            f" ({escape(said.signed(one.after - one.before, 'share'))}, {sure})"
        )
    lost = [one for one in flips.listed if one.lost]
    if lost:
        yield ""
        yield (
            "Now wrong: "
            + ", ".join(code(one.id) for one in lost[:MAX_FLIPS])
            + (f" and {flips.lost - MAX_FLIPS} more" if flips.lost > MAX_FLIPS else "")
        )
