"""Gaussian noise: what a sensor adds in low light."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import normal
from auditkit.types import Keys

SIGMA: Constants = {
    32: (0.04, 0.06, 0.08, 0.09, 0.10),
    64: (0.04, 0.08, 0.12, 0.15, 0.18),
    224: (0.08, 0.12, 0.18, 0.26, 0.38),
}
_DRAWS_AT_ONCE = 1 << 21  # a draw needs some 40 bytes on its way: keeps the peak below 100 MB


def gaussian_noise(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Add normal noise of one standard deviation to every value, then clip.

    An input meets the same noise at every severity, only scaled, so that severities are compared on
    like terms.

    Parameters
    ----------
    images : Tensor
        (n, c, h, w) float32 in [0, 1].
    severity : int
        1 to 5.
    keys : ndarray
        (n,) one key per input.

    Returns
    -------
    Tensor
        (n, c, h, w) float32 in [0, 1].

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    _, channels, height, width = images.shape
    sigma = constant(SIGMA, severity, height=height, width=width)
    rows = max(1, _DRAWS_AT_ONCE // (channels * height * width))
    noisy = torch.empty_like(images)
    for start in range(0, len(images), rows):
        block = slice(start, start + rows)
        noise = torch.from_numpy(sigma * normal(keys[block], (channels, height, width)))
        noisy[block] = images[block] + noise.to(images.device, images.dtype)
    return noisy.clamp_(0, 1)
