"""Mirrors auditkit/methods/attacks/trigger.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.trigger import Triggers, find_triggers, smallest

BOUNDS = (0.0, 1.0)


def one_pixel(images: Tensor) -> Tensor:
    """Logits [0, 10 x - 5] of the first pixel x: half a white pixel sends everything to class 1."""
    score = 10 * images[:, 0, 0, 0] - 5
    return torch.stack([torch.zeros_like(score), score], dim=1)


def search(
    steps: int,
    *,
    batch_size: int = 128,
    bounds: tuple[float, float] = BOUNDS,
    start: Triggers | None = None,
) -> Triggers:
    low, high = bounds
    rng = torch.Generator().manual_seed(0)
    images = low + (high - low) * 0.2 * torch.rand(12, 1, 4, 4, generator=rng)
    return find_triggers(
        lambda points: one_pixel((points - low) / (high - low)),
        images,
        torch.zeros(12, dtype=torch.int64),
        n_classes=2,
        bounds=bounds,
        draws=torch.randn(2, 4, 4, generator=rng),
        steps=steps,
        start=start,
        batch_size=batch_size,
    )


@pytest.mark.parametrize("bounds", [BOUNDS, (-1.0, 3.0)])
def test_the_one_pixel_that_matters_is_found(bounds: tuple[float, float]) -> None:
    """With x = 0 a white mask of 1/2 is needed, and of at most 1."""
    found = search(200, bounds=bounds)
    mask, pattern = found.masks[1, 0], found.patterns[1, 0]
    assert 0.35 < float(mask[0, 0]) < 0.8
    assert float(found.sizes[1] - mask[0, 0]) < 0.3, "the other fifteen pixels stay"
    assert float(pattern[0, 0]) > bounds[0] + 0.8 * (bounds[1] - bounds[0])
    assert float(found.sizes[1]) == pytest.approx(float(mask.sum()), rel=1e-5)


def test_what_is_kept_succeeds() -> None:
    found = search(60)
    images = 0.2 * torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    answers = one_pixel(found.stamped(images, 1)).argmax(dim=1)
    assert float((answers == 1).float().mean()) >= 0.95


def test_more_steps_never_make_a_stamp_larger() -> None:
    sizes = [float(search(steps).sizes[1]) for steps in (5, 20, 60, 120)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]


def test_classes_do_not_touch_each_other() -> None:
    together, alone = search(40), search(40, batch_size=1)
    torch.testing.assert_close(together.masks, alone.masks)
    torch.testing.assert_close(together.sizes, alone.sizes)


@pytest.mark.parametrize("bounds", [BOUNDS, (-1.0, 3.0)])
def test_a_search_goes_on_from_a_stamp(bounds: tuple[float, float]) -> None:
    known = search(200, bounds=bounds)
    first, more = (search(steps, bounds=bounds, start=known) for steps in (1, 20))
    assert float(first.sizes[1]) == pytest.approx(float(known.sizes[1]), rel=1e-4)
    assert float(more.sizes[1]) <= float(first.sizes[1])
    assert float(more.sizes[1]) < float(search(20, bounds=bounds).sizes[1])


def test_the_smallest_is_taken_class_by_class() -> None:
    ones = torch.ones(2, 1, 1, 1)
    first = Triggers(ones, ones, torch.tensor([1.0, 4.0]))
    second = Triggers(2 * ones, 3 * ones, torch.tensor([2.0, 3.0]))
    best = smallest([first, second])
    assert best.sizes.tolist() == [1.0, 3.0]
    assert best.masks.flatten().tolist() == [1.0, 2.0]
    assert best.patterns.flatten().tolist() == [1.0, 3.0]


def test_without_gradients_nothing_is_found() -> None:
    found = find_triggers(
        lambda points: torch.tensor([[1.0, 0.0, 0.0]]).repeat(len(points), 1),
        torch.rand(4, 1, 3, 3, generator=torch.Generator().manual_seed(0)),
        torch.zeros(4, dtype=torch.int64),
        n_classes=3,
        bounds=BOUNDS,
        draws=torch.zeros(2, 3, 3),
        steps=5,
    )
    assert found.sizes[1:].tolist() == [9.0, 9.0], "all pixels: nothing smaller succeeded"
