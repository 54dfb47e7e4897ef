"""What every page of ours is made with: escaping templates, style sheets, what it may load.

Everything is escaped by the template engine and passed through `words.clean`; the only markup that
is not escaped are charts rebuilt from known parts and the files of this package.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from auditkit.render import words

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def environment(folder: Path, names: Mapping[str, Any]) -> Environment:
    """Return the templates of a folder; whatever they print is escaped and made inert.

    Parameters
    ----------
    folder : Path
        Of the templates.
    names : mapping
        What they may use beside what they are rendered with; `words` and `anchor` are there.
    """
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_inert,
    )
    known: dict[str, Any] = {"words": words, "anchor": anchor, **names}
    made.globals.update(known)
    made.filters["unbroken"] = words.unbroken
    made.filters["prose"] = prose
    return made


def own(*names: str, folder: Path = TEMPLATES) -> Markup:
    """Return files of this package as they are, one after the other: style sheets or a script."""
    return Markup("\n".join(_text(folder / name) for name in names))  # noqa: S704  # our own


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def content_policy(style: str, script: str = "", *, forms: str = "'none'") -> str:
    """Return what a page may use: its own style sheet and script, and pictures that stand in it.

    Parameters
    ----------
    style, script : str
        As they stand in the page; no script is allowed where there is none.
    forms : str
        Where its forms may go.
    """
    rules = (
        "default-src 'none'",
        f"style-src 'sha256-{_digest(style)}'",
        *([f"script-src 'sha256-{_digest(script)}'"] if script else []),
        "img-src data:",
        "base-uri 'none'",
        f"form-action {forms}",
    )
    return "; ".join(rules)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inert(value: Any) -> Any:
    """Return what a template prints, without characters that act."""
    return words.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def prose(text: str) -> Markup:
    """Return a text with what stands in backticks as code; everything in it is escaped first.

    Examples
    --------
    >>> prose("below `minimum_n` < 5")
    Markup('below <code>minimum_n</code> &lt; 5')
    """
    safe = str(escape(words.clean(words.unbroken(text))))
    return Markup(re.sub(r"`([^`\s](?:[^`\n]*[^`\s])?)`", r"<code>\1</code>", safe))  # noqa: S704  # escaped above


def anchor(kind: str, name: str) -> str:
    """Return an identifier for a place on the page: the name, with odd characters replaced."""
    return f"{kind}-{re.sub(r'[^A-Za-z0-9._=,/-]', '_', name)}"
