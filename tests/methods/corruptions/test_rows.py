"""Mirrors auditkit/methods/corruptions/rows.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.data.schema import Feature
from auditkit.errors import ConfigError
from auditkit.methods.corruptions.rows import KINDS, SHARE_OF_CELLS, concerns, damaged
from auditkit.randomness import keys_of

COLUMNS = (
    Feature(name="age", integer=True),
    Feature(name="wage"),
    Feature(name="work", kind="categorical", categories=("State", "Private", "None")),
)
N = 2000
KEYS = keys_of(0, "test", [str(i) for i in range(N)])


def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    table = np.stack([rng.integers(18, 90, N), rng.normal(300, 20, N), rng.integers(0, 3, N)], 1)
    return table.astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_so_many_cells_of_the_right_columns_are_hit_and_stay_hit(kind: str) -> None:
    before = np.zeros((N, 3), dtype=bool)
    able = np.array([concerns(kind, one) for one in COLUMNS])
    for severity, share in enumerate(SHARE_OF_CELLS, start=1):
        changed, hit = damaged(rows(), COLUMNS, kind, severity, KEYS)
        assert abs(hit[:, able].mean() - share) < 0.03
        assert not hit[:, ~able].any()
        assert (hit | ~before).all(), "a higher severity keeps the damage of a lower one"
        same = (changed == rows()) | (np.isnan(changed) & np.isnan(rows()))
        assert same[~hit].all()
        assert same[hit].mean() < 0.2  # a doubled digit may be exchanged for itself
        before = hit


def test_each_kind_does_what_it_says() -> None:
    table = rows()
    for kind, allowed in (("scale", (1000, 1 / 1000)), ("unit", (2.54, 1 / 2.54))):
        changed, hit = damaged(table, COLUMNS, kind, 5, KEYS)
        factors = changed[hit] / table[hit]
        assert {f"{one:.3g}" for one in factors} == {f"{one:.3g}" for one in allowed}
    for kind in ("missing", "unseen-category"):
        changed, hit = damaged(table, COLUMNS, kind, 5, KEYS)
        assert (np.isnan(changed) == hit).all()
    changed, hit = damaged(table, COLUMNS, "swapped-category", 5, KEYS)
    assert set(changed[hit].tolist()) == {0.0, 1.0, 2.0}
    assert (changed[hit] != table[hit]).all()


def test_a_slip_is_one_key_away() -> None:
    table = np.full((N, 3), 47, dtype=np.float32)
    changed, hit = damaged(table, COLUMNS, "slip", 5, KEYS)
    assert set(changed[hit].tolist()) == {4.0, 7.0, 74.0, -47.0, 447.0, 477.0}
    assert np.isfinite(damaged(rows() * 1e8, COLUMNS, "slip", 5, KEYS)[0]).all()
    assert np.isfinite(damaged(rows() * 1e-8, COLUMNS, "slip", 5, KEYS)[0]).all()


def test_missing_values_stay_missing() -> None:
    empty = np.full((N, 3), np.nan, dtype=np.float32)
    changed, hit = damaged(empty, COLUMNS, "scale", 5, KEYS)
    assert np.isnan(changed).all()
    assert not hit.any()


def test_a_column_of_one_category_has_no_other() -> None:
    alone = Feature(name="x", kind="categorical", categories=("only",))
    assert not concerns("swapped-category", alone)
    with pytest.raises(ConfigError, match="missing"):
        concerns("mising", alone)
