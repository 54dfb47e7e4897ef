"""Mirrors auditkit/data/splits.py."""

from __future__ import annotations

import pytest

from auditkit.data.catalogue import EMBEDDED
from auditkit.data.splits import SPLITS, split_of
from auditkit.errors import DataError


def test_only_three_splits() -> None:
    assert [split_of("x", one) for one in SPLITS] == ["train", "validation", "test"]
    for known in EMBEDDED.values():
        with pytest.raises(DataError, match=r"no split 'tests'.* mean 'test'"):
            known.load("tests")
