"""Random changes to training images, each image by its own amount."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.models.card import Recipe


def augmented(images: Tensor, recipe: Recipe) -> Tensor:
    """Return images (m, c, h, w) changed as the recipe says, drawn from torch's global generator.

    References
    ----------
    DeVries and Taylor, 2017, arXiv:1708.04552 (cutting a square).
    """
    if recipe.shift or recipe.rotation or recipe.zoom:
        images = _moved(images, recipe)
    if recipe.flip:
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    if recipe.crop:
        images = _cropped(images, recipe.crop)
    if recipe.cut:
        images = _cut(images, recipe.cut)
    return images


def affine(
    images: Tensor,
    xx: Tensor,
    xy: Tensor,
    yx: Tensor,
    yy: Tensor,
    *,
    right: Tensor | None = None,
    down: Tensor | None = None,
) -> Tensor:
    """Return images (m, c, h, w) read at places moved by one matrix each; zeros come in.

    Parameters
    ----------
    images : Tensor
        (m, c, h, w).
    xx, xy, yx, yy : Tensor
        (m,) entries of the matrices, which map places in the result to places in the image.
    right, down : Tensor, optional
        (m,) moves in halves of the width and the height.
    """
    still = torch.zeros_like(xx)
    rows = (
        torch.stack([xx, xy, still if right is None else right], 1),
        torch.stack([yx, yy, still if down is None else down], 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def _moved(images: Tensor, recipe: Recipe) -> Tensor:
    """Turn, zoom and shift each image (m, c, h, w)."""
    m, _, h, w = images.shape
    turn, zoom, right, down = 2 * torch.rand(4, m, device=images.device) - 1  # each in [-1, 1]
    angle, scale = turn * math.radians(recipe.rotation), 1 + zoom * recipe.zoom
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    return affine(
        images,
        cosine,
        -sine,
        sine,
        cosine,
        right=right * recipe.shift * 2 / w,  # a pixel is 2 / w of the range -1 to 1
        down=down * recipe.shift * 2 / h,
    )


def _cropped(images: Tensor, margin: int) -> Tensor:
    """Move each image by whole pixels, up to `margin` to each side; zeros come in."""
    m, _, h, w = images.shape
    padded = functional.pad(images, [margin] * 4)
    down, right = torch.randint(2 * margin + 1, (2, m, 1), device=images.device)
    rows = (down + torch.arange(h, device=images.device))[:, :, None]  # (m, h, 1)
    columns = (right + torch.arange(w, device=images.device))[:, None, :]  # (m, 1, w)
    which = torch.arange(m, device=images.device)[:, None, None]
    return padded[which, :, rows, columns].permute(0, 3, 1, 2)  # advanced indices come first


def _cut(images: Tensor, side: int) -> Tensor:
    """Replace a square by the mean of the batch, per channel; part of it may lie outside."""
    m, _, h, w = images.shape
    top = torch.randint(1 - side, h, (m, 1), device=images.device)
    left = torch.randint(1 - side, w, (m, 1), device=images.device)
    down = torch.arange(h, device=images.device) - top  # (m, h)
    across = torch.arange(w, device=images.device) - left  # (m, w)
    inside = ((down >= 0) & (down < side))[:, :, None] & ((across >= 0) & (across < side))[:, None]
    return torch.where(inside[:, None], images.mean(dim=(0, 2, 3), keepdim=True), images)
