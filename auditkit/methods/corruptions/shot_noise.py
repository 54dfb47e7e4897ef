"""Shot noise: light arrives in photons, and few of them vary much."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions._poisson import poisson
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Keys

PHOTONS: Constants = {  # of a white value
    32: (500, 250, 100, 75, 50),
    64: (250, 100, 50, 30, 15),
    224: (60, 25, 12, 5, 3),
}


def shot_noise(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Count photons: a Poisson number whose mean is the value times that of white.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    photons = constant(PHOTONS, severity, height=clean.shape[2], width=clean.shape[3])
    noisy = np.empty_like(clean)
    for i, key in enumerate(keys):
        counted = poisson(generator(key), clean[i], photons)  # (c, h, w)
        np.minimum(counted / np.float32(photons), 1, out=noisy[i])
    return tensor_like(images, noisy)
