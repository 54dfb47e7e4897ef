"""Mirrors auditkit/methods/saliency/superpixels.py."""

from __future__ import annotations

import numpy as np
import torch

from auditkit.methods.saliency.catalogue import map_of
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.superpixels import superpixels
from tests.methods.saliency.nets import linear_images, noise
from tests.methods.saliency.subjects import effort


def test_a_plain_image_is_cut_into_squares() -> None:
    found = superpixels(torch.full((3, 8, 8), 7.0), side=4, bounds=(0.0, 255.0))
    rows, columns = np.indices((8, 8)) // 4
    assert np.array_equal(found, 2 * rows + columns)


def test_edges_of_the_image_are_edges_of_superpixels() -> None:
    image = torch.zeros(1, 8, 8)
    image[:, 2:5, 1:6] = 1.0
    found = superpixels(image, side=4, bounds=(0.0, 1.0))
    inside = set(found[2:5, 1:6].ravel())
    outside = set(found[image[0].numpy() == 0])
    assert not inside & outside
    assert sorted(inside | outside) == list(range(len(inside | outside)))


def test_the_range_of_pixels_does_not_matter() -> None:
    image = noise(3, 12, 12)
    first = superpixels(image, side=4, bounds=(0.0, 1.0))
    assert np.array_equal(first, superpixels(255 * image, side=4, bounds=(0.0, 255.0)))
    assert len(np.unique(first)) <= 9


def test_an_image_smaller_than_half_a_step_is_one_superpixel() -> None:
    assert not superpixels(noise(1, 2, 2), side=8, bounds=(0.0, 1.0)).any()


def test_occlusion_of_superpixels_of_a_linear_model_is_weight_times_change() -> None:
    model, weight = linear_images(0, (1, 6, 6), k=2)
    image, reference = noise(2, 1, 6, 6)
    segments = superpixels(image, side=3, bounds=(0.0, 1.0))
    probe = ImageProbe(
        model=model, image=image, reference=reference, target=1, side=3, batch_size=8,
        segments=segments,
    )  # fmt: skip
    slope = (weight[1] - weight.mean(dim=0)).numpy()
    exact = (slope * (image - reference).numpy()).sum(axis=0)
    sums = np.bincount(segments.ravel(), weights=exact.ravel())
    assert probe.units == segments.max() + 1
    found = map_of(probe, "occlusion", effort())
    assert np.allclose(probe.per_unit(found.scores), sums, atol=1e-6)
