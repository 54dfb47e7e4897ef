"""What grey and colour images need told apart: lightness and tint."""

from __future__ import annotations

import numpy as np

from auditkit.types import Floats

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in the published code


def grey_of(images: Floats) -> Floats:
    """Return the lightness (n, 1, h, w) of colour images; others (n, c, h, w) as they are."""
    if images.shape[1] != 3:
        return images
    red, green, blue = (np.float32(weight) for weight in _LUMA)
    return (red * images[:, 0] + green * images[:, 1] + blue * images[:, 2])[:, None]


def tint(colour: tuple[float, float, float], channels: int) -> Floats:
    """Return a colour as (3, 1, 1), or its lightness as (1, 1, 1) for any other number."""
    if channels == 3:
        return np.array(colour, dtype=np.float32)[:, None, None]
    return np.full((1, 1, 1), np.dot(colour, _LUMA), dtype=np.float32)
