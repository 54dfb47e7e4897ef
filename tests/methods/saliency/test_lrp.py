"""Mirrors auditkit/methods/saliency/lrp.py: conservation, rules written out, equal to captum."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
from captum.attr import LRP
from torch import Tensor, nn
from torch.nn import functional

from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.lrp import lrp
from tests.methods.saliency.nets import assert_untouched, linear_images, noise, state_of
from tests.methods.saliency.styles import RELUS, network

FIRST = torch.tensor([0])


@pytest.mark.parametrize("style", ["module", "reused", "in place", *RELUS])
@pytest.mark.parametrize("pool", ["max", "mean"])
def test_without_biases_relevance_is_conserved_and_gradient_times_input(style: str, pool: str):
    module = network(style, bias=False, pool=pool)
    images, target = noise(5, 3, 8, 8), torch.arange(5)
    found = lrp(module, images, target, epsilon=1e-9)
    score = module(images).gather(1, target[:, None])[:, 0]
    assert torch.allclose(found.change, score, atol=1e-6)
    assert torch.allclose(found.scores.flatten(1).sum(1), score, rtol=1e-5, atol=1e-6)
    assert found.delta.abs().max() < 1e-5 * score.abs().max()
    assert torch.allclose(found.scores, images * gradient(module, images, target), atol=1e-6)
    assert found.unruled == ()


def test_a_smooth_rectifier_hands_on_all_it_gets():
    module = network("gelu", bias=False, pool="mean")
    images, target = noise(4, 3, 8, 8), torch.arange(4)
    found = lrp(module, images, target, epsilon=1e-9)
    assert found.delta.abs().max() < 1e-5 * found.change.abs().max()
    assert not torch.allclose(found.scores, images * gradient(module, images, target), atol=1e-2)


class Sequential(nn.Module):
    """Layers that captum has rules for, one module per use."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3)
        self.relu, self.relu_again = nn.ReLU(), nn.ReLU()
        self.pool, self.head = nn.AvgPool2d(2), nn.Linear(24, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu_again(self.second(self.relu(self.first(images))))
        return self.head(self.pool(x).flatten(1))


@pytest.mark.parametrize("seed", [0, 1])
def test_equals_captum_where_captum_is_right(seed: int):
    torch.manual_seed(seed)
    module = Sequential().eval().requires_grad_(False)
    images, target = noise(4, 3, 8, 8, seed=seed), torch.arange(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = LRP(copy.deepcopy(module)).attribute(images.clone(), target=target).detach()
    found = lrp(module, images, target, epsilon=1e-9)
    assert torch.allclose(found.scores, theirs, atol=1e-6)
    assert found.scores.abs().max() > 1e-3


def test_epsilon_and_gamma_written_out():
    """Montavon et al., 2019, table 1: R_j = sum_k a_j w_jk / (z_k +- eps) R_k."""
    torch.manual_seed(0)
    weight, bias, head = torch.randn(4, 3), torch.randn(4), torch.randn(1, 4)
    x = torch.rand(3)
    for epsilon in (1e-6, 0.5):
        z = weight @ x + bias
        score = head @ z.relu()
        passed = z.relu() * head[0] / (score + epsilon * score.sign()) * score  # of each unit
        shares = weight * x / (z + epsilon * z.sign())[:, None]
        expected = (shares * passed[:, None]).sum(0)
        found = lrp(
            lambda rows: functional.linear(functional.linear(rows, weight, bias).relu(), head),
            x[None], FIRST, epsilon=epsilon,
        )  # fmt: skip
        assert torch.allclose(found.scores[0], expected, atol=1e-5)
    gamma, kernel = 0.7, weight[:, :, None]  # (4, 3, 1), a convolution over one place
    higher = weight + gamma * weight.clamp(min=0)
    z, z_higher = weight @ x + bias, higher @ x + bias + gamma * bias.clamp(min=0)
    passed = z * head[0]
    expected = (higher * x / z_higher[:, None] * passed[:, None]).sum(0)
    found = lrp(
        lambda rows: functional.conv1d(rows[:, :, None], kernel, bias)[:, :, 0] @ head.T,
        x[None], FIRST, epsilon=0.0, gamma=gamma,
    )  # fmt: skip
    assert torch.allclose(found.scores[0], expected, atol=1e-5)
    plain = lrp(
        lambda rows: functional.conv1d(rows[:, :, None], kernel, bias)[:, :, 0] @ head.T,
        x[None], FIRST, epsilon=0.0,
    )  # fmt: skip
    assert torch.allclose(plain.scores[0], (head @ weight)[0] * x, atol=1e-5)


def test_rules_by_hand():
    x = torch.tensor([[1.5, -0.5, 0.0, 3.0]])

    def relevance(logits: Callable[[Tensor], Tensor]) -> list[float]:
        return lrp(lambda r: logits(r)[:, None], x, FIRST, epsilon=0.0).scores[0].tolist()

    assert relevance(lambda r: functional.gelu(r).sum(1)) == pytest.approx(
        functional.gelu(x)[0].tolist(), abs=1e-6
    )
    assert relevance(lambda r: r.sigmoid().sum(1)) == pytest.approx(
        (x.sigmoid() - 0.5)[0].tolist(), abs=1e-6
    )
    assert relevance(lambda r: r[:, 0] * r[:, 3]) == pytest.approx([2.25, 0, 0, 2.25])
    assert relevance(lambda r: r[:, 3] / r[:, 0]) == pytest.approx([0, 0, 0, 2])
    assert relevance(lambda r: r.amax(1)) == [0, 0, 0, 3]
    assert relevance(lambda r: (4 * r).round().sum(1)) == pytest.approx([6, -2, 0, 12])
    assert relevance(lambda r: r.exp().sum(1)) == pytest.approx((x.exp() - 1)[0].tolist(), abs=1e-6)


def test_a_normalisation_holds_its_deviation_fixed():
    torch.manual_seed(0)
    norm = nn.LayerNorm(6, bias=False).requires_grad_(False)
    norm.weight.uniform_(0.5, 2)
    head, x = torch.randn(6, 3), torch.randn(2, 6)
    deviation = (x.var(1, unbiased=False, keepdim=True) + norm.eps).sqrt()
    centring = torch.eye(6) - 1 / 6
    expected = x * (((head * norm.weight[:, None]).T[:2] / deviation) @ centring)
    found = lrp(lambda rows: norm(rows) @ head, x, torch.tensor([0, 1]), epsilon=0.0)
    assert torch.allclose(found.scores, expected, atol=1e-5)
    assert found.delta.abs().max() < 1e-5


@pytest.mark.parametrize("way", ["written out", "function"])
def test_attention_follows_the_formulas_of_attnlrp(way: str):
    """Achtibat et al., 2024, section 3.3: softmax and products of two, for one head."""
    torch.manual_seed(0)
    t, d = 4, 3
    x, head = torch.randn(t, d), torch.randn(t * d)
    query, key, value = torch.randn(3, d, d)

    def logits(rows: Tensor) -> Tensor:  # (1, t, d)
        q, k, v = rows @ query, rows @ key, rows @ value
        if way == "function":
            mixed = functional.scaled_dot_product_attention(q, k, v)
        else:
            mixed = ((q @ k.transpose(1, 2)) * d**-0.5).softmax(2) @ v
        return (mixed.flatten(1) @ head)[:, None]

    q, k, v = x @ query, x @ key, x @ value
    fits = q @ k.T * d**-0.5
    shares = fits.softmax(1)
    mixed = shares @ v
    r_mixed = mixed * head.view(t, d)
    ratio = r_mixed / (2 * mixed)
    r_shares, r_v = shares * (ratio @ v.T), v * (shares.T @ ratio)
    r_fits = fits * (r_shares - shares * r_shares.sum(1, keepdim=True))
    ratio = r_fits / (2 * fits)
    r_q, r_k = q * (ratio @ k) * d**-0.5, k * (ratio.T @ q) * d**-0.5
    expected = torch.zeros_like(x)
    for part, total, weight in ((r_q, q, query), (r_k, k, key), (r_v, v, value)):
        expected += x * (part / total @ weight.T)
    found = lrp(logits, x[None], FIRST, epsilon=0.0)
    assert torch.allclose(found.scores[0], expected, atol=1e-4)


def test_linear_models_and_dummies():
    model, weight = linear_images(0, (1, 2, 2))
    weight[:, 0, 1, 1] = 0.0  # shares memory with the layer
    images, target = noise(3, 1, 2, 2), torch.arange(3)
    found = lrp(model.logits, images, target, epsilon=0.0)
    assert torch.allclose(found.scores, weight[target] * images, atol=1e-6)
    assert (found.scores[:, 0, 1, 1] == 0).all()
    assert lrp(model.logits, 0 * images, target).scores.abs().max() == 0


def test_functions_without_a_rule_are_named():
    found = lrp(lambda x: x.sort(dim=1).values.cumprod(1), noise(2, 4), torch.tensor([0, 3]))
    assert found.unruled == ("cumprod", "sort")


def test_constants_give_zeros_and_nothing_is_left_behind():
    images = noise(2, 3, 8, 8)
    for logits in (lambda x: torch.ones(len(x), 2), lambda x: x.flatten(1)[:, :2] * 0):
        assert (lrp(logits, images, torch.tensor([0, 1])).scores == 0).all()
    module = network("in place")
    before = state_of(module)
    together = lrp(module, images, torch.tensor([0, 1]), gamma=0.25)
    alone = lrp(module, images, torch.tensor([0, 1]), gamma=0.25, batch_size=1)
    assert torch.allclose(together.scores, alone.scores, atol=1e-6)

    def broken(x: Tensor) -> Tensor:
        module(x)
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        lrp(broken, images, torch.tensor([0, 1]))
    assert_untouched(module, before)
    assert not images.requires_grad
