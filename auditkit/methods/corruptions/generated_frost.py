"""Frost: ice crystals on the lens, of a texture that is generated and not photographed."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image
from torch import Tensor

from auditkit.methods.corruptions._arrays import array_of, tensor_like
from auditkit.methods.corruptions._colours import grey_of
from auditkit.methods.corruptions.severity import Constants, constant
from auditkit.randomness import generator
from auditkit.types import Floats, Keys

KEPT: Constants = {  # share of the picture
    32: (1, 1, 0.9, 0.85, 0.75),
    64: (1, 0.9, 0.8, 0.75, 0.7),
    224: (1, 0.8, 0.7, 0.65, 0.6),
}
ICE: Constants = {  # share of the texture
    32: (0.2, 0.3, 0.4, 0.4, 0.45),
    64: (0.3, 0.4, 0.45, 0.5, 0.55),
    224: (0.4, 0.6, 0.7, 0.7, 0.75),
}
SCALE: Constants = {  # of the texture
    32: (0.2, 0.2, 0.2, 0.2, 0.2),
    64: (0.3, 0.3, 0.3, 0.3, 0.3),
    224: (1, 1, 1, 1, 1),
}
_SIDE = 512  # of a texture before it is scaled
# Mean and standard deviation of their lightness, much as of the published photographs.
_LIGHT = ((0.51, 0.07), (0.80, 0.09), (0.61, 0.11), (0.48, 0.17), (0.36, 0.16))
_BLUE = (-0.06, 0.005, 0.055)  # added to red, green and blue: ice is a little blue
_NEEDLES = ((2.5, 40.0), (4.0, 60.0), (8.0, 90.0))  # width and length in pixels


def generated_frost(images: Tensor, severity: int, keys: Keys) -> Tensor:
    """Fade every image and add a part of an ice texture drawn per input.

    The published code adds photographs of frozen panes. Here five textures are generated, with
    about their lightness, tint and share of fine structure, and in their place: numbers are not
    those of the published frost.

    References
    ----------
    Hendrycks and Dietterich, 2019, arXiv:1903.12261, section 3.1, except for the texture.
    """
    clean = array_of(images)
    _, channels, height, width = clean.shape
    kept, ice, scale = (
        np.float32(constant(one, severity, height=height, width=width))
        for one in (KEPT, ICE, SCALE)
    )
    frozen = np.empty_like(clean)
    for i, key in enumerate(keys):
        pane = texture(*_place(key), round(_SIDE * float(scale)), height, width)  # (3, h, w)
        pane = pane if channels == 3 else grey_of(pane[None])[0]
        np.multiply(pane, ice, out=frozen[i])
        frozen[i] += kept * clean[i]
        np.clip(frozen[i], 0, 1, out=frozen[i])
    return tensor_like(images, frozen)


def _place(key: np.uint64) -> tuple[int, float, float]:
    """Draw which texture, and where its part begins as shares of its side."""
    rng = generator(key)
    return int(rng.integers(len(_LIGHT))), rng.random(), rng.random()


def texture(which: int, down: float, across: float, side: int, height: int, width: int) -> Floats:
    """Return a part (3, height, width) of a texture, which goes on at its ends as it began.

    Parameters
    ----------
    which : int
        0 to 4.
    down, across : float
        Where the part begins, in [0, 1).
    side : int
        Of the whole texture in pixels.
    """
    whole = _scaled(which, side)
    rows = (int(down * side) + np.arange(height)) % side
    columns = (int(across * side) + np.arange(width)) % side
    return whole[:, rows[:, None], columns]


@lru_cache(maxsize=16)
def _scaled(which: int, side: int) -> Floats:
    picture = Image.fromarray(_ice(which)).resize((side, side), Image.Resampling.BOX)
    blue = np.array(_BLUE, dtype=np.float32)[:, None, None]
    return np.clip(np.asarray(picture)[None] + blue, 0, 1)


@lru_cache(maxsize=5)
def _ice(which: int) -> Floats:
    """Return the lightness (512, 512) of a texture: needles of three directions over rough ice.

    Every needle layer is the ridges of noise that is smooth along one direction; directions are 60
    degrees apart, as in crystals of ice. The rough ice has equal power at every scale.
    """
    rng = generator(which)
    noise = np.fft.rfft2(rng.standard_normal((_SIDE, _SIDE)))
    across, down = np.fft.rfftfreq(_SIDE)[None, :], np.fft.fftfreq(_SIDE)[:, None]
    rough = np.fft.irfft2(noise / np.maximum(np.hypot(across, down), 1 / 64), s=(_SIDE, _SIDE))
    light = rough / rough.std()
    turned = rng.uniform(0, np.pi / 3)
    for number, (broad, long) in enumerate(_NEEDLES):
        angle = turned + number * np.pi / 3
        along = across * np.cos(angle) + down * np.sin(angle)
        beside = down * np.cos(angle) - across * np.sin(angle)
        bell = np.exp(-2 * np.pi**2 * ((long * along) ** 2 + (broad * beside) ** 2))
        field = np.fft.irfft2(
            np.fft.rfft2(rng.standard_normal((_SIDE, _SIDE))) * bell, s=(_SIDE, _SIDE)
        )
        light += 2.0 * np.exp(-np.abs(field / field.std()) / 0.25)  # bright where it crosses 0
    mean, spread = _LIGHT[which]
    light = (light - light.mean()) / light.std()
    return np.clip(mean + spread * light, 0, 1).astype(np.float32)
