"""The table of flaws as one HTML page: offline, without script, in the style of the reports."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from auditkit.render.page import content_policy, environment, own
from auditkit.result import Judgement
from auditkit.selftest.report import Row, Selftest, Standing
from auditkit.selftest.terminal import about, counted, symptom

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE = Path(__file__).parent / "templates"
STANDINGS: dict[Standing, str] = {
    "green": "Caught",
    "red": "Not told apart",
    "no check": "No check",
}
_CLASSES: dict[Standing, str] = {"green": "pass", "red": "fail", "no check": "incomplete"}


def render_html(selftest: Selftest) -> str:
    """Return the page; the same table always gives the same text."""
    style = own("style.css")
    return (
        _environment()
        .get_template("selftest.html")
        .render(
            selftest=selftest,
            style=style,
            policy_of_content=content_policy(style),
            about=about(selftest),
        )
    )


@cache
def _environment() -> Environment:
    names = {
        "counted": counted,
        "symptom": symptom,
        "standings": STANDINGS,
        "classes": _CLASSES,
        "findings_of": findings_of,
        "judgement_of": judgement_of,
    }
    return environment(TEMPLATE, names)


def findings_of(row: Row) -> list[str]:
    """Return the findings that limits were held against, in the order of the limits."""
    found = (one for trial in row.trials for one in trial.flawed.judgements)
    return sorted({one.finding for one in found})


def judgement_of(judgements: list[Judgement], finding: str) -> Judgement | None:
    """Return what was said of one finding."""
    return next((one for one in judgements if one.finding == finding), None)
