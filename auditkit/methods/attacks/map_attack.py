"""A small change of an image that moves its attribution map and keeps its answer.

Ghorbani et al., 2019, arXiv:1710.10547, section 3 (the top-k attack).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import softplus

from auditkit.methods.attacks.ball import linf_ball
from auditkit.methods.saliency.rules import Call, Interception

Parts: TypeAlias = Callable[[Tensor], Tensor]
"""Maps one image (1, ...) to the scores of its u parts (u,), so that their slopes exist."""

_STEP = 0.5  # radii; halved when a step would change the answer
_SHARPNESS = 20.0  # of what stands in for a kink: at most log(2) / 20 away from it


def map_attack(
    parts: Parts,
    keeps: Callable[[Tensor], bool],
    image: Tensor,
    *,
    strongest: Tensor,
    epsilon: float,
    steps: int,
    bounds: tuple[float, float],
) -> Tensor:
    """Return the point of the Linf ball with the least of its map on the parts that led at first.

    What falls is their sum over the sum of all sizes, so that a map that is merely fainter gains
    nothing. The image itself comes back where no step helps.

    Parameters
    ----------
    parts : callable
        The map that is attacked, part by part.
    keeps : callable
        Whether an image (1, ...) still gets the answer that is explained.
    image : Tensor
        (1, ...) within the bounds.
    strongest : Tensor
        (u,) bool, the parts that lead the map of the image.
    epsilon : float
        Radius in input units, above 0.
    steps : int
        Gradient steps, at least 1.
    bounds : (low, high)
        Range of an input value.

    Examples
    --------
    >>> map_attack(
    ...     lambda x: x.flatten().square(),
    ...     lambda x: True,
    ...     torch.tensor([[0.5, 0.25]]),
    ...     strongest=torch.tensor([True, False]),
    ...     epsilon=0.125,
    ...     steps=4,
    ...     bounds=(0.0, 1.0),
    ... )
    tensor([[0.3750, 0.3750]])
    """
    box = linf_ball(image, epsilon=epsilon, bounds=bounds)
    best, size = image, _STEP * epsilon
    share, slope = _share(parts, best, strongest)
    for _ in range(steps):
        moved = box.clamp(best - size * slope.nan_to_num(0.0, 0.0, 0.0).sign())
        if keeps(moved):
            new_share, new_slope = _share(parts, moved, strongest)
            if new_share < share:
                best, share, slope = moved, new_share, new_slope
                continue
        size /= 2
    return best


def _share(parts: Parts, image: Tensor, strongest: Tensor) -> tuple[float, Tensor]:
    """Return the share of the map on the strongest parts, and its slope (1, ...)."""
    leaf = image.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        scores = parts(leaf)
        sizes = scores.abs().sum()
        share = scores[strongest.to(scores.device)].sum() / sizes.clamp_min(1e-12)
    if not share.requires_grad:
        return float(share), torch.zeros_like(image)
    (slope,) = torch.autograd.grad(share, leaf, allow_unused=True, materialize_grads=True)
    return float(share.detach()), slope


def slope_parts(
    score: Callable[[Tensor], Tensor], origin: Tensor, per_part: Parts, *, nodes: int
) -> Parts:
    """Return integrated gradients of a few nodes, part by part, with slopes of their own.

    Kinks are made smooth meanwhile: behind a rectifier slopes do not change at all, but for jumps.

    Parameters
    ----------
    score : callable
        Maps images (m, ...) to the scores (m,) that are explained.
    origin : Tensor
        (1, ...) where the paths start.
    per_part : callable
        Adds the scores (1, ...) of the numbers of an image up, part by part (u,).
    nodes : int
        Nodes of the integral, at least 1.
    """
    places, weights = np.polynomial.legendre.leggauss(nodes)

    def parts(image: Tensor) -> Tensor:
        at, share = (torch.from_numpy(x).to(image) for x in ((1 + places) / 2, weights / 2))
        one = (nodes, *(1 for _ in image.shape[1:]))
        points = origin + at.view(one) * (image - origin)  # (nodes, ...)
        with smooth():
            total = score(points).sum()
            if not total.requires_grad:
                return per_part(torch.zeros_like(image))
            (slopes,) = torch.autograd.grad(total, points, create_graph=True)
        mean = (share.view(one) * slopes).sum(dim=0, keepdim=True)
        return per_part((image - origin) * mean)

    return parts


@contextmanager
def smooth() -> Generator[None]:
    """Within the block ReLUs have no kink, and attention can be differentiated twice."""
    with sdpa_kernel(SDPBackend.MATH), Interception({"pointwise": _rounded}):
        yield


def _rounded(call: Call) -> Tensor | None:
    """Return a softplus in place of a ReLU, however that is spelled."""
    return softplus(call.sources[0], beta=_SHARPNESS) if call.name == "relu" else None
