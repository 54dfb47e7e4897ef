"""Files of published data sets: found in a folder or the cache, else downloaded and checked."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from auditkit.errors import ConfigError, DataError

VARIABLE = "AUDITKIT_DATA"


@final
@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A published file.

    Parameters
    ----------
    folder, name : str
        It is looked for as FOLDER/NAME and as NAME.
    sha256 : str
        Of the published file, or of a known variant of it: hashes separated by spaces.
    url : str, optional
        Where it is published; without one it cannot be downloaded.
    megabytes : float
        Size of the download.
    """

    folder: str
    name: str
    sha256: str
    url: str | None = None
    megabytes: float = 0.0

    def problem(self, path: Path) -> str | None:
        """Return what is wrong with a copy of the file, or None."""
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found in self.sha256.split():
            return None
        return f"its SHA-256 is {found}, expected {self.sha256.split()[0]}"


def cache_folder() -> Path:
    """Return where downloaded files are kept."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("auditkit")) / "data"


_given: list[Path] = []  # the folders of `looking_in`


@contextmanager
def looking_in(folder: Path) -> Generator[None]:
    """Within the block files are looked for in this folder first."""
    _given.append(folder)
    try:
        yield
    finally:
        _given.pop()


def find(file: DataFile) -> Path | None:
    """Return where a file lies, or None; the folder AUDITKIT_DATA comes before the cache.

    Raises
    ------
    ConfigError
        If AUDITKIT_DATA is set and is no folder.
    """
    roots = [cache_folder()]
    if named := os.environ.get(VARIABLE):
        if not Path(named).is_dir():
            raise ConfigError(
                f"{VARIABLE} is {named!r}, which is no folder.",
                hint=f"Set it to a folder with data sets: export {VARIABLE}=/path/to/data",
            )
        roots.insert(0, Path(named))
    roots[:0] = _given
    places = [
        place for root in roots for place in (root / file.folder / file.name, root / file.name)
    ]
    return next((place for place in places if place.is_file()), None)


def locate(*files: DataFile) -> Path:
    """Return a checked copy of the first of these files that is here, else download the last.

    Parameters
    ----------
    *files : DataFile
        The same data in different files, most wanted first.

    Raises
    ------
    DataError
        If a copy is damaged, or none is here and none can be downloaded.
    """
    for file in files:
        path = find(file)
        if path is None:
            continue
        problem = file.problem(path)
        if problem is not None:
            raise DataError(
                f"{path} is not the published {file.name}: {problem}.",
                hint=f"Remove it, or replace it by the file from {file.url or file.folder}.",
            )
        return path
    return download(files[-1])


def download(file: DataFile) -> Path:
    """Download a file into the cache, check it, and say so on stderr.

    Raises
    ------
    DataError
        If it cannot be downloaded, or is not the published file.
    """
    target = cache_folder() / file.folder / file.name
    if file.url is None:
        raise _missing(file, target, "it is not published for download")
    import pooch

    size = f" ({file.megabytes:g} MB)" if file.megabytes else ""
    sys.stderr.write(f"Downloading {file.url}{size} to {target}\n")
    pooch.get_logger().setLevel(logging.ERROR)
    try:
        pooch.retrieve(
            file.url,
            known_hash=f"sha256:{file.sha256.split()[0]}",
            fname=file.name,
            path=target.parent,
        )
    except ValueError as error:  # the hash differs; pooch removes the file
        raise DataError(
            f"What {file.url} gives is not the published {file.name}: its SHA-256 differs.",
            hint=f"Put the right file at {target}.",
        ) from error
    except (OSError, RuntimeError) as error:  # every error of requests is an OSError
        raise _missing(file, target, "downloading it failed") from error
    return target


def _missing(file: DataFile, target: Path, why: str) -> DataError:
    source = f" (from {file.url})" if file.url else ""
    return DataError(
        f"{file.folder}/{file.name} is not here, and {why}.",
        hint=f"Put the file{source} at {target}, or into a folder that {VARIABLE} names.",
    )
