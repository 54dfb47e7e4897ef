"""Handwritten digits that come with scikit-learn: 1,797 images of 8x8 grey pixels, ten classes."""

from __future__ import annotations

from functools import cache

import numpy as np

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.derived import derived_slices
from auditkit.data.digest import dataset_hash, input_digest
from auditkit.data.splits import Split, split_of
from auditkit.randomness import key_of
from auditkit.types import Floats, Ints

CLASSES = tuple("0123456789")
SIZES: dict[Split, int] = {"train": 1078, "validation": 269, "test": 450}
_CUTS: dict[Split, tuple[float, float]] = {
    "train": (0.0, 0.6),
    "validation": (0.6, 0.75),
    "test": (0.75, 1.0),
}


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
    from sklearn.datasets import load_digits

    pixels, labels = map(np.asarray, load_digits(return_X_y=True))  # (1797, 64) in 0 to 16
    return (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8), labels.astype(np.int64)


@cache
def _rows(split: Split) -> Ints:
    """Return the rows of a split in their original order.

    Images are ranked within their class by a hash of their content, so that equal images share a
    rank, and the ranks are cut in three.
    """
    images, labels = _original()
    keys = np.array([key_of(0, "digits-split", input_digest(one)) for one in images], np.uint64)
    low, high = _CUTS[split]
    chosen: list[Ints] = []
    for label in range(len(CLASSES)):
        members = np.flatnonzero(labels == label)
        ranked, rank = np.unique(keys[members], return_inverse=True)
        start, stop = round(low * len(ranked)), round(high * len(ranked))
        chosen.append(members[(rank >= start) & (rank < stop)])
    return np.sort(np.concatenate(chosen))
