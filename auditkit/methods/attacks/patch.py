"""One printable patch for all images: ascent on the mean loss over random placements."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.attacks.active_set import CLEARLY, misclassified, scores_and_gradients
from auditkit.methods.attacks.losses import capped_log_odds
from auditkit.models.classifier import Logits
from auditkit.randomness import at_step, uniform
from auditkit.types import Keys

CELLS = 8  # colours of a pattern per side
MARGIN = 0.05  # share of the range at either end that printers and cameras lose
DRAWS = 5  # numbers of a placement: right, down, angle, size, brightness
DEGREES = 20.0  # largest rotation to either side
SMALLEST = 0.8  # share of the side that a patch has at least
BRIGHTNESS = 0.2  # share by which a patch may be darker or brighter


def printable(bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the lowest and highest value of a printed colour.

    Examples
    --------
    >>> printable((0.0, 2.0))
    (0.1, 1.9)
    """
    low, high = bounds
    return low + MARGIN * (high - low), high - MARGIN * (high - low)


def patched(
    images: Tensor, patterns: Tensor, draws: Tensor, *, area: float, bounds: tuple[float, float]
) -> Tensor:
    """Return images with a square patch somewhere on them, wholly inside where it fits.

    Every pixel whose centre the patch covers shows the pattern there, interpolated bilinearly
    between the centres of its cells. Rotated by up to 20 degrees to either side, with 80 to 100 %
    of the full side and 80 to 120 % of the brightness.

    Parameters
    ----------
    images : Tensor
        (n, c, h, w) within the bounds.
    patterns : Tensor
        (n, c, r, r) printable colours, or (1, c, r, r) for the same on all.
    draws : Tensor
        (n, 5) uniform in (0, 1): place to the right and down, angle, size, brightness.
    area : float
        Share of the image that the patch covers at full size, in (0, 1]; it is never wider or
        higher than the image.
    bounds : (low, high)
        Range of a pixel.

    Examples
    --------
    >>> found = patched(
    ...     torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 8, 8), torch.tensor([[0.0, 0, 0.5, 1, 0.5]]),
    ...     area=0.25, bounds=(0.0, 1.0),
    ... )
    >>> found[0, 0].tolist()
    [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    if len(images) == 0:
        return images
    grid = _grid(images, draws.to(images), area)  # (n, h, w, 2)
    shown = functional.grid_sample(
        patterns.expand(len(images), -1, -1, -1), grid, padding_mode="border", align_corners=False
    )
    light = 1 + BRIGHTNESS * (2 * draws[:, 4].to(images) - 1)  # (n,)
    shown = bounds[0] + (shown - bounds[0]) * light[:, None, None, None]
    inside = (grid.abs().amax(dim=3) <= 1)[:, None]  # (n, 1, h, w)
    return torch.where(inside, shown.clamp(*bounds), images)


def _grid(images: Tensor, draws: Tensor, area: float) -> Tensor:
    """Return where on its patch each pixel's centre lies (n, h, w, 2), inside within [-1, 1]."""
    height, width = images.shape[2:]
    full = min(math.sqrt(area * height * width), height, width)  # in pixels
    angles = math.radians(DEGREES) * (2 * draws[:, 2] - 1)  # (n,)
    sides = full * (SMALLEST + (1 - SMALLEST) * draws[:, 3])
    cos, sin = angles.cos(), angles.sin()
    reach = sides * (cos + sin.abs()) / 2  # of the rotated square, to either side
    right = (width / 2 - reach).clamp_min(0) * (2 * draws[:, 0] - 1)  # from the middle
    down = (height / 2 - reach).clamp_min(0) * (2 * draws[:, 1] - 1)
    # affine_grid asks where each place of the image, in [-1, 1], lies on the patch.
    rows = torch.stack(
        [
            torch.stack([cos * width, sin * height, -2 * (cos * right + sin * down)], dim=1),
            torch.stack([-sin * width, cos * height, 2 * (sin * right - cos * down)], dim=1),
        ],
        dim=1,
    )  # (n, 2, 3)
    return functional.affine_grid(
        rows / sides[:, None, None], list(images.shape), align_corners=False
    )


def find_patch(
    logits: Logits,
    images: Tensor,
    labels: Tensor,
    *,
    area: float,
    bounds: tuple[float, float],
    start: Tensor,
    keys: Keys,
    steps: int,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Tensor:
    """Return the pattern (c, r, r) that misclassified the most images of all on the way.

    Of equal ones the one with the largest mean loss.

    Each step follows the sign of the mean gradient, with momentum, of one batch under placements of
    its own; the batches take turns, and the step shrinks from a quarter of the range to nothing
    each time all batches had twenty turns. All patterns are counted under the same placements, two
    per image. Images whose log odds against the label exceed a cap pull no more. The path does
    not depend on how many steps follow: more of them never misclassify fewer of these images.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone counts successes.
    images : Tensor
        (n, c, h, w) within the bounds.
    labels : Tensor
        (n,) int64.
    area : float
        Share of the image that the patch covers at full size.
    bounds : (low, high)
        Range of a pixel; the pattern stays within what is printable of it.
    start : Tensor
        (c, r, r) first pattern.
    keys : ndarray
        (n,) one key per image, for its placements.
    steps : int
        Gradient steps.
    search : callable, optional
        The model in a cheaper precision, for gradients alone.
    batch_size : int
        Images per step and per forward pass.

    References
    ----------
    Brown et al., 2017, arXiv:1712.09665, equation 1. Athalye et al., 2018, arXiv:1707.07397
    (expectation over transformations).
    """
    low, high = printable(bounds)
    batches = torch.arange(len(images), device=images.device).split(batch_size)
    turn = _TURNS * len(batches)  # steps until the step is large again
    fixed = [_draws(keys, -1 - i) for i in range(_COUNTED)]

    def worth(pattern: Tensor) -> tuple[int, float]:
        found = [
            _worth(logits, images[rows], labels[rows], pattern, draws[rows.cpu()], area, bounds)
            for draws in fixed
            for rows in batches
        ]
        return sum(fooled for fooled, _ in found), sum(loss for _, loss in found)

    pattern = best = start.clamp(low, high)
    momentum = torch.zeros_like(pattern)
    most = worth(best)
    for step in range(steps if len(images) else 0):
        rows = batches[step % len(batches)]
        draws = _draws(keys[rows.cpu().numpy()], step)
        slope = _mean_slope(
            search or logits, images[rows], labels[rows], pattern, draws, area, bounds
        )
        momentum = _MOMENTUM * momentum + slope / slope.abs().mean().clamp_min(_TINY)
        size = (high - low) / 4 * (1 - (step % turn) / turn)
        pattern = (pattern + size * momentum.sign()).clamp(low, high)
        if (found := worth(pattern)) > most:
            best, most = pattern, found
    return best


_TURNS = 20
_COUNTED = 2  # placements per image under which patterns are counted
_MOMENTUM = 0.9
_TINY = 1e-30


def _draws(keys: Keys, step: int) -> Tensor:
    return torch.from_numpy(uniform(at_step(keys, step), (DRAWS,)))


def _worth(
    logits: Logits,
    images: Tensor,
    labels: Tensor,
    pattern: Tensor,
    draws: Tensor,
    area: float,
    bounds: tuple[float, float],
) -> tuple[int, float]:
    """Return how many of some images are misclassified, and the sum of their losses."""
    with torch.no_grad():
        scores = logits(patched(images, pattern[None], draws, area=area, bounds=bounds))
    fooled = misclassified(scores, labels, margin=CLEARLY)
    return int(fooled.sum()), float(capped_log_odds(scores, labels).nan_to_num(neginf=0).sum())


def _mean_slope(
    logits: Logits,
    images: Tensor,
    labels: Tensor,
    pattern: Tensor,
    draws: Tensor,
    area: float,
    bounds: tuple[float, float],
) -> Tensor:
    """Return which way the mean loss of some images rises (c, r, r)."""
    slopes = scores_and_gradients(
        lambda patterns: logits(patched(images, patterns, draws, area=area, bounds=bounds)),
        pattern.expand(len(images), *pattern.shape),  # one each: a NaN of one image stays its own
        labels,
        loss=capped_log_odds,
    )
    return torch.nan_to_num(slopes.gradients, nan=0.0, posinf=0.0, neginf=0.0).mean(dim=0)
