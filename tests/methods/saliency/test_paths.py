"""Mirrors auditkit/methods/saliency/paths.py: integrals along a line, against closed forms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from auditkit.methods.saliency.paths import along_path, mean_softmax
from auditkit.methods.saliency.rules import Call


def slopes(
    function: Callable[..., Tensor], ends: list[Tensor], starts: list[Tensor], nodes: int
) -> list[Tensor]:
    leaves = [one.clone().requires_grad_(True) for one in ends]
    call = Call(name="", function=function, args=tuple(leaves), kwargs={})
    return list(along_path(call, starts, nodes)(torch.ones(function(*ends).shape)))


def test_polynomials_are_exact():
    x, y = torch.tensor([3.0]), torch.tensor([5.0])
    x0, y0 = torch.tensor([1.0]), torch.tensor([2.0])
    assert slopes(torch.mul, [x, y], [x0, y0], 1) == [torch.tensor([3.5]), torch.tensor([2.0])]
    (cube,) = slopes(lambda x: x**3, [x], [x0], 2)
    assert cube == pytest.approx((27 - 1) / 2)


def test_a_logarithm_with_sixteen_nodes():
    (rate,) = slopes(torch.log, [torch.tensor([4.0])], [torch.tensor([1.0])], 16)
    assert float(rate) == pytest.approx(float(torch.tensor(4.0).log()) / 3, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 30.0, 300.0])
def test_mean_softmax_is_complete_and_sums_to_one(scale: float):
    rng = torch.Generator().manual_seed(0)
    z, z0 = scale * torch.randn(2, 5, 7, generator=rng).double()
    z[:, 2] = z0[:, 2] = -torch.inf  # masked
    weights = mean_softmax(z, z0, 1)
    assert (weights[:, 2] == 0).all()
    assert torch.allclose(weights.sum(1), torch.ones(5).double())
    moved = (z - z0).nan_to_num(nan=0.0)
    assert torch.allclose((weights * moved).sum(1), z.logsumexp(1) - z0.logsumexp(1))


def test_mean_softmax_of_two_is_a_mean_sigmoid():
    z, z0 = torch.tensor([[2.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    expected = (torch.tensor(2.0).exp().log1p() - torch.tensor(-1.0).exp().log1p()) / 3
    assert mean_softmax(z, z0, 1)[0].tolist() == pytest.approx(
        [float(expected), 1 - float(expected)]
    )
    same = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.allclose(mean_softmax(same, same, 1), same.softmax(1))
