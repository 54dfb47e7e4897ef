"""JPEG compression: what a lossy codec leaves of an image."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

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
    together = clean.shape[1] == 3
    pixels = np.zeros((height, width, 4), dtype=np.uint8)  # the fourth value is not written
    for image, put in zip(clean, changed, strict=True):
        planes = _levels(image)
        if together:
            for channel, plane in enumerate(planes):
                pixels[..., channel] = plane
            read = _written_and_read(pixels, "RGB", quality)
        else:
            read = [_written_and_read(plane, "L", quality)[0] for plane in planes]
        for values, plane in zip(put, read, strict=True):
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


def _written_and_read(pixels: Ints, mode: Literal["RGB", "L"], quality: int) -> list[Ints]:
    """Return the channels (h, w) of a picture, (h, w, 4) in colour or (h, w) in grey."""
    height, width = pixels.shape[:2]
    size, stored = (width, height), "RGBX" if mode == "RGB" else mode
    file = BytesIO()
    picture = Image.frombuffer(stored, size, pixels, "raw", stored, 0, 1)  # not copied
    picture.save(file, format="JPEG", quality=quality)
    # What the header says is known, so that the decoder is called without `Image.open`.
    read = Image.frombytes(mode, size, file.getvalue(), "jpeg", mode, "")
    planes = (np.frombuffer(read.tobytes("raw", channel), np.uint8) for channel in mode)
    return [plane.reshape(height, width) for plane in planes]
