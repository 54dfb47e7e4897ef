"""Defocus blur: a lens that is out of focus spreads every point over a disk."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.ndimage import correlate1d
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions._shifts import summed_shifts
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Floats, Ints, Keys

RADIUS: Constants = {
    32: (0.3, 0.4, 0.5, 1, 1.5),
    64: (0.5, 1, 1.5, 2.5, 3),
    224: (3, 4, 6, 8, 10),
}
SOFTENING: Constants = {  # standard deviation of the blur that takes the stairs off the disk's rim
    32: (0.4, 0.5, 0.6, 0.2, 0.1),
    64: (0.6, 0.1, 0.1, 0.01, 0.1),
    224: (0.1, 0.5, 0.5, 0.5, 0.5),
}
_FEW_WEIGHTS = 32  # up to so many, adding is faster than two Fourier transforms
_NEGLIGIBLE = 1e-9  # of a weight: no float32 in [0, 1] changes by it


def defocus_blur(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Filter every channel with a softened disk; the image is mirrored at its border.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    height, width = images.shape[2:]
    radius = constant(RADIUS, severity, height=height, width=width)
    softening = constant(SOFTENING, severity, height=height, width=width)
    kernel = _without_empty_rim(disk(radius, softening))
    reach = len(kernel) // 2
    rows, columns = _mirrored(height, reach), _mirrored(width, reach)
    weights = torch.from_numpy(kernel.astype(np.float32))
    taps = [(i, j, float(kernel[i, j])) for i, j in np.argwhere(kernel).tolist()]
    padded_size = [next_fast_len(len(one), real=True) for one in (rows, columns)]
    spectrum = torch.fft.rfft2(weights, s=padded_size).conj()
    clean = array_of(images)
    blurred = np.empty_like(clean)
    for image, put in zip(clean, blurred, strict=True):  # one by one: it stays close at hand
        padded = torch.from_numpy(image.take(rows, axis=1).take(columns, axis=2))
        if len(taps) <= _FEW_WEIGHTS:
            filtered = summed_shifts(padded, taps, height=height, width=width)
        else:
            product = torch.fft.rfft2(padded, s=padded_size).mul_(spectrum)
            filtered = torch.fft.irfft2(product, s=padded_size)[:, :height, :width]
        np.clip(filtered.numpy(), 0, 1, out=put)
    return tensor_like(images, blurred)


def disk(radius: float, softening: float) -> Floats:
    """Return the filter: a disk of equal weights, blurred at its rim.

    The grid reaches at least 8 pixels from the centre, and the softening filter has 3 taps up to a
    radius of 8 and 5 beyond, as published. The softening mirrors the grid at its border, so that a
    disk which touches the border gains light: the weights sum to 1, but to 1.013 and 1.011 at
    severities 4 and 5 of 224 pixels, as published too.
    """
    reach = max(8, math.ceil(radius))
    taps = 1 if radius <= 8 else 2
    steps = np.arange(-reach, reach + 1)
    sharp = (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2).astype(np.float64)
    bell = np.exp(-(np.arange(-taps, taps + 1) ** 2) / (2 * softening**2))
    bell /= bell.sum()
    softened = sharp / sharp.sum()
    for axis in (0, 1):
        softened = correlate1d(softened, bell, axis=axis, mode="mirror")
    return softened


def _without_empty_rim(kernel: Floats) -> Floats:
    centre = len(kernel) // 2
    kernel = np.where(kernel > _NEGLIGIBLE, kernel, 0)
    reach = int(np.abs(np.argwhere(kernel) - centre).max())
    return kernel[centre - reach : centre + reach + 1, centre - reach : centre + reach + 1]


def _mirrored(size: int, reach: int) -> Ints:
    """Return positions -reach .. size - 1 + reach folded into the image: c b | a b c | b a."""
    if size == 1:
        return np.zeros(1 + 2 * reach, dtype=np.int64)
    period = 2 * (size - 1)
    folded = np.arange(-reach, size + reach) % period
    return np.minimum(folded, period - folded)
