"""Mirrors auditkit/models/builtin/logistic_regression.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from auditkit.models.builtin.logistic_regression import CARDS, LogisticRegression
from tests.models.builtin.networks import assert_config_is_told_by_shapes, network, noise


@pytest.mark.parametrize(("classes", "scores"), [(2, 1), (4, 4)])
def test_it_is_weights_times_features_plus_bias(classes: int, scores: int) -> None:
    module = network(LogisticRegression, inputs=3, n_classes=classes)
    module.weight.data.copy_(noise(scores, 3))
    module.bias.data.copy_(noise(scores, seed=1))
    x = noise(5, 3, seed=2)
    expected = torch.stack(
        [(x.double() * w).sum(dim=1) + b for w, b in zip(module.weight, module.bias, strict=True)],
        dim=1,
    )
    assert module(x).dtype == torch.float64
    assert torch.allclose(module(x), expected, atol=1e-12)


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        LogisticRegression, {"inputs": 3, "n_classes": 2}, {"inputs": 9, "n_classes": 4}
    )


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_cards_name_a_network_of_their_size(card: Any) -> None:
    assert network(card.build, **card.config).config == card.config
