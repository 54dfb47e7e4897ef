"""Mirrors auditkit/methods/saliency/maxima.py: places of maxima, by looking them up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.saliency.maxima import holders
from auditkit.methods.saliency.rules import Interception, tensors_in

X = torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))

CALLS: list[Callable[[Tensor], object]] = [
    lambda x: functional.max_pool2d(x, 2),
    lambda x: functional.max_pool2d(x, 3, 2, 1),
    lambda x: functional.max_pool2d(x, 3, stride=1, dilation=2, ceil_mode=True),
    lambda x: functional.max_pool2d(x[0], 2, return_indices=True),
    lambda x: torch.max_pool2d(x, 2),
    lambda x: functional.max_pool1d(x[0], 2),
    lambda x: functional.max_pool3d(x, 2),
    lambda x: functional.adaptive_max_pool2d(x, (2, 3)),
    lambda x: functional.adaptive_max_pool1d(x[0], 2),
    lambda x: x.amax(1),
    lambda x: x.amax((1, -1), keepdim=True),
    lambda x: torch.amax(x, dim=(-1, 0)),
    lambda x: x.amax(),
    lambda x: x.max(),
    lambda x: x.max(2),
    lambda x: torch.max(x, dim=-2, keepdim=True),
]


@pytest.mark.parametrize("call", CALLS)
def test_what_stands_there_is_the_maximum(call: Callable[[Tensor], object]):
    found: list[Tensor] = []

    def look(one: object) -> None:
        x = one.sources[0].detach()  # type: ignore[attr-defined]
        found.append(x.flatten()[holders(one, x)])  # type: ignore[arg-type]

    with Interception({"maximum": look}):
        result = call(X.clone().requires_grad_(True))
    (values,) = found
    assert torch.equal(values, tensors_in(result)[0])


def test_places_are_of_the_whole_tensor():
    x, found = torch.tensor([[[1.0, 5.0], [7.0, 2.0]]]), []
    with Interception({"maximum": lambda one: found.append(holders(one, x))}):
        functional.max_pool1d(x.clone().requires_grad_(True), 2)
        x.clone().requires_grad_(True).amax(1)
    assert [one.tolist() for one in found] == [[[[1], [2]]], [[2, 1]]]
