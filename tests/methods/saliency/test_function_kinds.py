"""Mirrors auditkit/methods/saliency/function_kinds.py: names exist, and each has one kind."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.saliency import function_kinds as kinds
from auditkit.methods.saliency.composites import COMPOSITES

KINDS = {
    "pointwise": kinds.POINTWISE,
    "step": kinds.STEPS,
    "multilinear": kinds.MULTILINEAR,
    "maximum": kinds.MAXIMA,
    "quotient": kinds.QUOTIENTS,
    "softmax": kinds.SOFTMAX,
    "linear": kinds.LINEAR,
}


def exists(name: str) -> bool:
    homes = (torch, Tensor, functional, torch.ops.aten)
    spellings = (name, f"{name}_", f"__{name}__", f"__{name}", f"_{name}")
    return name == "get" or any(hasattr(home, one) for home in homes for one in spellings)


def test_every_name_is_one_of_torch():
    names = frozenset().union(*KINDS.values(), kinds.GATES, COMPOSITES)
    assert sorted(name for name in names if not exists(name)) == []


def test_no_name_has_two_kinds():
    for (_, some), (_, others) in combinations(KINDS.items(), 2):
        assert not some & others
    simple = frozenset().union(*KINDS.values()) - kinds.MAXIMA
    assert not simple & COMPOSITES.keys()
    assert kinds.RECTIFIERS < kinds.POINTWISE
    assert kinds.CONVOLUTIONS < kinds.LAYERS < kinds.MULTILINEAR


def test_what_is_called_linear_is():
    torch.manual_seed(0)
    x, y = torch.randn(2, 2, 4, 4).double()
    for call in (
        lambda z: functional.avg_pool2d(z[None], 2),
        lambda z: z.cumsum(1),
        lambda z: functional.pad(z, (1, 1)),
        lambda z: functional.interpolate(z[None], scale_factor=2, mode="bilinear"),
        lambda z: functional.fold(z.reshape(1, 4, 8).repeat(1, 1, 2), (5, 5), 2),
        lambda z: z.diff(),
        lambda z: functional.adaptive_avg_pool2d(z, 2),
    ):
        assert torch.allclose(call(x + 2 * y), call(x) + 2 * call(y))
