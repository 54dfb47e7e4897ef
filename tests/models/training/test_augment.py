"""Mirrors auditkit/models/training/augment.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditkit.models.card import Recipe
from auditkit.models.training.augment import affine, augmented


def recipe(**changes: object) -> Recipe:
    return Recipe(seed=0, epochs=1, batch_size=1, learning_rate=1.0, **changes)  # type: ignore[arg-type]


def dot(n: int = 1, side: int = 7) -> Tensor:
    """Images with one bright pixel in the middle."""
    images = torch.zeros(n, 1, side, side)
    images[:, :, side // 2, side // 2] = 1.0
    return images


def places(images: Tensor) -> set[tuple[int, int]]:
    return {(int(row), int(column)) for _, _, row, column in images.nonzero()}


def test_without_augmentation_images_are_left_alone() -> None:
    images = dot()
    assert augmented(images, recipe()) is images


def test_a_shift_moves_the_mass_by_at_most_what_the_recipe_says() -> None:
    torch.manual_seed(0)
    moved = augmented(dot(200), recipe(shift=2.0))
    columns = torch.arange(7.0)
    assert moved.sum(dim=(1, 2, 3)) == pytest.approx(torch.ones(200), abs=1e-5)
    centres = (moved.sum(dim=(1, 2)) * columns).sum(dim=1)
    assert centres.min() == pytest.approx(1.0, abs=0.1)
    assert centres.max() == pytest.approx(5.0, abs=0.1)


def test_a_crop_moves_by_whole_pixels_to_every_place_in_reach() -> None:
    torch.manual_seed(0)
    moved = augmented(dot(400), recipe(crop=1))
    assert places(moved) == {(row, column) for row in (2, 3, 4) for column in (2, 3, 4)}
    assert moved.sum() == 400
    colour = torch.cat([dot(400), 0.5 * dot(400)], dim=1)  # channels stay apart
    assert augmented(colour, recipe(crop=1)).sum(dim=(0, 2, 3)).tolist() == [400, 200]


def test_about_half_of_the_images_are_mirrored() -> None:
    torch.manual_seed(0)
    images = torch.arange(6.0).view(1, 1, 2, 3).expand(400, 1, 2, 3)
    flipped = augmented(images, recipe(flip=True))
    mirrored = (flipped == images.flip(3)).flatten(1).all(dim=1)
    assert 150 < int(mirrored.sum()) < 250
    assert torch.equal(flipped[~mirrored], images[~mirrored])


def test_a_cut_square_has_the_mean_and_every_pixel_can_be_hit() -> None:
    torch.manual_seed(0)
    images = torch.rand(300, 1, 6, 6) + 1
    cut = augmented(images, recipe(cut=3))
    changed = cut != images
    sizes = changed.sum(dim=(1, 2, 3))
    assert int(sizes.max()) == 9
    assert int(sizes.min()) >= 1
    assert changed.any(dim=0).all()
    assert cut[changed].unique().tolist() == pytest.approx([float(images.mean())])


def test_an_affine_map_by_a_quarter_turn_equals_rot90() -> None:
    images = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    zero, one = torch.zeros(2), torch.ones(2)
    turned = affine(images, zero, one, -one, zero)
    assert torch.allclose(turned, torch.rot90(images, -1, (2, 3)), atol=1e-5)
