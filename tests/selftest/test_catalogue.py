"""Mirrors auditkit/selftest/catalogue.py."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import pytest

import auditkit.selftest
from auditkit.errors import ConfigError
from auditkit.selftest.base import Flaw, Twins
from auditkit.selftest.bench import QUICK_SEEDS
from auditkit.selftest.catalogue import FLAWS, IDS, find_flaws
from auditkit.selftest.store import COMMITTED, Store
from tests.selftest.planting import Noting

EVERY = (
    "shortcut",
    "biased",
    "counterfactual-bias",
    "masked-gradient",
    "overconfident",
    "memorised",
    "backdoored",
    "brittle",
    "forgetful",
    "fragile-compression",
)


def test_every_flaw_has_a_row_and_a_file_of_its_name() -> None:
    assert IDS == EVERY
    folder = Path(auditkit.selftest.__path__[0])
    for one in IDS:
        assert (folder / f"{one.replace('-', '_')}.py").is_file()
        assert (Path(__file__).parent / f"test_{one.replace('-', '_')}.py").is_file()


def test_names_are_unique_and_words_are_there() -> None:
    assert len({one.name for one in FLAWS}) == len(FLAWS)
    for one in FLAWS:
        assert one.planted
        assert one.twin
        assert one.must_reveal
        assert not one.planted.endswith(".")


def test_finds_a_flaw_or_one_variant() -> None:
    assert {one.id for one in find_flaws(["shortcut"])} == {"shortcut"}
    assert len(find_flaws(["shortcut"])) == 4
    assert [one.name for one in find_flaws(["shortcut.tag"])] == ["shortcut.tag"]
    with pytest.raises(ConfigError, match="Did you mean 'shortcut'"):
        find_flaws(["shortcuts"])


@cache
def planted(flaw: Flaw, seed: int) -> tuple[Twins, set[str]]:
    """Return the twins, and the names of the files that were read for them."""
    noting = Noting(Store(read=(COMMITTED,)))
    return flaw.plant(seed, noting), noting.names  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", QUICK_SEEDS)
@pytest.mark.parametrize("flaw", [one for one in FLAWS if one.quick], ids=lambda one: one.name)
def test_the_quick_networks_come_with_auditkit(flaw: Flaw, seed: int) -> None:
    """Red after a change of how a flaw is planted; then run `python -m tests.selftest.renew`."""
    twins, _ = planted(flaw, seed)
    assert twins.flawed.modality == twins.sound.modality == flaw.modality


def test_no_network_is_left_over_and_all_are_small() -> None:
    quick = [one for one in FLAWS if one.quick]
    names = {name for one, seed in product(quick, QUICK_SEEDS) for name in planted(one, seed)[1]}
    files = {one.name: one.stat().st_size for one in COMMITTED.glob("*.safetensors")}
    assert set(files) == names
    assert sum(files.values()) < 1_500_000
