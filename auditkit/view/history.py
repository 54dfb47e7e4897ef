"""An index of the results in a folder: one SQLite file, rebuilt from what lies there."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from auditkit.errors import ConfigError, ResultError
from auditkit.findings import Finding, Outcome
from auditkit.render import words
from auditkit.result import Result, read_result

FILE = "history.sqlite"
LAYOUT = 1  # raised when the tables change; an index of another layout is built anew
DEEPEST = 8  # folders below the one that is looked at
MOST_RUNS = 10_000
MOST_BYTES = 256 * 2**20  # of one result.json

_NOTHING = ["", "", "", "", "", 0, "", 0, "", "", "", 0.0, "", 0]  # columns from `model` on

_TABLES = """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, folder TEXT, changed INTEGER, bytes INTEGER, error TEXT,
  model TEXT, model_sha256 TEXT, data TEXT, split TEXT, data_sha256 TEXT, n INTEGER,
  suite TEXT, seed INTEGER, status TEXT, sentence TEXT, started TEXT, seconds REAL,
  auditkit TEXT, partial INTEGER
);
CREATE TABLE findings (
  run TEXT REFERENCES runs (id), id TEXT, check_id TEXT, about TEXT, slice TEXT, value REAL,
  low REAL, high REAL, level REAL, n INTEGER, unit TEXT, better TEXT
);
CREATE INDEX findings_by_id ON findings (id);
CREATE INDEX findings_by_run ON findings (run);
"""


class Run(NamedTuple):
    """One result: a row of the table `runs`, with its columns in their order."""

    id: str  # twelve hex digits of the hash of its folder's name
    folder: str  # relative to the folder that is looked at
    changed: int  # time of the file, in nanoseconds
    bytes: int
    error: str  # why it cannot be read; the rest is then empty
    model: str
    model_sha256: str
    data: str
    split: str
    data_sha256: str
    n: int
    suite: str
    seed: int
    status: str
    sentence: str
    started: str
    seconds: float
    auditkit: str
    partial: int


class Point(NamedTuple):
    """A finding of one run."""

    run: Run
    about: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    better: str


@dataclass(frozen=True)
class History:
    """The results below a folder.

    Parameters
    ----------
    folder : Path
        What is looked at; nothing outside it is ever read.
    file : Path
        The index.
    """

    folder: Path
    file: Path

    def refresh(self) -> None:
        """Bring the index up to date: read what is new or changed, forget what has gone."""
        with self._opened() as index:
            if index.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
                index.executescript(
                    "DROP TABLE IF EXISTS findings; DROP TABLE IF EXISTS runs;" + _TABLES
                )
                index.execute(f"PRAGMA user_version = {LAYOUT}")
            known = {
                row[0]: (row[1], row[2])
                for row in index.execute("SELECT id, changed, bytes FROM runs")
            }
            here: set[str] = set()
            for file in _results(self.folder):
                folder = file.parent.relative_to(self.folder).as_posix()
                name = hashlib.sha256(folder.encode(errors="surrogateescape")).hexdigest()[:12]
                here.add(name)
                about = file.stat()
                if known.get(name) != (about.st_mtime_ns, about.st_size):
                    _forget(index, name)
                    _add(index, name, folder, file, about)
            for name in known.keys() - here:
                _forget(index, name)

    def runs(self) -> list[Run]:
        """Return every result, the latest first."""
        with self._opened() as index:
            rows = index.execute("SELECT * FROM runs ORDER BY started DESC, folder").fetchall()
        return [Run(*row) for row in rows]

    def run(self, name: str) -> Run | None:
        """Return one result by its id, or None."""
        with self._opened() as index:
            row = index.execute("SELECT * FROM runs WHERE id = ?", (name,)).fetchone()
        return None if row is None else Run(*row)

    def path(self, run: Run) -> Path:
        """Return where a result lies, as the scan found it.

        Raises
        ------
        ResultError
            If its folder has become a link to elsewhere.
        """
        place = self.folder / run.folder / "result.json"
        if not place.resolve().is_relative_to(self.folder):
            raise ResultError(f"{place} leads out of {self.folder}.")
        return place.parent

    def findings(self) -> list[tuple[str, int]]:
        """Return the ids of all findings with the number of results that have them."""
        query = "SELECT id, COUNT(*) FROM findings GROUP BY id ORDER BY COUNT(*) DESC, id"
        with self._opened() as index:
            return list(index.execute(query))

    def trend(self, finding: str) -> list[Point]:
        """Return one finding of every result that has it, the earliest first."""
        query = (
            "SELECT runs.*, f.about, f.value, f.low, f.high, f.n, f.unit, f.better"
            " FROM findings AS f JOIN runs ON runs.id = f.run WHERE f.id = ?"
            " ORDER BY runs.started, runs.folder"
        )
        width = len(Run._fields)
        with self._opened() as index:
            rows = index.execute(query, (finding,)).fetchall()
        return [Point(Run(*row[:width]), *row[width:]) for row in rows]

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=30)) as index, index:
            yield index


def open_history(folder: str | Path) -> History:
    """Return the index of a folder, up to date.

    It is the file `history.sqlite` in that folder; where nothing may be written there, or that name
    is taken by something else, a temporary one.

    Raises
    ------
    ConfigError
        If there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise ConfigError(
            f"There is no folder {place}.", hint="Make results with: audit run MODEL --out DIR"
        )
    root = place.resolve()
    history = History(root, root / FILE)
    try:
        history.refresh()
    except (sqlite3.Error, OSError):
        temporary = Path(tempfile.mkdtemp(prefix="auditkit-view-")) / FILE
        history = History(root, temporary)
        history.refresh()
    return history


def _results(folder: Path) -> Iterator[Path]:
    """Yield every result.json below a folder; links are not followed."""
    count = 0
    for place, folders, files in os.walk(folder, followlinks=False):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(one for one in folders if not one.startswith(".") and depth < DEEPEST)
        file = Path(place) / "result.json"
        if "result.json" in files and file.is_file() and not file.is_symlink():
            yield file
            count += 1
            if count == MOST_RUNS:
                return


def _forget(index: sqlite3.Connection, name: str) -> None:
    index.execute("DELETE FROM findings WHERE run = ?", (name,))
    index.execute("DELETE FROM runs WHERE id = ?", (name,))


def _add(
    index: sqlite3.Connection, name: str, folder: str, file: Path, about: os.stat_result
) -> None:
    found: Result | None = None
    error = ""
    try:
        if about.st_size > MOST_BYTES:
            raise ResultError(f"It is larger than {MOST_BYTES // 2**20} MiB.")
        found = read_result(file)
    except ResultError as problem:
        error = problem.message
    row: list[Any] = [name, folder, about.st_mtime_ns, about.st_size, error]
    row += _NOTHING if found is None else _columns(found)
    marks = ", ".join("?" * len(row))
    index.execute(f"INSERT INTO runs VALUES ({marks})", _storable(row))  # noqa: S608
    if found is not None:
        index.executemany(
            "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                _storable(_finding(name, outcome, one))
                for outcome in found.outcomes
                for one in outcome.findings
            ],
        )


def _finding(run: str, outcome: Outcome, one: Finding) -> list[Any]:
    about = words.subject(outcome, one)
    return [
        run, one.id, outcome.check, about, one.slice, one.value, one.low, one.high, one.level,
        one.n, one.unit, one.better,
    ]  # fmt: skip


def _storable(row: Iterable[Any]) -> list[Any]:
    """Return values that a database can hold: no halves of characters, no endless integers."""
    most = 2**63 - 1
    return [
        one.encode(errors="backslashreplace").decode()
        if isinstance(one, str)
        else max(-most, min(most, one))
        if isinstance(one, int)
        else one
        for one in row
    ]


def _columns(result: Result) -> list[Any]:
    model, data, made = result.model, result.data, result.provenance
    return [
        model.name, model.sha256, data.name, data.split, data.sha256, data.n, made.suite, made.seed,
        result.verdict.status, result.verdict.sentence, made.started, made.seconds, result.auditkit,
        int(made.partial),
    ]  # fmt: skip
