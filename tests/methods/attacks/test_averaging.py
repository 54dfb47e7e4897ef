"""Mirrors auditkit/methods/attacks/averaging.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.averaging import averaged


def test_it_is_the_logarithm_of_the_mean_of_the_probabilities() -> None:
    answers = [torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([[-1.0, 0.5, 3.0]])]
    asked = iter(answers)
    found = averaged(lambda _: next(asked), draws=2)(torch.zeros(1, 1))
    mean = torch.stack([one.softmax(dim=1) for one in answers]).mean(dim=0)
    assert found.exp() == pytest.approx(mean, abs=1e-6)


def test_its_gradient_is_that_of_the_mean() -> None:
    weights = iter([1.0, 3.0])

    def logits(inputs: Tensor) -> Tensor:
        return torch.cat([next(weights) * inputs, torch.zeros_like(inputs)], dim=1)

    inputs = torch.tensor([[0.3]], requires_grad=True)
    (slope,) = torch.autograd.grad(averaged(logits, draws=2)(inputs)[0, 0].exp(), inputs)
    p = torch.sigmoid(torch.tensor([0.3, 0.9]))
    expected = (p * (1 - p) * torch.tensor([1.0, 3.0])).mean()
    assert float(slope) == pytest.approx(float(expected), abs=1e-6)
