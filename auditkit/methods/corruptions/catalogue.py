"""The image corruptions by name.

One of each published group, so that five passes see what nineteen would mostly repeat: noise
(gaussian-noise), blur (defocus-blur), weather (brightness, the one that needs no texture), and of
the digital group both the codec (jpeg-compression) and the resolution (pixelate). All five belong
to the standard fifteen of the published benchmark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from auditkit.methods.corruptions.brightness import brightness
from auditkit.methods.corruptions.defocus_blur import defocus_blur
from auditkit.methods.corruptions.gaussian_noise import gaussian_noise
from auditkit.methods.corruptions.jpeg_compression import jpeg_compression
from auditkit.methods.corruptions.pixelate import pixelate
from auditkit.types import Keys

Corruption: TypeAlias = Callable[[Tensor, int, Keys], Tensor]
"""Maps images (n, c, h, w) float32 in [0, 1], a severity and keys (n,) to images of that shape."""

CORRUPTIONS: dict[str, Corruption] = {
    "gaussian-noise": gaussian_noise,
    "defocus-blur": defocus_blur,
    "brightness": brightness,
    "jpeg-compression": jpeg_compression,
    "pixelate": pixelate,
}
