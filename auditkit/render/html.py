"""Result to one HTML page: offline, complete without script, safe whoever wrote the names in it.

Everything is escaped by the template engine and passed through `words.clean`; the only markup that
is not escaped are charts rebuilt from known parts, and the style sheet and the script of this
package, which the page's content policy names by their hashes.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from auditkit.render import coverage, glossary, groups, outline, standards
from auditkit.render.changes import changes
from auditkit.render.evidence import Exhibitor, faded_maps
from auditkit.render.finding_table import finding_table, leaves_out, room_in_page
from auditkit.render.page import TEMPLATES, content_policy, environment, own
from auditkit.result import Result

if TYPE_CHECKING:
    from jinja2 import Environment, Template

MOST_LIMITS = 30  # of one check with their reasons; those beyond stand with their findings alone


def needs_table(result: Result) -> bool:
    """Return whether the page refers to `findings.csv` for findings that it has no room for."""
    return leaves_out(outline.readings(result))


def render_html(result: Result, older: Result | None = None) -> str:
    """Return the page; the same result always gives the same text.

    Parameters
    ----------
    result : Result
        What to show.
    older : Result, optional
        What to say changes against, on the first screen.
    """
    style, script = own("style.css"), own("report.js")
    return _template("report.html").render(
        result=result,
        style=style,
        script=script,
        policy_of_content=content_policy(style, script),
        chapters=outline.chapters(result),
        insights=outline.matters_most(result),
        decisions=outline.decisions(result),
        rows=room_in_page(outline.readings(result)),
        most_limits=MOST_LIMITS,
        changes=None if older is None else changes(result, older),
        coverage=coverage.parts(result),
        coverage_sentence=coverage.sentence(result),
        missing=coverage.missing(result),
        stresses=groups.stresses(result),
        topics=standards.coverage(result),
        terms=glossary.terms(result),
        metrics=glossary.metrics(result),
        papers=glossary.references(result),
        evidence=Exhibitor(_template("evidence.html").module, faded=faded_maps(result)).draw,
        resolved_policy=json.dumps(result.provenance.policy, indent=2, ensure_ascii=False),
    )


@cache
def _environment() -> Environment:
    names = {
        "standings": outline.STANDINGS,
        "statuses": outline.STATUSES,
        "finding_table": finding_table,
    }
    return environment(TEMPLATES, names)


def _template(name: str) -> Template:
    return _environment().get_template(name)
