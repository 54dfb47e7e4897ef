"""Superpixels: an image cut along its own edges, pixels of like colour and place together.

Achanta et al., 2012, doi:10.1109/TPAMI.2012.120: k-means over colour and place, begun at a grid.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.types import Ints

_COMPACT = 0.1  # of the range of a pixel: the difference in colour that weighs like one grid step


def superpixels(image: Tensor, *, side: int, bounds: tuple[float, float]) -> Ints:
    """Return which superpixel each pixel belongs to, (h, w), numbered from 0 without gaps.

    Every pixel may join any of them, so that one may fall into pieces.

    Parameters
    ----------
    image : Tensor
        (c, h, w) in raw units.
    side : int
        Pixels between the places where they begin, at least 1; as many superpixels as that gives
        are asked for.
    bounds : (low, high)
        Range of a raw pixel.

    Examples
    --------
    >>> import torch
    >>> halves = torch.zeros(1, 2, 4)
    >>> halves[:, :, 1:] = 1.0
    >>> superpixels(halves, side=2, bounds=(0.0, 1.0)).tolist()
    [[0, 1, 1, 1], [0, 1, 1, 1]]
    """
    from sklearn.cluster import KMeans

    _, height, width = image.shape
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    place = _COMPACT * np.stack([rows, columns], axis=-1) / side  # (h, w, 2)
    colour = image.detach().cpu().permute(1, 2, 0).double().numpy() / (bounds[1] - bounds[0])
    pixels = np.concatenate([place, colour], axis=-1)  # (h, w, 2 + c)
    starts = pixels[side // 2 :: side, side // 2 :: side].copy()
    if starts.size == 0:
        return np.zeros((height, width), dtype=np.int64)
    starts[:, :, :2] += _COMPACT * ((side - 1) / 2 - side // 2) / side  # the middle of a square
    starts = starts.reshape(-1, pixels.shape[2])
    means = KMeans(len(starts), init=starts, n_init=1)  # pyright: ignore[reportArgumentType]
    grouped = means.fit_predict(pixels.reshape(-1, pixels.shape[2]))
    _, numbers = np.unique(grouped, return_inverse=True)
    return numbers.reshape(height, width).astype(np.int64)
