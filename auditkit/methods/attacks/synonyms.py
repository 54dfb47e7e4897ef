"""Words that may stand for one another: the list that comes with auditkit, or the user's own."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import final

from auditkit.errors import ConfigError

MOST_BYTES = 64 << 20  # of a list, unpacked
_ENTRY = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*(?: [^\W_]+(?:['\u2019-][^\W_]+)*)*")
_HINT = (
    "A line is a group, `big, large, huge`, or a word and what may replace it, `big: large, huge`;"
    " or the file is a JSON object of such lists, perhaps packed by gzip."
)


@final
@dataclass(frozen=True)
class Synonyms:
    """What may stand for a word, in lower case."""

    replacements: dict[str, tuple[str, ...]]
    sha256: str  # of the file

    def __call__(self, word: str) -> tuple[str, ...]:
        """Return what may stand for a word, whatever its case."""
        return self.replacements.get(word.lower().replace("\u2019", "'"), ())

    def __len__(self) -> int:
        return len(self.replacements)


def read_synonyms(file: str | Path) -> Synonyms:
    """Read a list of synonyms.

    Parameters
    ----------
    file : str or Path
        UTF-8 text. Each line is a group whose words may replace one another, `big, large, huge`, or
        a word and what may replace it alone, `big: large, huge`; what stands behind # is left out.
        Or a JSON object from words to lists of words. Either may be packed by gzip. An entry is one
        word or a few with single spaces between them. Case does not matter, and what is said of a
        word in several places adds up.

    Raises
    ------
    ConfigError
        If there is no such file, it is larger than 64 MiB, is no such list, or holds no word; with
        the number of the line.
    """
    path = Path(file)
    try:
        stat = path.stat()
        if not path.is_file():
            raise ConfigError(f"{path} is no file of synonyms.", hint=_HINT)
    except OSError as error:
        raise ConfigError(
            f"There is no file of synonyms {path}.", hint="Name one: --synonyms FILE"
        ) from error
    return _read(path, stat.st_mtime_ns, stat.st_size)


@cache
def built_in() -> Synonyms:
    """Return the list that comes with auditkit: some hundred groups of common English words."""
    content = resources.files("auditkit").joinpath("methods/attacks/synonyms.txt").read_bytes()
    return _parsed(content, "synonyms.txt")


@cache
def _read(path: Path, _changed: int, _size: int) -> Synonyms:
    """Read a file once, as long as it stays what it is."""
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except (OSError, EOFError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", hint=_HINT) from error
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{path} holds more than {MOST_BYTES >> 20} MiB of synonyms.")
    return _parsed(content, str(path))


def _parsed(content: bytes, name: str) -> Synonyms:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{name}:{line}: this is no UTF-8 text.", hint=_HINT) from error
    pairs = _of_object(text, name) if text.lstrip().startswith("{") else _of_lines(text, name)
    found: dict[str, dict[str, None]] = {}  # in order, each once
    for word, others in pairs:
        mine = found.setdefault(word, {})
        mine.update(dict.fromkeys(one for one in others if one != word))
    known = {word: tuple(others) for word, others in found.items() if others}
    if not known:
        raise ConfigError(f"{name} holds no synonym.", hint=_HINT)
    return Synonyms(known, hashlib.sha256(content).hexdigest())


def _of_lines(text: str, name: str) -> Iterator[tuple[str, Sequence[str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        where = f"{name}:{number}"
        word, colon, rest = said.partition(":")
        entries = [_entry(one, where) for one in (rest if colon else said).split(",")]
        if colon:
            yield _entry(word, where), entries
            continue
        if len(set(entries)) < 2:
            raise ConfigError(f"{where}: {said!r} names one word alone.", hint=_HINT)
        for one in entries:
            yield one, entries


def _of_object(text: str, name: str) -> Iterator[tuple[str, Sequence[str]]]:
    try:
        content: object = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise ConfigError(f"{name}:{line}: this is no JSON.", hint=_HINT) from error
    assert isinstance(content, dict)  # the text begins with a brace
    for word, others in content.items():
        where = f"{name}, at {str(word)[:40]!r}"
        if not isinstance(others, list):
            raise ConfigError(f"{where}: there is no list of words.", hint=_HINT)
        if not others:
            continue  # a word that nothing replaces may be anything
        yield _entry(word, where), [_entry(one, where) for one in others]


def _entry(said: object, where: str) -> str:
    """Return one entry in lower case."""
    entry = said.strip().lower().replace("\u2019", "'") if isinstance(said, str) else ""
    if not _ENTRY.fullmatch(entry):
        raise ConfigError(f"{where}: {str(said).strip()[:40]!r} is no word.", hint=_HINT)
    return entry
