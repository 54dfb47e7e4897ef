"""Result to one HTML page: offline, complete without script, safe whoever wrote the names in it.

Everything is escaped by the template engine and passed through `words.clean`; the only markup that
is not escaped are charts rebuilt from known parts, and the style sheet and the script of this
package, which the page's content policy names by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from auditkit.render import coverage, glossary, groups, outline, standards, words
from auditkit.render.changes import changes
from auditkit.render.evidence import Exhibitor, faded_maps
from auditkit.render.finding_table import finding_table, rows_of_each
from auditkit.result import Result

if TYPE_CHECKING:
    from jinja2 import Environment, Template

TEMPLATES = Path(__file__).parent / "templates"


def render_html(result: Result, older: Result | None = None) -> str:
    """Return the page; the same result always gives the same text.

    Parameters
    ----------
    result : Result
        What to show.
    older : Result, optional
        What to say changes against, on the first screen.
    """
    style, script = _own("style.css"), _own("report.js")
    return template_of("report.html").render(
        result=result,
        style=style,
        script=script,
        policy_of_content=content_policy(style, script),
        chapters=outline.chapters(result),
        insights=outline.matters_most(result),
        decisions=outline.decisions(result),
        most_rows=rows_of_each(sum(1 for one in result.outcomes if one.findings)),
        changes=None if older is None else changes(result, older),
        coverage=coverage.parts(result),
        coverage_sentence=coverage.sentence(result),
        missing=coverage.missing(result),
        stresses=groups.stresses(result),
        topics=standards.coverage(result),
        terms=glossary.terms(result),
        metrics=glossary.metrics(result),
        papers=glossary.references(result),
        evidence=Exhibitor(template_of("evidence.html").module, faded=faded_maps(result)).draw,
        resolved_policy=json.dumps(result.provenance.policy, indent=2, ensure_ascii=False),
    )


@cache
def _own(name: str) -> Markup:
    """Return a file of this package as it is."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704  # our own


def content_policy(style: str, script: str = "") -> str:
    """Return what a page may use: its own style sheet and script, and pictures that stand in it."""
    rules = (
        "default-src 'none'",
        f"style-src 'sha256-{_digest(style)}'",
        *([f"script-src 'sha256-{_digest(script)}'"] if script else []),
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rules)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# --- templates -----------------------------------------------------------------------------------


@cache
def _environment() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=inert,
    )
    names: dict[str, Any] = {
        "words": words,
        "standings": outline.STANDINGS,
        "statuses": outline.STATUSES,
        "finding_table": finding_table,
        "anchor": anchor,
    }
    environment.globals.update(names)
    environment.filters["unbroken"] = words.unbroken
    environment.filters["prose"] = prose
    return environment


def template_of(name: str) -> Template:
    """Return a page's template; whatever it prints is escaped and made inert."""
    return _environment().get_template(name)


def inert(value: Any) -> Any:
    """Return what a template prints, without characters that act."""
    return words.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def prose(text: str) -> Markup:
    """Return a text with what stands in backticks as code; everything in it is escaped first.

    Examples
    --------
    >>> prose("below `minimum_n` < 5")
    Markup('below <code>minimum_n</code> &lt; 5')
    """
    safe = str(escape(words.clean(text)))
    return Markup(re.sub(r"`([^`\s](?:[^`\n]*[^`\s])?)`", r"<code>\1</code>", safe))  # noqa: S704  # escaped above


def anchor(kind: str, name: str) -> str:
    """Return an identifier for a place on the page: the name, with odd characters replaced."""
    return f"{kind}-{re.sub(r'[^A-Za-z0-9._=,/-]', '_', name)}"
