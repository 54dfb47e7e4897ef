"""Mean slopes of a function along the straight path between two of its inputs.

Aumann and Shapley, 1974, Values of Non-Atomic Games; integrated gradients, of one function.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.saliency.rules import Call, Pull, finite, tensors_in

NODES = 16  # where the integrand is no polynomial


def along_path(call: Call, start: Sequence[Tensor], nodes: int) -> Pull:
    """Return what hands back the mean slopes of a call along a straight path.

    Parameters
    ----------
    call : Call
        Its tensors are where the path ends.
    start : sequence of Tensor
        Where it starts, one for each of the call's tensors.
    nodes : int
        Gauss-Legendre nodes, exact for polynomials of degree 2 nodes in the sources.
    """
    now = [one.detach().clone() for one in call.tensors]  # the caller may change them later
    sources = call.sources
    places = [i for i, one in enumerate(call.tensors) if one.requires_grad]

    def pull(slope: Tensor) -> list[Tensor]:
        total = [torch.zeros_like(one) for one in sources]
        for t, weight in gauss_legendre(nodes):
            point = [_between(was, one, t) for one, was in zip(now, start, strict=True)]
            leaves = [point[i].requires_grad_(True) for i in places]
            with torch.enable_grad():
                value = tensors_in(call.at(point))[0]
                slopes = torch.autograd.grad(value, leaves, slope, materialize_grads=True)
            for part, one in zip(total, slopes, strict=True):
                part.add_(finite(one), alpha=weight)
        return total

    return pull


@cache
def gauss_legendre(nodes: int) -> list[tuple[float, float]]:
    """Return places in (0, 1) and weights that sum to 1 (Gauss-Legendre quadrature)."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return [(float((x + 1) / 2), float(w / 2)) for x, w in zip(points, weights, strict=True)]


def _between(start: Tensor, end: Tensor, t: float) -> Tensor:
    if not end.is_floating_point():
        return end
    return torch.where(start == end, end, start + t * (end - start))


def mean_softmax(z: Tensor, z0: Tensor, dim: int) -> Tensor:
    """Return weights w whose products with z - z0 add up to the change of logsumexp; sum(w) = 1."""
    moved = finite(z - z0)  # masked places, at minus infinity in both, do not move
    shares = torch.zeros_like(z)
    for t, weight in gauss_legendre(NODES):
        shares += weight * _between(z0, z, t).softmax(dim)
    change = z.logsumexp(dim, keepdim=True) - z0.logsumexp(dim, keepdim=True)
    mean = (shares * moved).sum(dim, keepdim=True)
    away = shares * (moved - mean)
    spread = (away * moved).sum(dim, keepdim=True)
    return shares + away * finite((change - mean) / spread)
