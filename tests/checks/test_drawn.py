"""Mirrors auditkit/checks/drawn.py."""

from __future__ import annotations

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.drawn import drawn
from tests.subjects import linear_subject


def test_so_many_are_drawn_the_same_in_every_shard_and_others_for_another_purpose() -> None:
    subject = linear_subject(0)
    whole = drawn(subject.artifacts, "curve", 7)
    assert whole.sum() == 7
    parts = [
        drawn(Artifacts(subject.model, subject.data, rows), "curve", 7)
        for rows in np.array_split(np.arange(len(subject.data)), 3)
    ]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(drawn(subject.artifacts, "saliency", 7), whole)
    assert (drawn(subject.artifacts, "curve", 12) >= whole).all()
    assert drawn(subject.artifacts, "curve", 999).all()
