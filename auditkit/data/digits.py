"""Handwritten digits that come with scikit-learn: 1,797 images of 8x8 grey pixels, ten classes."""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.derived import derived_slices
from auditkit.data.digest import dataset_hash, input_digest
from auditkit.data.splits import Split, rows_of, split_of
from auditkit.types import Floats, Ints

CLASSES = tuple("0123456789")
SIZES: dict[Split, int] = {"train": 1078, "validation": 269, "test": 450}
TERMS = (
    "Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998, doi:10.24432/C50P49),"
    " CC BY 4.0, as it comes with scikit-learn."
)
_FILE = "sklearn/datasets/data/digits.csv.gz"


def load(split: str) -> Dataset:
    """Return one split: 60 % train, 15 % validation, 25 % test of every class.

    The split is fixed, and equal images never stand in two splits.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        Test inputs were never used to train or choose a built-in model.

    Returns
    -------
    Dataset
        Images (1, 8, 8) in [0, 1]; the id "digits-0042" is row 42 of the original.

    Raises
    ------
    DataError
        If there is no such split.

    References
    ----------
    Alpaydin and Kaynak, 1998, Optical Recognition of Handwritten Digits, doi:10.24432/C50P49.

    Examples
    --------
    >>> load("test").input_shape
    (1, 8, 8)
    """
    part = split_of("digits", split)
    images, labels = _original()
    rows = _rows(part)
    ids = tuple(f"digits-{row:04d}" for row in rows)
    contents = [input_digest(image) for image in images[rows]]
    derived = derived_slices([images[rows]])
    return Dataset(
        name="digits",
        split=part,
        modality="image",
        classes=CLASSES,
        ids=ids,
        labels=labels[rows],
        attributes=derived,
        derived=tuple(derived.columns),
        reader=InMemory(images[rows]),
        sha256=dataset_hash(
            ids=ids,
            labels=labels[rows],
            classes=CLASSES,
            attributes=derived.iloc[:, :0],
            contents=contents,
        ),
        input_shape=(1, 8, 8),
        training_digests=None
        if part == "train"
        else frozenset(input_digest(image) for image in images[_rows("train")]),
    )


@cache
def _original() -> tuple[Floats, Ints]:
    pixels, labels = _table()  # (1797, 64) in 0 to 16
    return (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8), labels.astype(np.int64)


def _table() -> tuple[Floats, Floats]:
    """Read what `load_digits` reads, and import scikit-learn, a second, only if it has moved."""
    file = Path(str(distribution("scikit-learn").locate_file(_FILE)))
    if file.is_file():
        table = np.loadtxt(file, delimiter=",")
        return table[:, :-1], table[:, -1]
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return np.asarray(pixels), np.asarray(labels)


@cache
def _rows(split: Split) -> Ints:
    """Return the rows of a split in their original order; equal images share one."""
    images, labels = _original()
    return rows_of(split, [input_digest(one) for one in images], labels, purpose="digits-split")
