"""Spatter: rain or mud on the lens."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, blocks, tensor_like
from auditkit.methods.corruptions._colours import tint
from auditkit.methods.corruptions._drops import relief
from auditkit.methods.corruptions._smoothing import smoothed
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Floats, Keys

MEAN: Constants = {
    32: (0.62, 0.65, 0.65, 0.65, 0.65),
    64: (0.62, 0.65, 0.65, 0.65, 0.65),
    224: (0.65, 0.65, 0.65, 0.65, 0.67),
}
SPREAD: Constants = {
    32: (0.1, 0.1, 0.3, 0.1, 0.1),
    64: (0.1, 0.1, 0.3, 0.1, 0.1),
    224: (0.3, 0.3, 0.3, 0.3, 0.4),
}
SIGMA: Constants = {  # of the drops, in pixels
    32: (0.7, 0.8, 1, 0.7, 0.5),
    64: (0.7, 0.8, 1, 0.7, 0.5),
    224: (4, 3, 2, 1, 1),
}
THRESHOLD: Constants = {  # below it the lens is clean
    32: (0.7, 0.7, 0.69, 0.69, 0.68),
    64: (0.7, 0.7, 0.69, 0.68, 0.67),
    224: (0.69, 0.68, 0.68, 0.65, 0.65),
}
STRENGTH: Constants = {  # of the water; of mud, the blur of its rim in pixels
    32: (0.5, 0.5, 0.5, 0.6, 0.6),
    64: (0.6, 0.6, 0.6, 0.6, 0.6),
    224: (0.6, 0.6, 0.5, 1.5, 1.5),
}
FIRST_MUD = 4  # severity from which the lens is muddy
WATER = (175 / 255, 238 / 255, 238 / 255)
MUD = (63 / 255, 42 / 255, 20 / 255)
_SOLID = 0.8  # below it mud is not seen


def spatter(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Add drops of water (severities 1 to 3) or cover with splashes of mud (4 and 5).

    Where normal noise, smoothed, exceeds a threshold, the lens is wet or dirty. Channels other than
    three are each treated as a grey image, which gets the lightness of water and mud.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, appendix B.
    """
    clean = array_of(images)
    _, channels, height, width = clean.shape
    mean, spread, sigma, threshold, strength = (
        constant(one, severity, height=height, width=width)
        for one in (MEAN, SPREAD, SIGMA, THRESHOLD, STRENGTH)
    )
    changed = np.empty_like(clean)
    for block in blocks(len(clean), height * width):
        drawn = [
            generator(k).standard_normal((height, width), dtype=np.float32) for k in keys[block]
        ]
        liquid = smoothed(np.stack(drawn), sigma) * np.float32(spread) + np.float32(mean)
        liquid[liquid < threshold] = 0  # (n, h, w)
        if severity < FIRST_MUD:
            water = _water(liquid, strength)[:, None]
            changed[block] = clean[block] + tint(WATER, channels) * water
        else:
            mud = _mud(liquid, strength)[:, None]
            changed[block] = clean[block] * (1 - mud) + tint(MUD, channels) * mud
    return tensor_like(images, np.clip(changed, 0, 1, out=changed))


def _water(liquid: Floats, strength: float) -> Floats:
    """Return how much water is seen at each pixel (n, h, w), at most `strength`."""
    levels = (np.clip(liquid, 0, 1) * 255).astype(np.uint8)
    water = levels * relief(levels)
    highest = water.max(axis=(1, 2), keepdims=True)
    return water * (np.float32(strength) / np.where(highest > 0, highest, 1))


def _mud(liquid: Floats, sigma: float) -> Floats:
    """Return how much mud is seen at each pixel (n, h, w), in [0, 1]."""
    mud = smoothed((liquid > 0).astype(np.float32), sigma)
    mud[mud < _SOLID] = 0
    return mud
