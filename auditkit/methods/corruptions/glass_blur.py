"""Glass blur: a frosted pane scatters every pixel a little."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions._smoothing import smoothed
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Bools, Ints, Keys

SIGMA: Constants = {  # of the blur before and after, in pixels
    32: (0.05, 0.25, 0.4, 0.25, 0.4),
    64: (0.1, 0.5, 0.6, 0.7, 0.9),
    224: (0.7, 0.9, 1, 1.1, 1.5),
}
REACH: Constants = {  # farthest neighbour, in pixels
    32: (1, 1, 1, 1, 1),
    64: (1, 1, 1, 2, 2),
    224: (1, 2, 2, 3, 4),
}
ROUNDS: Constants = {
    32: (1, 1, 1, 2, 2),
    64: (1, 1, 2, 1, 2),
    224: (2, 1, 3, 2, 2),
}


def glass_blur(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Blur, let every pixel copy a neighbour drawn at random, and blur again.

    Pixels are visited from the last to the first, row by row, so that a copied neighbour may have
    been replaced before; that carries light along. Offsets run from -reach to reach - 1, and pixels
    closer than that to the border stay. The published code means to swap two pixels, but its
    swap copies one over the other. It also cuts values to 256 levels in between, which is left out
    here. Interpolated reaches and rounds are rounded.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    _, _, height, width = clean.shape
    sigma = constant(SIGMA, severity, height=height, width=width)
    reach = round(constant(REACH, severity, height=height, width=width))
    rounds = round(constant(ROUNDS, severity, height=height, width=width))
    scattered = smoothed(clean, sigma).reshape(*clean.shape[:2], height * width).copy()
    if min(height, width) > 2 * reach:
        for i, key in enumerate(keys):
            source = _sources(key, height, width, reach, rounds)
            scattered[i] = scattered[i].take(source, axis=1)
    blurred = smoothed(scattered.reshape(clean.shape), sigma)
    return tensor_like(images, np.clip(blurred, 0, 1))


def _sources(key: np.uint64, height: int, width: int, reach: int, rounds: int) -> Ints:
    """Return for every pixel (h w,) the pixel whose value it ends up with.

    Draws are of shape (rounds, rows, columns, 2), in the order of the visits; the first of the
    two is the offset along the row.
    """
    rows = slice(reach + 1, height - reach + 1)
    columns = slice(reach + 1, width - reach + 1)
    n_rows, n_columns = height - 2 * reach, width - 2 * reach
    offsets = generator(key).integers(
        -reach, reach, size=(rounds, n_rows, n_columns, 2), dtype=np.int8
    )
    steps = offsets[:, ::-1, ::-1, 1].astype(np.int32) * width + offsets[:, ::-1, ::-1, 0]
    stay = np.arange(height * width, dtype=np.int32)
    visited = np.zeros((height, width), dtype=np.bool_)
    visited[rows, columns] = True
    result = stay
    for step in steps:
        copied = stay.reshape(height, width).copy()
        copied[rows, columns] += step
        result = result.take(_followed(copied.ravel(), visited.ravel(), stay))
    return result


def _followed(copied: Ints, visited: Bools, stay: Ints) -> Ints:
    """Follow every pixel's pointer while it leads to one that was visited before it."""
    goes_on = (copied > stay) & visited.take(copied)  # later in the image: visited before
    source = copied.copy()
    moving = np.flatnonzero(goes_on)
    here = copied.take(moving)  # the pixel that each has come to
    while len(moving):
        there = copied.take(here)
        source[moving] = there
        again = goes_on.take(here)
        moving, here = moving[again], there[again]
    return source
