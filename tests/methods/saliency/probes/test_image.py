"""Mirrors auditkit/methods/saliency/probes/image.py."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import torch
from hypothesis import given, settings

from auditkit.methods.metrics.road import noisy_linear_imputation
from auditkit.methods.saliency.probes.image import cells
from auditkit.randomness import keys_of, normal
from tests.methods.saliency.nets import noise, small_cnn
from tests.methods.saliency.subjects import image_probe


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_cells_are_squares_numbered_row_by_row(height: int, width: int, side: int):
    where = cells(height, width, side)
    per_row = -(-width // side)
    for row in range(height):
        for column in range(width):
            assert where[row, column] == row // side * per_row + column // side


def test_removed_cells_show_the_reference():
    model = small_cnn()
    image, reference = noise(2, 1, 8, 8)
    probe = image_probe(model, image, side=3, reference=reference, target=2, batch_size=2)
    removed = np.zeros((3, 9), dtype=bool)
    removed[1, 5] = True  # cut off: rows 3 to 5, columns 6 and 7
    removed[2] = True
    changed = image.clone()
    changed[:, 3:6, 6:] = reference[:, 3:6, 6:]
    logits = model.predict(torch.stack([image, changed, reference]))
    expected = logits.softmax(dim=1)[:, 2]
    assert np.allclose(probe.probabilities(removed), expected.numpy(), atol=1e-6)
    assert np.allclose(probe.scores(removed), (logits - logits.mean(1, keepdim=True))[:, 2])


def test_scores_of_cells_are_shared_out_over_their_pixels():
    probe = image_probe(small_cnn(), noise(1, 8, 8), side=3)
    scores = np.arange(9.0)
    shared = probe.spread(scores)
    assert shared.shape == (8, 8)
    assert np.allclose(probe.per_unit(shared), scores)
    assert shared[0, 0] == shared[2, 2] == 0
    assert shared[7, 7] == 8 / 4  # cut off: two by two pixels


def test_a_cell_differs_where_any_pixel_does():
    image = torch.zeros(1, 4, 4)
    image[0, 3, 3] = 0.5
    probe = image_probe(small_cnn(), image, side=2)
    assert probe.units == 4
    assert probe.differs().tolist() == [False, False, False, True]


def test_a_nearby_image_differs_by_a_fiftieth_of_the_range_at_most():
    image = noise(1, 8, 8)
    probe = image_probe(small_cnn(), image)
    first, second = probe.near(keys_of(0, "near", ["a"]), 2)
    assert not torch.equal(first.point, second.point)
    assert torch.equal(probe.near(keys_of(0, "near", ["a"]), 1)[0].point, first.point)
    for near in (first, second):
        change = (near.point[0] - image).abs()
        assert 0.015 < float(change.max()) <= 0.02 + 1e-6
        assert float(near.point.min()) >= 0
        assert torch.equal(near.origin, probe.origin)


def test_removed_cells_can_be_guessed_from_the_others():
    model, image = small_cnn(), noise(1, 8, 8)
    probe, key = image_probe(model, image, side=2, target=1), keys_of(0, "fill", ["a"])
    guessing = probe.imputed(key)
    hidden = np.random.default_rng(0).random((5, probe.units)) < 0.5
    draws = torch.from_numpy(0.01 * normal(key, (1, 8, 8))[0]).float()
    where = torch.from_numpy(hidden)[:, cells(8, 8, 2)]
    filled = noisy_linear_imputation(image, where, draws).clamp(0, 1)
    expected = model.predict(filled)
    assert torch.allclose(guessing.without(hidden), expected, atol=1e-6)
    assert not torch.allclose(probe.without(hidden), expected, atol=1e-3)
    kept = np.zeros((1, probe.units), dtype=bool)
    assert torch.equal(guessing.without(kept), probe.without(kept))


def test_another_reference_is_another_one():
    image = noise(1, 8, 8)
    grey = torch.full_like(image, 0.5)
    assert torch.equal(image_probe(small_cnn(), image).otherwise().origin[0], grey)
    other = image_probe(small_cnn(), image, reference=grey).otherwise().origin
    assert torch.allclose(other, image.mean().expand_as(other))
