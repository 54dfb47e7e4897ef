"""Mirrors auditkit/models/training/images.py."""

from __future__ import annotations

import dataclasses

import torch

from auditkit.models.card import Recipe
from auditkit.models.training.images import fit_image
from tests.models.training.toys import SHORT, linear, separable


def test_it_learns_and_leaves_the_network_in_evaluation_mode() -> None:
    images, labels = separable()
    module = linear()
    recipe = Recipe(seed=0, epochs=30, batch_size=32, learning_rate=0.05)
    epochs = fit_image(
        module, images[:150], labels[:150], recipe, validation=(images[150:], labels[150:])
    )
    assert epochs[-1].loss < 0.2 < epochs[0].loss
    assert epochs[-1].validation is not None
    assert epochs[-1].validation >= 0.98
    assert [one.number for one in epochs] == list(range(1, 31))
    assert not module.training


def test_smoothed_labels_keep_the_loss_above_their_entropy() -> None:
    images, labels = separable()
    recipe = dataclasses.replace(SHORT, epochs=60, learning_rate=0.1, label_smoothing=0.2)
    losses = [one.loss for one in fit_image(linear(), images, labels, recipe)]
    # The best answer to a label of .9 and .1 is just that.
    entropy = -(0.9 * torch.tensor(0.9).log() + 0.1 * torch.tensor(0.1).log())
    assert losses[-1] >= float(entropy) - 1e-4


def test_low_precision_trains_in_the_layout_of_images_and_gives_it_back() -> None:
    images, labels = separable()
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), linear_of(64)
    )
    layouts: set[bool] = set()
    module[0].register_forward_hook(
        lambda _m, _i, out: layouts.add(out.is_contiguous(memory_format=torch.channels_last))
    )
    recipe = dataclasses.replace(SHORT, precision="bfloat16", epochs=10, learning_rate=0.02)
    epochs = fit_image(module, images, labels, recipe)
    assert epochs[-1].loss < 0.3
    assert layouts == {True}
    assert next(module.parameters()).is_contiguous()


def linear_of(inputs: int) -> torch.nn.Linear:
    return torch.nn.Linear(inputs, 2)
