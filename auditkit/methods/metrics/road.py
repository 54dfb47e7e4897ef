"""ROAD: removed pixels are guessed from their surroundings, so that they leave no outline.

Rong et al., 2022, arXiv:2202.00449, section 4 (noisy linear imputation).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import splu
from torch import Tensor

from auditkit.types import Bools, Floats

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
    balance = _balance(*image.shape[1:])
    masks = hidden.flatten(1).cpu().numpy()
    filled = np.stack([_filled(pixels, gone, balance) for gone in masks])  # (m, h * w, c)
    guessed = torch.from_numpy(filled).transpose(1, 2).reshape(-1, *image.shape).to(image)
    return torch.where(hidden[:, None], guessed + noise, image)


def _filled(pixels: Floats, gone: Bools, balance: csr_array) -> Floats:
    """Return pixels (h * w, c) in which those that are gone (h * w,) solve the equations."""
    if gone.all():
        return np.broadcast_to(pixels.mean(axis=0), pixels.shape)
    filled = pixels.copy()
    inside, outside = np.flatnonzero(gone), np.flatnonzero(~gone)
    if len(inside):
        rows = balance[inside]
        # Symmetric and positive definite, so that no pivots are needed.
        solver = splu(
            rows[:, inside].tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}
        )
        filled[inside] = solver.solve(-(rows[:, outside] @ pixels[outside]))
    return filled


@lru_cache(maxsize=4)
def _balance(height: int, width: int) -> csr_array:
    """Return (h * w, h * w) what takes pixels to their weight times them less their neighbours."""
    places = np.arange(height * width).reshape(height, width)
    pairs = (
        (places[:, 1:], places[:, :-1], _SIDE),
        (places[1:], places[:-1], _SIDE),
        (places[1:, 1:], places[:-1, :-1], _CORNER),
        (places[1:, :-1], places[:-1, 1:], _CORNER),
    )
    first = np.concatenate([one.ravel() for one, _, _ in pairs])
    second = np.concatenate([other.ravel() for _, other, _ in pairs])
    weights = np.concatenate([np.full(one.size, weight) for one, _, weight in pairs])
    half = coo_array((weights, (first, second)), shape=(places.size, places.size)).tocsr()
    both = half + half.T
    return csr_array(diags_array(both.sum(axis=1)) - both)
