"""The pages of `audit view`, as text: everything that comes from a file is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from markupsafe import Markup

from auditkit.errors import AuditkitError
from auditkit.findings import Curve, Series
from auditkit.render import charts, words
from auditkit.render.csv import render_csv
from auditkit.render.diff_html import render_diff_html
from auditkit.render.html import render_html
from auditkit.render.page import content_policy, environment, own
from auditkit.result import read_result
from auditkit.view.history import History, Point, Run

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = 500  # runs on one page
LISTED = 2000  # findings that the field for a trend proposes
SORTS = {
    "when": "latest first",
    "model": "by model",
    "data": "by data",
    "verdict": "failed first",
    "folder": "by folder",
}
_STATUS_ORDER = ("fail", "incomplete", "pass", "not_judged", "")
VERDICTS = {"pass": "Pass", "fail": "Fail", "incomplete": "Incomplete", "not_judged": "Not judged"}


def style() -> Markup:
    """Return the style sheet of these pages."""
    return own("style.css") + own("view.css", folder=TEMPLATES)


def policy() -> str:
    """Return what these pages may load and where their forms may go."""
    return content_policy(style(), forms="'self'")


def list_page(history: History, *, search: str = "", sort: str = "when") -> str:
    """Return the list of results.

    Parameters
    ----------
    history : History
        Up to date.
    search : str
        Only those that have all these words in their names, hashes or verdicts.
    sort : str
        A key of `SORTS`; anything else is the first.
    """
    everything = history.runs()
    wanted = search.lower().split()
    runs = [one for one in everything if all(word in _haystack(one) for word in wanted)]
    sort = sort if sort in SORTS else "when"
    runs = _sorted(runs, sort)
    return _template("list.html").render(
        history=history,
        runs=runs[:SHOWN],
        left=len(runs) - len(runs[:SHOWN]),
        total=len(everything),
        search=search,
        sort=sort,
        sorts=SORTS,
        findings=history.findings()[:LISTED],
        chosen=_usual_pair(runs),
    )


def _haystack(run: Run) -> str:
    texts = (
        run.folder, run.model, run.model_sha256, run.data, run.split, run.data_sha256, run.suite,
        run.sentence, run.started, run.error, VERDICTS.get(run.status, ""),
    )  # fmt: skip
    return " ".join(texts).lower()


def _sorted(runs: list[Run], sort: str) -> list[Run]:
    match sort:  # the sort is stable: within equals the latest stay first
        case "model":
            return sorted(runs, key=lambda one: one.model)
        case "data":
            return sorted(runs, key=lambda one: (one.data, one.data_sha256))
        case "verdict":
            return sorted(runs, key=lambda one: _STATUS_ORDER.index(one.status))
        case "folder":
            return sorted(runs, key=lambda one: one.folder)
        case _:
            return runs


def _usual_pair(runs: Sequence[Run]) -> tuple[str, str]:
    """Return the two most likely to be compared: the latest, and the one before on its data."""
    readable = sorted((one for one in runs if not one.error), key=lambda one: one.started)
    if not readable:
        return "", ""
    now = readable[-1]
    same = [one for one in readable[:-1] if one.data_sha256 == now.data_sha256]
    before = same[-1].id if same else readable[-2].id if len(readable) > 1 else ""
    return before, now.id


def trend_page(history: History, finding: str) -> str:
    """Return how one finding went over all results that have it."""
    points = history.trend(finding)
    return _template("trend.html").render(
        finding=finding,
        points=points,
        chart=_chart(points),
        about=points[0].about if points else "",
        key=charts.curve_key(_curve(points)) if points else [],
        findings=history.findings()[:LISTED],
    )


def _curve(points: Sequence[Point]) -> Curve:
    """Return a line per model and data; results stand in the order of their time."""
    names: dict[tuple[str, str], str] = {}
    for one in points:
        key = (one.run.model, one.run.data_sha256)
        names.setdefault(key, f"{one.run.model} on {one.run.data} ({one.run.data_sha256[:6]})")
    series: list[Series] = []
    for key, name in names.items():
        mine = [
            (i, one)
            for i, one in enumerate(points, 1)
            if (one.run.model, one.run.data_sha256) == key
        ]
        series.append(
            Series(
                name=name,
                x=[float(i) for i, _ in mine],
                y=[one.value for _, one in mine],
                low=[one.low for _, one in mine],
                high=[one.high for _, one in mine],
            )
        )
    about = points[0].about if points else ""
    return Curve(title=about, x_label="audit, by time", y_label="value", series=series)


def _chart(points: Sequence[Point]) -> Markup:
    if not points:
        return Markup()
    return charts.curve_svg(_curve(points), "share" if words.is_share(points[0].unit) else "")


def report_page(history: History, run: Run) -> str:
    """Return the report of a result, rendered from its JSON: the page in its folder is not read.

    Raises
    ------
    ResultError
        If the result cannot be read any more.
    """
    return render_html(read_result(history.path(run)))


def report_table(history: History, run: Run) -> str:
    """Return all findings of a result as CSV, which the report links to where it has no room.

    Raises
    ------
    ResultError
        If the result cannot be read any more.
    """
    return render_csv(read_result(history.path(run)))


def comparison_page(
    history: History, before: Run, after: Run, *, today: date, allow_different_data: bool
) -> str:
    """Return the comparison of two results, as `audit diff` judges it.

    Raises
    ------
    AuditkitError
        If the two cannot be compared.
    """
    from auditkit.diff.compare import compare
    from auditkit.policy import load_policy

    found = compare(
        history.path(before),
        history.path(after),
        policy=load_policy(None, suite=after.suite),
        today=today,
        allow_different_data=allow_different_data,
    )
    return render_diff_html(found, home="/")


def error_page(error: AuditkitError, *, again: str = "") -> str:
    """Return a page that says what went wrong, and where to go on.

    Parameters
    ----------
    error : AuditkitError
        Its message and hint are shown.
    again : str
        Address at which the same is done although the data differ; empty where that is no help.
    """
    return _template("error.html").render(message=error.message, hint=error.hint, again=again)


def when(started: str) -> str:
    """Return a time to the minute.

    Examples
    --------
    >>> when("2026-11-22T13:10:03+00:00")
    '2026-11-22 13:10'
    """
    return words.line(started.replace("T", " "))[:16]


def sentence(run: Run) -> str:
    """Return a verdict's sentence without the word that stands beside it."""
    said = words.line(run.sentence).removeprefix(f"{VERDICTS.get(run.status, '')}:").strip()
    return words.short(words.sentence_case(said), 120)


def address(path: str, **query: str) -> str:
    """Return a link on this server."""
    return f"{path}?{urlencode(query)}"


@cache
def _environment() -> Environment:
    names = {
        "verdicts": VERDICTS,
        "style": style(),
        "policy_of_content": policy(),
        "when": when,
        "sentence": sentence,
    }
    return environment(TEMPLATES, names)


def _template(name: str) -> Any:
    return _environment().get_template(name)
