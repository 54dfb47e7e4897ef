"""Mirrors auditkit/methods/saliency/guided_backprop.py: the paper's rule in every spelling."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
from captum.attr import GuidedBackprop
from torch import Tensor, nn
from torch.nn import functional

from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.guided_backprop import guided_backprop
from tests.methods.saliency.nets import assert_untouched, linear_images, noise, state_of
from tests.methods.saliency.styles import MODULES, RELUS, network


def peer(module: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        method = GuidedBackprop(copy.deepcopy(module))
        return method.attribute(images.clone(), target=target).detach()


@pytest.mark.parametrize("style", MODULES)
@pytest.mark.parametrize("pool", ["max", "mean"])
def test_equals_captum_on_modules(style: str, pool: str):
    module = network(style, pool=pool)
    images, target = noise(4, 3, 8, 8), torch.arange(4)
    found = guided_backprop(module, images, target)
    assert torch.allclose(found.scores, peer(module, images, target), atol=1e-6)
    assert found.rectifiers == ("relu",)
    assert not torch.allclose(found.scores, gradient(module, images, target), atol=1e-3)


@pytest.mark.parametrize("style", [*RELUS, "times mask"])
def test_functions_equal_modules_where_captum_gives_the_gradient(style: str):
    images, target = noise(4, 3, 8, 8), torch.arange(4)
    found = guided_backprop(network(style), images, target)
    expected = guided_backprop(network("module"), images, target)
    assert torch.allclose(found.scores, expected.scores, atol=1e-6)
    assert len(found.rectifiers) == 1
    theirs = peer(network(style), images, target)
    assert torch.allclose(theirs, gradient(network(style), images, target), atol=1e-6)
    assert not torch.allclose(theirs, found.scores, atol=1e-3)


@pytest.mark.parametrize("rectifier", [functional.relu, functional.gelu, functional.silu])
def test_two_layers_written_out(rectifier: Callable[[Tensor], Tensor]):
    torch.manual_seed(0)
    first, second, head = torch.randn(5, 3), torch.randn(4, 5), torch.randn(2, 4)
    x = torch.randn(3)

    def own(z: Tensor) -> Tensor:
        leaf = z.clone().requires_grad_()
        return torch.autograd.grad(rectifier(leaf).sum(), leaf)[0]

    z1 = first @ x
    z2 = second @ rectifier(z1)
    back = head[1].clamp(min=0) * own(z2)
    back = (second.T @ back).clamp(min=0) * own(z1)
    found = guided_backprop(
        lambda rows: rectifier(rectifier(rows @ first.T) @ second.T) @ head.T,
        x[None],
        torch.tensor([1]),
    )
    assert torch.allclose(found.scores[0], first.T @ back, atol=1e-6)


def test_without_a_rectifier_it_is_the_plain_gradient_and_says_so():
    model, weight = linear_images(0, (1, 2, 2))
    found = guided_backprop(model.logits, noise(3, 1, 2, 2), torch.arange(3))
    assert torch.allclose(found.scores, weight, atol=1e-6)
    assert found.rectifiers == ()
    kept = torch.tensor([1.0, 0.5, 0.0])  # a mask that is no ReLU
    found = guided_backprop(
        lambda x: -(x * kept), torch.tensor([[1.0, -1.0, 2.0]]), torch.tensor([0])
    )
    assert found.scores.tolist() == [[-1.0, 0.0, 0.0]]
    found = guided_backprop(lambda x: -x.tanh(), torch.ones(1, 2), torch.tensor([0]))
    assert found.scores[0, 0] < 0
    assert found.rectifiers == ()


def test_constants_give_zeros_and_nothing_is_left_behind():
    images, target = noise(3, 3, 8, 8), torch.tensor([0, 1, 1])
    for logits in (lambda x: torch.ones(len(x), 2), lambda x: x.flatten(1)[:, :2] * 0):
        assert (guided_backprop(logits, images, target).scores == 0).all()
    module = network("in place")
    before = state_of(module)
    together = guided_backprop(module, images, target)
    alone = guided_backprop(module, images, target, batch_size=2)
    assert torch.allclose(together.scores, alone.scores, atol=1e-6)

    def broken(x: Tensor) -> Tensor:
        module(x)
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        guided_backprop(broken, images, target)
    assert_untouched(module, before)
    assert not images.requires_grad
