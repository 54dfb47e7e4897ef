"""Mirrors auditkit/selftest/credit.py."""

from __future__ import annotations

import numpy as np

from auditkit.selftest import credit


def test_groups_pay_back_alike_and_districts_tell_them() -> None:
    data = credit.table(4000, seed=5)
    group = data.attributes["group"].to_numpy(dtype=object)
    north, south = (data.labels[group == one].mean() for one in ("north", "south"))
    assert abs(north - south) < 0.05
    rows = data.read(slice(0, len(data)))
    assert not isinstance(rows, list)
    assert data.schema is not None
    district = rows[:, data.schema.names.index("district")]
    told = 0.0
    for one in np.unique(district):
        here = group[district == one]
        told += max((here == "north").sum(), (here == "south").sum())
    assert 0.85 < told / len(data) < 0.95


def test_another_seed_gives_other_loans_and_the_same_seed_the_same() -> None:
    one, again, other = (credit.table(50, seed=seed) for seed in (1, 1, 2))
    assert one.sha256 == again.sha256 != other.sha256
    assert "group" not in (one.schema.names if one.schema else ())
