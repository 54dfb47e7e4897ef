"""Mirrors auditkit/methods/attacks/map_attack.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.methods.attacks.map_attack import map_attack, slope_parts, smooth
from tests.methods.saliency.nets import noise

FIRST = torch.tensor([True, False])
WEIGHT = torch.tensor([3.0, 1.0])


def attack(parts, keeps=lambda image: True, *, epsilon: float = 0.1, steps: int = 20) -> Tensor:
    image = torch.tensor([[0.5, 0.5]])
    return map_attack(
        parts, keeps, image, strongest=FIRST, epsilon=epsilon, steps=steps, bounds=(0.0, 0.55)
    )


def test_it_ends_in_the_corner_that_hurts_the_leading_part_most():
    found = attack(lambda x: (x * WEIGHT).flatten())
    assert found.tolist() == [[pytest.approx(0.4), pytest.approx(0.55)]]  # cut at the bounds


def test_no_number_leaves_the_ball():
    torch.manual_seed(0)
    image, weight = torch.rand(1, 3, 4, 4), torch.randn(48)
    found = map_attack(
        lambda x: x.flatten() * weight, lambda one: True, image,
        strongest=weight > 0.5, epsilon=0.03, steps=9, bounds=(0.0, 1.0),
    )  # fmt: skip
    assert float((found.double() - image.double()).abs().max()) <= 0.03
    assert float((found - image).abs().max()) > 0.02
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_the_answer_is_kept():
    """Points below 0.45 get another answer: it comes near them and never there."""
    found = attack(lambda x: (x * WEIGHT).flatten(), lambda x: bool(x[0, 0] > 0.45))
    assert 0.45 < float(found[0, 0]) < 0.46
    assert torch.equal(
        attack(lambda x: (x * WEIGHT).flatten(), lambda x: False), torch.tensor([[0.5, 0.5]])
    )


def test_more_steps_never_leave_more_on_the_leading_parts():
    weight = torch.tensor([3.0, 1.0])

    def share(image: Tensor) -> float:
        scores = (image * weight).flatten().sin()
        return float(scores[0] / scores.sum())

    shares = [
        share(attack(lambda x: (x * weight).flatten().sin(), steps=steps)) for steps in (1, 2, 5, 9)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] < share(torch.tensor([[0.5, 0.5]]))


@pytest.mark.parametrize("parts", [lambda x: torch.tensor([1.0, 2.0]), lambda x: 0 * x.flatten()])
def test_a_map_that_does_not_react_leaves_the_image(parts):
    assert torch.equal(attack(parts), torch.tensor([[0.5, 0.5]]))


def test_the_parts_of_a_linear_model_are_its_integrated_gradients():
    weight, image = noise(1, 2, 3, seed=1), noise(1, 2, 3, seed=2).requires_grad_(True)
    origin = torch.full((1, 2, 3), 0.25)
    parts = slope_parts(
        lambda x: (x * weight).flatten(1).sum(dim=1), origin, lambda x: x.flatten(), nodes=3
    )
    found = parts(image)
    assert torch.allclose(found, (weight * (image - origin)).flatten(), atol=1e-6)
    (slope,) = torch.autograd.grad(found.sum(), image)
    assert torch.allclose(slope, weight)


def test_a_score_without_slope_has_no_parts():
    parts = slope_parts(
        lambda x: torch.ones(len(x)), torch.zeros(1, 4), lambda x: x.flatten(), nodes=2
    )
    assert parts(torch.ones(1, 4, requires_grad=True)).tolist() == [0.0] * 4


class Spelled(nn.Module):
    """A ReLU between two layers, in one of its spellings."""

    def __init__(self, relu) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.relu, self.second = nn.Linear(4, 8), relu, nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.relu(self.first(x)))


@pytest.mark.parametrize(
    "relu",
    [
        nn.ReLU(), nn.ReLU(inplace=True), functional.relu, torch.relu, torch.relu_,
        lambda x: x.relu_(), lambda x: x.relu(),
    ],
)  # fmt: skip
def test_slopes_change_behind_every_spelling_of_a_relu(relu):
    """Without the smooth copy the second derivative is zero everywhere."""
    net, x = Spelled(relu).requires_grad_(False), noise(1, 4).requires_grad_(True)

    def bend() -> float:
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        if not slope.requires_grad:
            return 0.0
        (second,) = torch.autograd.grad(slope.sum(), x, allow_unused=True, materialize_grads=True)
        return float(second.abs().sum())

    assert bend() == 0
    with smooth():
        assert bend() > 1e-3
        value = net(x).detach()
    assert (
        float((value - net(x).detach()).abs().max()) < 8 * 0.0347
    )  # log(2) / 20 per unit, weights below 1
    assert bend() == 0


def test_attention_can_be_differentiated_twice():
    x = noise(1, 2, 5, 4).requires_grad_(True)
    with smooth():
        total = functional.scaled_dot_product_attention(x, x, x).sum()
        (slope,) = torch.autograd.grad(total, x, create_graph=True)
        (second,) = torch.autograd.grad(slope.square().sum(), x)
    assert float(second.abs().sum()) > 0
