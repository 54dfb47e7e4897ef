"""Everything a user can get wrong, as one tree.

::

    AuditkitError            message: what was seen and expected; hint: the next thing to type
    ├── ConfigError          a policy, a suite, an option or a parameter
    ├── ModelError           a model file, an architecture, its outputs
    ├── DataError            a data file, its columns, labels or values
    ├── ResultError          a result file
    └── MissingExtraError    an optional package

The command line prints message and hint and exits with 2; any other exception is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AuditkitError(Exception):
    """An error a user can mend.

    Parameters
    ----------
    message : str
        One sentence: what was seen and what was expected.
    hint : str, optional
        The next thing to type or to change.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[AuditkitError], message: str, hint: str) -> AuditkitError:
    return kind(message, hint=hint)  # keeps the hint when an error crosses a process


class ConfigError(AuditkitError):
    """A policy, a suite, an option or a parameter is wrong."""


class ModelError(AuditkitError):
    """A model file cannot be loaded, or a model does not behave like a classifier."""


class DataError(AuditkitError):
    """A data file cannot be read, or its content does not fit the model."""


class ResultError(AuditkitError):
    """A result file is missing, broken or of another version."""


class MissingExtraError(AuditkitError):
    """An optional package is needed."""


def near_miss(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or an empty string.

    Examples
    --------
    >>> near_miss("pgd-linff", ["pgd-linf", "worst-case"])
    " Did you mean 'pgd-linf'?"
    """
    names = list(known)
    found = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if word and not found:
        found = [name for name in names if name.startswith(word)]
    return f" Did you mean '{found[0]}'?" if found else ""
