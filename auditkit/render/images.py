"""Maps of scores as pictures: colours, scales and outlines.

Signed maps run from blue over white to orange, symmetric about zero; unsigned ones use cividis.
Neither relies on telling red from green, and an outline of the highest scores says the same without
colour.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from auditkit.types import Bools, Floats

Scores: TypeAlias = Sequence[Sequence[float | None]]  # (h, w); None is undefined

TOP_SHARE = 0.1  # of the pixels, outlined
MAX_SIDE = 2048  # of a picture or a map
MAX_OUTLINE = 20_000  # characters

# Nunez, Anderton and Renslow, 2018, PLOS ONE 13(7), at ten equal steps
_CIVIDIS = (
    "#00204d", "#00336f", "#39486b", "#575c6d", "#707173",
    "#8a8779", "#a69d75", "#c4b56c", "#e4cf5b", "#ffea46",
)  # fmt: skip
_DIVERGING = ("#0b4a8f", "#5b9bd5", "#ffffff", "#f0964a", "#a84300")
_UNDEFINED = 255  # after 255 colours, an odd number, so that one is the middle
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class Drawing:
    """A map as a picture.

    Parameters
    ----------
    png : str
        Base64, one pixel per score.
    size : Size
        Columns and rows.
    low, high : float
        The scores at both ends of the colour scale; what lies beyond has the colour of the end.
    outline : str
        SVG path around the highest tenth of the scores, in pixels; empty where it says nothing.
    """

    png: str
    size: Size
    low: float
    high: float
    outline: str


def picture_size(png: str) -> Size | None:
    """Return the size of a base64 PNG, or None where it is no picture that can be shown."""
    try:
        head = base64.b64decode(png, validate=True)[:24]
    except (binascii.Error, ValueError):
        return None
    if len(head) < 24 or not head.startswith(_PNG) or head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", head[16:24])
    return Size(width, height) if 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE else None


def drawn(values: Scores, *, signed: bool, reach: float | None = None) -> Drawing | None:
    """Return a map in colours, or None where its rows do not form a rectangle of scores.

    The scale of a signed map reaches from minus to plus the 99th percentile of the absolute scores,
    so that zero is white; that of an unsigned map from its lowest score (at most zero) to the 99th
    percentile.

    Parameters
    ----------
    values : sequence of sequences
        Scores (h, w); None is undefined and drawn in grey.
    signed : bool
        Whether zero is the middle of the scale.
    reach : float, optional
        Where the scale of a signed map ends, above 0: that of the maps that it is shown with.
    """
    widths = {len(row) for row in values}
    if len(widths) != 1 or not 0 < max(widths) <= MAX_SIDE or len(values) > MAX_SIDE:
        return None
    scores = np.asarray(values, dtype=np.float64)  # (h, w), None becomes NaN
    known = ~np.isnan(scores)
    if not known.any():
        return None
    low, high = _range(scores[known], signed=signed)
    if signed and reach is not None:
        low, high = -reach, reach
    shade = np.clip((np.where(known, scores, low) - low) / (high - low), 0, 1)  # (h, w)
    indices = np.where(known, np.rint(254 * shade), _UNDEFINED).astype(np.uint8)
    height, width = scores.shape
    return Drawing(
        base64.b64encode(_indexed_png(indices, palette(signed=signed))).decode(),
        Size(width, height),
        low,
        high,
        outline(_highest(np.where(known, np.abs(scores), 0.0))),
    )


def common_reach(maps: Iterable[Scores]) -> float | None:
    """Return where the one scale of several signed maps ends, None where no score says.

    Examples
    --------
    >>> common_reach([[[1.0, -1.0]], [[None, 5.0, 5.0]]])
    5.0
    """
    known = [one for scores in maps for row in scores for one in row if one is not None]
    scores = np.asarray(known, dtype=np.float64)
    return _range(scores, signed=True)[1] if scores.any() else None


def _range(scores: Floats, *, signed: bool) -> tuple[float, float]:
    size = np.abs(scores) if signed else scores
    top = float(np.quantile(size, 0.99)) or float(size.max())
    if signed:
        return (-top, top) if top > 0 else (-1.0, 1.0)  # all zero: white everywhere
    low = min(0.0, float(scores.min()))
    return (low, top) if top > low else (low, low + 1.0)


def palette(*, signed: bool) -> NDArray[np.uint8]:
    """Return the 255 colours of a scale and the grey of what is undefined, (256, 3)."""
    stops = np.asarray(
        [
            [int(one[i : i + 2], 16) for i in (1, 3, 5)]
            for one in (_DIVERGING if signed else _CIVIDIS)
        ]
    )  # (s, 3)
    at = np.linspace(0, len(stops) - 1, 255)
    channels = [np.interp(at, np.arange(len(stops)), stops[:, i]) for i in range(3)]
    scale = np.rint(np.stack(channels, axis=1))
    return np.concatenate([scale, [[128, 128, 128]]]).astype(np.uint8)


def scale_png(*, signed: bool) -> str:
    """Return a colour bar from left to right as a base64 PNG of one row."""
    row = np.arange(255, dtype=np.uint8)[None, :]
    return base64.b64encode(_indexed_png(row, palette(signed=signed))).decode()


def _highest(size: Floats) -> Bools:
    threshold = np.quantile(size, 1 - TOP_SHARE)
    chosen = (size >= threshold) & (size > 0)
    return chosen if chosen.mean() < 0.5 else np.zeros_like(chosen)  # half of a map is no peak


def outline(chosen: Bools) -> str:
    """Return an SVG path along the edges between chosen and other pixels (h, w)."""
    padded = np.pad(chosen, 1)
    level = padded[1:] != padded[:-1]  # edges below each row
    upright = padded[:, 1:] != padded[:, :-1]  # edges right of each column
    parts = [f"M{x} {y}h{run}" for y, x, run in _runs(level[:, 1:-1])]
    parts += [f"M{x} {y}v{run}" for x, y, run in _runs(upright[1:-1].T)]
    path = "".join(parts)
    return path if len(path) <= MAX_OUTLINE else ""


def _runs(edges: Bools) -> Iterator[tuple[int, int, int]]:
    """Yield line, start and length of each run of edges."""
    for index, row in enumerate(edges):
        steps = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
        for start, end in zip(steps[::2], steps[1::2], strict=True):
            yield index, int(start), int(end - start)


def _indexed_png(indices: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """Return a PNG with the colours that it uses as palette.

    Small ones are stored, so that their bytes depend on no zlib.
    """
    height, width = indices.shape
    used, places = np.unique(indices, return_inverse=True)
    indices, colours = places.reshape(height, width).astype(np.uint8), colours[used]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), indices], axis=1)  # filter type 0
    level = 0 if indices.size <= 64 * 64 else 9
    return b"".join(
        [
            _PNG,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", colours.tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), level)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
