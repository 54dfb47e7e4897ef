"""A part of every image at one place: which one draws attribution, and what exchanging it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._exchanged import Exchanged
from auditkit.checks.attribution._probes import shares_of_maps
from auditkit.checks.base import Example
from auditkit.checks.donors import lend
from auditkit.checks.galleries import shown
from auditkit.findings import ImageRow, Panel
from auditkit.methods.pictures import heatmap, picture
from auditkit.methods.saliency.catalogue import Effort
from auditkit.percent import percent
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.types import Bools, Floats, Ints

_GROWN = 0.5  # share of the strongest cell's density that a neighbour needs to join it


@final
@dataclass(frozen=True, kw_only=True)
class ImagePart:
    """A nominated place.

    Parameters
    ----------
    region : ndarray
        (h, w) which pixels are exchanged.
    density : ndarray
        (h, w) mean share of the attribution, where it counts.
    pool : Artifacts
        The images it was nominated on, which lend their parts.
    truth : ndarray or None
        (p, h, w) what truly matters in them, None where nobody knows.
    """

    region: Bools
    density: Floats
    pool: Artifacts
    truth: Bools | None

    def row(self, _classes: Sequence[str]) -> ImageRow:
        """Return where the part is, and what share of the attribution it gets."""
        rows, columns = (np.flatnonzero(self.region.any(axis=axis)) for axis in (1, 0))
        caption = (
            f"Rows {rows[0] + 1} to {rows[-1] + 1}, columns {columns[0] + 1} to"
            f" {columns[-1] + 1}, counted from 1: {percent(self.region.mean())} of the image,"
            f" {percent(self.density[self.region].sum())} of the attribution of"
            f" {count(self.n, 'image')}."
        )
        maps = (
            (self.density, "mean share of the attribution"),
            (self.region.astype(np.float64), "nominated part"),
        )
        panels = [heatmap(torch.from_numpy(one), label, signed=False) for one, label in maps]
        return ImageRow(id="nominated", caption=caption, panels=list[Panel](panels))

    @property
    def n(self) -> int:
        """Images that were explained."""
        return len(self.pool)


def nominate(pool: Artifacts, *, grid: int, effort: Effort, method: str) -> ImagePart | None:
    """Return the place beside the point that gets most attribution, None where none gets any.

    Beside the point is what lies outside the region that truly matters, where it is known; else the
    outermost cells, since objects are mostly in the middle. Cells beside the strongest one join it
    if they get half as much.

    Parameters
    ----------
    pool : Artifacts
        Images to explain.
    grid : int
        Cells along the longer side, at least 3.
    effort : Effort
        What a map may cost.
    method : str
        Of the map.
    """
    shape = pool.images.shape[2:]
    side = -(-max(shape) // grid)
    truth = _truth(pool)
    counts = _outermost(shape, side) if truth is None else ~truth
    shares = shares_of_maps(pool, tuple(shape), grid=grid, effort=effort, method=method)
    density = (shares * counts).mean(axis=0)
    if not density.any():
        return None
    return ImagePart(region=_grown(density, side), density=density, pool=pool, truth=truth)


def exchange(part: ImagePart, artifacts: Artifacts, held_out: Bools) -> Exchanged:
    """Exchange the nominated part of the held-out images of a shard with that of donors."""
    predicted = artifacts[Predictions].predicted.numpy()
    lent = part.pool[Predictions].predicted.numpy()
    draws = uniform(artifacts.keys("shortcut donors"), (2,))  # (n, 2)
    rows, other, same = lend(lent, predicted, np.flatnonzero(held_out), draws)
    mixed = _Mixed(part, artifacts, _truth(artifacts))
    if len(rows) == 0:
        none = np.zeros(0, dtype=np.bool_)
        return Exchanged(rows, none, none, None if mixed.truth is None else none, [])
    theirs, mine = mixed.answers(rows, other), mixed.answers(rows, same)
    background = None
    if mixed.truth is not None:
        everything = np.ones_like(part.region)
        background = mixed.answers(rows, other, everything) == lent[other]
    follows = theirs == lent[other]
    ids = [artifacts.ids[i] for i in rows]
    examples = [
        Example(gallery=gallery, score=luck, row=mixed.row(int(rows[k]), int(other[k])))
        for gallery, k, luck in shown(ids, {"random": draws[rows, 0]}, follows)
    ]
    return Exchanged(rows, follows, mine != predicted[rows], background, examples)


class _Mixed(NamedTuple):
    """Images of a shard with a part of other images."""

    part: ImagePart
    artifacts: Artifacts
    truth: Bools | None  # (n, h, w) what truly matters in the images of the shard

    def answers(self, rows: Ints, donors: Ints, region: Bools | None = None) -> Ints:
        """Return the predicted classes (m,) of the images with the donors' pixels."""
        model, size = self.artifacts.image_model, self.artifacts.execution.batch_size
        found = [
            model.predict(
                self.images(rows[i : i + size], donors[i : i + size], region), batch_size=size
            )
            for i in range(0, len(rows), size)
        ]
        return torch.cat(found).argmax(dim=1).numpy()

    def images(self, rows: Ints, donors: Ints, region: Bools | None = None) -> Tensor:
        """Return images (m, c, h, w) with the donors' pixels in a region, the nominated if None.

        What truly matters in either image stays as it is.
        """
        region = self.part.region if region is None else region
        where = np.broadcast_to(region, (len(rows), *region.shape))
        if self.truth is not None and self.part.truth is not None:
            where = where & ~self.truth[rows] & ~self.part.truth[donors]
        chosen = torch.from_numpy(np.array(where))[:, None]
        return torch.where(chosen, self.part.pool.images[donors], self.artifacts.images[rows])

    def row(self, i: int, donor: int) -> ImageRow:
        """Return an image, what lends it a part, and what comes of it."""
        model, pool = self.artifacts.image_model, self.part.pool
        moved = self.images(np.array([i]), np.array([donor]))[0]
        was = model.classes[int(self.artifacts[Predictions].predicted[i])]
        now = model.classes[int(pool[Predictions].predicted[donor])]
        return ImageRow(
            id=self.artifacts.ids[i],
            caption=f"Was {was}; becomes {now} with the part of {pool.ids[donor]} ({now}).",
            panels=[
                picture(self.artifacts.images[i], model.bounds, "input"),
                picture(pool.images[donor], model.bounds, "lends its part"),
                picture(moved, model.bounds, "exchanged"),
            ],
        )


def _truth(artifacts: Artifacts) -> Bools | None:
    truth = artifacts.relevance
    assert not isinstance(truth, list)  # only texts have spans
    return truth


def _outermost(shape: torch.Size, side: int) -> Bools:
    inside = np.zeros(tuple(shape), dtype=np.bool_)
    inside[side:-side, side:-side] = True
    return ~inside


def _grown(density: Floats, side: int) -> Bools:
    """Return the cell with the most attribution and those around it that get half as much."""
    height, width = density.shape
    rows, columns = -(-height // side), -(-width // side)
    padded = np.zeros((rows * side, columns * side))
    padded[:height, :width] = density
    cells = padded.reshape(rows, side, columns, side).sum(axis=(1, 3))
    joined, _ = ndimage.label(cells >= _GROWN * cells.max())  # pyright: ignore[reportGeneralTypeIssues]
    chosen = joined == joined.flat[cells.argmax()]
    return np.kron(chosen, np.ones((side, side), dtype=np.bool_))[:height, :width]
