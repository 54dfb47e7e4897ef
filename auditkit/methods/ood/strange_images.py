"""Images that a model was not made for: noise, its own images in pieces, other data made to fit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.corruptions.catalogue import CORRUPTIONS
from auditkit.randomness import normal, uniform
from auditkit.types import Keys

_WORST = 5  # severity
_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
_MIDDLE, _SPREAD = 0.5, 0.25  # of Gaussian noise, as shares of the range


def uniform_noise(images: Tensor, keys: Keys) -> Tensor:
    """Return noise of the shape of the images (n, c, h, w), uniform in [0, 1]."""
    return torch.from_numpy(uniform(keys, tuple(images.shape[1:]))).to(images)


def gaussian_noise(images: Tensor, keys: Keys) -> Tensor:
    """Return normal noise of mean .5 and standard deviation .25, clipped to [0, 1]."""
    noise = torch.from_numpy(normal(keys, tuple(images.shape[1:]))).to(images)
    return (_MIDDLE + _SPREAD * noise).clamp(0, 1)


def shuffled_pixels(images: Tensor, keys: Keys) -> Tensor:
    """Return images (n, c, h, w) with their own pixels in another order, channels together.

    Examples
    --------
    >>> image = torch.arange(4.0).view(1, 1, 2, 2)
    >>> shuffled_pixels(image, np.array([7], dtype=np.uint64)).flatten().sort().values.tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    n, _, height, width = images.shape
    order = torch.from_numpy(uniform(keys, (height * width,)).argsort(axis=1)).to(images.device)
    flat = images.flatten(2)  # (n, c, h w)
    return flat.gather(2, order[:, None].expand_as(flat)).view(n, -1, height, width)


def corrupted(images: Tensor, keys: Keys) -> Tensor:
    """Return images in [0, 1], each under one published corruption, drawn by key, at severity 5."""
    names = list(CORRUPTIONS)
    drawn = (uniform(keys, ()) * len(names)).astype(np.int64)
    changed = images.clone()
    for i, name in enumerate(names):
        (rows,) = np.nonzero(drawn == i)
        if len(rows):
            changed[rows] = CORRUPTIONS[name](images[rows], _WORST, keys[rows])
    return changed


def made_to_fit(images: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return images (n, c, h, w) of other data in another shape (c, h, w).

    They are scaled to the new size, which may stretch them; colours become grey by their luminance,
    grey is repeated in every channel.

    Examples
    --------
    >>> tuple(made_to_fit(torch.rand(2, 3, 32, 32), (1, 8, 8)).shape)
    (2, 1, 8, 8)
    """
    channels, *size = shape
    if list(images.shape[2:]) != size:
        images = functional.interpolate(
            images, size=size, mode="bilinear", align_corners=False, antialias=True
        ).clamp(0, 1)
    if images.shape[1] == channels:
        return images
    if images.shape[1] == len(_LUMINANCE):
        weights = torch.tensor(_LUMINANCE).to(images)
        grey = (images * weights[:, None, None]).sum(dim=1, keepdim=True)
    else:
        grey = images.mean(dim=1, keepdim=True)
    return grey.expand(-1, channels, -1, -1).contiguous()
