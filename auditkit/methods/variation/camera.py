"""Images taken or sent otherwise: another light, fewer pixels, saved again and again, noisy."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from auditkit.methods.variation.warp import warped
from auditkit.randomness import at_step, generator, normal, uniform
from auditkit.types import Keys

CAST = (0.05, 0.1, 0.15, 0.25, 0.35)  # severity 1 to 5, here and below
SIDES = (0.9, 0.75, 0.6, 0.5, 0.35)  # share of the pixels per side
SAVED = (1, 2, 4, 6, 9)  # times
NOISE = (0.02, 0.04, 0.06, 0.08, 0.1)  # share of the range
_QUALITY = (50, 90)  # of JPEG, drawn every time


def colour_cast(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Multiply every channel by a factor of its own, up to 5, 10, 15, 25 or 35 % off, then clip.

    Of a grey image this is a change of exposure.
    """
    draws = 2 * uniform(keys, (images.shape[1], 1, 1)) - 1  # (n, c, 1, 1)
    return (images * torch.from_numpy(1 + CAST[severity - 1] * draws).to(images)).clamp(0, 1)


def resolution(images: Tensor, severity: int, keys: Keys) -> Tensor:  # noqa: ARG001
    """Take each image with 90, 75, 60, 50 or 35 % of the pixels per side, and enlarge it again."""
    size = list(images.shape[2:])
    fewer = [max(1, round(SIDES[severity - 1] * side)) for side in size]
    small = functional.interpolate(
        images, size=fewer, mode="bilinear", align_corners=False, antialias=True
    )
    large = functional.interpolate(small, size=size, mode="bilinear", align_corners=False)
    return large.clamp(0, 1)


def compression_chain(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Save each image as JPEG 1, 2, 4, 6 or 9 times, with a quality drawn anew every time.

    Between two saves it is shifted by up to half a pixel, as programs that resize or crop do; else
    the second save would change little.
    """
    height, width = images.shape[2:]
    for step in range(SAVED[severity - 1]):
        here = at_step(keys, step)
        if step:
            draws = (uniform(here, (2,)) - 0.5) / np.array([width, height])
            images = warped(images, shift=draws)
        images = _saved(images, here)
    return images


def noise_mix(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Add, in shares drawn by key, noise of every pixel, of rows, and of coarse blotches, and clip.

    The sum has a standard deviation of 2, 4, 6, 8 or 10 % of the range, whatever the shares.
    """
    n, channels, height, width = images.shape
    fine = torch.from_numpy(normal(keys, (channels, height, width)))
    rows = torch.from_numpy(normal(at_step(keys, 1), (1, height, 1)))
    coarse = torch.from_numpy(normal(at_step(keys, 2), (channels, 4, 4)))
    coarse = functional.interpolate(coarse, size=(height, width), mode="nearest")
    shares = np.sqrt(_shares(keys))  # (n, 3), squares add up to 1
    parts = [fine, rows.expand(n, channels, height, width), coarse]
    weights = torch.from_numpy(shares)
    noise = sum(weights[:, i, None, None, None] * part for i, part in enumerate(parts))
    assert isinstance(noise, Tensor)
    return (images + NOISE[severity - 1] * noise.to(images)).clamp(0, 1)


def _shares(keys: Keys) -> np.ndarray:
    """Return three shares per key (n, 3) that add up to 1, any split as likely as any other."""
    return np.stack([generator(key).dirichlet(np.ones(3)) for key in keys]).reshape(-1, 3)


def _saved(images: Tensor, keys: Keys) -> Tensor:
    low, high = _QUALITY
    quality = low + (uniform(keys, ()) * (high - low)).astype(np.int64)
    levels = (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    read = np.empty_like(levels)
    for i, (image, one) in enumerate(zip(levels, quality.tolist(), strict=True)):
        if len(image) == 3:
            read[i] = _read(image.transpose(1, 2, 0), one).transpose(2, 0, 1)
        else:
            read[i] = np.stack([_read(channel, one) for channel in image])
    return torch.from_numpy(read).to(images) / 255


def _read(picture: np.ndarray, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, format="JPEG", quality=quality)
    with Image.open(file, formats=("JPEG",)) as read:
        return np.asarray(read)
