"""Mirrors auditkit/methods/attacks/spatial.py."""

from __future__ import annotations

import pytest
import torch
from scipy import ndimage
from torch import Tensor

from auditkit.methods.attacks.spatial import moved, worst_moves
from tests.methods.attacks.subjects import trained_digits


def images(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def turned(image: Tensor, degrees: float, right: float = 0.0, down: float = 0.0) -> Tensor:
    move = torch.tensor([[degrees, right, down]])
    return moved(image, move.expand(len(image), 3), low=0.0, high=1.0)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_exact(quarters: int) -> None:
    image = images(2, 3, 6, 6)
    torch.testing.assert_close(
        turned(image, 90.0 * quarters), image.rot90(quarters, (2, 3)), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(("right", "down"), [(1, 0), (-2, 0), (0, 3), (2, -1)])
def test_whole_pixels_shift_exactly_and_the_lowest_value_comes_in(right: int, down: int) -> None:
    image = images(2, 1, 5, 8) - 3.0
    move = torch.tensor([[0.0, right / 8, down / 5]]).expand(2, 3)
    found = moved(image, move, low=-3.0, high=-2.0)
    expected = torch.full_like(image, -3.0)
    there = image[:, :, max(0, -down) : 5 - max(0, down), max(0, -right) : 8 - max(0, right)]
    expected[:, :, max(0, down) : 5 - max(0, -down), max(0, right) : 8 - max(0, -right)] = there
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(9, 9), (7, 12)])
def test_equals_scipy(shape: tuple[int, int]) -> None:
    """Away from the rim, where scipy treats what lies half outside otherwise."""
    image = images(1, 1, *shape)
    found = turned(image, 25.0)[0, 0].numpy()
    expected = ndimage.rotate(image[0, 0].numpy(), 25.0, reshape=False, order=1)
    inside = ndimage.rotate(torch.ones(shape).numpy(), 25.0, reshape=False, order=1) > 0.999
    assert inside.sum() > 20
    assert abs(found - expected)[inside].max() < 1e-5


def test_no_move_changes_nothing() -> None:
    image = images(3, 1, 8, 8)
    torch.testing.assert_close(turned(image, 0.0), image, atol=1e-6, rtol=0)


def worst(tries: int, most: tuple[float, float] = (20.0, 0.1)) -> tuple[Tensor, Tensor]:
    """The moves of digits and which of them succeed."""
    subject = trained_digits()
    clean, labels = subject.artifacts.images[:60], subject.artifacts.labels[:60]
    draws = 2 * torch.rand(60, 2, 5, 3, generator=torch.Generator().manual_seed(1)) - 1
    moves = worst_moves(
        subject.model.logits,
        clean,
        labels,
        most=most,
        bounds=(0.0, 1.0),
        draws=draws[:, :, :tries],
    )
    answers = subject.model.predict(moved(clean, moves, low=0.0, high=1.0)).argmax(dim=1)
    return moves, answers != labels


def test_moves_stay_in_range_and_find_more_than_chance() -> None:
    moves, fallen = worst(5)
    assert float(moves[:, 0].abs().max()) <= 20.0
    assert float(moves[:, 1:].abs().max()) <= 0.1 + 1e-6
    subject = trained_digits()
    clean, labels = subject.artifacts.images[:60], subject.artifacts.labels[:60]
    rng = torch.Generator().manual_seed(2)
    scale = torch.tensor([20.0, 0.1, 0.1])
    by_chance = max(
        int(
            (
                subject.model.predict(
                    moved(clean, (2 * torch.rand(60, 3, generator=rng) - 1) * scale, low=0, high=1)
                ).argmax(dim=1)
                != labels
            ).sum()
        )
        for _ in range(5)
    )
    assert int(fallen.sum()) > 1.5 * by_chance


def test_more_tries_never_find_fewer() -> None:
    few, more = worst(0)[1], worst(5)[1]
    assert (few <= more).all()


def test_only_scores_are_asked_for() -> None:
    def scores(points: Tensor) -> Tensor:
        assert not points.requires_grad
        return torch.stack([points.flatten(1).mean(dim=1), torch.full((len(points),), 0.4)], dim=1)

    labels = torch.zeros(4, dtype=torch.int64)
    moves = worst_moves(
        scores,
        torch.ones(4, 1, 6, 6),
        labels,
        most=(1.0, 0.5),
        bounds=(0.0, 1.0),
        draws=torch.zeros(4, 0, 0, 3),
    )
    assert (moves[:, 1:].abs() == 0.5).all(), "half the white leaves on each side"
