"""CIFAR-10: real colour photographs of 32x32 pixels, ten classes; a fixed part of the images."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from auditkit.data.arrays import StoredImages
from auditkit.data.dataset import Dataset
from auditkit.data.digest import digests
from auditkit.data.files import DataFile, locate
from auditkit.data.published import published
from auditkit.data.splits import Split, split_of
from auditkit.errors import DataError
from auditkit.types import Ints

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SIZES: dict[Split, int] = {"train": 10_000, "test": 5_000}
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of all training pixels
TERMS = (
    "CIFAR-10 (Krizhevsky, 2009, Learning multiple layers of features from tiny images); its page"
    " asks for a citation and states no other condition."
)

PART = DataFile(  # only the images that `load` gives
    folder="cifar10",
    name="cifar10_10k_5k.npz",
    sha256="183c2a9f418b040f94b14877e9cdb040ccab9b6059a0a38c7e3d3b73c9b2036d",
)
ARCHIVE = DataFile(
    folder="cifar10",
    name="cifar-10-python.tar.gz",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    megabytes=170.5,
)
FILES = (PART, ARCHIVE)


def load(split: str) -> Dataset:
    """Return one of two fixed parts: 10,000 of the training and 5,000 of the test images.

    Which images these are stands in `cifar10_files.txt.gz`, by the names that the published
    archive gives them; there is no validation split.

    Parameters
    ----------
    split : {"train", "test"}
        1,000 or 500 images of each class.

    Returns
    -------
    Dataset
        Images (3, 32, 32) in [0, 1]; the id is the name of the image's original file.

    Raises
    ------
    DataError
        If there is no such split, or no file with it is here or to be had.

    References
    ----------
    Krizhevsky, 2009, Learning multiple layers of features from tiny images.
    """
    part = split_of("cifar10", split)
    if part == "validation":
        raise DataError("cifar10 has no split 'validation'.", hint="Use one of train, test.")
    images, labels = _parts()[part]
    reader = StoredImages(images, (0.0, 1.0))
    return published(
        name="cifar10",
        split=part,
        modality="image",
        classes=CLASSES,
        ids=file_names()[part],
        labels=labels,
        reader=reader,
        input_shape=(3, 32, 32),
        training=_training_digests() if part == "test" else None,
    )


@cache
def file_names() -> dict[Split, list[str]]:
    """Return the original file names of the images in each split, in order."""
    file = resources.files("auditkit.data").joinpath("cifar10_files.txt.gz")
    train, test = gzip.decompress(file.read_bytes()).decode().split("\n\n")
    return {"train": train.split(), "test": test.split()}


@cache
def _parts() -> dict[Split, tuple[NDArray[np.uint8], Ints]]:
    """Return images (n, 3, 32, 32) and labels (n,) of each split."""
    path = locate(*FILES)
    return _from_arrays(path) if path.suffix == ".npz" else read_archive(path, file_names())


@cache
def _training_digests() -> frozenset[str]:
    images, _ = _parts()["train"]
    return frozenset(digests(StoredImages(images, (0.0, 1.0)), len(images)))


def _from_arrays(path: Path) -> dict[Split, tuple[NDArray[np.uint8], Ints]]:
    with np.load(path, allow_pickle=False) as arrays:
        return {
            split: (
                arrays[f"x_{split}"].transpose(0, 3, 1, 2),
                arrays[f"y_{split}"].astype(np.int64),
            )
            for split in SIZES
        }


def read_archive(
    path: Path, wanted: dict[Split, list[str]]
) -> dict[Split, tuple[NDArray[np.uint8], Ints]]:
    """Return the wanted images of the published archive, in the order of their names.

    Parameters
    ----------
    path : Path
        `cifar-10-python.tar.gz`. Its batches are pickles: they are read with a reader that makes
        arrays and nothing else.
    wanted : dict
        File names per split.

    Raises
    ------
    DataError
        If the archive is damaged, holds anything but arrays, or lacks an image.
    """
    images: dict[str, NDArray[np.uint8]] = {}
    labels: dict[str, int] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is None or not member.name.rpartition("/")[2].startswith(_BATCHES):
                    continue
                batch = _ArraysOnly(io.BytesIO(file.read()), encoding="bytes").load()
                for name, row, label in zip(
                    batch[b"filenames"], batch[b"data"], batch[b"labels"], strict=True
                ):
                    images[name.decode()] = row.reshape(3, 32, 32)
                    labels[name.decode()] = int(label)
        return {
            split: (
                np.stack([images[name] for name in names]),
                np.array([labels[name] for name in names], dtype=np.int64),
            )
            for split, names in wanted.items()
        }
    except KeyError as error:
        raise DataError(f"{path} holds no {error}.") from error
    except (OSError, EOFError, ValueError, tarfile.TarError, pickle.UnpicklingError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


_BATCHES = ("data_batch_", "test_batch")
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


@final
class _ArraysOnly(pickle.Unpickler):
    """Reads numbers, texts, lists and arrays; any other callable is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only arrays are read")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
