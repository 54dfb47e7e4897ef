"""Gaussian blur: a smooth loss of sharpness."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions._smoothing import smoothed
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Keys

SIGMA: Constants = {  # in pixels
    32: (0.4, 0.6, 0.7, 0.8, 1),
    64: (0.5, 0.75, 1, 1.25, 1.5),
    224: (1, 2, 3, 4, 6),
}


def gaussian_blur(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Filter every channel with a Gaussian; beyond the border the last pixel is repeated.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, appendix B.
    """
    clean = array_of(images)
    sigma = constant(SIGMA, severity, height=clean.shape[2], width=clean.shape[3])
    return tensor_like(images, np.clip(smoothed(clean, sigma), 0, 1))
