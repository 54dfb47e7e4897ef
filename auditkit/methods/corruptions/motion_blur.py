"""Motion blur: the camera moves while the shutter is open."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.corruptions._streaks import streaked
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Keys

RADIUS: Constants = {  # in pixels
    32: (6, 6, 6, 8, 9),
    64: (10, 10, 10, 10, 12),
    224: (10, 15, 15, 15, 20),
}
SIGMA: Constants = {  # in pixels
    32: (1, 1.5, 2, 2, 2.5),
    64: (1, 1.5, 2, 2.5, 3),
    224: (3, 5, 8, 12, 15),
}


def motion_blur(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Blur every image along a line at most 45 degrees from its rows, drawn per input.

    The published code has ImageMagick do this. Here the usual stand-in is used: a one-sided
    Gaussian over twice the radius plus one whole pixels, and the last pixel repeated beyond the
    border. An interpolated radius is rounded.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    height, width = images.shape[2:]
    radius = round(constant(RADIUS, severity, height=height, width=width))
    sigma = constant(SIGMA, severity, height=height, width=width)
    blurred = torch.empty_like(images)
    for i, key in enumerate(keys):
        blurred[i] = streaked(images[i], radius, sigma, generator(key).uniform(-45, 45))
    return blurred.clamp_(0, 1)
