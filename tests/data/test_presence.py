"""Mirrors auditkit/data/presence.py."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from auditkit.cli import cli
from auditkit.data import files
from auditkit.data.catalogue import DATA
from auditkit.data.files import DataFile
from auditkit.data.presence import look, paths
from auditkit.errors import ConfigError, DataError

CONTENTS = {"a.csv": b"first", "b.csv": b"second"}
TOY = tuple(
    DataFile(
        folder="toy",
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        url=f"https://example.org/{name}",
        megabytes=1.5,
    )
    for name, content in CONTENTS.items()
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a catalogue of one embedded set and one of two files, none of which is here."""
    toy = dataclasses.replace(DATA["phrases"], name="toy", files=TOY)
    either = dataclasses.replace(toy, name="either", one_is_enough=True)
    for name in list(DATA):
        monkeypatch.delitem(DATA, name)
    for one in (dataclasses.replace(toy, name="inside", files=()), toy, either):
        monkeypatch.setitem(DATA, one.name, one)
    here = tmp_path / "data" / "toy"
    here.mkdir(parents=True)
    monkeypatch.setenv("AUDITKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    return here


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(CONTENTS[name])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["data", *arguments])


def test_absent_then_here_then_damaged(folder: Path) -> None:
    assert look("toy", read=False).said == "3 MB to download"
    put(folder, "a.csv")
    assert look("toy", read=False).said == "1 of 2 files are here, 1.5 MB to download"
    assert look("either", read=True).status == "here"
    put(folder, "b.csv")
    assert look("toy", read=True).status == "here"
    assert look("toy", read=True).said == str(folder)
    (folder / "b.csv").write_bytes(b"changed")
    assert look("toy", read=False).status == "here"  # not read
    found = look("toy", read=True)
    assert found.status == "damaged"
    assert str(folder / "b.csv") in found.said
    assert look("inside", read=True).status == "embedded"


def test_paths_are_the_files_and_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="toy is not here") as raised:
        paths("toy", fetch=False)
    assert "https://example.org/a.csv" in raised.value.hint
    assert "audit data path toy --download" in raised.value.hint
    put(folder, "a.csv", "b.csv")
    assert paths("toy", fetch=False) == [folder / "a.csv", folder / "b.csv"]
    assert paths("either", fetch=False) == [folder / "a.csv"]
    with pytest.raises(DataError, match="inside has no files"):
        paths("inside", fetch=False)
    with pytest.raises(ConfigError, match="Did you mean 'toy'"):
        paths("tou", fetch=False)


def test_only_what_is_missing_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    put(folder, "a.csv")
    asked: list[str] = []

    def retrieve(url: str, known_hash: str, fname: str, path: Path) -> None:
        asked.append(url)
        path.mkdir(parents=True)
        (path / fname).write_bytes(CONTENTS[fname])

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    found = paths("toy", fetch=True)
    assert asked == ["https://example.org/b.csv"]
    assert [path.read_bytes() for path in found] == list(CONTENTS.values())


def test_the_commands_print_it_and_exit_accordingly(folder: Path) -> None:
    listed = json.loads(run("list", "--json").stdout)
    assert [(one["id"], one["status"]) for one in listed] == [
        ("inside", "embedded"),
        ("toy", "absent"),
        ("either", "absent"),
    ]
    assert run("check").exit_code == 0
    assert run("check", "toy").exit_code == 2
    put(folder, "a.csv", "b.csv")
    assert run("check", "toy").exit_code == 0
    assert run("path", "toy").stdout.split() == [str(folder / "a.csv"), str(folder / "b.csv")]
    (folder / "a.csv").write_bytes(b"changed")
    checked = run("check")
    assert checked.exit_code == 2
    assert "damaged" in checked.stdout
