"""Where the maxima of a tensor stand, however a function asks for them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.saliency.rules import Call


def holders(call: Call, x: Tensor) -> Tensor:
    """Return where in the flattened tensor each of its maxima stands."""
    where = torch.arange(x.numel(), device=x.device).view(x.shape)
    if "pool" in call.name:
        n_spatial = int(call.name[-2])
        return _pooled(call, x, where, n_spatial)
    dim, kept = call.argument(1, "dim", ()), call.argument(2, "keepdim", False)
    dims = [dim] if isinstance(dim, int) else list(dim or range(x.ndim))  # pyright: ignore[reportUnknownVariableType, reportArgumentType, reportCallIssue]
    dims = sorted(one % x.ndim for one in dims) if x.ndim else []
    rest = [one for one in range(x.ndim) if one not in dims]
    best = x.permute(*rest, *dims).flatten(len(rest)).argmax(-1, keepdim=True)
    places = where.permute(*rest, *dims).flatten(len(rest)).gather(-1, best).squeeze(-1)
    if kept:
        for one in dims:
            places = places.unsqueeze(one)
    return places


def _pooled(call: Call, x: Tensor, where: Tensor, n_spatial: int) -> Tensor:
    pool = getattr(functional, call.name)
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    names = ("output_size",) if call.name.startswith("adaptive") else names
    given = dict(zip(names, call.args[1:], strict=False))
    given |= {name: call.kwargs[name] for name in names if name in call.kwargs}
    _, places = pool(x, **given, return_indices=True)  # within each plane
    lead = where.flatten(-n_spatial)[..., :1]  # (..., 1) where each plane begins
    return (places.flatten(-n_spatial) + lead).view(places.shape)
