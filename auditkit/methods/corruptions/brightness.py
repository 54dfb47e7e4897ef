"""Brightness: the light of the scene rises."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Keys

RISE: Constants = {
    32: (0.05, 0.1, 0.15, 0.2, 0.3),
    64: (0.1, 0.2, 0.3, 0.4, 0.5),
    224: (0.1, 0.2, 0.3, 0.4, 0.5),
}


def brightness(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Raise the value of HSV by a constant, at most to 1; hue and saturation stay.

    The value of a pixel is its largest channel. A grey image has one channel, which is its value,
    so that the constant is added to every pixel.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    height, width = images.shape[2:]
    rise = constant(RISE, severity, height=height, width=width)
    value = images.amax(dim=1, keepdim=True)  # (n, 1, h, w)
    # With hue and saturation fixed, channels keep their ratio to the value; black has no hue.
    ratio = torch.where(value > 0, images / value, 1.0)  # (n, c, h, w) in [0, 1]
    return ratio * (value + rise).clamp(max=1)
