"""A result in a form to read: page, table, comment, test report; imports only what it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from auditkit.errors import ConfigError, near_miss
from auditkit.result import Result, to_json


class Format(NamedTuple):
    """The file that a format is written to, and the functions that make its content.

    The second one makes it with the changes against an older result, where a format has them.
    """

    file: str
    render: Callable[[Result], str | bytes]
    against: Callable[[Result, Result], str] | None = None


def _html(result: Result, older: Result | None = None) -> str:
    from auditkit.render.html import render_html

    return render_html(result, older)


def _pdf(result: Result) -> bytes:
    from auditkit.render.pdf import render_pdf

    return render_pdf(result)


def _tensorboard(result: Result) -> bytes:
    from auditkit.render.tensorboard import render_tensorboard

    return render_tensorboard(result)


def _markdown(result: Result, older: Result | None = None) -> str:
    from auditkit.render.markdown import render_markdown

    return render_markdown(result, older)


def _junit(result: Result) -> str:
    from auditkit.render.junit import render_junit

    return render_junit(result)


def _sarif(result: Result) -> str:
    from auditkit.render.sarif import render_sarif

    return render_sarif(result)


def _gitlab(result: Result) -> str:
    from auditkit.render.gitlab import render_gitlab

    return render_gitlab(result)


def _github(result: Result) -> str:
    from auditkit.render.github import render_summary

    return render_summary(result)


def _csv(result: Result) -> str:
    from auditkit.render.csv import render_csv

    return render_csv(result)


def _parquet(result: Result) -> bytes:
    from auditkit.render.parquet import render_parquet

    return render_parquet(result)


def _card(result: Result) -> str:
    from auditkit.render.card import render_card

    return render_card(result)


def _badge(result: Result) -> str:
    from auditkit.render.badge import render_badge

    return render_badge(result)


FORMATS: dict[str, Format] = {
    "html": Format("report.html", _html, _html),
    "json": Format("result.json", to_json),
    "junit": Format("junit.xml", _junit),
    "md": Format("summary.md", _markdown, _markdown),
    "sarif": Format("audit.sarif", _sarif),
    "gitlab": Format("gl-code-quality-report.json", _gitlab),
    "github": Format("job-summary.md", _github),
    "csv": Format("findings.csv", _csv),
    "parquet": Format("findings.parquet", _parquet),
    "card": Format("model-card.md", _card),
    "badge": Format("badge.svg", _badge),
}
DEFAULT = ("html", "json", "junit", "md")  # what an audit writes unless it is told otherwise

# Of a finished result alone: they take more than auditkit brings, and what is missing must not stop
# an audit at its end.
PRINTED: dict[str, Format] = {
    "pdf": Format("report.pdf", _pdf),
    "tensorboard": Format("events.out.tfevents.auditkit", _tensorboard),
}


def format_of(name: str) -> Format:
    """Return one of `FORMATS` or `PRINTED`.

    Raises
    ------
    ConfigError
        If there is no such format.
    """
    known = FORMATS | PRINTED
    if name not in known:
        raise ConfigError(
            f"There is no format {name!r}.{near_miss(name, known)}",
            hint=f"Choose from {', '.join(known)}.",
        )
    return known[name]


def require_formats(names: Iterable[str]) -> None:
    """Raise ConfigError if an audit cannot write one of these formats at its end."""
    for name in names:
        format_of(name)
        if name in PRINTED:
            raise ConfigError(
                f"The format {name!r} is made of a finished result.",
                hint=f"After the audit, type: audit render RESULT --format {name}",
            )


def render(result: Result, name: str, *, older: Result | None = None) -> str | bytes:
    """Return the result in one of `FORMATS` or `PRINTED`: as text, or as bytes where it is none.

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
    known = format_of(name)
    if older is not None and known.against is not None:
        return known.against(result, older)
    return known.render(result)


def with_tables(result: Result, formats: Sequence[str]) -> list[str]:
    """Return the formats, with the table of findings where the page has no room for all of them."""
    if "html" not in formats:
        return list(formats)
    from auditkit.render.html import needs_table

    return list(dict.fromkeys([*formats, *(["csv"] if needs_table(result) else [])]))


def render_text(result: Result, name: str) -> str:
    """Return the result in one of the formats that are text.

    Raises
    ------
    ConfigError
        If there is no such format, or it is not text.
    """
    text = render(result, name)
    if isinstance(text, bytes):
        raise ConfigError(f"The format {name!r} is not text.", hint="Use render.")
    return text
