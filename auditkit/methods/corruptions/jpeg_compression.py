"""JPEG compression: what a lossy codec leaves of an image."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from PIL import Image, features
from PIL import __version__ as pillow_version
from torch import Tensor

from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.types import Ints, Keys

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
    _, channels, height, width = images.shape
    quality = round(constant(QUALITY, severity, height=height, width=width))
    levels = (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()  # (n, c, h, w)
    if channels == 3:
        pictures = levels.transpose(0, 2, 3, 1)  # (n, h, w, 3)
        read = np.stack([_written_and_read(one, quality) for one in pictures])
        read = read.transpose(0, 3, 1, 2)
    else:
        pictures = levels.reshape(-1, height, width)  # (n c, h, w)
        read = np.stack([_written_and_read(one, quality) for one in pictures])
    read = torch.from_numpy(read.reshape(images.shape).copy())
    return read.to(images.device, images.dtype) / 255


def codec() -> str:
    """Return the codec and its version, on which the compressed images depend."""
    turbo = features.version("libjpeg_turbo")
    library = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return f"Pillow {pillow_version} with {library}"


def _written_and_read(picture: Ints, quality: int) -> Ints:
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, format="JPEG", quality=quality)
    with Image.open(file, formats=("JPEG",)) as read:
        return np.asarray(read)
