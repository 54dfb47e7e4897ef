"""Mirrors auditkit/data/breast_cancer.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer

from auditkit.data import breast_cancer


def test_columns_rows_and_classes_are_those_of_scikit_learn() -> None:
    bunch: Any = load_breast_cancer()
    assert tuple(bunch.feature_names) == breast_cancer.SCHEMA.names
    assert tuple(bunch.target_names) == breast_cancer.CLASSES
    parts = [breast_cancer.load(split) for split in breast_cancer.SIZES]
    seen = 0
    for part in parts:
        rows = [int(one.rpartition("-")[2]) for one in part.ids]
        assert np.array_equal(part.read(slice(None)), bunch.data[rows].astype(np.float32))
        assert np.array_equal(part.labels, bunch.target[rows])
        seen += len(rows)
    assert {part.split: len(part) for part in parts} == breast_cancer.SIZES
    assert seen == len({one for part in parts for one in part.ids}) == 569


def test_without_groups_of_people_slices_are_derived() -> None:
    data = breast_cancer.load("test")
    assert data.derived == ("unusualness",)
    assert data.sensitive == ()
    assert data.training_digests is not None
    assert len(data.training_digests) == breast_cancer.SIZES["train"]
