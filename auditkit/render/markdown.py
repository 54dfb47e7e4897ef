"""Result to Markdown, for pull-request comments and job summaries."""

from __future__ import annotations

import re
from collections.abc import Sequence

from auditkit.render import coverage, outline, words
from auditkit.render.changes import Changes, changes
from auditkit.render.coverage import Missing
from auditkit.render.outline import Chapter, Decision, Insight, Reading
from auditkit.result import Result

ICONS: dict[str, str] = {
    "fail": "❌",
    "incomplete": "❔",
    "errored": "❗",
    "waived": "🏳",
    "pass": "✅",
}
MAX_DECISIONS = 20
MAX_UNTESTED = 20  # reasons
MAX_NAMES = 30  # of checks with one reason

_BREAK = "\u200b"  # zero-width space: what it parts is no mention, no link, no reference


def render_markdown(result: Result, older: Result | None = None) -> str:
    """Return the summary; the same result always gives the same text.

    Parameters
    ----------
    result : Result
        What to show.
    older : Result, optional
        What to say changes against.
    """
    against = None if older is None else changes(result, older)
    verdict, model, data = result.verdict, result.model, result.data
    icon = ICONS.get(verdict.status, "⚪")
    lines = [
        f"## {icon} {words.VERDICTS[verdict.status]}: {escape(model.name)} on {escape(data.name)}",
        "",
        f"**{escape(words.verdict_sentence(verdict))}**",
        "",
        f"{escape(model.architecture)}, {code(words.short(model.sha256, 12) or 'no hash')}; "
        f"{escape(data.name)}, {escape(data.split)}, {words.count(data.n, 'input')}, "
        f"{code(words.short(data.sha256, 12))}",
        "",
        *_decided(outline.decisions(result)),
        *_section("What matters most", [_insight(one) for one in outline.matters_most(result)]),
        *_families(outline.chapters(result), against),
        *_section("What the policy calls them", _ratings(outline.readings(result))),
        *_section("What was not tested", _untested(result)),
        *_section("Notes", [f"- {escape(note)}" for note in verdict.notes]),
        *_section(
            "What went wrong and was survived",
            [f"- {escape(incident)}" for incident in result.provenance.incidents],
        ),
        *_section("Reproduce", _reproductions(result)),
        f"<sub>auditkit {escape(result.auditkit)}, seed {result.provenance.seed}: "
        f"{code(result.provenance.command)}</sub>",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    r"""Return a text as one inert line: no markup, table cell, mention, reference or link.

    Examples
    --------
    >>> escape("<b> a|b *c*"), escape("- item")
    ('&lt;b&gt; a\\|b \\*c\\*', '\u200b- item')
    """
    safe = words.line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", safe)
    safe = re.sub(r"^(?=([-+=#]+|\d+[.)])(\s|$))", _BREAK, safe)  # no list, no heading
    return re.sub(r"(@|#|:(?=//)|\bwww(?=\.)|\bGH(?=-))", rf"\1{_BREAK}", safe)


def code(text: str) -> str:
    """Return a text as code, which nothing inside can end; not for table cells.

    Examples
    --------
    >>> code("<b>"), code("x`y")
    ('`<b>`', "`x'y`")
    """
    inside = words.line(text).replace("`", "'")
    return f"`{inside or ' '}`"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"### {title}", "", *lines, ""] if lines else []


def _decided(decisions: Sequence[Decision]) -> list[str]:
    rows = [_decision(one) for one in decisions[:MAX_DECISIONS]]
    left = len(decisions) - len(rows)
    rows += [f"- {words.count(left, 'more limit')} in the report"] if left else []
    return _section("What decided it", rows)


def _decision(one: Decision) -> str:
    judgement = one.judgement
    beside = f" (judged interval {escape(one.interval)})" if one.interval else ""
    return (
        f"- {_standing(judgement.status)}: {escape(one.about)}, "
        f"limit {escape(one.limit)}{beside}: {escape(words.reason_of(judgement))}"
    )


def _insight(one: Insight) -> str:
    return f"- {escape(words.plainly(one.reading.outcome, one.finding))}"


def _ratings(readings: Sequence[Reading]) -> list[str]:
    return [
        f"- {code(one.outcome.check)}: {escape(words.ratings(one.ratings))}"
        for one in readings
        if one.ratings
    ]


def _families(chapters: Sequence[Chapter], against: Changes | None) -> list[str]:
    rows = [_family(one, against) for one in chapters]
    heads = ["Family", "Status", "Headline", "Value", "Interval", "n"]
    rule = "|---|---|---|---:|---:|---:|"
    if against is not None:
        heads, rule = [*heads, "Change"], f"{rule}---|"
    said = [escape(against.about), ""] if against is not None else []
    return [f"| {' | '.join(heads)} |", rule, *rows, "", *said] if rows else []


def _family(chapter: Chapter, against: Changes | None) -> str:
    reading = chapter.first
    finding = reading.headline
    cells = [words.FAMILY_TITLES[chapter.family], _standing(reading.standing)]
    if finding is None:
        cells += [escape(reading.outcome.question), "not measured", "", ""]
    else:
        cells += [
            escape(words.subject(reading.outcome, finding)),
            escape(words.value_of(finding)),
            escape(words.range_of(finding)),
            f"{finding.n:,}",
        ]
    if against is not None:
        cells.append("" if finding is None else escape(against.by_finding.get(finding.id, "")))
    return f"| {' | '.join(cells)} |"


def _reproductions(result: Result) -> list[str]:
    """Return how to see again the findings to read first."""
    found = [one.finding for one in outline.matters_most(result)]
    return [f"- {code(words.reproduction(result, one.id))}" for one in found]


def _standing(standing: outline.Standing) -> str:
    return f"{ICONS.get(standing, '⚪')} {outline.STANDINGS[standing]}"


def _untested(result: Result) -> list[str]:
    groups = coverage.missing(result)
    rows = [_missing(one) for one in groups[:MAX_UNTESTED]]
    left = sum(len(one.readings) for one in groups[MAX_UNTESTED:])
    rows += [f"- {words.count(left, 'more check')} in the report"] if left else []
    return [escape(coverage.sentence(result)), "", *rows] if rows else []


def _missing(one: Missing) -> str:
    names = [code(name) for name in one.checks[:MAX_NAMES]]
    left = len(one.checks) - len(names)
    names += [f"{left:,} more"] if left else []
    said = outline.STATUSES[one.status].lower()
    return f"- {', '.join(names)}: {said}, {escape(words.short(one.reason, 300))}"
