"""Mirrors auditkit/data/assemble.py."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from auditkit.data import assemble as module
from auditkit.data.assemble import assemble
from auditkit.data.columns import Groups
from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.labels import Matched
from tests.data.models import text_model

TEXTS = ["a", "b c", "d e f", "g", "h i"]


def made(*, sensitive: tuple[str, ...] = (), **columns: list[str]) -> Dataset:
    return assemble(
        text_model(),
        name="x",
        split="test",
        ids=[str(i) for i in range(5)],
        labels=Matched(np.array([0, 1, 0, 1, 0]), ("about labels",)),
        groups=Groups(pd.DataFrame(columns, index=range(5)), ("about groups",)),
        sensitive=sensitive,
        reader=InMemory(TEXTS),
        notes=["first"],
    )


def test_slices_are_derived_where_nothing_is_sensitive() -> None:
    site = list("aabbb")
    assert (made().derived, made().sensitive) == (("length",), ())
    assert list(made(site=site).attributes) == ["site", "length"]
    asked = made(site=site, sensitive=("site",))
    assert (asked.derived, asked.sensitive, list(asked.attributes)) == ((), ("site",), ["site"])
    assert made().notes == ("first", "about labels", "about groups")


def test_a_users_column_is_never_overwritten() -> None:
    data = made(length=list("xyxyx"))
    assert data.attributes["length"].tolist() == list("xyxyx")
    assert data.derived == ()


def test_the_hash_depends_on_what_was_given_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = made(site=list("aabbb")).sha256
    assert made(site=list("aabbb"), sensitive=("site",)).sha256 == before
    assert made(site=list("aabba")).sha256 != before
    monkeypatch.setattr(module, "BATCH", 2)
    assert made(site=list("aabbb")).sha256 == before
