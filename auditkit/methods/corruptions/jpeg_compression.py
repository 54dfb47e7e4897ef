"""JPEG compression: what a lossy codec leaves of an image."""

from __future__ import annotations

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
    mode = "RGB" if clean.shape[1] == 3 else "L"
    levels = np.empty(clean.shape[1:], dtype=np.uint8)
    # Pictures that look at these levels, which are filled anew for every image.
    greys = [Image.frombuffer("L", (width, height), one, "raw", "L", 0, 1) for one in levels]
    scratch = np.empty((height, width), dtype=np.float32)
    for image, put in zip(clean, changed, strict=True):
        for plane, level in zip(image, levels, strict=True):
            _round_to_levels(plane, scratch, level)
        for start in range(0, len(levels), len(mode)):
            together = slice(start, start + len(mode))
            read = _written_and_read(Image.merge(mode, greys[together]), quality)
            for values, plane in zip(put[together], read, strict=True):
                values[:] = plane
        np.divide(put, np.float32(255), out=put)
    return tensor_like(images, changed)


def codec() -> str:
    """Return the codec and its version, on which the compressed images depend."""
    turbo = features.version("libjpeg_turbo")
    library = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return f"Pillow {pillow_version} with {library}"


def _round_to_levels(values: Floats, scratch: Floats, levels: Ints) -> None:
    """Round values in [0, 1] to 256 levels."""
    np.multiply(values, np.float32(255), out=scratch)
    np.add(scratch, np.float32(0.5), out=scratch)
    np.copyto(levels, scratch, casting="unsafe")  # cuts


def _written_and_read(picture: Image.Image, quality: int) -> list[Ints]:
    """Return the channels (h, w) of a picture after compression."""
    file = picture.tobytes("jpeg", picture.mode, quality)  # what `save` writes
    # What the header says is known, so that the decoder is called without `Image.open`.
    read = Image.frombytes(picture.mode, picture.size, file, "jpeg", picture.mode, "")
    planes = (np.frombuffer(read.tobytes("raw", one), np.uint8) for one in read.getbands())
    return [plane.reshape(read.height, read.width) for plane in planes]
