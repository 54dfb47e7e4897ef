"""Imports what the user names as "package.module:attribute", also from the current folder."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from auditkit.errors import ModelError, near_miss


def is_name(text: str) -> bool:
    """Say whether a text has the form "package.module:attribute".

    Examples
    --------
    >>> is_name("package.module:build"), is_name("model.pt")
    (True, False)
    """
    return re.fullmatch(r"[\w.]+:[\w.]+", text) is not None


def imported(name: str, *, option: str = "") -> object:
    """Import what "package.module:attribute" names; the attribute may have dots.

    Parameters
    ----------
    name : str
        In this form.
    option : str
        Where it was typed, for messages: "--arch".

    Raises
    ------
    ModelError
        If the module cannot be imported, or has no such attribute.
    """
    module, _, attribute = name.partition(":")
    where = f"{option}: " if option else ""
    try:
        found: object = importlib.import_module(module)
    except Exception as error:
        raise ModelError(
            f"{where}importing {module} failed: {type(error).__name__}: {error}."
            f"{_nearest_file(module)}",
            hint=f"Type the command in the folder of {module.partition('.')[0]}.py, or"
            " install its package.",
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ModelError(
                f"{where}{module} has no {attribute}.{near_miss(part, dir(found))}",
                hint=_hint(module, dir(found)),
            )
        found = getattr(found, part)
    return found


def _hint(module: str, names: list[str]) -> str:
    public = [name for name in names if name.isidentifier() and not name.startswith("_")][:12]
    return f"{module} has {', '.join(public)}." if public else ""


def _nearest_file(module: str) -> str:
    """Return the module of the current folder that may have been meant."""
    return near_miss(module, sorted(one.stem for one in Path.cwd().glob("*.py")))


@contextmanager
def current_folder_importable() -> Generator[None]:
    """Within the block, modules of the current folder are found first."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:  # what was imported may have tidied up
            sys.path.remove(here)
