"""A result in a form to read: page, table, comment, test report; imports only what it uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from auditkit.errors import ConfigError, near_miss
from auditkit.result import Result, to_json


class Format(NamedTuple):
    """The file that a format is written to, and the functions that make its text.

    The second one makes it with the changes against an older result, where a format has them.
    """

    file: str
    render: Callable[[Result], str]
    against: Callable[[Result, Result], str] | None = None


class Printed(NamedTuple):
    """The file of a format that is no text, and the function that makes its bytes."""

    file: str
    render: Callable[[Result], bytes]


def _html(result: Result, older: Result | None = None) -> str:
    from auditkit.render.html import render_html

    return render_html(result, older)


def _pdf(result: Result) -> bytes:
    from auditkit.render.pdf import render_pdf

    return render_pdf(result)


def _markdown(result: Result, older: Result | None = None) -> str:
    from auditkit.render.markdown import render_markdown

    return render_markdown(result, older)


def _junit(result: Result) -> str:
    from auditkit.render.junit import render_junit

    return render_junit(result)


FORMATS: dict[str, Format] = {
    "html": Format("report.html", _html, _html),
    "json": Format("result.json", to_json),
    "junit": Format("junit.xml", _junit),
    "md": Format("summary.md", _markdown, _markdown),
}

PRINTED: dict[str, Printed] = {"pdf": Printed("report.pdf", _pdf)}  # of `audit render` alone


def render(result: Result, name: str, *, older: Result | None = None) -> str:
    """Return the result as text in one of `FORMATS`.

    Parameters
    ----------
    result : Result
        What to write.
    name : str
        Of the format.
    older : Result, optional
        What to say changes against, in formats that have a place for it.

    Raises
    ------
    ConfigError
        If there is no such format.
    """
    if name not in FORMATS:
        raise ConfigError(
            f"There is no format {name!r}.{near_miss(name, FORMATS)}",
            hint=f"Choose from {', '.join(FORMATS)}.",
        )
    known = FORMATS[name]
    if older is not None and known.against is not None:
        return known.against(result, older)
    return known.render(result)
