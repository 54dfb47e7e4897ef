"""Images and labels in one .npz file."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from auditkit.data.assemble import assemble
from auditkit.data.columns import groups_of
from auditkit.data.dataset import Dataset
from auditkit.data.digest import BATCH
from auditkit.data.labels import from_rows, match_labels, no_labels
from auditkit.errors import DataError, near_miss
from auditkit.models.classifier import ImageClassifier
from auditkit.types import Floats, Ints

UNPACKED = 2**28  # bytes that an array may unpack to however well it is packed
PACKED = 200  # times that an array larger than that may shrink
_SAVE = "Save the file with: numpy.savez_compressed(FILE, x=images, y=labels)"


def load_arrays(
    file: Path,
    model: ImageClassifier,
    *,
    split: str,
    sensitive: Sequence[str] = (),
    unlabelled: bool = False,
) -> Dataset:
    """Return the images of an .npz file in the model's layout and bounds.

    Images are found under x_<split>, x, images or inputs, labels under y_<split>, y or labels, and
    ids under ids or id, or else rows are counted from 0. Other one-dimensional arrays of the same
    length are columns. Images are held as they are stored and converted a batch at a time.

    Parameters
    ----------
    file : Path
        Written by `numpy.savez`.
    model : ImageClassifier
        Gives shape, bounds and classes.
    split : str
        "test" prefers x_test.
    sensitive : sequence of str
        Arrays that compare people.
    unlabelled : bool
        Whether the labels may be absent.

    Raises
    ------
    DataError
        If arrays are missing or do not fit the model, or a value is out of bounds or NaN.
    """
    with _opened(file) as archive:
        image_key = _key(archive, (f"x_{split}", "x", "images", "inputs"), file)
        label_keys = (f"y_{split}", "y", "labels")
        absent = unlabelled and not set(label_keys) & set(archive.files)
        label_key = None if absent else _key(archive, label_keys, file)
        stored = _array(archive, image_key, file)
        n = len(stored) if stored.ndim else 0
        if n == 0:
            raise DataError(f"{file}: {image_key} holds no images.", hint=_SAVE)
        raw_labels, label_notes = (
            (None, [])
            if label_key is None
            else _flat(_array(archive, label_key, file), label_key, file)
        )
        columns = {
            name: array
            for name in archive.files
            if name not in (image_key, label_key)
            and not name.startswith(("x_", "y_"))  # another split: large, and not of this length
            and (array := _array(archive, name, file)).shape == (n,)
        }
        names = _array(archive, "class_names", file) if "class_names" in archive.files else None
    if raw_labels is not None and len(raw_labels) != n:
        raise DataError(
            f"{file} has {n} images in {image_key} and {len(raw_labels)} in {label_key}."
        )
    whence = "" if label_key is None else f", labels from {label_key}"
    reader = StoredImages(_as_chw(stored, image_key, file, model), model.bounds)
    _check_values(reader, file, image_key)
    ids = [str(one) for one in columns.pop("ids", columns.pop("id", np.arange(n)))]
    return assemble(
        model,
        name=file.name,
        split=split,
        ids=ids,
        labels=no_labels(n)
        if raw_labels is None
        else match_labels(
            _named(raw_labels, names, model.classes),
            model.classes,
            where=lambda i: f"{file}: row {i} of {label_key}",
        ),
        groups=groups_of(
            pd.DataFrame(columns, index=range(n)), sensitive=sensitive, where=str(file)
        ),
        sensitive=sensitive,
        reader=reader,
        notes=[f"Images were read from {image_key}{whence}.", *label_notes],
    )


@contextmanager
def _opened(file: Path) -> Generator[NpzFile]:
    with file.open("rb") as handle:  # numpy itself leaves a damaged file open
        try:
            archive: object = np.load(handle, allow_pickle=False)
        except Exception as error:  # zipfile and numpy raise many kinds
            reason = str(error).partition(". ")[0]  # numpy goes on to say how to read it unsafely
            raise DataError(
                f"{file} cannot be read as an .npz file: {reason}.", hint=_SAVE
            ) from error
        if not isinstance(archive, NpzFile):
            raise DataError(f"{file} holds a single array, expected images and labels.", hint=_SAVE)
        refuse_bombs(archive, file)
        yield archive


def refuse_bombs(archive: NpzFile, file: Path) -> None:
    """Refuse arrays that would unpack to far more than images do that were packed that well.

    Raises
    ------
    DataError
        Naming the array.
    """
    entries = [] if archive.zip is None else archive.zip.infolist()
    for one in entries:
        if one.file_size > UNPACKED and one.file_size > PACKED * one.compress_size:
            raise DataError(
                f"{file}: {one.filename} takes {one.compress_size:,} bytes and would unpack to"
                f" {one.file_size:,}.",
                hint="Where that is meant, save it unpacked with: numpy.savez(FILE, ...)",
            )


def _key(archive: NpzFile, wanted: Sequence[str], file: Path) -> str:
    for name in wanted:
        if name in archive.files:
            return name
    near = next((miss for name in wanted if (miss := near_miss(name, archive.files))), "")
    raise DataError(
        f"{file} has none of the arrays {', '.join(wanted)}; it has"
        f" {', '.join(archive.files) or 'none'}.{near}",
        hint=_SAVE,
    )


def _array(archive: NpzFile, name: str, file: Path) -> NDArray[Any]:
    try:
        found: Any = archive[name]  # its stub promises an array
    except Exception as error:  # numpy raises many kinds on an array that it cannot follow
        raise DataError(
            f"{file}: the array {name} cannot be read: {error}.",
            hint="Arrays of Python objects are never loaded; save numbers or strings.",
        ) from error
    if not isinstance(found, np.ndarray):  # numpy hands out any other entry as bytes
        raise DataError(f"{file}: {name} is no array.", hint=_SAVE)
    return found


def _flat(labels: NDArray[Any], key: str, file: Path) -> tuple[NDArray[Any], list[str]]:
    """Return labels (n,); one-hot rows become class numbers."""
    if labels.ndim != 2 or labels.shape[1] == 1 or labels.dtype.kind not in "buif":
        return labels.reshape(-1), []
    numbers = from_rows(labels, where=lambda i: f"{file}: row {i} of {key}")
    return numbers, [f"The rows of {key} are one-hot; the place of the 1 is the class number."]


def _as_chw(stored: NDArray[Any], key: str, file: Path, model: ImageClassifier) -> NDArray[Any]:
    """Return a view (n, c, h, w) of the stored images."""
    if stored.dtype != np.uint8 and not np.issubdtype(stored.dtype, np.floating):
        raise DataError(
            f"{file}: {key} holds {stored.dtype}, expected uint8 from 0 to 255, or floats within"
            f" {_range(model.bounds)}.",
            hint="Convert it: images.astype(numpy.uint8), or images / 255 as float32.",
        )
    c, h, w = model.input_shape
    shape = stored.shape[1:]
    if shape == (c, h, w):
        return stored
    if shape == (h, w, c):
        return stored.transpose(0, 3, 1, 2)
    if shape == (h, w) and c == 1:
        return stored[:, None]
    raise DataError(
        f"{file}: {key} has shape {stored.shape}, expected (n, {c}, {h}, {w}) or"
        f" (n, {h}, {w}, {c}), which is what the model reads.",
        hint="Resize or reshape the images as for training, or pass the right --input-shape C,H,W.",
    )


def _named(
    labels: NDArray[Any], names: NDArray[Any] | None, classes: Sequence[str]
) -> list[object]:
    """Return labels; numbers become names where the file names exactly the model's classes."""
    values: list[object] = labels.tolist()
    if names is None or not np.issubdtype(labels.dtype, np.integer):
        return values
    known = [str(one) for one in names.reshape(-1)]
    if set(known) != set(classes) or not all(0 <= one < len(known) for one in labels):
        return values
    return [known[one] for one in labels]


@final
@dataclass(frozen=True)
class StoredImages:
    """Images (n, c, h, w) as stored; eight-bit pixels are scaled to the bounds when read."""

    stored: NDArray[Any]
    bounds: tuple[float, float]

    def read(self, rows: Ints) -> Floats:
        """Return images (m, c, h, w) float32."""
        images = self.stored[rows]
        if images.dtype == np.uint8:
            low, high = self.bounds
            images = low + images / 255 * (high - low)
        return np.ascontiguousarray(images, dtype=np.float32)

    def relevance(self, rows: Ints) -> None:
        """Return None: nobody knows which pixels matter."""


def _check_values(reader: StoredImages, file: Path, key: str) -> None:
    if reader.stored.dtype == np.uint8:
        return
    low, high = reader.bounds
    slack = 1e-6 * (high - low)
    for start in range(0, len(reader.stored), BATCH):
        batch = reader.stored[start : start + BATCH].reshape(-1, *reader.stored.shape[1:])
        flat = batch.reshape(len(batch), -1)
        fits = (flat >= low - slack) & (flat <= high + slack)  # False at NaN
        if not fits.all():
            row = int(np.flatnonzero(~fits.all(axis=1))[0])
            value = flat[row][~fits[row]][0]
            remedy = "Scale the images as the model reads them, or pass the right --bounds."
            raise DataError(
                f"{file}: row {start + row} of {key} holds {value}, and the model's pixels lie in"
                f" {_range(reader.bounds)}.",
                hint="Remove the row." if np.isnan(value) else remedy,
            )


def _range(bounds: tuple[float, float]) -> str:
    return f"[{bounds[0]:g}, {bounds[1]:g}]"
