"""Fashion-MNIST: 70,000 real photographs of clothes, 28x28 grey pixels, ten classes."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from auditkit.data.arrays import StoredImages
from auditkit.data.dataset import Dataset
from auditkit.data.digest import digests
from auditkit.data.files import DataFile, find, locate
from auditkit.data.idx import read_idx
from auditkit.data.published import published
from auditkit.data.splits import Split, split_of
from auditkit.errors import DataError

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIZES: dict[Split, int] = {"train": 60_000, "test": 10_000}
MEAN, STD = (0.2860,), (0.3530,)  # of the training pixels in [0, 1]
TERMS = "Fashion-MNIST (Xiao et al., 2017, arXiv:1708.07747), MIT licence."

_SITE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"


def _file(name: str, sha256: str, megabytes: float) -> DataFile:
    return DataFile(
        folder="fashion_mnist",
        name=name,
        sha256=sha256,
        url=f"{_SITE}/{name}",
        megabytes=megabytes,
    )


IMAGES = {
    "train": _file(
        "train-images-idx3-ubyte.gz",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        26.4,
    ),
    "test": _file(
        "t10k-images-idx3-ubyte.gz",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        4.4,
    ),
}
LABELS = {
    "train": _file(
        "train-labels-idx1-ubyte.gz",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        0.03,
    ),
    "test": _file(
        "t10k-labels-idx1-ubyte.gz",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        0.005,
    ),
}
FILES = (*IMAGES.values(), *LABELS.values())


def load(split: str) -> Dataset:
    """Return one of the two published splits; there is no validation split.

    Parameters
    ----------
    split : {"train", "test"}
        All 60,000 training images, or the 10,000 test images.

    Returns
    -------
    Dataset
        Images (1, 28, 28) in [0, 1]; the id "test-00042" is image 42 of its file.

    Raises
    ------
    DataError
        If there is no such split, or its files are neither here nor to be had.

    References
    ----------
    Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747.
    """
    part = split_of("fashion-mnist", split)
    if part == "validation":
        raise DataError("fashion-mnist has no split 'validation'.", hint="Use one of train, test.")
    reader, labels = StoredImages(_images(part), (0.0, 1.0)), read_idx(locate(LABELS[part]))
    known = part == "test" and find(IMAGES["train"]) is not None
    return published(
        name="fashion-mnist",
        split=part,
        modality="image",
        classes=CLASSES,
        ids=[f"{part}-{row:05d}" for row in range(len(labels))],
        labels=labels.astype(np.int64),
        reader=reader,
        input_shape=(1, 28, 28),
        training=_training_digests() if known else None,
    )


def _images(part: Split) -> NDArray[np.uint8]:
    return read_idx(locate(IMAGES[part]))[:, None]  # (n, 1, 28, 28)


@cache
def _training_digests() -> frozenset[str]:
    images = _images("train")
    return frozenset(digests(StoredImages(images, (0.0, 1.0)), len(images)))
