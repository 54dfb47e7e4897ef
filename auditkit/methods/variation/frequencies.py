"""Low and high spatial frequencies of images, and noise of one frequency.

A frequency is the length of its wave vector as a share of Nyquist's limit, half a cycle per pixel;
diagonal ones go up to the root of two.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from auditkit.randomness import uniform
from auditkit.types import Floats, Keys


def radii(height: int, width: int) -> Floats:
    """Return the frequency of each coefficient of a Fourier transform (h, w).

    Examples
    --------
    >>> radii(1, 4).tolist()
    [[0.0, 0.5, 1.0, 0.5]]
    """
    down, across = 2 * np.fft.fftfreq(height), 2 * np.fft.fftfreq(width)
    return np.hypot(down[:, None], across[None, :])


def low_pass(images: Tensor, cutoff: float) -> Tensor:
    """Keep frequencies up to `cutoff`, then clip.

    Parameters
    ----------
    images : Tensor
        (n, c, h, w) in [0, 1].
    cutoff : float
        Share of Nyquist's limit, from 0, which keeps the mean alone.

    References
    ----------
    Wang et al., 2020, arXiv:1905.13545, section 3.
    """
    return _low(images, cutoff).clamp(0, 1)


def high_pass(images: Tensor, cutoff: float) -> Tensor:
    """Keep frequencies above `cutoff` and the mean of each channel, then clip.

    The mean is kept so that what is left is an image; without it half of the values would be
    negative.
    """
    mean = images.mean(dim=(2, 3), keepdim=True)
    return (images - _low(images, cutoff) + mean).clamp(0, 1)


def waves(low: float, high: float, height: int, width: int) -> Floats:
    """Return the wave vectors (m, 2), in cycles per image, of frequencies in (low, high]."""
    found = radii(height, width)
    down, across = np.nonzero((found > low + 1e-9) & (found <= high + 1e-9))
    vectors = [np.fft.fftfreq(height)[down] * height, np.fft.fftfreq(width)[across] * width]
    return np.stack(vectors, axis=1)


def wave_noise(images: Tensor, keys: Keys, *, low: float, high: float, size: float) -> Tensor:
    """Add to each image one wave of a frequency in (low, high], then clip.

    Direction, phase and, per channel, sign are drawn by key.

    Parameters
    ----------
    images : Tensor
        (n, c, h, w) in [0, 1].
    keys : ndarray
        (n,).
    low, high : float
        Shares of Nyquist's limit; some wave must lie between them.
    size : float
        Root mean square of the wave, as a share of the range.

    References
    ----------
    Yin et al., 2019, arXiv:1906.08988, section 3 (the Fourier heat map, here by distance only).
    """
    _, channels, height, width = images.shape
    draws = uniform(keys, (2 + channels,))
    known = waves(low, high, height, width)
    vectors = known[(draws[:, 0] * len(known)).astype(np.int64)]  # (n, 2)
    y, x = np.arange(height) / height, np.arange(width) / width
    phase = (
        vectors[:, 0, None, None] * y[:, None]
        + vectors[:, 1, None, None] * x
        + draws[:, 1, None, None]
    )
    wave = np.cos(2 * math.pi * phase)  # (n, h, w)
    wave *= size / np.maximum(np.sqrt(np.square(wave).mean(axis=(1, 2), keepdims=True)), 1e-9)
    signs = np.where(draws[:, 2:] < 0.5, -1.0, 1.0)  # (n, c)
    noise = torch.from_numpy(signs[:, :, None, None] * wave[:, None])
    return (images + noise.to(images)).clamp(0, 1)


def _low(images: Tensor, cutoff: float) -> Tensor:
    keep = torch.from_numpy(radii(*images.shape[2:]) <= cutoff + 1e-9).to(images.device)
    spectrum = torch.fft.fft2(images.double())
    return torch.fft.ifft2(spectrum * keep).real.to(images.dtype)
