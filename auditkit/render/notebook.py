"""Result to a piece of HTML for a notebook's cell: no script, everything escaped.

The style sheet sets an ink wherever it sets a paper, so that it reads in any theme; where a
notebook strips it, a plain table is left.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from auditkit.render import coverage, outline
from auditkit.render.page import TEMPLATES, environment, own
from auditkit.result import Result

if TYPE_CHECKING:
    from jinja2 import Template

MOST = 6  # limits that are not met


def render_notebook(result: Result) -> str:
    """Return verdict, open limits and one row per family; the same result gives the same text."""
    return _template().render(
        result=result,
        style=own("notebook.css"),
        chapters=outline.chapters(result),
        open=[one for one in outline.decisions(result) if one.judgement.status != "pass"],
        most=MOST,
        coverage_sentence=coverage.sentence(result),
    )


@cache
def _template() -> Template:
    made = environment(TEMPLATES, {"standings": outline.STANDINGS})
    return made.get_template("notebook.html")
