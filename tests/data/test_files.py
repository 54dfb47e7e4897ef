"""Mirrors auditkit/data/files.py."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pooch
import pytest
import requests

from auditkit.data import files
from auditkit.data.files import DataFile, find, locate
from auditkit.errors import ConfigError, DataError

CONTENT = b"1,2,3\n"
GOOD = hashlib.sha256(CONTENT).hexdigest()


def file(**changes: object) -> DataFile:
    settings: dict[str, object] = {
        "folder": "toy",
        "name": "toy.csv",
        "sha256": GOOD,
        "url": "https://example.org/toy.csv",
        "megabytes": 0.1,
    }
    return DataFile(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    (tmp_path / "named" / "toy").mkdir(parents=True)
    monkeypatch.setenv("AUDITKIT_DATA", str(tmp_path / "named"))
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_named_folder_comes_before_the_cache(tmp_path: Path) -> None:
    cached = put(tmp_path / "cache" / "toy" / "toy.csv")
    assert find(file()) == cached
    flat = put(tmp_path / "named" / "toy.csv")
    assert find(file()) == flat
    nested = put(tmp_path / "named" / "toy" / "toy.csv")
    assert find(file()) == locate(file()) == nested


def test_a_wrong_checksum_is_one_sentence_that_names_the_file(tmp_path: Path) -> None:
    path = put(tmp_path / "named" / "toy" / "toy.csv", b"changed")
    with pytest.raises(DataError, match=r"is not the published toy\.csv: its SHA-256 is") as raised:
        locate(file())
    assert str(path) in str(raised.value)
    assert "https://example.org/toy.csv" in raised.value.hint


def test_a_known_variant_of_a_file_is_as_good(tmp_path: Path) -> None:
    path = put(tmp_path / "named" / "toy.csv")
    assert locate(file(sha256=f"{'0' * 64} {GOOD}")) == path


def test_of_two_forms_the_one_that_is_here_is_taken(tmp_path: Path) -> None:
    second = put(tmp_path / "named" / "second.csv")
    assert locate(file(), file(name="second.csv")) == second


def test_a_missing_file_is_downloaded_once_and_said_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, str]] = []

    def retrieve(url: str, known_hash: str, fname: str, path: Path) -> str:
        asked.append((url, known_hash))
        return str(put(path / fname))

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    target = tmp_path / "cache" / "toy" / "toy.csv"
    assert locate(file()) == locate(file()) == target
    assert asked == [("https://example.org/toy.csv", f"sha256:{GOOD}")]
    said = capsys.readouterr()
    assert said.err == f"Downloading https://example.org/toy.csv (0.1 MB) to {target}\n"
    assert said.out == ""


@pytest.mark.parametrize("error", [requests.ConnectionError("no route"), OSError("disk full")])
def test_without_network_the_hint_says_which_file_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def retrieve(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(DataError, match=r"toy/toy\.csv is not here, and downloading") as raised:
        locate(file())
    assert str(tmp_path / "cache" / "toy" / "toy.csv") in raised.value.hint
    assert "https://example.org/toy.csv" in raised.value.hint
    assert "AUDITKIT_DATA" in raised.value.hint


def test_a_download_of_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def retrieve(*_: object, **__: object) -> str:
        raise ValueError("SHA256 hash of downloaded file does not match")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(DataError, match="its SHA-256 differs"):
        locate(file())


def test_a_file_without_address_cannot_be_downloaded() -> None:
    with pytest.raises(DataError, match="not published for download"):
        locate(file(url=None))


def test_a_named_folder_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITKIT_DATA", "/no/such/folder")
    with pytest.raises(ConfigError, match="AUDITKIT_DATA is '/no/such/folder'"):
        find(file())
