"""Error under the fifteen standard corruptions, divided by that of AlexNet as published."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditkit.types import Floats

ALEXNET: dict[str, float] = {  # error on ImageNet-C, mean over five severities
    "gaussian-noise": 0.886428,
    "shot-noise": 0.894468,
    "impulse-noise": 0.922640,
    "defocus-blur": 0.819880,
    "glass-blur": 0.826268,
    "motion-blur": 0.785948,
    "zoom-blur": 0.798360,
    "snow": 0.866816,
    "generated-frost": 0.826572,  # of the published frost
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic-transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg-compression": 0.606500,
}
ALEXNET_CLEAN = 0.435  # error on the clean images of ImageNet


def normalised_error(errors: Mapping[str, Floats]) -> Floats:
    """Return the corruption error of every input, whose mean is the published mCE.

    The published number divides sums over inputs and severities, corruption by corruption, and
    averages the ratios; each divisor is a constant, so that it is a mean over inputs as well.

    Parameters
    ----------
    errors : mapping of str to ndarray
        For each of the fifteen corruptions (n,) each input's error over the five severities.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.2.

    Examples
    --------
    >>> alexnet = {name: np.full(2, error) for name, error in ALEXNET.items()}
    >>> normalised_error(alexnet).round(6).tolist()
    [1.0, 1.0]
    """
    return np.mean([errors[name] / ALEXNET[name] for name in ALEXNET], axis=0)


def relative_error(errors: Mapping[str, Floats], clean: Floats) -> Floats:
    """Return the relative corruption error of every input, whose mean is the published one.

    The clean error is taken off on both sides first: what is compared is what corruption adds.

    Parameters
    ----------
    errors : mapping of str to ndarray
        For each of the fifteen corruptions (n,) each input's error over the five severities.
    clean : ndarray
        (n,) each input's error when clean, 0 or 1.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.2.
    """
    added = [(errors[name] - clean) / (ALEXNET[name] - ALEXNET_CLEAN) for name in ALEXNET]
    return np.mean(added, axis=0)
