"""Mirrors auditkit/selftest/command.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditkit.errors import ConfigError, ModelError
from auditkit.selftest import command
from auditkit.selftest.command import run_selftest
from auditkit.selftest.report import Selftest
from auditkit.selftest.store import VARIABLE, Store
from tests.selftest.sample import table


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[int], Store]]:
    """What the bench was asked for."""
    calls: list[tuple[list[str], list[int], Store]] = []

    def run(flaws: object, seeds: object, store: Store, **_: object) -> Selftest:
        calls.append(([one.name for one in flaws], list(seeds), store))  # type: ignore[attr-defined]
        return table()

    monkeypatch.setattr(command, "run_bench", run)
    return calls


def test_all_flaws_and_seeds_by_default(asked: list[tuple[list[str], list[int], Store]]) -> None:
    run_selftest()
    names, seeds, store = asked[0]
    assert names == [one.name for one in command.FLAWS]
    assert seeds == [0, 1, 2, 3, 4]
    assert store.write is None


def test_quick_is_what_comes_with_auditkit(asked: list[tuple[list[str], list[int], Store]]) -> None:
    run_selftest(quick=True)
    run_selftest(quick=True, flaws=["shortcut"])
    run_selftest(train=True, flaws=["shortcut"], seeds=3)
    assert asked[0][1] == [0, 1]
    assert "shortcut.token" not in asked[0][0]
    assert asked[1][0] == ["shortcut.tag"]
    assert asked[2][0] == [one.name for one in command.FLAWS if one.id == "shortcut"]
    assert "shortcut.token" in asked[2][0]
    assert asked[2][1] == [0, 1, 2]
    assert asked[2][2].write is not None


def test_writes_the_table_where_it_is_told(
    asked: list[tuple[list[str], list[int], Store]], tmp_path: Path
) -> None:
    assert run_selftest(out=tmp_path / "here") == table()
    assert json.loads((tmp_path / "here" / "selftest.json").read_text())["schema"] == 1
    assert (tmp_path / "here" / "selftest.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "expected 1 to 5"),
        ({"seeds": 6}, "expected 1 to 5"),
        ({"seeds": 3, "quick": True}, "expected 1 to 2"),
        ({"flaws": ["shortcutt"]}, "Did you mean"),
        ({"flaws": ["memorised"], "quick": True}, "does not come with"),
    ],
)
def test_refuses_what_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_selftest(**options)  # type: ignore[arg-type]


def test_says_how_to_train_what_is_missing() -> None:
    with pytest.raises(ModelError) as error:
        run_selftest(flaws=["biased.scarce"], seeds=1)
    assert "--train" in error.value.hint


@pytest.mark.slow
def test_the_quick_table_is_green() -> None:
    found = run_selftest(quick=True)
    assert found.sentence.startswith("All ")
    assert found.exit_code == 0
    assert {one.standing for one in found.rows} == {"green"}
    for row in found.rows:
        assert row.caught.count == row.caught.n == 2
        assert row.cried_wolf.count == 0
