"""Rendered shapes on textured backgrounds: which pixels matter is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin, sqrt, tau
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from auditkit.data.dataset import Dataset
from auditkit.data.digest import BATCH, dataset_hash, digests
from auditkit.data.splits import Split, split_of
from auditkit.errors import ConfigError, DataError
from auditkit.randomness import keys_of, uniform
from auditkit.types import Bools, Floats, Ints

SIDE = 32  # pixels per side
SIZES: dict[Split, int] = {"train": 6000, "validation": 600, "test": 1000}
TAG = 4  # pixels per side of the shortcut, in the upper left corner
_SEEDS: dict[Split, int] = {"train": 1, "validation": 2, "test": 3}
_MARGIN = 3  # pixels between a glyph's circumscribed circle and the rim; keeps it off the tag

# --- shapes --------------------------------------------------------------------------------------
# Each function tells which points (x, y) lie inside a shape whose furthest point is at distance 1.


def _circle(x: Floats, y: Floats) -> Bools:
    return np.hypot(x, y) <= 1


def _square(x: Floats, y: Floats) -> Bools:
    return np.maximum(np.abs(x), np.abs(y)) <= sqrt(0.5)


def _triangle(x: Floats, y: Floats) -> Bools:
    return np.maximum(-y, np.abs(x) * sin(pi / 3) + y / 2) <= 0.5


def _cross(x: Floats, y: Floats) -> Bools:
    wide, narrow = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    return (wide <= _ARM) & (narrow <= _ARM * _ARM_WIDTH)


def _star(x: Floats, y: Floats) -> Bools:
    angle = np.abs((np.arctan2(y, x) + tau / 10) % (tau / 5) - tau / 10)  # to the nearest tip
    along, across = np.hypot(x, y) * np.cos(angle), np.hypot(x, y) * np.sin(angle)
    tip_to_notch = (_NOTCH * cos(pi / 5) - 1, _NOTCH * sin(pi / 5))
    return tip_to_notch[0] * across - tip_to_notch[1] * (along - 1) >= 0


def _ring(x: Floats, y: Floats) -> Bools:
    radius = np.hypot(x, y)
    return (radius <= 1) & (radius >= _HOLE)


_ARM_WIDTH = 0.34  # half width of an arm over its length
_ARM = 1 / sqrt(1 + _ARM_WIDTH**2)
_NOTCH = 0.45  # distance of a star's notches
_HOLE = 0.55

_Inside = Callable[[Floats, Floats], Bools]
_SHAPES: Mapping[str, tuple[_Inside, float]] = {  # with the area of each, for equal areas
    "circle": (_circle, pi),
    "square": (_square, 2.0),
    "triangle": (_triangle, 3 * sqrt(3) / 4),
    "cross": (_cross, _ARM**2 * (8 * _ARM_WIDTH - 4 * _ARM_WIDTH**2)),
    "star": (_star, 5 * _NOTCH * sin(pi / 5)),
    "ring": (_ring, pi * (1 - _HOLE**2)),
}
CLASSES = tuple(_SHAPES)
TAG_COLOURS = np.array(  # one per class, as far apart as the RGB cube allows
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]], dtype=np.float64
)

# --- data sets -----------------------------------------------------------------------------------


def load(split: str) -> Dataset:
    """Return one split, without shortcut.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        6,000, 600 and 1,000 images.

    Returns
    -------
    Dataset
        See `render`.

    Raises
    ------
    DataError
        If there is no such split.

    Examples
    --------
    >>> load("test").classes
    ('circle', 'square', 'triangle', 'cross', 'star', 'ring')
    """
    return _loaded(split_of("glyphs", split))


@cache
def _loaded(split: Split) -> Dataset:
    return render(SIZES[split], seed=_SEEDS[split], id_prefix=f"glyphs-{split}", split=split)


def render(
    n: int,
    *,
    seed: int,
    shortcut: float | None = None,
    id_prefix: str = "glyph",
    split: str = "made",
) -> Dataset:
    """Return n images of one glyph each; image i depends on the seed and i alone.

    Parameters
    ----------
    n : int
        Images, at least 1.
    seed : int
        Another seed gives other images.
    shortcut : float, optional
        Probability that a coloured tag in the upper left corner stands for the image's class;
        otherwise it stands for another class, each equally likely. 1/6 makes it uninformative.
        Without it there is no tag.
    id_prefix : str
        Ids are "<id_prefix>-00042".
    split : str
        Name of the split.

    Returns
    -------
    Dataset
        Images (3, 32, 32) in [0, 1] in steps of 1/255, drawn when they are read. The relevance of
        an image is the glyph's pixels. The sensitive column `tone` says whether the glyph is
        lighter or darker than its background, independently of the class; with a shortcut, the
        column `tag` says whether it agrees with the class.

    Raises
    ------
    ConfigError
        If `n` is below 1 or `shortcut` outside [0, 1].
    """
    if n < 1:
        raise ConfigError(f"glyphs: n is {n}, expected at least 1.")
    if shortcut is not None and not 0 <= shortcut <= 1:
        raise ConfigError(f"glyphs: shortcut is {shortcut}, expected a probability in [0, 1].")
    reader = _Rendered(seed, shortcut)
    facts = _facts(seed, np.arange(n), shortcut)
    columns = {"tone": np.where(facts.light, "light", "dark")}
    if shortcut is not None:
        columns["tag"] = np.where(facts.tags == facts.labels, "agrees", "conflicts")
    attributes = pd.DataFrame({name: column.tolist() for name, column in columns.items()})
    ids = tuple(f"{id_prefix}-{i:05d}" for i in range(n))
    return Dataset(
        name="glyphs",
        split=split,
        modality="image",
        classes=CLASSES,
        ids=ids,
        labels=facts.labels,
        attributes=attributes,
        sensitive=("tone",),
        reader=reader,
        sha256=dataset_hash(
            ids=ids,
            labels=facts.labels,
            classes=CLASSES,
            attributes=attributes,
            contents=digests(reader, n),
        ),
        input_shape=(3, SIDE, SIDE),
    )


@final
@dataclass(frozen=True)
class _Rendered:
    """Draws images when they are asked for, and keeps none."""

    seed: int
    shortcut: float | None

    def read(self, rows: Ints) -> Floats:
        images = np.empty((len(rows), 3, SIDE, SIDE), dtype=np.float32)
        for start in range(0, len(rows), BATCH):  # drawing takes several times the result's memory
            where = slice(start, start + BATCH)
            images[where] = draw(rows[where], seed=self.seed, shortcut=self.shortcut).images
        return images

    def relevance(self, rows: Ints) -> Bools:
        return _masks(_facts(self.seed, rows, self.shortcut))


# --- drawing -------------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class Scenes:
    """Images with what they are made of."""

    images: Floats  # (n, 3, 32, 32) float32
    backgrounds: Floats  # (n, 3, 32, 32) float32, the same scenes without their glyphs
    masks: Bools  # (n, 32, 32), the glyphs' pixels


def draw(rows: Ints, *, seed: int, shortcut: float | None = None) -> Scenes:
    """Return the images with the given numbers (n,), see `render`."""
    facts = _facts(seed, rows, shortcut)
    masks = _masks(facts)
    backgrounds = _backgrounds(seed, rows, facts)
    images = np.where(masks[:, None], facts.colours[:, :, None, None], backgrounds)
    if shortcut is not None:
        for scene in (images, backgrounds):
            scene[:, :, :TAG, :TAG] = TAG_COLOURS[facts.tags][:, :, None, None]
    return Scenes(_eight_bit(images), _eight_bit(backgrounds), masks)


def _eight_bit(images: Floats) -> Floats:
    return np.rint(images * 255).astype(np.float32) / np.float32(255)  # as a PNG file holds them


@final
@dataclass(frozen=True)
class _Facts:
    """What is decided about each image before it is drawn; n rows each."""

    labels: Ints
    light: Bools  # whether the glyph is lighter than its background
    centres: Floats  # (n, 2) column and row in pixels
    radii: Floats  # of the circumscribed circle in pixels
    angles: Floats  # radians
    base: Floats  # (n, 3) mean colour of the background
    colours: Floats  # (n, 3) of the glyph
    tags: Ints  # the class that the tag stands for


def _facts(seed: int, rows: Ints, shortcut: float | None) -> _Facts:
    u = uniform(_keys(seed, "facts", rows), (14,))  # (n, 14) in (0, 1)
    labels = (u[:, 0] * len(CLASSES)).astype(np.int64)
    light = u[:, 1] < 0.5
    # Shapes of equal area: neither ink nor mean colour gives the class away.
    radii = (4.2 + 1.8 * u[:, 2]) * np.sqrt([pi / area for _, area in _SHAPES.values()])[labels]
    room = SIDE - 2 * (radii + _MARGIN)
    centres = (radii + _MARGIN)[:, None] + room[:, None] * u[:, 3:5]
    base = 0.42 + 0.16 * u[:, 6:9]
    # At least .22 from the base, which a texture leaves by at most .16: no glyph pixel is hidden.
    contrast = 0.26 + 0.12 * u[:, 9:10] + 0.04 * (2 * u[:, 10:13] - 1)
    other = (labels + 1 + (u[:, 5] * (len(CLASSES) - 1)).astype(np.int64)) % len(CLASSES)
    return _Facts(
        labels=labels,
        light=light,
        centres=centres,
        radii=radii,
        angles=tau * uniform(_keys(seed, "angle", rows), ()),
        base=base,
        colours=base + np.where(light[:, None], contrast, -contrast),
        tags=np.where(u[:, 13] < (shortcut or 0.0), labels, other),
    )


def _keys(seed: int, purpose: str, rows: Ints) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return keys_of(seed, f"glyphs-{purpose}", [str(row) for row in rows])


def _masks(facts: _Facts) -> Bools:
    pixel = np.arange(SIDE) + 0.5
    across = pixel[None, None, :] - facts.centres[:, 0, None, None]  # (n, 1, w)
    down = pixel[None, :, None] - facts.centres[:, 1, None, None]  # (n, h, 1)
    cosine, sine = np.cos(facts.angles)[:, None, None], np.sin(facts.angles)[:, None, None]
    radii = facts.radii[:, None, None]
    x, y = (cosine * across + sine * down) / radii, (cosine * down - sine * across) / radii
    masks = np.zeros(x.shape, dtype=np.bool_)
    for label, (inside, _) in enumerate(_SHAPES.values()):
        members = facts.labels == label
        masks[members] = inside(x[members], y[members])
    return masks


def _backgrounds(seed: int, rows: Ints, facts: _Facts) -> Floats:
    """Return a base colour with stripes, blotches and noise (n, 3, 32, 32)."""
    n = len(rows)
    u = uniform(_keys(seed, "texture", rows), (5 + 3 * 16,))
    angle, cycles, phase = pi * u[:, 0], 2 + 6 * u[:, 1], tau * u[:, 2]
    pixel = np.arange(SIDE) / SIDE
    wave = (
        np.cos(angle)[:, None, None] * pixel[None, None, :]
        + np.sin(angle)[:, None, None] * pixel[None, :, None]
    )
    stripes = np.sin(tau * cycles[:, None, None] * wave + phase[:, None, None])  # (n, h, w)
    blotches = _SMOOTH @ (2 * u[:, 5:].reshape(n, 3, 4, 4) - 1) @ _SMOOTH.T  # (n, 3, h, w)
    noise = 2 * uniform(_keys(seed, "noise", rows), (3, SIDE, SIDE)) - 1
    return (
        facts.base[:, :, None, None]
        + (0.07 * u[:, 3])[:, None, None, None] * stripes[:, None]
        + (0.07 * u[:, 4])[:, None, None, None] * blotches
        + 0.02 * noise
    )


def _interpolation() -> Floats:
    """Return the matrix (32, 4) that draws straight lines between four points."""
    place = np.linspace(0, 3, SIDE)[:, None]
    return np.clip(1 - np.abs(place - np.arange(4)[None]), 0, None)


_SMOOTH = _interpolation()

# --- as a user would have it --------------------------------------------------------------------


def write_folder(data: Dataset, folder: Path) -> None:
    """Write images in [0, 1] as PNG files, one folder per class.

    Parameters
    ----------
    data : Dataset
        Grey or RGB images.
    folder : Path
        Is created; must not hold files yet.

    Raises
    ------
    DataError
        If the folder holds something already, or the data are no images.
    """
    from PIL import Image

    if data.input_shape is None or data.input_shape[0] not in (1, 3):
        raise DataError(f"{data.name} holds no grey or RGB images, so no PNG files can be written.")
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty.", hint="Name a folder that does not exist yet.")
    for start in range(0, len(data), BATCH):
        where = slice(start, start + BATCH)
        pixels = np.rint(np.asarray(data.read(where)) * 255).astype(np.uint8)
        rows = zip(data.ids[where], data.labels[where], pixels, strict=True)
        for one, label, image in rows:
            file = folder / data.classes[label] / f"{one}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(file)
