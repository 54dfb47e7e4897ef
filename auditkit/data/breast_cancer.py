"""Wisconsin breast cancer: 569 tumours, described by 30 measures of their cell nuclei."""

from __future__ import annotations

from functools import cache

import numpy as np

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.digest import input_digest
from auditkit.data.published import published
from auditkit.data.schema import Feature, Schema
from auditkit.data.splits import Split, rows_of, split_of
from auditkit.types import Floats, Ints

CLASSES = ("malignant", "benign")
SIZES: dict[Split, int] = {"train": 341, "validation": 86, "test": 142}
TERMS = (
    "Breast Cancer Wisconsin (Diagnostic) (Wolberg et al., 1995, doi:10.24432/C5DW2B), CC BY 4.0,"
    " as it comes with scikit-learn."
)
LIMITS = (  # of any model trained on it
    "Learnt from 341 tumours of one hospital, around 1990; it is no medical device.",
)

_MEASURES = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity",
    "concave points", "symmetry", "fractal dimension",
)  # fmt: skip
SCHEMA = Schema(
    tuple(
        Feature(name=name)
        for names in (
            [f"mean {one}" for one in _MEASURES],
            [f"{one} error" for one in _MEASURES],
            [f"worst {one}" for one in _MEASURES],
        )
        for name in names
    )
)


def load(split: str) -> Dataset:
    """Return one split: 60 % train, 15 % validation, 25 % test of both classes.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        Fixed by the content of each row.

    Returns
    -------
    Dataset
        Rows of 30 columns; the id "tumour-042" is row 42 of scikit-learn's table.

    Raises
    ------
    DataError
        If there is no such split.

    References
    ----------
    Street, Wolberg and Mangasarian, 1993, Nuclear feature extraction for breast tumor diagnosis,
    doi:10.1117/12.148698.
    """
    part = split_of("breast-cancer", split)
    inputs, labels = _original()
    rows = _rows(part)
    return published(
        name="breast-cancer",
        split=part,
        modality="tabular",
        classes=CLASSES,
        ids=[f"tumour-{row:03d}" for row in rows],
        labels=labels[rows],
        reader=InMemory(inputs[rows]),
        schema=SCHEMA,
        training=None if part == "train" else map(input_digest, inputs[_rows("train")]),
    )


@cache
def _original() -> tuple[Floats, Ints]:
    from sklearn.datasets import load_breast_cancer

    inputs, labels = map(np.asarray, load_breast_cancer(return_X_y=True))  # (569, 30), (569,)
    return inputs.astype(np.float32), labels.astype(np.int64)


@cache
def _rows(split: Split) -> Ints:
    inputs, labels = _original()
    return rows_of(split, [input_digest(row) for row in inputs], labels, purpose="breast-split")
