"""The image corruptions by name: the nineteen of the published benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from auditkit.methods.corruptions.brightness import brightness
from auditkit.methods.corruptions.contrast import contrast
from auditkit.methods.corruptions.defocus_blur import defocus_blur
from auditkit.methods.corruptions.elastic_transform import elastic_transform
from auditkit.methods.corruptions.fog import fog
from auditkit.methods.corruptions.gaussian_blur import gaussian_blur
from auditkit.methods.corruptions.gaussian_noise import gaussian_noise
from auditkit.methods.corruptions.generated_frost import generated_frost
from auditkit.methods.corruptions.glass_blur import glass_blur
from auditkit.methods.corruptions.impulse_noise import impulse_noise
from auditkit.methods.corruptions.jpeg_compression import jpeg_compression
from auditkit.methods.corruptions.motion_blur import motion_blur
from auditkit.methods.corruptions.pixelate import pixelate
from auditkit.methods.corruptions.saturate import saturate
from auditkit.methods.corruptions.shot_noise import shot_noise
from auditkit.methods.corruptions.snow import snow
from auditkit.methods.corruptions.spatter import spatter
from auditkit.methods.corruptions.speckle_noise import speckle_noise
from auditkit.methods.corruptions.zoom_blur import zoom_blur
from auditkit.types import Keys

Corruption: TypeAlias = Callable[[Tensor, int, Keys], Tensor]
"""Maps images (n, c, h, w), a severity and keys (n,) to images of that shape; see the package."""

STANDARD: dict[str, Corruption] = {  # in the published order: noise, blur, weather, digital
    "gaussian-noise": gaussian_noise,
    "shot-noise": shot_noise,
    "impulse-noise": impulse_noise,
    "defocus-blur": defocus_blur,
    "glass-blur": glass_blur,
    "motion-blur": motion_blur,
    "zoom-blur": zoom_blur,
    "snow": snow,
    "generated-frost": generated_frost,
    "fog": fog,
    "brightness": brightness,
    "contrast": contrast,
    "elastic-transform": elastic_transform,
    "pixelate": pixelate,
    "jpeg-compression": jpeg_compression,
}
"""The fifteen that the published mean is over."""

EXTRA: dict[str, Corruption] = {
    "speckle-noise": speckle_noise,
    "gaussian-blur": gaussian_blur,
    "spatter": spatter,
    "saturate": saturate,
}
"""The four that were published beside them, for validation."""

CORRUPTIONS: dict[str, Corruption] = {**STANDARD, **EXTRA}

GROUPS: dict[str, tuple[str, ...]] = {
    "noise": ("gaussian-noise", "shot-noise", "impulse-noise", "speckle-noise"),
    "blur": ("defocus-blur", "glass-blur", "motion-blur", "zoom-blur", "gaussian-blur"),
    "weather": ("snow", "generated-frost", "fog", "brightness", "spatter"),
    "digital": (
        "contrast", "elastic-transform", "pixelate", "jpeg-compression", "saturate",
    ),
}  # fmt: skip
"""Every corruption by what it resembles."""

FEW: tuple[str, ...] = (
    "gaussian-noise", "defocus-blur", "brightness", "jpeg-compression", "pixelate",
)  # fmt: skip
"""Where time is short: one of each group, and both the codec and the resolution of the digital one.

Five passes see what nineteen would mostly repeat. All five are of the standard fifteen.
"""

COLOUR_ONLY = ("saturate",)
"""They change nothing in an image of other than three channels."""
