"""The table of flaws as one HTML page: offline, without script, in the style of the reports."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from auditkit.render import words
from auditkit.render.html import TEMPLATES, anchor
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
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704  # our own
    return (
        _environment()
        .get_template("selftest.html")
        .render(
            selftest=selftest,
            style=style,
            policy_of_content=_content_policy(style),
            about=about(selftest),
        )
    )


def _content_policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = ("default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:")
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


@cache
def _environment() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_inert,
    )
    names: dict[str, Any] = {
        "words": words,
        "anchor": anchor,
        "counted": counted,
        "symptom": symptom,
        "standings": STANDINGS,
        "classes": _CLASSES,
        "findings_of": findings_of,
        "judgement_of": judgement_of,
    }
    environment.globals.update(names)
    return environment


def _inert(value: Any) -> Any:
    return words.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def findings_of(row: Row) -> list[str]:
    """Return the findings that limits were held against, in the order of the limits."""
    found = (one for trial in row.trials for one in trial.flawed.judgements)
    return sorted({one.finding for one in found})


def judgement_of(judgements: list[Judgement], finding: str) -> Judgement | None:
    """Return what was said of one finding."""
    return next((one for one in judgements if one.finding == finding), None)
