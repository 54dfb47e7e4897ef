"""Mirrors auditkit/methods/variation/composites.py."""

from __future__ import annotations

import numpy as np

from auditkit.methods.variation.composites import on_background, with_texture


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    image, other = rng.random((2, 3, 12, 12))
    mask, other_mask = np.zeros((2, 12, 12), dtype=bool)
    mask[2:5, 2:5] = True
    other_mask[5:10, 4:9] = True
    return image, mask, other, other_mask


def test_a_surface_is_laid_over_centre_on_centre() -> None:
    image, mask, other, other_mask = scene()
    made = with_texture(image, mask, other, other_mask)
    np.testing.assert_array_equal(made[:, ~mask], image[:, ~mask])
    np.testing.assert_array_equal(made[:, 2:5, 2:5], other[:, 6:9, 5:8])


def test_a_smaller_object_goes_on_with_its_nearest_pixels() -> None:
    image, mask, other, other_mask = scene()
    made = with_texture(other, other_mask, image, mask)
    np.testing.assert_array_equal(made[:, 6:9, 5:8], image[:, 2:5, 2:5])
    np.testing.assert_array_equal(made[:, 5, 4], image[:, 2, 2])  # the corner
    inside = {tuple(pixel) for pixel in image[:, mask].T}
    assert {tuple(pixel) for pixel in made[:, other_mask].T} <= inside


def test_a_background_holds_no_second_object() -> None:
    image, mask, other, other_mask = scene()
    made = on_background(image, mask, other, other_mask)
    np.testing.assert_array_equal(made[:, mask], image[:, mask])
    kept = ~mask & ~other_mask
    np.testing.assert_array_equal(made[:, kept], other[:, kept])
    ground = {tuple(pixel) for pixel in other[:, ~other_mask].T}
    assert {tuple(pixel) for pixel in made[:, other_mask & ~mask].T} <= ground
