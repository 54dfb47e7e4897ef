"""Saturation: colours grow pale or garish."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Floats, Keys

FACTOR: Constants = {
    32: (0.3, 0.1, 1.5, 2, 2.5),
    64: (0.3, 0.1, 2, 5, 30),
    224: (0.3, 0.1, 2, 5, 20),
}
OFFSET: Constants = {
    32: (0, 0, 0, 0.1, 0.2),
    64: (0, 0, 0, 0.1, 0.2),
    224: (0, 0, 0, 0.1, 0.2),
}
_NO_COLOUR = 1e-12  # of a saturation: an exact zero after division by the value


def saturate(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Multiply the saturation of HSV and add to it, within [0, 1]; hue and value stay.

    Severities 1 and 2 take colour away, the others add it; where the published constants add an
    offset, grey turns reddish, because its hue counts as red. Images of other than three channels
    have no saturation and stay as they are.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, appendix B.
    """
    height, width = images.shape[2:]
    factor = np.float32(constant(FACTOR, severity, height=height, width=width))
    offset = np.float32(constant(OFFSET, severity, height=height, width=width))
    if images.shape[1] != 3:
        return images.clone()
    clean = array_of(images)
    changed = np.empty_like(clean)
    for i, image in enumerate(clean):
        changed[i] = _saturated(image, factor, offset)
    return tensor_like(images, changed)


def _saturated(image: Floats, factor: np.float32, offset: np.float32) -> Floats:
    """With hue and value fixed, distances from the value keep their ratio to the saturation."""
    value = np.maximum(np.maximum(image[0], image[1]), image[2])  # (h, w)
    reach = value - np.minimum(np.minimum(image[0], image[1]), image[2])
    saturation = reach / np.maximum(value, np.float32(1e-38))
    wanted = np.clip(saturation * factor + offset, 0, 1)
    coloured = saturation > _NO_COLOUR
    ratio = wanted / np.where(coloured, saturation, 1)
    changed = value - (value - image) * ratio  # (3, h, w)
    if offset > 0:
        paler = value * (1 - wanted)
        changed[1:] = np.where(coloured, changed[1:], paler)  # a grey pixel keeps its red
    return np.clip(changed, 0, 1)
