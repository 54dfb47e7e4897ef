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

    Values are rounded to 256 levels on the way, and returned as multiples of 1/255. Images of one
    or three channels are written as grey or colour; with any other number every channel is written
    as a grey image. An interpolated quality is rounded. The result depends on the codec, see
    `codec`.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1.
    """
    height, width = images.shape[2:]
    quality = round(constant(QUALITY, severity, height=height, width=width))
    clean = array_of(images)
    changed = np.empty_like(clean)
    colour = clean.shape[1] == 3
    mode, stored = ("RGB", "RGBX") if colour else ("L", "L")
    pixels = np.zeros((height, width, len(stored)), dtype=np.uint8)  # the fourth stays 0
    # One picture, which looks at these pixels and is filled anew.
    picture = Image.frombuffer(stored, (width, height), pixels, "raw", stored, 0, 1)
    for image, put in zip(clean, changed, strict=True):
        levels = _levels(image)
        for start in range(0, len(levels), len(mode)):
            together = slice(start, start + len(mode))
            for channel, plane in enumerate(levels[together]):
                pixels[..., channel] = plane
            read = _written_and_read(picture, mode, quality)
            for values, plane in zip(put[together], read, strict=True):
                values[:] = plane
        np.divide(put, np.float32(255), out=put)
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


def _written_and_read(picture: Image.Image, mode: str, quality: int) -> list[Ints]:
    """Return the channels (h, w) of a picture, those that `mode` names, after compression."""
    file = BytesIO()
    picture.save(file, format="JPEG", quality=quality)
    # What the header says is known, so that the decoder is called without `Image.open`.
    read = Image.frombytes(mode, picture.size, file.getvalue(), "jpeg", mode, "")
    planes = (np.frombuffer(read.tobytes("raw", channel), np.uint8) for channel in mode)
    return [plane.reshape(picture.height, picture.width) for plane in planes]
