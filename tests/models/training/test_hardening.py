"""Mirrors auditkit/models/training/hardening.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.models.card import Adversarial, Distilled, Mixed, Noisy, Recipe
from auditkit.models.training.hardening import CHANGES, mixed, objective_of
from tests.models.training.toys import linear, separable

IMAGES, LABELS = separable(64)


def recipe(hardening: object = None) -> Recipe:
    return Recipe(seed=0, epochs=1, batch_size=8, learning_rate=1.0, hardening=hardening)  # type: ignore[arg-type]


class Watched(nn.Module):
    """Remembers what it was last shown in training mode."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.seen = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            self.seen = images.detach()
        return self.module(images)


def test_without_hardening_the_loss_is_cross_entropy() -> None:
    module = linear()
    found = objective_of(recipe())(module, IMAGES, LABELS)
    assert torch.equal(found, functional.cross_entropy(module(IMAGES), LABELS))


def test_adversarial_images_reach_the_corner_that_a_linear_model_fears() -> None:
    """For a linear model the worst point is epsilon times the sign of the weights' difference."""
    module = Watched(linear()).train()
    images = 0.5 + 0.2 * (IMAGES - 0.5)  # clear of the box
    objective_of(recipe(Adversarial(epsilon=0.1, steps=10)))(module, images, LABELS)
    weight = module.module[1].weight  # type: ignore[index]
    wrong = (weight[1] - weight[0]).sign().view(1, 1, 4, 4).detach()
    direction = torch.where(LABELS.view(-1, 1, 1, 1) == 0, wrong, -wrong)
    assert torch.allclose(module.seen, images + 0.1 * direction, atol=1e-6)
    assert module.training


def test_adversarial_images_stay_in_the_box_and_give_no_gradient_to_the_weights() -> None:
    module = Watched(linear()).train()
    objective_of(recipe(Adversarial(epsilon=0.9, steps=2)))(module, IMAGES, LABELS)
    assert module.seen.min() >= 0
    assert module.seen.max() <= 1
    assert (module.seen - IMAGES).abs().max() <= 0.9 + 1e-6
    assert all(value.grad is None for value in module.parameters())


def test_noise_has_the_standard_deviation_of_the_recipe() -> None:
    module = Watched(linear()).train()
    torch.manual_seed(0)
    objective_of(recipe(Noisy(sigma=0.25)))(module, IMAGES, LABELS)
    noise = module.seen - IMAGES
    assert noise.std() == pytest.approx(0.25, rel=0.1)
    assert noise.mean() == pytest.approx(0, abs=0.03)


def test_a_student_equal_to_its_teacher_has_nothing_to_learn() -> None:
    teacher, student = linear(), linear()
    objective = objective_of(recipe(Distilled(teacher="any", temperature=3.0)), teacher)
    assert objective(student, IMAGES, LABELS).item() == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        student[1].bias += torch.tensor([1.0, -1.0])  # type: ignore[union-attr]
    p = (teacher(IMAGES) / 3).softmax(1)
    q = (student(IMAGES) / 3).softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean()
    assert objective(student, IMAGES, LABELS).item() == pytest.approx(
        9 * divergence.item(), rel=1e-4
    )


def test_the_divergence_of_three_views_is_added_to_cross_entropy() -> None:
    class Constant(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.zeros(len(images), 2, requires_grad=True)

    alike = objective_of(recipe(Mixed()))(Constant(), IMAGES, LABELS)
    assert alike.item() == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-5)


def test_the_divergence_of_three_opposite_answers_is_that_of_jensen_and_shannon() -> None:
    class Opposed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            logits = torch.full((3, len(images) // 3, 2), -20.0)
            logits[0, :, 0], logits[1, :, 1], logits[2, :, 0] = 20.0, 20.0, 20.0
            return logits.flatten(0, 1)

    labels = torch.zeros(64, dtype=torch.int64)
    found = objective_of(recipe(Mixed(consistency=5.0)))(Opposed(), IMAGES, labels).item()
    third = torch.tensor(1 / 3)
    entropy = -(third * third.log() + (1 - third) * (1 - third).log()).item()  # of the mean answer
    assert found == pytest.approx(5 * entropy, rel=1e-3)


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
def test_a_change_keeps_shape_and_range_and_does_something(change: object) -> None:
    torch.manual_seed(0)
    images = torch.rand(16, 1, 12, 12) * 0.8
    changed = change(images)  # type: ignore[operator]
    assert changed.shape == images.shape
    assert changed.min() >= -1e-6
    assert changed.max() <= 1 + 1e-6
    assert (changed - images).abs().mean() > 0.01


def test_mixtures_lie_between_the_image_and_its_changes_and_differ() -> None:
    images = torch.rand(16, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    first, second = mixed(images, 3), mixed(images, 3)
    assert first.min() >= -1e-6
    assert first.max() <= 1 + 1e-6
    assert not torch.equal(first, second)
    flat = torch.full((4, 1, 12, 12), 0.0)
    torch.manual_seed(2)
    assert mixed(flat, 3).abs().max() <= 1  # weights sum to one
