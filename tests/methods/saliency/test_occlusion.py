"""Occlusion: sums of weights on linear models, captum's falls on others."""

import hypothesis.strategies as st
import pytest
import torch
from captum.attr import Occlusion
from hypothesis import given, settings
from torch import Tensor

from auditkit.methods.saliency.occlusion import cells, occlusion, token_occlusion
from tests.methods.saliency.nets import linear_images, noise, small_cnn, word_model


def by_cell(values: Tensor, where: Tensor) -> Tensor:
    """Sum maps (n, c, h, w) over each cell, (n, cells)."""
    sums = torch.zeros(len(values), int(where.max()) + 1)
    return sums.index_add(1, where.flatten(), values.sum(dim=1).flatten(1))


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_cells_are_squares_numbered_row_by_row(height: int, width: int, side: int):
    where = cells(height, width, side)
    per_row = -(-width // side)
    for row in range(height):
        for column in range(width):
            assert where[row, column] == row // side * per_row + column // side


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1), st.integers(1, 4))
def test_linear_model_gives_the_sum_of_its_cell(seed: int, side: int):
    model, weight = linear_images(seed, (2, 4, 5))
    images, reference = noise(2, 3, 2, 4, 5)
    target = torch.tensor([0, 1, 2])
    found = occlusion(model.logits, images, target, reference=reference, side=side)
    exact = weight[target] * (images - reference)
    where = cells(4, 5, side)
    assert torch.allclose(by_cell(found, where), by_cell(exact, where), atol=2e-6)
    assert torch.allclose(found.sum(dim=(1, 2, 3)), exact.sum(dim=(1, 2, 3)), atol=1e-5)


@pytest.mark.parametrize(("side", "batch_size"), [(1, 7), (2, 128), (4, 1), (8, 3)])
def test_falls_equal_captum(side: int, batch_size: int):
    model = small_cnn(seed=1, channels=2)
    images, target = noise(3, 2, 8, 8), torch.tensor([2, 0, 1])
    reference = torch.full_like(images, 0.3)
    found = occlusion(
        model.logits, images, target, reference=reference, side=side, batch_size=batch_size
    )
    peer = Occlusion(lambda x: model.logits(x.clone())).attribute(
        images, (2, side, side), strides=(2, side, side), baselines=reference, target=target
    )
    assert torch.allclose(found * 2 * side * side, peer, atol=1e-5)


def test_batches_are_bounded():
    seen: list[int] = []

    def logits(images: Tensor) -> Tensor:
        seen.append(len(images))
        return images.flatten(1)[:, :2]

    images = noise(2, 1, 4, 4)
    occlusion(logits, images, torch.tensor([0, 1]), reference=images * 0, side=1, batch_size=5)
    assert max(seen) == 5


def test_words_of_a_bag_fall_by_their_vote():
    model = word_model(["good", "bad"], votes={"good": 2.0, "bad": -1.0})
    falls = token_occlusion(model, ["good bad dull", "", "bad"], torch.tensor([1, 1, 0]))
    assert falls[0, :4].tolist() == [0.0, 1.0, -0.5, 0.0]  # centred: half of each vote
    assert falls[2, :2].tolist() == [0.0, 0.5]
    assert (falls[1] == 0).all()
