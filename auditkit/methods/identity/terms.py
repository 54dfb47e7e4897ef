"""Identity terms that may stand for one another: the list that comes with auditkit, or a user's."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TypeAlias, TypeVar, cast, final

from auditkit.errors import ConfigError

MOST_BYTES = 4 << 20
NAMES = ("name", "female", "male")
Forms: TypeAlias = Mapping[str, tuple[str, ...]]  # kind to one form, or to names
T = TypeVar("T")
_SLOT = re.compile(r"\{(\w+)\}")
_HINT = (
    "Edit a copy of the list that comes along: its tables are [neutral], [nouns], [axes.AXIS.TERM]"
    " and [templates]; see docs/how-to/audit-a-text-model.md."
)


@final
@dataclass(frozen=True, kw_only=True)
class Axis:
    """Terms of which each may stand for every other.

    Parameters
    ----------
    name : str
        Such as "religion".
    terms : dict
        The forms of each term by kind; all terms have the same kinds.
    templates : tuple of str
        Sentences with slots such as "{adjective}", whose answer should be one for all terms.
    """

    name: str
    terms: Mapping[str, Forms]
    templates: tuple[str, ...]


@final
@dataclass(frozen=True, kw_only=True)
class IdentityTerms:
    """A list of identity terms.

    Parameters
    ----------
    axes : tuple of Axis
        What is exchanged.
    neutral : dict
        Words per kind that stand in the same places and should change nothing.
    people : frozenset of str
        Nouns, in lower case, before which an adjective describes people.
    sha256 : str
        Of the file.
    """

    axes: tuple[Axis, ...]
    neutral: Forms
    people: frozenset[str]
    sha256: str


def read_terms(file: str | Path) -> IdentityTerms:
    """Read a list of identity terms in TOML.

    Parameters
    ----------
    file : str or Path
        Tables `[axes.AXIS.TERM]` with one form per kind, or a list of names; `[neutral]` with lists
        of words per kind, at least as many as an axis that has this kind has terms; `[nouns]` with
        `people`, needed for adjectives; and `[templates]` with `who` and `sentences`, perhaps none.

    Raises
    ------
    ConfigError
        If there is no such file, or it is no such list; with what is wrong.
    """
    path = Path(file)
    try:
        if not path.is_file():
            raise ConfigError(
                f"There is no file of identity terms {path}.",
                hint="Name one: --identity-terms FILE",
            )
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error}.", hint=_HINT) from error


@cache
def built_in() -> IdentityTerms:
    """Return the list that comes with auditkit: nine axes of people's identity in English."""
    content = resources.files("auditkit").joinpath("methods/identity/terms.toml").read_bytes()
    return parsed(content, "terms.toml")


@cache
def _read(path: Path, _changed: int, size: int) -> IdentityTerms:
    """Read a file once, as long as it stays what it is."""
    if size > MOST_BYTES:
        raise ConfigError(f"{path} holds more than {MOST_BYTES >> 20} MiB of identity terms.")
    return parsed(path.read_bytes(), str(path))


def parsed(content: bytes, name: str) -> IdentityTerms:
    """Return the list that a file holds.

    Raises
    ------
    ConfigError
        If it is no such list.
    """
    try:
        raw = tomllib.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{name} is no TOML: {error}.", hint=_HINT) from error
    _only(raw, ("neutral", "nouns", "axes", "templates"), name)
    neutral = _forms(raw.get("neutral", {}), f"{name}, [neutral]")
    nouns = _forms(raw.get("nouns", {}), f"{name}, [nouns]")
    _only(nouns, ("people",), f"{name}, [nouns]")
    sentences = _sentences(raw.get("templates", {}), f"{name}, [templates]")
    axes = [
        _axis(axis, terms, sentences, neutral, name)
        for axis, terms in _table(raw.get("axes"), f"{name}, [axes]").items()
    ]
    if not axes:
        raise ConfigError(f"{name} holds no axis.", hint=_HINT)
    people = frozenset(one.lower() for one in nouns.get("people", ()))
    return IdentityTerms(
        axes=tuple(axes),
        neutral=neutral,
        people=people,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _axis(
    axis: str, raw: object, sentences: Sequence[Sequence[str]], neutral: Forms, name: str
) -> Axis:
    where = f"{name}, [axes.{axis}]"
    terms = {
        term: _forms(forms, f"{name}, [axes.{axis}.{term}]")
        for term, forms in _table(raw, where).items()
    }
    if len(terms) < 2:
        raise ConfigError(f"{where} has fewer than two terms.", hint=_HINT)
    kinds = set(next(iter(terms.values())))
    for term, forms in terms.items():
        if differing := kinds.symmetric_difference(forms):
            raise ConfigError(
                f"{where}: {term!r} and the first term do not have the same kinds of forms"
                f" ({', '.join(sorted(differing))}).",
                hint="Give every term of an axis a form of every kind, so that each can stand for"
                " each.",
            )
        for kind, those in forms.items():
            _enough(those, kind, len(terms), f"{where}: {term!r}")
    for kind in kinds.intersection(neutral):
        if len(neutral[kind]) < len(terms):
            raise ConfigError(
                f"{where} has {len(terms)} terms, and [neutral] has {len(neutral[kind])} words of"
                f" the kind {kind!r}: too few for as many swaps.",
                hint=f"Add neutral words to {kind} in [neutral].",
            )
    usable = [[one for one in each if set(_SLOT.findall(one)) <= kinds] for each in sentences]
    chosen = [each[j % len(each)] for j, each in enumerate(usable) if each]
    return Axis(name=axis, terms=terms, templates=tuple(chosen))


def _enough(forms: Sequence[str], kind: str, terms: int, where: str) -> None:
    """Refuse a list of names that is too short for a control, and a list of anything else."""
    if kind not in NAMES and len(forms) > 1:
        raise ConfigError(
            f"{where} has {len(forms)} forms of the kind {kind!r}; only"
            f" {', '.join(NAMES)} take lists.",
            hint="Keep one form, or make it a term of its own.",
        )
    if kind in NAMES and len(forms) < terms:
        raise ConfigError(
            f"{where} has {len(forms)} of the kind {kind!r}, and the axis {terms} terms: too few to"
            " swap names of one group as often.",
            hint="Add names.",
        )


def _sentences(raw: object, where: str) -> list[list[str]]:
    """Return, per sentence, the templates it makes with each phrase that names somebody."""
    table = _forms(raw, where)
    _only(table, ("who", "sentences"), where)
    found: list[list[str]] = []
    for sentence in table.get("sentences", ()):
        if sentence.count("{who}") != 1 or len(_SLOT.findall(sentence)) != 1:
            raise ConfigError(f"{where}: {sentence!r} needs the slot {{who}} once.", hint=_HINT)
        found.append([sentence.replace("{who}", who) for who in table.get("who", ())])
    return found


def _forms(raw: object, where: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for kind, value in _table(raw, where).items():
        forms = cast("list[object]", value) if isinstance(value, list) else [value]
        words = [one.strip() for one in forms if isinstance(one, str) and one.strip()]
        if len(words) < len(forms) or not words or len(set(words)) < len(words):
            raise ConfigError(
                f"{where}: {kind} is {str(value)[:60]!r}, expected a word or a list of different"
                " words.",
                hint=_HINT,
            )
        found[kind] = tuple(words)
    return found


def _table(raw: object, where: str) -> dict[str, object]:
    if not isinstance(raw, dict):
        raise ConfigError(f"{where} is no table.", hint=_HINT)
    return cast("dict[str, object]", raw)


def _only(table: Mapping[str, T], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{where}: {key!r} is none of {', '.join(known)}.",
                hint=_HINT,
            )
