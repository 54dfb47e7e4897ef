"""Mirrors auditkit/methods/attacks/patch.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.patch import (
    BRIGHTNESS,
    CELLS,
    DEGREES,
    DRAWS,
    SMALLEST,
    find_patch,
    patched,
    printable,
)
from auditkit.randomness import keys_of, uniform
from auditkit.types import Floats
from tests.methods.attacks.subjects import trained_digits

BOUNDS = (-1.0, 3.0)
IDS = [str(i) for i in range(30)]


def places(n: int = 30) -> Tensor:
    return torch.from_numpy(uniform(keys_of(0, "place", IDS[:n]), (DRAWS,)))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def by_hand(image: Floats, pattern: Floats, draws: Floats, area: float) -> Floats:
    """Pixel by pixel: turn it back onto the patch, and interpolate between four cells."""
    _, height, width = image.shape
    angle = math.radians(DEGREES) * (2 * draws[2] - 1)
    full = min(math.sqrt(area * height * width), height, width)
    side = full * (SMALLEST + (1 - SMALLEST) * draws[3])
    corners = [(a * side / 2, b * side / 2) for a in (-1, 1) for b in (-1, 1)]
    reach = max(x * math.cos(angle) - y * math.sin(angle) for x, y in corners)
    centre_x = reach + draws[0] * (width - 2 * reach) if 2 * reach < width else width / 2
    centre_y = reach + draws[1] * (height - 2 * reach) if 2 * reach < height else height / 2
    light = 1 + BRIGHTNESS * (2 * draws[4] - 1)
    seen = image.copy()
    for i in range(height):
        for j in range(width):
            x, y = j + 0.5 - centre_x, i + 0.5 - centre_y
            right = math.cos(angle) * x + math.sin(angle) * y + side / 2
            down = -math.sin(angle) * x + math.cos(angle) * y + side / 2
            if 0 <= right <= side and 0 <= down <= side:
                colour = between(pattern, down / side * CELLS - 0.5, right / side * CELLS - 0.5)
                brighter = BOUNDS[0] + light * (colour - BOUNDS[0])
                seen[:, i, j] = np.clip(brighter, *BOUNDS)
    return seen


def between(pattern: Floats, row: float, column: float) -> Floats:
    row, column = np.clip(row, 0, CELLS - 1), np.clip(column, 0, CELLS - 1)
    i, j = min(int(row), CELLS - 2), min(int(column), CELLS - 2)
    a, b = row - i, column - j
    upper = (1 - b) * pattern[:, i, j] + b * pattern[:, i, j + 1]
    lower = (1 - b) * pattern[:, i + 1, j] + b * pattern[:, i + 1, j + 1]
    return (1 - a) * upper + a * lower


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 9, 16)])
@pytest.mark.parametrize("area", [0.05, 0.2, 0.5])
def test_equals_a_plain_recomputation(shape: tuple[int, int, int], area: float) -> None:
    low, high = BOUNDS
    images = low + (high - low) * random(30, *shape)
    patterns = low + (high - low) * random(30, shape[0], CELLS, CELLS, seed=1)
    found = patched(images, patterns, places(), area=area, bounds=BOUNDS)
    for i, draws in enumerate(places().numpy()):
        expected = by_hand(images[i].double().numpy(), patterns[i].double().numpy(), draws, area)
        np.testing.assert_allclose(found[i].numpy(), expected, atol=1e-4)


def test_covers_at_most_its_area_up_to_whole_pixels_wholly_inside_and_everywhere() -> None:
    black, white = torch.zeros(30, 1, 40, 40), torch.ones(1, 1, CELLS, CELLS)
    covered = patched(black, white, places(), area=0.1, bounds=(0.0, 1.0)) > 0
    shares = covered.float().mean(dim=(1, 2, 3))
    assert 0.1 * SMALLEST**2 * 0.9 < float(shares.min()) < 0.075
    assert 0.09 < float(shares.max()) < 0.105
    rows, columns = torch.where(covered.any(dim=0)[0])
    assert {int(rows.min()), int(columns.min())} <= {0, 1, 2}
    assert {int(rows.max()), int(columns.max())} <= {37, 38, 39}


def test_no_images() -> None:
    found = patched(
        torch.zeros(0, 1, 5, 5), torch.ones(1, 1, 8, 8), places(0), area=0.1, bounds=(0, 1)
    )
    assert found.shape == (0, 1, 5, 5)


class Colours:
    """Two logits, [0, w.x + b] with one weight for all pixels of a channel."""

    def __init__(self, weights: list[float], bias: float) -> None:
        self.weights, self.bias = torch.tensor(weights), bias

    def __call__(self, images: Tensor) -> Tensor:
        scores = (images * self.weights[:, None, None]).sum(dim=(1, 2, 3)) + self.bias
        return torch.stack([torch.zeros_like(scores), scores], dim=1)


@pytest.mark.parametrize("label", [0, 1])
def test_the_best_patch_of_a_linear_model_is_at_the_ends_of_what_is_printable(label: int) -> None:
    """Against class 1 where the weight is above 0 as low as can be, and the other way round."""
    model = Colours([1.0, -0.5, 2.0], 0.0)
    images = random(30, 3, 8, 8)
    scores = model(images)[:, 1]
    # As far on the right side as a third of what the patch can do at most, on average.
    model.bias = float(-scores.mean() + (2 * label - 1) * 4.0)
    found = find_patch(
        model,
        images,
        torch.full((30,), label),
        area=0.2,
        bounds=(0.0, 1.0),
        start=torch.full((3, CELLS, CELLS), 0.5),
        keys=keys_of(0, "search", IDS),
        steps=30,
    )
    low, high = printable((0.0, 1.0))
    ends = [low, high, low] if label else [high, low, high]
    expected = torch.tensor(ends)[:, None, None].expand(3, CELLS, CELLS)
    reached = patched(images, expected[None], places(), area=0.2, bounds=(0.0, 1.0))
    mine = patched(images, found[None], places(), area=0.2, bounds=(0.0, 1.0))
    side = 1 - 2 * label
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(side * model(mine)[:, 1], side * model(reached)[:, 1])


def test_pixels_differ_where_their_weights_do() -> None:
    """A patch as large as the image sits still but for its size: left half up, right half down."""
    weights = torch.ones(8, 8)
    weights[:, 4:] = -1

    def model(images: Tensor) -> Tensor:
        scores = (images[:, 0] * weights).sum(dim=(1, 2))
        return torch.stack([torch.full_like(scores, 20.0), scores], dim=1)

    found = find_patch(
        model,
        torch.full((30, 1, 8, 8), 0.5),
        torch.zeros(30, dtype=torch.int64),
        area=1.0,
        bounds=(0.0, 1.0),
        start=torch.full((1, CELLS, CELLS), 0.5),
        keys=keys_of(0, "search", IDS),
        steps=40,
    )[0]
    low, high = printable((0.0, 1.0))
    torch.testing.assert_close(found[2:6, :3], torch.full((4, 3), high))
    torch.testing.assert_close(found[2:6, 5:], torch.full((4, 3), low))


def searched(steps: int, *, batch_size: int = 40) -> Tensor:
    subject = trained_digits()
    return find_patch(
        subject.model.logits,
        subject.artifacts.images[:100],
        subject.artifacts.labels[:100],
        area=0.2,
        bounds=(0.0, 1.0),
        start=torch.full((1, CELLS, CELLS), 0.5),
        keys=keys_of(0, "search", [str(i) for i in range(100)]),
        steps=steps,
        batch_size=batch_size,
    )


def fooled(pattern: Tensor, purpose: str = "other") -> int:
    """Of other images, at places of their own, four each."""
    subject = trained_digits()
    images = subject.artifacts.images[100:].repeat(4, 1, 1, 1)
    labels = subject.artifacts.labels[100:].repeat(4)
    keys = keys_of(1, purpose, [str(i) for i in range(len(images))])
    draws = torch.from_numpy(uniform(keys, (DRAWS,)))
    seen = patched(images, pattern, draws, area=0.2, bounds=(0.0, 1.0))
    return int(judged(subject.model.logits, seen, labels).sum())


def counted(pattern: Tensor) -> int:
    """As the search counts: on its own images, at the places that it does not move over."""
    subject = trained_digits()
    calls: list[int] = []

    def model(images: Tensor) -> Tensor:
        logits = subject.model.logits(images)
        labels = subject.artifacts.labels[:100]
        calls.append(int((logits.argmax(dim=1) != labels).sum()))
        return logits

    find_patch(
        model,
        subject.artifacts.images[:100],
        subject.artifacts.labels[:100],
        area=0.2,
        bounds=(0.0, 1.0),
        start=pattern,
        keys=keys_of(0, "search", [str(i) for i in range(100)]),
        steps=0,
    )
    return sum(calls)


def test_more_steps_never_fool_fewer_of_those_it_is_searched_on() -> None:
    counts = [counted(searched(steps)) for steps in (0, 3, 10, 40)]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_fools_more_new_images_at_new_places_than_random_colours() -> None:
    low, high = printable((0.0, 1.0))
    colours = low + (high - low) * random(400, 1, CELLS, CELLS)
    found = searched(40)
    assert fooled(found[None]) > 1.2 * fooled(colours)
    assert low <= float(found.min()) <= float(found.max()) <= high


def test_one_image_without_a_number_does_not_stop_the_search() -> None:
    """Its gradient is NaN; those of the others count all the same."""

    def model(images: Tensor) -> Tensor:
        factor = torch.ones(len(images))
        factor[3] = torch.nan
        score = factor * (images.mean(dim=(1, 2, 3)) - 0.1)
        return torch.stack([torch.zeros_like(score), score], dim=1)

    found = find_patch(
        model,
        torch.zeros(10, 1, 6, 6),
        torch.zeros(10, dtype=torch.int64),
        area=0.3,
        bounds=(0.0, 1.0),
        start=torch.full((1, CELLS, CELLS), 0.1),
        keys=keys_of(0, "search", IDS[:10]),
        steps=10,
    )
    assert float(found.mean()) > 0.3
