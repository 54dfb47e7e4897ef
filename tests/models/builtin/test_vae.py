"""Mirrors auditkit/models/builtin/vae.py."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from auditkit.errors import ConfigError
from auditkit.models.builtin.vae import CARDS, Posterior, Vae
from auditkit.models.generative import GenerativeCard
from tests.models.builtin.networks import assert_config_is_told_by_shapes, network, noise


@pytest.mark.parametrize("card", CARDS, ids=lambda one: one.name)
def test_the_cards_fit_their_network(card: GenerativeCard) -> None:
    module = network(card.build, **card.config)
    assert module.config == card.config
    assert module.make(noise(2, module.latent), None).shape == (2, *card.input_shape)
    assert sum(one.numel() for one in module.parameters()) <= 500_000


def test_a_sample_has_the_mean_and_the_variance_that_the_encoder_says() -> None:
    mean, variance = torch.tensor([1.0, -2.0, 0.0]), torch.tensor([0.25, 1.0, 9.0])
    posterior = Posterior(mean, variance.log())
    drawn = posterior.sample(noise(200_000, 3))
    assert torch.allclose(drawn.mean(dim=0), mean, atol=0.03)
    assert torch.allclose(drawn.var(dim=0), variance, rtol=0.02)


def test_gradients_reach_mean_and_variance_through_a_sample() -> None:
    mean, log_variance = torch.zeros(1, 2), torch.zeros(1, 2)
    for one in (mean, log_variance):
        one.requires_grad_()
    draw = noise(1, 2)
    Posterior(mean, log_variance).sample(draw).sum().backward()
    assert mean.grad is not None
    assert log_variance.grad is not None
    assert torch.allclose(mean.grad, torch.ones(1, 2))
    assert torch.allclose(log_variance.grad, draw / 2)


def test_the_divergence_equals_the_one_of_torch() -> None:
    posterior = Posterior(noise(5, 3), noise(5, 3, seed=1))
    scale = (posterior.log_variance / 2).exp()
    expected = kl_divergence(Normal(posterior.mean, scale), Normal(0.0, 1.0)).sum(dim=1)
    assert torch.allclose(posterior.divergence(), expected, atol=1e-5)
    assert not Posterior(torch.zeros(1, 3), torch.zeros(1, 3)).divergence().any()


@pytest.mark.parametrize(("mean", "log_scale"), [(0.0, -2.0), (0.4, -4.0), (1.0, 0.0), (0.9, -7.0)])
def test_the_probabilities_of_all_grey_values_sum_to_one(mean: float, log_scale: float) -> None:
    module = network(Vae, side=4, width=2, latent=2, greys=17)
    module.log_scale.data.fill_(log_scale)
    images = module.greys[:, None, None, None].expand(17, 1, 4, 4)  # each grey value all over
    likely = module.log_likelihood(images, torch.full((17, 1, 4, 4), mean)) / 16  # of one pixel
    assert likely.exp().sum().item() == pytest.approx(1, abs=1e-3)
    assert abs(int(likely.argmax()) / 16 - mean) <= 1 / 32 + 1e-6


def test_the_bound_is_likelihood_minus_divergence() -> None:
    module = network(Vae, side=8, width=4, latent=3, greys=17)
    images = (noise(6, 1, 8, 8).sigmoid() * 16).round() / 16
    draw = noise(6, 3)
    module.encoder[-1].bias.data.fill_(1.0)
    posterior = module.encode(images)
    assert posterior.divergence().min() > 1  # else it could be forgotten
    latents = posterior.mean + posterior.log_variance.exp().sqrt() * draw
    half, scale = 1 / 32, module.log_scale.exp()
    cdf = torch.distributions.TransformedDistribution(  # the logistic distribution
        torch.distributions.Uniform(0.0, 1.0), torch.distributions.SigmoidTransform().inv
    ).cdf
    means = module.decode(latents)
    upper = torch.where(images > 0.99, 1.0, cdf((images + half - means) / scale))
    lower = torch.where(images < 0.01, 0.0, cdf((images - half - means) / scale))
    expected = (upper - lower).log().flatten(1).sum(dim=1) - posterior.divergence()
    assert torch.allclose(module.elbo(images, draw), expected, rtol=1e-4)


def test_the_bound_lies_below_the_likelihood() -> None:
    """With one latent number the integral over it can be taken on a grid."""
    module = network(Vae, side=4, width=2, latent=1, greys=17)
    images = (noise(3, 1, 4, 4).sigmoid() * 16).round() / 16
    grid = torch.linspace(-8, 8, 4001)
    likely = torch.stack(
        [module.log_likelihood(one[None], module.decode(grid[:, None])) for one in images]
    )  # (3, 4001)
    prior = Normal(0.0, 1.0).log_prob(grid) + math.log(16 / 4000)
    exact = (likely + prior).logsumexp(dim=1)
    draws = torch.stack([module.elbo(images, noise(3, 1, seed=i)) for i in range(400)])
    error = draws.std(dim=0) / 20
    assert (draws.mean(dim=0) < exact + 3 * error).all()


def test_images_go_through_few_numbers_and_come_back_as_images() -> None:
    module = network(Vae, side=12, width=4, latent=3)
    images = noise(2, 1, 12, 12).sigmoid()
    assert module.encode(images).mean.shape == (2, 3)
    back = module(images)
    assert back.shape == images.shape
    assert ((back > 0) & (back < 1)).all()
    assert not torch.allclose(module.decode(noise(1, 3)), module.decode(noise(1, 3, seed=1)))


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        Vae, {}, {"side": 8, "width": 4, "latent": 3, "greys": 17}, {"side": 12, "latent": 7}
    )


def test_a_side_that_cannot_be_halved_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 4"):
        Vae(side=10)
