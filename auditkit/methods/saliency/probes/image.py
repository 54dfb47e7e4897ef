"""One image, cut into square cells or into superpixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.metrics.road import noisy_linear_imputation
from auditkit.methods.saliency.centre import centre
from auditkit.methods.saliency.edges import edges
from auditkit.methods.saliency.probes.base import Probe, floats
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import normal, uniform
from auditkit.types import Bools, Floats, Ints, Keys

_NOISE = 0.01  # spread of what is added to guessed pixels, as in ROAD
_NEAR = 0.02  # share of the range of a pixel by which a nearby image differs


@final
@dataclass(frozen=True, kw_only=True)
class ImageProbe(Probe):
    """One image, cut into square cells or into superpixels.

    Parameters
    ----------
    model : ImageClassifier
        The model; it is not changed.
    image, reference : Tensor
        (c, h, w), the image and what stands in for removed parts.
    target : int
        The explained class.
    side : int
        Side of a cell in pixels, or between the places where superpixels begin.
    batch_size : int
        Inputs per forward pass.
    noise : Tensor, optional
        (c, h, w) what is added to removed pixels that are guessed from the others. Without it they
        show the reference.
    segments : ndarray, optional
        (h, w) which part each pixel belongs to, where parts are not square cells.
    """

    parts: ClassVar[str] = "cells"

    model: ImageClassifier
    image: Tensor
    reference: Tensor
    target: int
    side: int
    batch_size: int
    noise: Tensor | None = None
    segments: Ints | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(h, w)."""
        return tuple(self.image.shape[1:])

    @property
    def units(self) -> int:
        """Number of cells."""
        return int(self._cells.max()) + 1

    @property
    def point(self) -> Tensor:
        """The image (1, c, h, w) in raw units."""
        return self.image[None]

    @property
    def origin(self) -> Tensor:
        """The reference image (1, c, h, w)."""
        return self.reference[None]

    def logits(self, points: Tensor) -> Tensor:
        """Return logits (m, k) of raw images (m, c, h, w)."""
        return self.model.logits(points)

    def quick_logits(self, points: Tensor) -> Tensor:
        """Return logits (m, k) of raw images (m, c, h, w), equal up to rounding."""
        return self.model.quick_logits(points)

    def summed(self, scores: Tensor) -> Tensor:
        """Return the sum over the channels (h, w)."""
        return scores[0].sum(dim=0)

    def steepest(self, slopes: Tensor) -> Tensor:
        """Return the size of the steepest channel (h, w)."""
        return slopes[0].abs().amax(dim=0)

    def modelless(self) -> dict[str, Floats]:
        """Return the edges of the image, and a blob in its centre."""
        height, width = self.shape
        return {"edges": floats(edges(self.point)[0]), "centre": centre(height, width)}

    def per_unit(self, scores: Floats) -> Floats:
        """Return the sum over each cell."""
        sums = np.bincount(self._cells.numpy().ravel(), weights=scores.ravel())
        return sums.astype(np.float64)

    def spread(self, scores: Floats) -> Floats:
        """Return scores of cells, shared out evenly over their pixels."""
        where = self._cells.numpy()
        return scores[where] / np.bincount(where.ravel())[where]

    def differs(self) -> Bools:
        """Return which cells have a pixel that is not the reference's."""
        changed = (self.image != self.reference).any(dim=0).cpu().numpy()
        return self.per_unit(changed.astype(np.float64)) > 0

    def answers(self, removed: Tensor) -> Tensor:
        """Return logits (b, k) where removed cells show the reference, or a guess."""
        hidden = removed[:, self._cells].to(self.image.device)  # (b, h, w)
        if self.noise is not None:
            low, high = self.model.bounds
            guessed = noisy_linear_imputation(self.image, hidden, self.noise)
            return self.model.quick_logits(guessed.clamp(low, high))
        return self.model.quick_logits(torch.where(hidden[:, None], self.reference, self.image))

    def near(self, key: Keys, count: int) -> list[Probe]:
        """Return images with up to a fiftieth of the pixels' range added or taken off."""
        low, high = self.model.bounds
        shape, found = tuple(self.image.shape), list[Probe]()
        for i in range(count):
            draws = uniform(key, shape, skip=i * self.image.numel())[0]
            noise = torch.from_numpy(2 * draws - 1).to(self.image)  # (c, h, w)
            moved = (self.image + _NEAR * (high - low) * noise).clamp(low, high)
            found.append(replace(self, image=moved))
        return found

    def imputed(self, key: Keys) -> Probe:
        """Return the image whose removed pixels are guessed, with noise of 1 % of their range."""
        low, high = self.model.bounds
        draws = normal(key, tuple(self.image.shape))[0]
        return replace(self, noise=_NOISE * (high - low) * torch.from_numpy(draws).to(self.image))

    def otherwise(self) -> Probe:
        """Return the image with a grey reference, or with its mean colour where that is grey."""
        low, high = self.model.bounds
        grey = torch.full_like(self.image, (low + high) / 2)
        if torch.equal(grey, self.reference):
            grey = self.image.mean(dim=(1, 2), keepdim=True).expand_as(self.image)
        return replace(self, reference=grey)

    @cached_property
    def _cells(self) -> Tensor:
        if self.segments is not None:
            return torch.from_numpy(self.segments)
        _, height, width = self.image.shape
        return cells(height, width, self.side)


def cells(height: int, width: int, side: int) -> Tensor:
    """Return which square cell each pixel belongs to, (h, w) int64, numbered row by row.

    Cells at the right and lower edge are cut off where `side` does not divide the image.

    Examples
    --------
    >>> cells(2, 3, 2).tolist()
    [[0, 0, 1], [0, 0, 1]]
    """
    per_row = -(-width // side)
    rows = torch.arange(height)[:, None] // side
    return rows * per_row + torch.arange(width)[None, :] // side
