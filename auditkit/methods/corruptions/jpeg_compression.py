"""JPEG compression: what a lossy codec leaves of an image."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, features
from PIL import __version__ as pillow_version
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Floats, Ints, Keys

QUALITY: Constants = {
    32: (80, 65, 58, 50, 40),
    64: (65, 58, 50, 40, 25),
    224: (25, 18, 15, 10, 7),
}


def jpeg_compression(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Write every image as JPEG and read it again.

    Values are rounded to 256 levels on the way. Images of one or three channels are written as grey
    or colour; with any other number every channel is written as a grey image. An interpolated
    quality is rounded. The result depends on the codec, see `codec`.

    Parameters
    ----------
    images : Tensor
        (n, c, h, w) float32 in [0, 1].
    severity : int
        1 to 5.
    keys : ndarray
        Not used: nothing here is random.

    Returns
    -------
    Tensor
        (n, c, h, w) float32 in [0, 1], multiples of 1/255.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    height, width = images.shape[2:]
    quality = round(constant(QUALITY, severity, height=height, width=width))
    clean = array_of(images)
    changed = np.empty_like(clean)
    for image, put in zip(clean, changed, strict=True):
        planes = _levels(image)
        if len(planes) == 3:
            read = _written_and_read(np.stack(tuple(planes), axis=-1), quality)
            np.divide(read.transpose(2, 0, 1), np.float32(255), out=put)
        else:
            for plane, values in zip(planes, put, strict=True):
                np.divide(_written_and_read(plane, quality), np.float32(255), out=values)
    return tensor_like(images, changed)


def codec() -> str:
    """Return the codec and its version, on which the compressed images depend."""
    turbo = features.version("libjpeg_turbo")
    library = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return f"Pillow {pillow_version} with {library}"


def _levels(values: Floats) -> Ints:
    """Round values in [0, 1] to 256 levels."""
    rounded = values * np.float32(255)
    rounded += np.float32(0.5)
    return rounded.astype(np.uint8)  # cuts


def _written_and_read(picture: Ints, quality: int) -> Ints:
    file = BytesIO()
    Image.fromarray(picture).save(file, format="JPEG", quality=quality)
    with Image.open(file, formats=("JPEG",)) as read:
        return np.asarray(read)
