"""Mirrors auditkit/methods/saliency/expected_gradients.py."""

from __future__ import annotations

import torch

from auditkit.methods.saliency.expected_gradients import expected_gradients
from tests.methods.saliency.nets import linear_images, noise, small_cnn


def test_linear_model_gives_weight_times_change_from_the_mean_reference():
    model, weight = linear_images(0, (2, 3, 3))
    image, others = noise(1, 2, 3, 3), noise(7, 2, 3, 3, seed=1)
    found = expected_gradients(model.logits, image, torch.tensor([2]), references=others)
    assert torch.allclose(found.scores, weight[2] * (image - others.mean(dim=0)), atol=1e-6)


def test_scores_add_up_to_the_score_less_its_mean():
    model = small_cnn()
    image, others, target = noise(1, 1, 8, 8), noise(6, 1, 8, 8, seed=1), torch.tensor([1])
    found = expected_gradients(model.logits, image, target, references=others, steps=64)
    expected = model.logits(image)[0, 1] - model.logits(others)[:, 1].mean()
    assert torch.allclose(found.change, expected, atol=1e-6)
    assert abs(float(found.scores.sum() - expected)) < 0.01 * abs(float(expected)) + 1e-4
