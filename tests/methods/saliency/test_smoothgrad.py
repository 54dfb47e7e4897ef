"""Mirrors auditkit/methods/saliency/smoothgrad.py."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.smoothgrad import smoothgrad
from tests.methods.saliency.nets import noise, small_cnn


def test_it_is_the_mean_of_the_slopes_around_the_input():
    model = small_cnn(channels=2)
    image, target = noise(1, 2, 8, 8), torch.tensor([1])
    draws = np.random.default_rng(0).standard_normal((5, 2, 8, 8))
    width = 0.15 * float(image.max() - image.min())
    copies = image + width * torch.from_numpy(draws).float()
    slopes = [gradient(model.logits, one[None], target) for one in copies]
    found = smoothgrad(model.logits, image, target, noise=np.split(draws, [2, 4]))
    assert torch.allclose(found, torch.stack(slopes).mean(dim=0), atol=1e-6)


def test_ripples_smaller_than_the_noise_go_away():
    def rippled(x: Tensor) -> Tensor:
        return x + 0.01 * (1000 * x).sin()

    one = torch.tensor([[0.0, 1.0]])
    draws = np.random.default_rng(0).standard_normal((4000, 2))
    target = torch.tensor([0])
    assert float(gradient(rippled, one, target)[0, 0]) > 10
    assert abs(float(smoothgrad(rippled, one, target, noise=[draws])[0, 0]) - 1) < 0.5
