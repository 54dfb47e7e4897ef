"""Mirrors auditkit/data/splits.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.data.catalogue import DATA
from auditkit.data.splits import CUTS, SPLITS, rows_of, split_of
from auditkit.errors import DataError


def test_only_three_splits() -> None:
    assert [split_of("x", one) for one in SPLITS] == ["train", "validation", "test"]
    for known in DATA.values():
        with pytest.raises(DataError, match=r"no split 'tests'.* mean 'test'"):
            known.load("tests")


@given(
    contents=st.lists(st.text("ab", max_size=3), min_size=1, max_size=60), seed=st.integers(0, 9)
)
def test_every_row_is_in_one_part_and_equal_rows_share_it(contents: list[str], seed: int) -> None:
    strata = np.random.default_rng(seed).integers(0, 2, len(contents))
    parts = [rows_of(split, contents, strata, purpose="test") for split in SPLITS]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(contents)))
    for stratum in (0, 1):
        seen = [{contents[i] for i in part if strata[i] == stratum} for part in parts]
        assert sum(map(len, seen)) == len(set().union(*seen))


def test_shares_are_those_of_the_cuts_in_every_stratum() -> None:
    contents, strata = [str(i) for i in range(300)], np.repeat([0, 1], [200, 100])
    for split in SPLITS:
        rows = rows_of(split, contents, strata, purpose="test")
        share = CUTS[split][1] - CUTS[split][0]
        assert np.bincount(strata[rows]).tolist() == pytest.approx([200 * share, 100 * share])
        assert rows.tolist() == sorted(rows)
        assert rows.tolist() != rows_of(split, contents, strata, purpose="other").tolist()
