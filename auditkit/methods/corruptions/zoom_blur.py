"""Zoom blur: the camera comes closer while the shutter is open."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions._magnified import magnified
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Floats, Keys

STOP: Constants = {
    32: (1.06, 1.11, 1.16, 1.21, 1.26),
    64: (1.06, 1.11, 1.16, 1.21, 1.26),
    224: (1.11, 1.16, 1.21, 1.26, 1.31),
}
STEP: Constants = {
    32: (0.01, 0.01, 0.01, 0.01, 0.01),
    64: (0.01, 0.01, 0.01, 0.01, 0.01),
    224: (0.01, 0.01, 0.02, 0.02, 0.03),
}


def zoom_blur(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Average the image with enlarged copies of its centre.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    clean = array_of(images)
    factors = zoom_factors(severity, height=clean.shape[2], width=clean.shape[3])
    blurred = np.empty_like(clean)
    for i, image in enumerate(clean):  # one by one: what is summed stays close at hand
        total = image.copy()
        for factor in factors.tolist():
            total += magnified(image, factor)
        np.multiply(total, np.float32(1 / (len(factors) + 1)), out=blurred[i])
    return tensor_like(images, np.clip(blurred, 0, 1, out=blurred))


def zoom_factors(severity: int, *, height: int, width: int) -> Floats:
    """Return the factors, from 1; how many there are hangs on rounding, as in the published code.

    Examples
    --------
    >>> [len(zoom_factors(s, height=224, width=224)) for s in (1, 2, 3, 4, 5)]
    [12, 16, 11, 13, 11]
    """
    stop = constant(STOP, severity, height=height, width=width)
    return np.arange(1, stop, constant(STEP, severity, height=height, width=width))
