"""Mirrors auditkit/selftest/masked_gradient.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.data import digits
from auditkit.methods.attacks.active_set import loss_gradients
from auditkit.selftest import masked_gradient, teach
from auditkit.selftest.masked_gradient import (
    OpaquePreprocessing,
    QuantisedInput,
    SaturatedLogits,
    StochasticLayer,
)


@pytest.fixture
def network() -> nn.Module:
    data = digits.load("train").take(torch.arange(300).numpy())
    model = teach.digit_reader(0, teach.images_of(data), teach.labels_of(data), epochs=6)
    return model.module


def images() -> torch.Tensor:
    return teach.images_of(digits.load("test"))[:100]


@pytest.mark.parametrize("mask", [QuantisedInput, SaturatedLogits, OpaquePreprocessing])
def test_a_mask_hides_gradients_and_hardly_changes_answers(
    network: nn.Module, mask: type[nn.Module]
) -> None:
    masked = mask(network).eval()
    assert all(a is b for a, b in zip(masked.parameters(), network.parameters(), strict=True))
    answers = network(images()).argmax(dim=1)
    assert float((masked(images()).argmax(dim=1) == answers).float().mean()) > 0.9
    assert loss_gradients(network, images(), answers).abs().flatten(1).amax(1).min() > 0
    assert (loss_gradients(masked, images(), answers) == 0).flatten(1).all(1).float().mean() > 0.95


def test_large_logits_alone_mask_nothing(network: nn.Module) -> None:
    answers = network(images()).argmax(dim=1)
    plain = loss_gradients(network, images(), answers)
    large = loss_gradients(lambda x: 1e4 * network(x), images(), answers)
    assert (large.flatten(1).abs().amax(1) > 0).all()
    assert (
        large.sign() == plain.sign()
    ).float().mean() > 0.7  # 0.5 by chance; other classes weigh more


def test_the_noise_is_new_each_time_and_gradients_remain(network: nn.Module) -> None:
    noisy = StochasticLayer(network)
    assert not torch.equal(noisy(images()), noisy(images()))
    answers = network(images()).argmax(dim=1)
    assert (loss_gradients(noisy, images(), answers) != 0).flatten(1).any(1).all()


def test_the_bench_masks_the_twin_it_compares_with(network: nn.Module) -> None:
    class Plain:
        def taught(self, *_args: object, **_settings: object) -> object:
            return teach.as_digit_reader(network)

    for flaw in masked_gradient.FLAWS:
        twins = flaw.plant(0, Plain())  # type: ignore[arg-type]
        assert twins.flawed.module.inner is twins.sound.module is network
