"""ROAD: removed pixels are guessed from their surroundings, so that they leave no outline.

Rong et al., 2022, arXiv:2202.00449, section 4 (noisy linear imputation).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

_TOLERANCE = 1e-4  # share of the first residual that may be left
_WEIGHTS = ((1.0, 2.0, 1.0), (2.0, 0.0, 2.0), (1.0, 2.0, 1.0))  # sixths and twelfths, times 12


def noisy_linear_imputation(image: Tensor, hidden: Tensor, noise: Tensor) -> Tensor:
    """Return copies (m, c, h, w) of an image in which hidden pixels are guessed.

    Each hidden pixel is the weighted mean of its neighbours, hidden or not, a sixth for those at
    its sides and a twelfth for those at its corners (over those that exist at the border of the
    image), plus noise. Where all is hidden, the mean colour takes the place of what is known.

    The equations of one mask are symmetric and positive definite once multiplied by the sum of the
    weights, so that conjugate gradients solve those of all masks at once.

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
    gone = hidden[:, None]  # (m, 1, h, w)
    everything = gone.flatten(1).all(dim=1)
    mean = image.mean(dim=(1, 2), keepdim=True)
    weight = _neighbours(torch.ones_like(image[:1])[None])  # (1, 1, h, w)
    start = torch.where(gone, mean, image)
    wrong = torch.where(gone, _neighbours(start) - weight * start, 0.0)
    wrong[everything] = 0.0
    return torch.where(gone, start + _solved(gone, weight, wrong) + noise, image)


def _solved(gone: Tensor, weight: Tensor, wrong: Tensor) -> Tensor:
    """Return x (m, c, h, w), zero where nothing is gone, with (weight - neighbours) x = wrong."""
    found, rest, step = torch.zeros_like(wrong), wrong, wrong
    size = _dot(rest, rest)
    enough, least = size * _TOLERANCE**2, torch.finfo(size.dtype).tiny
    for _ in range(gone[0].numel()):
        goes_on = size > enough  # one that is solved stands still, whatever the others need
        if not bool(goes_on.any()):
            break
        turned = torch.where(gone, weight * step - _neighbours(step), 0.0)
        length = torch.where(goes_on, size / _dot(step, turned).clamp_min(least), 0.0)
        found = found + length * step
        rest = rest - length * turned
        before, size = size, _dot(rest, rest)
        step = rest + size / before.clamp_min(least) * step
    return found


def _neighbours(images: Tensor) -> Tensor:
    """Return the weighted sum of the neighbours of each pixel of images (m, c, h, w)."""
    kernel = images.new_tensor(_WEIGHTS)[None, None]
    flat = images.flatten(0, 1)[:, None]  # (m * c, 1, h, w)
    return conv2d(flat, kernel, padding=1).view_as(images)


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(dim=(2, 3), keepdim=True)  # (m, c, 1, 1)
