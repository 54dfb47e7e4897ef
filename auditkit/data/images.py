"""A folder with one subfolder of image files per class."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from auditkit.data.assemble import assemble
from auditkit.data.columns import Groups, require_sensitive
from auditkit.data.dataset import Dataset
from auditkit.data.digest import bytes_digest
from auditkit.data.labels import Matched, match_labels, no_labels
from auditkit.errors import DataError
from auditkit.models.classifier import ImageClassifier
from auditkit.types import Floats, Ints

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")  # no other decoder is ever tried
_MODES = {1: "L", 3: "RGB"}
_LAYOUT = "Expected a folder per class: FOLDER/cat/1.png, FOLDER/dog/2.png."


def load_folder(
    folder: Path,
    model: ImageClassifier,
    *,
    split: str,
    sensitive: Sequence[str] = (),
    unlabelled: bool = False,
) -> Dataset:
    """Return the images of a folder, in the model's channels and bounds, read when asked for.

    Every file is decoded once to check it. Ids are paths relative to the folder, and the content
    hash is that of the files' bytes.

    Parameters
    ----------
    folder : Path
        Holds a subfolder per class, named like the model's classes or by their numbers.
    model : ImageClassifier
        Gives shape, bounds and classes.
    split : str
        Name of the split.
    sensitive : sequence of str
        Must be empty: a folder has no columns.
    unlabelled : bool
        Whether all images may lie in the folder itself, without a class.

    Raises
    ------
    DataError
        If there are no images, one cannot be read or has another size, or a class is unknown.
    """
    if model.input_shape[0] not in _MODES:
        raise DataError(
            f"The model reads images of {model.input_shape[0]} channels, and image files hold 1 or"
            " 3.",
            hint="Pass the data as an .npz file with the keys x and y.",
        )
    require_sensitive(sensitive, (), where=f"{folder} (a folder of images)")
    files, notes = files_in(folder, unlabelled=unlabelled)
    ids = [file.relative_to(folder).as_posix() for file in files]
    return assemble(
        model,
        name=folder.resolve().name,
        split=split,
        ids=ids,
        labels=_labels(folder, ids, model) if "/" in ids[0] else no_labels(len(ids)),
        groups=Groups(pd.DataFrame(index=range(len(ids))), ()),
        sensitive=(),
        reader=ImageFiles(tuple(files), model.input_shape, model.bounds),
        digest=lambda i: bytes_digest(files[i].read_bytes()),
        notes=notes,
    )


def _labels(folder: Path, ids: Sequence[str], model: ImageClassifier) -> Matched:
    return match_labels(
        [one.split("/")[0] for one in ids],
        model.classes,
        where=lambda i: f"{folder}: the folder of {ids[i]!r}",
        hint="Rename the folder, or name the model's classes in logit order with --classes.",
    )


def files_in(folder: Path, *, unlabelled: bool = False) -> tuple[list[Path], list[str]]:
    """Return image files in the order of their ids, and notes on what was left out.

    Images in the folder itself have no class: either all of them lie there, or none.
    """
    images: list[Path] = []
    beside: list[Path] = []
    others: list[str] = []
    for file in sorted(folder.rglob("*"), key=lambda one: one.relative_to(folder).as_posix()):
        parts = file.relative_to(folder).parts
        if any(part.startswith((".", "__MACOSX")) for part in parts) or not file.is_file():
            continue
        if file.suffix.lower() not in SUFFIXES:
            others.append("/".join(parts))
        else:
            (beside if len(parts) == 1 else images).append(file)
    if beside and (images or not unlabelled):
        raise DataError(f"{beside[0]} lies beside the class folders. {_LAYOUT}")
    images = images or beside
    if not images:
        raise DataError(f"{folder} holds no images ({', '.join(SUFFIXES)}). {_LAYOUT}")
    if not others:
        return images, []
    return images, [f"{len(others)} files that are no images were left out, such as {others[0]}."]


@final
@dataclass(frozen=True)
class ImageFiles:
    """Decodes files when they are asked for.

    Parameters
    ----------
    files : tuple of Path
        n files.
    shape : (c, h, w)
        Of every image.
    bounds : (low, high)
        Range of a raw pixel: black and white.
    """

    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    bounds: tuple[float, float]

    def read(self, rows: Ints) -> Floats:
        """Return images (m, c, h, w) float32."""
        images = [read_image(self.files[row], self.shape) for row in rows]
        low, high = self.bounds
        return (low + np.stack(images) * (high - low)).astype(np.float32)

    def relevance(self, rows: Ints) -> None:
        """Return None: nobody knows which pixels matter."""


def read_image(file: Path, shape: tuple[int, int, int]) -> Floats:
    """Return one image (c, h, w) as float64 in [0, 1]; transparency is ignored.

    Raises
    ------
    DataError
        If the file is no image, is damaged, moves, or is not of the given size. The size is checked
        before anything is decompressed.
    """
    channels, height, width = shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes and palettes, both dealt with here
            with Image.open(io.BytesIO(file.read_bytes()), formats=_FORMATS) as image:
                if image.size != (width, height):
                    raise _wrong_size(file, image.size, (width, height))
                if getattr(image, "is_animated", False):
                    raise DataError(
                        f"{file} holds several pictures, expected one.", hint="Save a single frame."
                    )
                pixels = _pixels(image, _MODES[channels])
    except UnidentifiedImageError as error:  # its text names an object in memory
        raise DataError(
            f"{file} cannot be read as an image: its content is of no known format.",
            hint="Replace the file, or remove it.",
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{file} cannot be read as an image: {error}.",
            hint="Replace the file, or remove it.",
        ) from error
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)


def _pixels(image: Image.Image, mode: str) -> Floats:
    """Return pixels in [0, 1], (h, w) or (h, w, 3)."""
    if image.mode.startswith("I"):  # 16 bit grey, which Pillow would cut to 8 bit
        grey = np.asarray(image, dtype=np.float64) / 65535
        return grey if mode == "L" else np.stack([grey] * 3, axis=2)
    return np.asarray(image.convert(mode), dtype=np.float64) / 255


def _wrong_size(file: Path, seen: tuple[int, int], wanted: tuple[int, int]) -> DataError:
    return DataError(
        f"{file} is {seen[0]} pixels wide and {seen[1]} high, the model reads {wanted[0]} by"
        f" {wanted[1]}.",
        hint="Resize the images as for training, or pass the right --input-shape C,H,W.",
    )
