"""Mirrors auditkit/methods/corruptions/jpeg_compression.py."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from auditkit.methods.corruptions.jpeg_compression import codec, jpeg_compression

NO_KEYS = np.zeros(2, dtype=np.uint64)
PUBLISHED = {32: [80, 65, 58, 50, 40], 64: [65, 58, 50, 40, 25], 224: [25, 18, 15, 10, 7]}


def compressed(picture: Image.Image, quality: int) -> np.ndarray:
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)) / 255


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_the_codec_at_the_published_quality(size: int, severity: int) -> None:
    levels = np.random.default_rng(severity).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    images = torch.from_numpy(levels.transpose(0, 3, 1, 2) / 255).float()
    found = jpeg_compression(images, severity, NO_KEYS).numpy().transpose(0, 2, 3, 1)
    for i in range(2):
        expected = compressed(Image.fromarray(levels[i]), PUBLISHED[size][severity - 1])
        np.testing.assert_allclose(found[i], expected, atol=1e-6)


def test_levels_are_rounded_not_cut() -> None:
    images = torch.full((1, 1, 8, 8), 100.9 / 255)  # a flat block survives the codec unchanged
    assert jpeg_compression(images, 1, NO_KEYS[:1]).unique().tolist() == pytest.approx([101 / 255])


def test_grey_images_are_compressed_as_grey() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (12, 9), dtype=np.uint8)
    images = torch.from_numpy(levels / 255).float()[None, None]
    expected = compressed(Image.fromarray(levels), 40)
    np.testing.assert_allclose(jpeg_compression(images, 5, NO_KEYS[:1])[0, 0], expected, atol=1e-6)


def test_other_numbers_of_channels_are_compressed_one_by_one() -> None:
    images = torch.rand(2, 4, 8, 8)
    found = jpeg_compression(images, 2, NO_KEYS)
    for channel in range(4):
        alone = jpeg_compression(images[:, channel : channel + 1], 2, NO_KEYS)
        assert torch.equal(found[:, channel : channel + 1], alone)


def test_the_codec_is_named_with_its_version() -> None:
    assert PIL.__version__ in codec()
    assert "libjpeg" in codec()
