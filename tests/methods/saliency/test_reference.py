"""References are plain images."""

import pytest
import torch

from auditkit.methods.saliency.reference import Reference, reference_images
from tests.methods.saliency.nets import noise


def test_mean_is_each_image_and_channel_on_its_own():
    images = noise(3, 2, 4, 5)
    reference = reference_images(images, (0.0, 1.0), "mean")
    assert reference.shape == images.shape
    for i in range(3):
        for c in range(2):
            assert torch.allclose(reference[i, c], images[i, c].mean().expand(4, 5))


@pytest.mark.parametrize(("kind", "value"), [("low", -1.0), ("middle", 1.0), ("high", 3.0)])
def test_fixed_values_follow_the_bounds(kind: Reference, value: float):
    assert (reference_images(noise(2, 1, 3, 3), (-1.0, 3.0), kind) == value).all()
