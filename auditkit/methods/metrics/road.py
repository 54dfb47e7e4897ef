"""ROAD: removed pixels are guessed from their surroundings, so that they leave no outline.

Rong et al., 2022, arXiv:2202.00449, section 4 (noisy linear imputation).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import solveh_banded
from torch import Tensor

from auditkit.types import Bools, Floats, Ints

_SIDE, _CORNER = 2.0, 1.0  # a sixth and a twelfth, times 12


def noisy_linear_imputation(image: Tensor, hidden: Tensor, noise: Tensor) -> Tensor:
    """Return copies (m, c, h, w) of an image in which hidden pixels are guessed.

    Each hidden pixel is the weighted mean of its neighbours, hidden or not, a sixth for those at
    its sides and a twelfth for those at its corners (over those that exist at the border of the
    image), plus noise. Where all is hidden, the mean colour takes the place of what is known.

    Parameters
    ----------
    image : Tensor
        (c, h, w).
    hidden : Tensor
        (m, h, w) bool.
    noise : Tensor
        (c, h, w), added to the guesses; zeros give the plain linear imputation.

    Examples
    --------
    >>> image = torch.tensor([[[0.0, 9.0, 9.0, 3.0]]])
    >>> hidden = torch.tensor([[[False, True, True, False]]])
    >>> noisy_linear_imputation(image, hidden, torch.zeros_like(image)).round(decimals=3).tolist()
    [[[[0.0, 1.0, 2.0, 3.0]]]]
    """
    pixels = image.flatten(1).T.cpu().numpy().astype(np.float64)  # (h * w, c)
    pairs = _pairs(*image.shape[1:])
    masks = hidden.flatten(1).cpu().numpy()
    filled = np.stack([_filled(pixels, gone, pairs) for gone in masks])  # (m, h * w, c)
    guessed = torch.from_numpy(filled).transpose(1, 2).reshape(-1, *image.shape).to(image)
    return torch.where(hidden[:, None], guessed + noise, image)


class _Pairs(NamedTuple):
    """Neighbouring pixels, numbered row by row, and what they weigh."""

    later: Ints  # (p,) the one with the higher number
    earlier: Ints  # (p,)
    weights: Floats  # (p,)
    sums: Floats  # (h * w,) of the weights of each pixel's neighbours


def _filled(pixels: Floats, gone: Bools, pairs: _Pairs) -> Floats:
    """Return pixels (h * w, c) in which those that are gone (h * w,) solve the equations.

    Each equation holds near pixels alone, so that the matrix is a band along its diagonal; it is
    symmetric and positive definite.
    """
    if gone.all():
        return np.broadcast_to(pixels.mean(axis=0), pixels.shape)
    filled = pixels.copy()
    if not gone.any():
        return filled
    later, earlier, weights, sums = pairs
    number = np.cumsum(gone) - 1  # of a gone pixel among them
    both = gone[later] & gone[earlier]
    apart = number[later[both]] - number[earlier[both]]
    band = np.zeros((apart.max(initial=0) + 1, np.count_nonzero(gone)))
    band[0] = sums[gone]
    band[apart, number[earlier[both]]] = -weights[both]
    known = np.zeros((band.shape[1], pixels.shape[1]))  # weighted sums of neighbours that are there
    for one, other in ((later, earlier), (earlier, later)):
        lit = gone[one] & ~gone[other]
        np.add.at(known, number[one[lit]], weights[lit, None] * pixels[other[lit]])
    filled[gone] = solveh_banded(band, known, lower=True, overwrite_ab=True, overwrite_b=True)
    return filled


@lru_cache(maxsize=4)
def _pairs(height: int, width: int) -> _Pairs:
    places = np.arange(height * width).reshape(height, width)
    pairs = (
        (places[:, 1:], places[:, :-1], _SIDE),
        (places[1:], places[:-1], _SIDE),
        (places[1:, 1:], places[:-1, :-1], _CORNER),
        (places[1:, :-1], places[:-1, 1:], _CORNER),
    )
    later = np.concatenate([one.ravel() for one, _, _ in pairs])
    earlier = np.concatenate([other.ravel() for _, other, _ in pairs])
    weights = np.concatenate([np.full(one.size, weight) for one, _, weight in pairs])
    sums = sum(np.bincount(ends, weights, places.size) for ends in (later, earlier))
    return _Pairs(later, earlier, weights, np.asarray(sums))
