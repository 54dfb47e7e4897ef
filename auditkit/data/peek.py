"""Says what data tell about shape and classes of the images, before any model is known."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.lib.npyio import NpzFile
from PIL import Image

from auditkit.data.arrays import refuse_bombs
from auditkit.data.catalogue import DATA
from auditkit.data.files import looking_in
from auditkit.data.images import SUFFIXES
from auditkit.data.load import DataSpec, published_in
from auditkit.data.tables import SUFFIXES as SUFFIXES_OF_TABLES
from auditkit.data.tables import read_table
from auditkit.errors import AuditkitError
from auditkit.paths import special

_CHANNELS = (1, 3)
_MOST_CLASSES = 1000  # in a column; more are no names


@final
@dataclass(frozen=True)
class Peek:
    """What the data say; None where they do not."""

    input_shape: tuple[int, int, int] | None = None
    classes: tuple[str, ...] | None = None


def peek(spec: DataSpec) -> Peek:
    """Return shape and class names, where the data say them.

    Folders name their classes in alphabetical order, as most training scripts number them.
    Nothing is raised: data that cannot be read are refused where they are loaded.

    Parameters
    ----------
    spec : DataSpec
        Which data.
    """
    path = Path(spec.source)
    if spec.source in DATA:
        known = DATA[spec.source]
        if known.modality == "text":
            return Peek(None, known.classes)
        if known.modality != "image":
            return Peek()
        return Peek(known.load(spec.split).input_shape, known.classes)
    if not path.exists() or special(path):
        return Peek()
    if path.is_dir():
        if name := published_in(path):
            with looking_in(path):
                return peek(DataSpec(source=name, split=spec.split))
        return _folder(path)
    if path.suffix.lower() in SUFFIXES_OF_TABLES:
        return _table(path, spec.columns)
    return _arrays(path, spec.split) if path.suffix.lower() == ".npz" else Peek()


def _table(file: Path, columns: Sequence[str] | None) -> Peek:
    try:
        table = read_table(file, columns)
    except AuditkitError:
        return Peek()
    assert table.label is not None  # or it had not been read
    labels = sorted({str(one).strip() for one in table.frame[table.label].dropna()})
    if labels and all(one.isdecimal() for one in labels):
        labels.sort(key=int)
    return Peek(None, tuple(labels) if 2 <= len(labels) <= _MOST_CLASSES else None)


def _folder(folder: Path) -> Peek:
    classes = tuple(
        sorted(one.name for one in folder.iterdir() if one.is_dir() and one.name[0] not in "._")
    )
    files = (
        one for one in sorted(folder.rglob("*")) if one.suffix.lower() in SUFFIXES and one.is_file()
    )
    first = next(files, None)
    if first is None or len(classes) < 2:
        return Peek()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(first) as image:
                width, height = image.size
                grey = image.mode in ("1", "L", "LA", "I", "I;16")
    except (OSError, ValueError, Image.DecompressionBombError):
        return Peek(None, classes)
    return Peek((1 if grey else 3, height, width), classes)


def _arrays(file: Path, split: str) -> Peek:
    try:
        with np.load(file, allow_pickle=False) as archive:
            if not isinstance(archive, NpzFile):
                return Peek()
            refuse_bombs(archive, file)
            names = (f"x_{split}", "x", "images", "inputs")
            key = next((one for one in names if one in archive.files), None)
            shape = archive[key].shape[1:] if key else ()
            named = archive["class_names"].reshape(-1) if "class_names" in archive.files else []
            classes = tuple(map(str, named)) or None
    except Exception:  # noqa: BLE001 - whatever it is, loading the data will say it
        return Peek()
    return Peek(_as_image(shape), classes)


def _as_image(shape: Sequence[int]) -> tuple[int, int, int] | None:
    if len(shape) == 2:
        return (1, shape[0], shape[1])
    if len(shape) != 3:
        return None
    c, h, w = (shape[2], *shape[:2]) if shape[2] in _CHANNELS and shape[0] > 3 else shape
    return (c, h, w)
