"""Rotations and shifts of images, and the worst of many."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.attacks.active_set import CLEARLY, misclassified
from auditkit.methods.attacks.ball import column
from auditkit.methods.attacks.losses import log_odds_against
from auditkit.models.classifier import Logits

ANGLES, SHIFTS = 7, 3  # of the grid, per axis
_GRID = torch.tensor(
    list(
        itertools.product(
            torch.linspace(-1, 1, ANGLES).tolist(),
            torch.linspace(-1, 1, SHIFTS).tolist(),
            torch.linspace(-1, 1, SHIFTS).tolist(),
        )
    )
)  # (63, 3) shares of the largest rotation, shift to the right, shift down


def moved(images: Tensor, moves: Tensor, *, low: float, high: float) -> Tensor:
    """Return images turned about their centre, then shifted.

    Between pixels values are interpolated bilinearly; what comes in from outside is `low`.

    Parameters
    ----------
    images : Tensor
        (n, c, h, w) within the bounds.
    moves : Tensor
        (n, 3) degrees counter-clockwise, shift to the right as a share of the width, shift down as
        a share of the height.
    low, high : float
        Bounds of a pixel.

    Examples
    --------
    >>> image = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)
    >>> moved(image, torch.tensor([[90.0, 0, 0]]), low=0, high=4)[0, 0].round().tolist()
    [[2.0, 4.0], [1.0, 3.0]]
    """
    if len(images) == 0:
        return images
    height, width = images.shape[2:]
    angles = torch.deg2rad(moves[:, 0].to(images))
    cos, sin = angles.cos(), angles.sin()
    # affine_grid asks where each place of the new image, in [-1, 1], comes from in the old one.
    rows = torch.stack([cos, -sin * height / width, sin * width / height, cos], dim=1)
    back = rows.view(-1, 2, 2)
    shift = 2 * moves[:, 1:, None].to(images)  # (n, 2, 1)
    grid = functional.affine_grid(
        torch.cat([back, -back @ shift], dim=2), list(images.shape), align_corners=False
    )
    taken = functional.grid_sample(images - low, grid, align_corners=False)
    return (taken + low).clamp(low, high)


def worst_moves(
    logits: Logits,
    images: Tensor,
    labels: Tensor,
    *,
    most: tuple[float, float],
    bounds: tuple[float, float],
    draws: Tensor,
    batch_size: int = 128,
) -> Tensor:
    """Return the rotation and shift that hurt each image most (n, 3).

    A grid over the whole range comes first, then tries around the worst one so far, within half the
    distance of the grid, a quarter, and so on. An image that falls is left alone. Only
    scores are needed.

    Parameters
    ----------
    logits : callable
        The model.
    images : Tensor
        (n, c, h, w) within the bounds.
    labels : Tensor
        (n,) int64.
    most : (degrees, share)
        Largest rotation and shift to either side.
    bounds : (low, high)
        Range of a pixel.
    draws : Tensor
        (n, rounds, tries, 3) uniform in [-1, 1]: where to look around the worst.
    batch_size : int
        Images per forward pass.

    References
    ----------
    Engstrom et al., 2019, arXiv:1712.02779, section 4.
    """
    scale = torch.tensor([most[0], most[1], most[1]]).to(images)
    best = torch.zeros(len(images), 3).to(images)
    hurt = torch.full((len(images),), -torch.inf).to(images)
    held = torch.ones(len(images), dtype=torch.bool, device=images.device)

    def attempt(moves: Tensor) -> None:
        (rows,) = torch.where(held)
        for batch in rows.split(batch_size):
            turned = moved(images[batch], moves[batch] * scale, low=bounds[0], high=bounds[1])
            with torch.no_grad():
                scores = logits(turned)
            fallen = misclassified(scores, labels[batch], margin=CLEARLY)
            loss = log_odds_against(scores, labels[batch]).nan_to_num(nan=-torch.inf)
            worse = fallen | (loss > hurt[batch])
            best[batch] = torch.where(column(worse, moves), moves[batch], best[batch])
            hurt[batch] = torch.where(worse, loss, hurt[batch])
            held[batch[fallen]] = False

    for candidate in _GRID.to(images):
        attempt(candidate.expand_as(best))
    around = torch.tensor([2 / (ANGLES - 1), 2 / (SHIFTS - 1), 2 / (SHIFTS - 1)]).to(images)
    for turn in range(draws.shape[1]):
        around = around / 2
        centre = best.clone()
        for one in draws[:, turn].to(images).unbind(dim=1):
            attempt((centre + around * one).clamp(-1, 1))
    return best * scale
