"""Speckle noise: noise that grows with the light of a pixel."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Keys

SIGMA: Constants = {
    32: (0.06, 0.1, 0.12, 0.16, 0.2),
    64: (0.15, 0.2, 0.25, 0.3, 0.35),
    224: (0.15, 0.2, 0.35, 0.45, 0.6),
}


def speckle_noise(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Add to every value normal noise times that value, then clip.

    An input meets the same noise at every severity, only scaled.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, appendix B.
    """
    clean = array_of(images)
    sigma = constant(SIGMA, severity, height=clean.shape[2], width=clean.shape[3])
    noisy = np.empty_like(clean)
    for i, key in enumerate(keys):
        generator(key).standard_normal(out=noisy[i], dtype=np.float32)
        noisy[i] *= np.float32(sigma)
        noisy[i] *= clean[i]
        noisy[i] += clean[i]
        np.clip(noisy[i], 0, 1, out=noisy[i])
    return tensor_like(images, noisy)
