"""Gaussian noise: what a sensor adds in low light."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Keys

SIGMA: Constants = {
    32: (0.04, 0.06, 0.08, 0.09, 0.10),
    64: (0.04, 0.08, 0.12, 0.15, 0.18),
    224: (0.08, 0.12, 0.18, 0.26, 0.38),
}


def gaussian_noise(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Add normal noise of one standard deviation to every value, then clip.

    An input meets the same noise at every severity, only scaled, so that severities are compared on
    like terms.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    sigma = constant(SIGMA, severity, height=clean.shape[2], width=clean.shape[3])
    noisy = np.empty_like(clean)
    for i, key in enumerate(keys):
        generator(key).standard_normal(out=noisy[i], dtype=np.float32)
        noisy[i] *= np.float32(sigma)
        noisy[i] += clean[i]
        np.clip(noisy[i], 0, 1, out=noisy[i])
    return tensor_like(images, noisy)
