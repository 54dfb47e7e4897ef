"""Severities 1 to 5, and the published constant for an image of any size.

The published benchmarks give constants for square images of 32, 64 and 224 pixels (CIFAR-10-C, Tiny
ImageNet-C, ImageNet-C; Hendrycks and Dietterich, 2019, arXiv:1903.12261). Between those sizes a
constant is interpolated linearly in the logarithm of the side; beyond them the nearest size's
constants are used unchanged, because nobody has published others. The side of an image that is not
square is the square root of its height times its width: the square with as many pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from auditkit.errors import ConfigError

SEVERITIES = (1, 2, 3, 4, 5)
SIZES = (32, 64, 224)

Constants: TypeAlias = Mapping[int, tuple[float, float, float, float, float]]
"""Per published size one constant per severity."""


def require_severity(severity: int) -> None:
    """Raise ConfigError unless `severity` is a whole number from 1 to 5."""
    if type(severity) is not int or severity not in SEVERITIES:
        raise ConfigError(
            f"The severity is {severity!r}, expected a whole number from 1 to 5.",
            hint="Write severities = [1, 2, 3, 4, 5].",
        )


def constant(constants: Constants, severity: int, *, height: int, width: int) -> float:
    """Return the constant of a severity for images of height x width pixels.

    Parameters
    ----------
    constants : Constants
        The published values.
    severity : int
        1 to 5.
    height, width : int
        Size of the images in pixels, at least 1.

    Raises
    ------
    ConfigError
        If `severity` is not one of 1, 2, 3, 4, 5.

    Examples
    --------
    >>> sigma = {32: (1, 1, 1, 1, 1), 64: (2, 2, 2, 2, 2), 224: (4, 4, 4, 4, 4)}
    >>> [constant(sigma, 3, height=side, width=side) for side in (8, 32, 64, 500)]
    [1.0, 1.0, 2.0, 4.0]
    """
    require_severity(severity)
    published = [constants[size][severity - 1] for size in SIZES]
    side = math.sqrt(height * width)
    return float(np.interp(math.log(side), [math.log(size) for size in SIZES], published))


def origin_of_constants(*, height: int, width: int) -> str:
    """Return a sentence that says which published constants apply to height x width pixels."""
    side = math.sqrt(height * width)
    here = f"The images are {height} x {width} pixels"
    if side in SIZES:
        return f"{here}; the constants are those published for {round(side)} pixels."
    if side < SIZES[0]:
        return (
            f"{here}. No constants are published below {SIZES[0]} pixels; those for {SIZES[0]} are"
            " used unchanged, lengths in pixels included. A blur of one pixel takes away more of a"
            " small image, and rounding to whole pixels can make neighbouring severities of a"
            " corruption the same."
        )
    if side > SIZES[-1]:
        return (
            f"{here}. No constants are published above {SIZES[-1]} pixels; those for {SIZES[-1]}"
            " are used unchanged, lengths in pixels included, so that a blur takes away less of"
            " the image."
        )
    below = max(size for size in SIZES if size < side)
    above = min(size for size in SIZES if size > side)
    return (
        f"{here}; the constants are interpolated, linearly in the logarithm of the side, between"
        f" those published for {below} and {above} pixels."
    )
