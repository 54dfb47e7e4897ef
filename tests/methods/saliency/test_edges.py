"""Edges are those of scipy, and of no model."""

import numpy as np
import torch
from scipy.ndimage import sobel

from auditkit.methods.saliency.edges import edges
from tests.methods.saliency.nets import noise


def test_it_equals_scipy():
    image = noise(3, 6, 7)
    grey = image.mean(dim=0).numpy()
    expected = np.hypot(*(sobel(grey, axis=axis, mode="nearest") for axis in (0, 1)))
    assert np.allclose(edges(image[None])[0].numpy(), expected, atol=1e-5)


def test_a_flat_image_has_no_edges():
    assert edges(torch.full((1, 3, 4, 4), 0.5)).abs().max() < 1e-6
