"""Mirrors auditkit/view/history.py."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from auditkit.errors import ConfigError, ResultError
from auditkit.view.history import FILE, open_history
from tests.diff.sample import accurate

ACCURACY = "clean-accuracy/accuracy/all"


def test_any_tool_can_read_the_index(tmp_path: Path) -> None:
    accurate(tmp_path / "deep" / "a", 40, [0])
    history = open_history(tmp_path)
    assert history.file == tmp_path / FILE
    with sqlite3.connect(tmp_path / FILE) as index:
        query = "SELECT runs.folder, value, findings.n FROM findings JOIN runs ON runs.id = run"
        assert index.execute(f"{query} WHERE findings.id = ?", (ACCURACY,)).fetchall() == [
            ("deep/a", 0.975, 40)
        ]


def test_it_follows_the_folder(tmp_path: Path) -> None:
    first = accurate(tmp_path / "a", 40, [], started="2026-01-01T00:00:00+00:00")
    history = open_history(tmp_path)
    accurate(tmp_path / "b", 40, [0], started="2026-01-02T00:00:00+00:00")
    accurate(first, 60, [], started="2026-01-03T00:00:00+00:00")
    history.refresh()
    assert [(one.folder, one.n) for one in history.runs()] == [("a", 60), ("b", 40)]
    (first / "result.json").unlink()
    history.refresh()
    assert [one.folder for one in history.runs()] == ["b"]
    assert [one.run.folder for one in history.trend(ACCURACY)] == ["b"]


def test_an_index_of_another_layout_or_no_index_at_all_is_replaced(tmp_path: Path) -> None:
    accurate(tmp_path / "a", 40, [])
    with sqlite3.connect(tmp_path / FILE) as index:
        index.execute("CREATE TABLE runs (other TEXT)")
    assert len(open_history(tmp_path).runs()) == 1
    (tmp_path / FILE).write_bytes(b"no database at all, but somebody's file" * 100)
    history = open_history(tmp_path)
    assert len(history.runs()) == 1
    assert history.file != tmp_path / FILE  # it is left alone


def test_a_trend_is_in_the_order_of_time(tmp_path: Path) -> None:
    for day in (3, 1, 2):
        accurate(tmp_path / f"r{day}", 40, range(day), started=f"2026-01-0{day}T00:00:00+00:00")
    points = open_history(tmp_path).trend(ACCURACY)
    assert [one.value for one in points] == [0.975, 0.95, 0.925]
    assert points[0].about == "Accuracy"


def test_a_broken_result_is_listed_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "result.json").write_text("{")
    (run,) = open_history(tmp_path).runs()
    assert "not readable JSON" in run.error


def test_names_that_no_database_can_hold_are_escaped(tmp_path: Path) -> None:
    folder = accurate(tmp_path / "a", 40, [])
    text = (folder / "result.json").read_text()
    text = text.replace('"name": "net"', r'"name": "half \ud800"').replace(
        '"seed": 0', '"seed": 9e99'
    )
    (folder / "result.json").write_text(text.replace("9e99", "9" * 30))
    (run,) = open_history(tmp_path).runs()
    assert (run.model, run.error) == ("half \\ud800", "")


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = accurate(tmp_path / "outside", 40, [])
    inside = tmp_path / "inside"
    (inside / "real").mkdir(parents=True)
    (inside / "linked").symlink_to(outside)
    (inside / "real" / "result.json").symlink_to(outside / "result.json")
    assert open_history(inside).runs() == []
    accurate(inside / "swapped", 40, [])
    history = open_history(inside)
    (run,) = history.runs()
    (inside / "swapped").rename(tmp_path / "gone")
    (inside / "swapped").symlink_to(outside)
    with pytest.raises(ResultError, match="leads out"):
        history.path(run)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        open_history(tmp_path / "nothing")
