"""Result for GitHub Actions: a job summary and annotations, within what GitHub shows.

References
----------
GitHub Docs, Workflow commands for GitHub Actions: "Adding a job summary" (at most 1 MiB per step),
"Setting an error message" (at most 10 of each type are shown per step).
"""

from __future__ import annotations

from typing import NamedTuple

from auditkit.render import outline, problems, words
from auditkit.render.markdown import ICONS, escape, render_markdown
from auditkit.render.problems import Problem
from auditkit.result import Judgement, Result

MAX_BYTES = 1 << 20
MAX_ANNOTATIONS = 9  # of ten; GitHub adds "Process completed with exit code 1." itself
_ROOM = 4_096  # bytes kept for what closes the summary


class _Row(NamedTuple):
    """A limit and how it stands."""

    standing: outline.Standing
    judgement: Judgement


def render_summary(result: Result) -> str:
    """Return the job summary in Markdown, at most 1 MiB: the report in short, and every limit."""
    text = _cut(render_markdown(result), MAX_BYTES // 2)
    return text + _every_limit(result, MAX_BYTES - len(text.encode()) - _ROOM)


def commands(result: Result) -> list[str]:
    """Return workflow commands that mark each problem beside the policy's line.

    All are errors, since both keep the gate shut; where there are more than GitHub shows, the last
    one counts the rest.
    """
    found = problems.problems(result)
    room = MAX_ANNOTATIONS if len(found) <= MAX_ANNOTATIONS else MAX_ANNOTATIONS - 1
    shown, left = problems.first(found, room)
    lines = [_annotation(one) for one in shown]
    if left:
        said = f"{words.count(left, 'more limit')} failed or incomplete: see the job summary."
        lines.append(_command({"title": "auditkit"}, said))
    return lines


def _annotation(one: Problem) -> str:
    at = {"file": one.place.file, "line": str(one.place.line)} if one.in_policy else {}
    message = one.message + (f"\nSee it again: {one.replay}" if one.replay else "")
    return _command({**at, "title": one.title}, message)


def _command(properties: dict[str, str], message: str) -> str:
    r"""Return one workflow command, which nothing inside can end or follow by another.

    Examples
    --------
    >>> _command({"title": "a,b: c"}, "100 %\n::stop::")
    '::error title=a%2Cb%3A c::100 %25%0A::stop::'
    """
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::error {written}::{_data(message)}"


def _data(text: str) -> str:
    kept = words.clean(text)  # a line break and a tab are left
    return kept.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(words.line(text)).replace(":", "%3A").replace(",", "%2C")


def _cut(text: str, at_most: int) -> str:
    """Return whole lines of at most so many bytes, and say so where some are left out."""
    if len(text.encode()) <= at_most:
        return text
    kept: list[str] = []
    used = 0
    for line in text.splitlines(keepends=True):
        used += len(line.encode())
        if used > at_most:
            break
        kept.append(line)
    return "".join(kept) + "\nThe rest is in the report: it did not fit here.\n"


def _every_limit(result: Result, room: int) -> str:
    limits = [_Row(one.status, one) for one in outline.judgements(result)]
    limits += [_Row("waived", one.judgement) for one in result.verdict.waived]
    if not limits:
        return ""
    findings = {finding.id: finding for one in result.outcomes for finding in one.findings}
    head = (
        f"\n<details><summary>Every limit ({len(limits):,})</summary>\n\n"
        "| Status | Limit | Finding | Judged interval | n |\n|---|---|---|---:|---:|\n"
    )
    rows: list[str] = []
    used = len(head.encode())
    for standing, one in limits:
        finding = findings.get(one.finding)
        n = "" if finding is None else f"{finding.n:,}"
        row = f"| {_row(standing, one, '' if finding is None else finding.unit)} | {n} |\n"
        used += len(row.encode())
        if used > room:
            break
        rows.append(row)
    left = len(limits) - len(rows)
    more = f"\n{words.count(left, 'more limit')} in the report.\n" if left else ""
    return f"{head}{''.join(rows)}{more}\n</details>\n"


def _row(standing: outline.Standing, one: Judgement, unit: str) -> str:
    interval = escape(words.judged_interval(one, unit))
    said = f"{ICONS[standing]} {outline.STANDINGS[standing]}"
    return " | ".join([said, escape(one.limit), escape(one.finding), interval])
