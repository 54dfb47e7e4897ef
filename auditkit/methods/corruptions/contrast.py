"""Contrast: light conditions or a flat film bring all values together."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Keys

KEPT: Constants = {  # share of the distance from the mean
    32: (0.75, 0.5, 0.4, 0.3, 0.15),
    64: (0.4, 0.3, 0.2, 0.1, 0.05),
    224: (0.4, 0.3, 0.2, 0.1, 0.05),
}


def contrast(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Move every value towards the mean of its channel in its image.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    kept = np.float32(constant(KEPT, severity, height=clean.shape[2], width=clean.shape[3]))
    flat = np.empty_like(clean)
    for i, image in enumerate(clean):
        np.multiply(image, kept, out=flat[i])
        flat[i] += (1 - kept) * image.mean(axis=(1, 2), keepdims=True)
        np.clip(flat[i], 0, 1, out=flat[i])
    return tensor_like(images, flat)
