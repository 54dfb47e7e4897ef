"""Mirrors auditkit/models/builtin/gan.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.errors import ConfigError
from auditkit.models.builtin.gan import CARDS, Discriminator, Generator
from auditkit.models.generative import GenerativeCard
from tests.models.builtin.networks import assert_config_is_told_by_shapes, network, noise


def discriminator() -> Discriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Discriminator(width=4, n_classes=3)


@pytest.mark.parametrize("card", CARDS, ids=lambda one: one.name)
def test_the_cards_fit_their_network(card: GenerativeCard) -> None:
    module = network(card.build, **card.config)
    assert module.config == card.config
    assert module.make(noise(2, module.latent), torch.tensor([0, 9])).shape == (
        2,
        *card.input_shape,
    )
    assert sum(one.numel() for one in module.parameters()) <= 500_000


def test_images_depend_on_class_and_noise() -> None:
    module = network(Generator, side=8, width=4, latent=5, n_classes=3)
    draw, labels = noise(4, 5), torch.tensor([0, 0, 1, 2])
    images = module(draw, labels)
    assert images.shape == (4, 1, 8, 8)
    assert ((images > 0) & (images < 1)).all()
    other_class = module(draw, (labels + 1) % 3)
    other_noise = module(noise(4, 5, seed=1), labels)
    for other in (other_class, other_noise):
        assert ((other - images).abs().amax(dim=(1, 2, 3)) > 1e-4).all()


def test_the_score_depends_on_class_and_image() -> None:
    critic = discriminator().eval()
    images, labels = noise(4, 1, 8, 8), torch.tensor([0, 0, 1, 2])
    scores = critic(images, labels)
    assert scores.shape == (4,)
    assert ((critic(images, (labels + 1) % 3) - scores).abs() > 1e-6).all()
    assert ((critic(-images, labels) - scores).abs() > 1e-6).all()


def test_no_layer_of_the_discriminator_stretches() -> None:
    critic = discriminator()
    with torch.no_grad():
        for _ in range(50):  # each pass brings the estimate of the largest singular value nearer
            critic(noise(2, 1, 8, 8), torch.tensor([0, 1]))
    critic.eval()
    layers = [
        one for one in critic.modules() if isinstance(one, nn.Conv2d | nn.Linear | nn.Embedding)
    ]
    largest = [float(torch.linalg.matrix_norm(one.weight.detach().flatten(1), 2)) for one in layers]
    assert len(largest) == 6
    assert largest == pytest.approx([1.0] * 6, abs=0.02)


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        Generator,
        {},
        {"side": 8, "width": 4, "latent": 5, "n_classes": 3},
        {"side": 12, "latent": 6},
    )


def test_a_side_that_cannot_be_halved_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 4"):
        Generator(side=10)
