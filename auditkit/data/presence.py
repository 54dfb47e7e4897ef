"""Tells whether a data set is here, and its files are the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from auditkit.data.catalogue import DATA, KnownData
from auditkit.data.files import VARIABLE, cache_folder, download, find
from auditkit.errors import ConfigError, DataError, near_miss


@final
@dataclass(frozen=True, kw_only=True)
class Presence:
    """Where a data set is.

    Parameters
    ----------
    name : str
        Of the data set.
    status : {"embedded", "here", "absent", "damaged"}
        Embedded data need no file; "here" and "damaged" are known after the files were read.
    said : str
        The same in words.
    """

    name: str
    status: Literal["embedded", "here", "absent", "damaged"]
    said: str

    def as_dict(self) -> dict[str, str]:
        """Return it as plain data."""
        return {"id": self.name, "status": self.status, "said": self.said}


def look(name: str, *, read: bool) -> Presence:
    """Return whether a data set is here.

    Parameters
    ----------
    name : str
        Of a known data set.
    read : bool
        Whether to compare the files with their published hashes, which takes a moment.

    Raises
    ------
    ConfigError
        If there is no such data set.
    """
    known = known_data(name)
    if not known.files:
        return Presence(name=name, status="embedded", said="comes with auditkit or scikit-learn")
    paths = [(file, find(file)) for file in known.files]
    here = [(file, path) for file, path in paths if path is not None]
    if len(here) < (1 if known.one_is_enough else len(paths)):
        return Presence(name=name, status="absent", said=_absent(known, len(here)))
    if read:
        for file, path in here:
            problem = file.problem(path)
            if problem is not None:
                return Presence(name=name, status="damaged", said=f"{path}: {problem}")
    folders = dict.fromkeys(str(path.parent) for _, path in here)
    return Presence(name=name, status="here", said=", ".join(folders))


def paths(name: str, *, fetch: bool) -> list[Path]:
    """Return where the files of a data set are.

    Parameters
    ----------
    name : str
        Of a known data set.
    fetch : bool
        Whether to download what is not here; said on stderr.

    Raises
    ------
    DataError
        If it is embedded, or a file is not here and not to be fetched.
    ConfigError
        If there is no such data set.
    """
    known = known_data(name)
    if not known.files:
        raise DataError(f"{name} has no files: it comes with auditkit or scikit-learn.")
    found = [path for file in known.files if (path := find(file)) is not None]
    if found and known.one_is_enough:
        return found[:1]
    if len(found) == len(known.files):
        return found
    if not fetch:
        first = next(file for file in known.files if find(file) is None and file.url)
        raise DataError(
            f"{name} is not here: {_absent(known, len(found))}.",
            hint=f"Type: audit data path {name} --download   or put {first.name} (from {first.url})"
            f" at {cache_folder() / first.folder / first.name}, or into a folder that {VARIABLE}"
            " names.",
        )
    if known.one_is_enough:
        return [download(known.files[-1])]
    return [find(file) or download(file) for file in known.files]


def known_data(name: str) -> KnownData:
    """Return what is known about a data set, or raise ConfigError naming the near miss."""
    if name not in DATA:
        raise ConfigError(
            f"There is no data set {name!r}.{near_miss(name, DATA)}",
            hint="See them all: audit data list",
        )
    return DATA[name]


def _absent(known: KnownData, here: int) -> str:
    wanted: Sequence[float] = [
        file.megabytes for file in known.files if find(file) is None and file.url
    ]
    some = f"{here} of {len(known.files)} files are here, " if here else ""
    return f"{some}{sum(wanted):.3g} MB to download"
