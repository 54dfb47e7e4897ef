"""Result to one HTML page: offline, without script, safe to open whoever wrote the names in it.

Everything is escaped by the template engine and passed through `words.clean`; the only markup that
is not escaped are charts rebuilt from known parts and the style sheet of this package.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from auditkit.render import outline, words
from auditkit.render.evidence import Exhibitor, faded_maps
from auditkit.render.finding_table import finding_table
from auditkit.result import Result

if TYPE_CHECKING:
    from jinja2 import Environment, Template

TEMPLATES = Path(__file__).parent / "templates"


def render_html(result: Result) -> str:
    """Return the page; the same result always gives the same text."""
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704  # our own
    return template_of("report.html").render(
        result=result,
        style=style,
        policy_of_content=content_policy(style),
        chapters=outline.chapters(result),
        insights=outline.matters_most(result),
        decisions=outline.decisions(result),
        untested=outline.untested(result),
        evidence=Exhibitor(template_of("evidence.html").module, faded=faded_maps(result)).draw,
        resolved_policy=json.dumps(result.provenance.policy, indent=2, ensure_ascii=False),
    )


def content_policy(style: str) -> str:
    """Return what the page may load: its own style sheet, and pictures that stand in it."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = ("default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:")
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


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
    return environment


def template_of(name: str) -> Template:
    """Return a page's template; whatever it prints is escaped and made inert."""
    return _environment().get_template(name)


def inert(value: Any) -> Any:
    """Return what a template prints, without characters that act."""
    return words.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def anchor(kind: str, name: str) -> str:
    """Return an identifier for a place on the page: the name, with odd characters replaced."""
    return f"{kind}-{re.sub(r'[^A-Za-z0-9._=,/-]', '_', name)}"
