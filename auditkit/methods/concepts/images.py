"""Concepts drawn into images, each beside the same change without its form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from auditkit.randomness import at_step, uniform
from auditkit.types import Keys

Drawn: TypeAlias = Callable[[Tensor, Keys], Tensor]  # shares of the range (n, c, h, w), keys (n,)
STRENGTH = 0.3  # share of the drawn colour or pattern in each pixel
_PERIOD = 4  # pixels of a stripe and its gap
_RADIUS = 0.2  # of a disc, in shorter sides of the image
_DISC = 0.7  # share of a disc's colour in its pixels


class ImageConcept(NamedTuple):
    """How a concept is drawn, and what is drawn in its stead to see what any change does."""

    drawn: Drawn
    formless: Drawn


def with_concept(
    name: str, images: Tensor, bounds: tuple[float, float], keys: Keys
) -> tuple[Tensor, Tensor]:
    """Return images (n, c, h, w) with a concept of `IMAGE_CONCEPTS`, and with a change like it.

    The other change is as strong: a random colour for a colour, a random grey for light, random
    pixels for a texture, the pixels of a disc scattered over the image.

    Parameters
    ----------
    images : Tensor
        In raw units.
    bounds : (low, high)
        Range of a raw pixel; what is returned stays inside.
    keys : ndarray
        (n,) one per image, for what is drawn at random.
    """
    low, high = bounds
    shares = (images - low) / (high - low)
    found = [one(shares, keys).clamp(0, 1) for one in IMAGE_CONCEPTS[name]]
    present, formless = ((low + (high - low) * one).to(images.dtype) for one in found)
    return present, formless


def fits(name: str, channels: int) -> bool:
    """Return whether a concept can be drawn: colours need three channels."""
    return not name.endswith("tint") or channels == 3


def _tint(*colour: float) -> Drawn:
    def drawn(shares: Tensor, _keys: Keys) -> Tensor:
        return _blended(shares, shares.new_tensor(colour)[None, :, None, None])

    return drawn


def _any_colour(shares: Tensor, keys: Keys) -> Tensor:
    return _blended(shares, _uniform(keys, shares, shares.shape[1], 1, 1))


def _brighter(shares: Tensor, _keys: Keys) -> Tensor:
    return _blended(shares, torch.ones_like(shares))


def _any_grey(shares: Tensor, keys: Keys) -> Tensor:
    return _blended(shares, _uniform(keys, shares, 1, 1, 1))


def _stripes(shares: Tensor, keys: Keys) -> Tensor:
    """Return upright stripes, light and dark, that start anywhere."""
    columns = torch.arange(shares.shape[3], device=shares.device)[None, None, None]
    light = (columns + _start(keys, shares)) % _PERIOD < _PERIOD // 2
    return _blended(shares, light.to(shares))


def _checker(shares: Tensor, keys: Keys) -> Tensor:
    """Return squares, light and dark in turn, that start anywhere."""
    side = _PERIOD // 2
    rows = torch.arange(shares.shape[2], device=shares.device)[None, None, :, None] // side
    columns = torch.arange(shares.shape[3], device=shares.device)[None, None, None]
    light = (rows + (columns + _start(keys, shares)) // side) % 2 == 0
    return _blended(shares, light.to(shares))


def _any_pixels(shares: Tensor, keys: Keys) -> Tensor:
    """Return pixels light or dark at random, as many of either as in a texture."""
    return _blended(shares, (_uniform(keys, shares, 1, *shares.shape[2:]) < 0.5).to(shares))


def _disc(shares: Tensor, keys: Keys) -> Tensor:
    """Return a disc somewhere inside, light where it is dark there and dark where it is light."""
    return _painted(shares, _inside(shares, keys))


def _scattered(shares: Tensor, keys: Keys) -> Tensor:
    """Return as many pixels as a disc has, anywhere, of one colour that is chosen like its."""
    draws = _uniform(keys, shares, 1, *shares.shape[2:]).flatten(1)
    ranks = draws.argsort(dim=1).argsort(dim=1).reshape(len(shares), 1, *shares.shape[2:])
    return _painted(shares, ranks < _inside(shares, keys).sum(dim=(1, 2, 3), keepdim=True))


def _inside(shares: Tensor, keys: Keys) -> Tensor:
    """Return which pixels (n, 1, h, w) lie in a disc at a random place."""
    height, width = shares.shape[2:]
    radius = _RADIUS * min(height, width)
    draws = _uniform(keys, shares, 2, 1, 1)
    rows = torch.arange(height, device=shares.device)[None, :, None] + 0.5
    columns = torch.arange(width, device=shares.device)[None, None] + 0.5
    down = rows - (radius + draws[:, 0] * (height - 2 * radius))
    across = columns - (radius + draws[:, 1] * (width - 2 * radius))
    return (down.square() + across.square() <= radius**2)[:, None]


def _painted(shares: Tensor, where: Tensor) -> Tensor:
    """Return images with pixels (n, 1, h, w) white where those are dark on average, else black."""
    every = where.expand_as(shares)
    total = (shares * every).sum(dim=(1, 2, 3), keepdim=True)
    dark = total / every.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1) < 0.5
    return torch.where(where, (1 - _DISC) * shares + _DISC * dark.to(shares), shares)


def _start(keys: Keys, shares: Tensor) -> Tensor:
    """Return where a pattern begins, (n, 1, 1, 1) pixels."""
    return (_uniform(keys, shares, 1, 1, 1) * _PERIOD).long()


def _uniform(keys: Keys, like: Tensor, *shape: int) -> Tensor:
    return torch.from_numpy(uniform(at_step(keys, len(shape)), shape)).to(like)


def _blended(shares: Tensor, drawn: Tensor) -> Tensor:
    return (1 - STRENGTH) * shares + STRENGTH * drawn


IMAGE_CONCEPTS: Mapping[str, ImageConcept] = {
    "red tint": ImageConcept(_tint(1.0, 0.0, 0.0), _any_colour),
    "blue tint": ImageConcept(_tint(0.0, 0.0, 1.0), _any_colour),
    "brighter": ImageConcept(_brighter, _any_grey),
    "stripes": ImageConcept(_stripes, _any_pixels),
    "checker": ImageConcept(_checker, _any_pixels),
    "disc": ImageConcept(_disc, _scattered),
}
