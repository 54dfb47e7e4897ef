"""Result to SARIF 2.1.0, for code scanning: one result per limit that failed or is incomplete.

References
----------
OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from auditkit.findings import Outcome
from auditkit.render import outline, problems, words
from auditkit.render.markdown import escape
from auditkit.render.problems import WHOLE, Problem
from auditkit.result import Result

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_RESULTS = 5_000  # what GitHub shows of one file


def render_sarif(result: Result) -> str:
    """Return the JSON text; the same result always gives the same text."""
    shown, left = problems.first(problems.problems(result), MAX_RESULTS)
    rules = _rules(result, shown)
    index = {str(rule["id"]): i for i, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": "auditkit",
                "version": words.line(result.auditkit),
                "semanticVersion": words.line(result.auditkit),
                "rules": rules,
            }
        },
        "automationDetails": {"id": f"auditkit/{_about(result)}/"},
        "invocations": [_invocation(result, left)],
        "results": [_result(one, index[one.check]) for one in shown],
        "columnKind": "unicodeCodePoints",
        "properties": {
            "verdict": result.verdict.status,
            "sentence": words.line(result.verdict.sentence),
            "model": {"name": words.line(result.model.name), "sha256": result.model.sha256},
            "data": {"name": words.line(result.data.name), "sha256": result.data.sha256},
        },
    }
    content = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(_clean(content), indent=1, ensure_ascii=False) + "\n"


def _about(result: Result) -> str:
    return f"{quote(words.line(result.model.name))}/{quote(words.line(result.data.name))}"


def _result(one: Problem, rule: int) -> dict[str, object]:
    message = one.message + (f" See it again: {one.replay}" if one.replay else "")
    judgement = one.judgement
    known = {
        "status": judgement.status,
        "finding": words.line(judgement.finding),
        "limit": words.line(judgement.limit),
        "low": judgement.low,
        "high": judgement.high,
        "needs_n": judgement.needs_n,
    }
    return {
        "ruleId": one.check,
        "ruleIndex": rule,
        "level": "error",  # both keep the gate shut; `properties.status` tells them apart
        "message": {"text": literal(f"{words.VERDICTS[judgement.status]}. {message}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri(one.place.file)},
                    "region": {"startLine": one.place.line},
                }
            }
        ],
        "partialFingerprints": {
            "primaryLocationLineHash": f"{one.fingerprint}:1",
            "auditkit/v1": one.fingerprint,
        },
        "properties": {key: value for key, value in known.items() if value is not None},
    }


def uri(file: str) -> str:
    """Return a path as a reference: relative as it was typed, or `file:` where it is absolute.

    Examples
    --------
    >>> uri("my policy.toml"), uri("/ci/audit.toml")
    ('my%20policy.toml', 'file:///ci/audit.toml')
    """
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _rules(result: Result, shown: Sequence[Problem]) -> list[dict[str, object]]:
    """Return one rule per check that has a result, in the order of the first."""
    outcomes = {words.line(one.check): one for one in result.outcomes}
    ids = dict.fromkeys(one.check for one in shown)
    return [_rule(one, outcomes.get(one)) for one in ids]


def _rule(name: str, outcome: Outcome | None) -> dict[str, object]:
    if outcome is None:
        said = "The audit as a whole." if name == WHOLE else f"The check {name}, which did not run."
        return {"id": name, "name": name, "shortDescription": {"text": said}}
    return {
        "id": name,
        "name": name,
        "shortDescription": {"text": words.line(outcome.question)},
        "fullDescription": {"text": words.line(outcome.explanation or outcome.question)},
        "help": {"text": _help(outcome), "markdown": _help_markdown(outcome)},
        "properties": {"tags": ["machine-learning", outcome.family], "precision": "very-high"},
    }


def _parts(outcome: Outcome) -> list[tuple[str, list[str]]]:
    """Return what `audit explain` says of a check, by heading."""
    metrics = [
        f"{name} ({one.unit}): {one.definition}" for name, one in sorted(outcome.metrics.items())
    ]
    texts = [
        ("What it measures", metrics),
        ("What it does not show", [outcome.not_shown]),
        ("When the numbers are bad", [outcome.remedy]),
        ("References", outcome.references),
    ]
    return [(title, lines) for title, lines in texts if any(lines)]


def _help(outcome: Outcome) -> str:
    lines = [words.line(outcome.question), words.line(outcome.explanation)]
    for title, texts in _parts(outcome):
        lines += ["", f"{title}:", *(words.line(one) for one in texts)]
    return "\n".join(lines)


def _help_markdown(outcome: Outcome) -> str:
    lines = [f"**{escape(outcome.question)}**", "", escape(outcome.explanation)]
    for title, texts in _parts(outcome):
        several = len(texts) > 1
        lines += ["", f"### {title}", ""]
        lines += [f"- {escape(one)}" if several else escape(one) for one in texts]
    return "\n".join(lines)


def _invocation(result: Result, left: int) -> dict[str, object]:
    told = [_note("note", one) for one in result.verdict.notes]
    told += [
        _note(
            "note",
            f"Waived by {one.owner} until {one.expires}: {one.judgement.limit}"
            f" [{one.judgement.finding}]. {one.reason}",
        )
        for one in result.verdict.waived
    ]
    told += [
        _note(
            "error" if one.outcome.status == "errored" else "warning",
            f"{outline.STATUSES[one.outcome.status]}: {one.outcome.check}."
            f" {one.outcome.reason or ''}",
        )
        for one in outline.untested(result)
        if one.outcome.status != "not_applicable"
    ]
    told += [_note("warning", one) for one in result.provenance.incidents]
    if left:
        told.append(_note("warning", f"{words.count(left, 'more problem')} are in the report."))
    return {
        "commandLine": words.line(result.provenance.command),
        "startTimeUtc": result.provenance.started.replace("+00:00", "Z"),
        "exitCode": result.verdict.exit_code,
        "exitCodeDescription": words.line(result.verdict.sentence),
        "executionSuccessful": not result.provenance.partial,
        "toolExecutionNotifications": told,
    }


def _note(level: str, text: str) -> dict[str, object]:
    return {"level": level, "message": {"text": literal(words.line(text))}}


def literal(text: str) -> str:
    r"""Return a message in which nothing is a link or a placeholder (SARIF 3.11.5, 3.11.6).

    Examples
    --------
    >>> literal("[a](b) {0}")
    '\\[a\\](b) {{0}}'
    """
    return re.sub(r"\{(\d+)\}", r"{{\1}}", re.sub(r"([\[\]\\])", r"\\\1", text))


def _clean(value: object) -> object:
    """Return the content without characters that act in texts that were not cleaned before."""
    match value:
        case str():
            return words.clean(value)
        case list():
            return [_clean(one) for one in value]
        case dict():
            return {key: _clean(one) for key, one in value.items()}
        case _:
            return value
