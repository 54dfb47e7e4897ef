"""The natural variations of images by name, but for those that need a generative network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from auditkit.methods.variation.camera import (
    colour_cast,
    compression_chain,
    noise_mix,
    resolution,
)
from auditkit.methods.variation.warp import crop, rotation, scale, translation
from auditkit.types import Keys

Variation: TypeAlias = Callable[[Tensor, int, Keys], Tensor]
"""Maps images (n, c, h, w) float32 in [0, 1], a severity and keys (n,) to images of that shape."""

VARIATIONS: dict[str, Variation] = {
    "rotation": rotation,
    "translation": translation,
    "scale": scale,
    "crop": crop,
    "colour-cast": colour_cast,
    "resolution": resolution,
    "compression-chain": compression_chain,
    "noise-mix": noise_mix,
}
