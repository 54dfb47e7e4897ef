"""Result to a Hugging Face model card: metadata that the Hub shows as evaluation results.

References
----------
Hugging Face Hub documentation, Model cards: `model-index`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from auditkit.findings import Finding, Outcome
from auditkit.render import words
from auditkit.render.markdown import render_markdown
from auditkit.result import Result
from auditkit.types import Modality

TASKS: dict[Modality, str] = {
    "image": "image-classification",
    "text": "text-classification",
    "tabular": "tabular-classification",
    "graph": "graph-ml",
}
Plain = str | int | float | bool | None | Mapping[str, "Plain"] | Sequence["Plain"]


def render_card(result: Result) -> str:
    """Return a `README.md` for the Hub: metadata first, then the summary.

    The metadata hold the headline of every measured check with value, interval and n. None of them
    is marked as verified: that word is the Hub's.
    """
    return f"---\n{_yaml(_metadata(result))}---\n\n{render_markdown(result)}"


def _metadata(result: Result) -> Mapping[str, Plain]:
    task = TASKS[result.model.modality]
    entry: Mapping[str, Plain] = {
        "task": {"type": task, "name": words.sentence_case(task.replace("-", " "))},
        "dataset": {
            "name": words.line(result.data.name),
            "type": _slug(result.data.name),
            "split": words.line(result.data.split),
            "args": {"sha256": result.data.sha256, "n": result.data.n},
        },
        "metrics": [_metric(outcome, finding) for outcome, finding in _headlines(result)],
    }
    index: Mapping[str, Plain] = {"name": words.line(result.model.name), "results": [entry]}
    return {"pipeline_tag": task, "tags": ["auditkit"], "model-index": [index]}


def _headlines(result: Result) -> list[tuple[Outcome, Finding]]:
    return [
        (outcome, finding)
        for outcome in result.outcomes
        for finding in outcome.findings
        if finding.id == outcome.headline and finding.value is not None
    ]


def _metric(outcome: Outcome, finding: Finding) -> Mapping[str, Plain]:
    interval: Mapping[str, Plain] = {
        "low": finding.low,
        "high": finding.high,
        "level": finding.level,
        "interval": finding.interval,
    }
    return {
        "type": words.line(finding.metric),
        "value": finding.value,
        "name": words.subject(outcome, finding),
        "args": {
            "finding": words.line(finding.id),
            "unit": words.line(finding.unit),
            "n": finding.n,
            **(interval if finding.low is not None else {}),
        },
        "verified": False,
    }


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.line(name).lower()).strip("-") or "data"


def _yaml(value: Plain, indent: int = 0) -> str:
    """Return mappings and lists as YAML in block style, every text in double quotes."""
    pad = " " * indent
    match value:
        case Mapping() if value:
            return "".join(f"{pad}{key}:{_below(one, indent)}" for key, one in value.items())
        case list() if value:
            return "".join(f"{pad}- {_yaml(one, indent + 2).lstrip()}" for one in value)
        case _:
            return f"{pad}{_scalar(value)}\n"


def _below(value: Plain, indent: int) -> str:
    if isinstance(value, Mapping | list) and value:
        return f"\n{_yaml(value, indent + 2)}"
    return f" {_scalar(value)}\n"


def _scalar(value: Plain) -> str:
    """Return a value as JSON that is YAML too; 1e-05 would be a text without its point."""
    if isinstance(value, str):
        return json.dumps(words.clean(value), ensure_ascii=False)
    text = json.dumps(value)
    number = isinstance(value, float) and "e" in text and "." not in text
    return text.replace("e", ".0e") if number else text
