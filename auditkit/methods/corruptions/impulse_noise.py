"""Impulse noise: single values fail and read nothing or full, also called salt and pepper."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Keys

AMOUNT: Constants = {  # share of the values that fail
    32: (0.01, 0.02, 0.03, 0.05, 0.07),
    64: (0.01, 0.02, 0.05, 0.08, 0.14),
    224: (0.03, 0.06, 0.09, 0.17, 0.27),
}


def impulse_noise(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Set a share of the values to 0 or 1, each as likely.

    Every value of a pixel fails by itself. What failed at one severity has failed at every higher
    one.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    amount = constant(AMOUNT, severity, height=clean.shape[2], width=clean.shape[3])
    noisy = clean.copy()
    for i, key in enumerate(keys):
        drawn = generator(key).random(clean.shape[1:], dtype=np.float32)
        noisy[i][drawn < amount / 2] = 0
        noisy[i][drawn >= 1 - amount / 2] = 1
    return tensor_like(images, noisy)
