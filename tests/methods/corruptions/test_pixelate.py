"""Mirrors auditkit/methods/corruptions/pixelate.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from auditkit.methods.corruptions.pixelate import _sums, cell_of, pixelate

NO_KEYS = np.zeros(2, dtype=np.uint64)
PUBLISHED = {
    32: [0.95, 0.9, 0.85, 0.75, 0.65],
    64: [0.9, 0.8, 0.7, 0.6, 0.5],
    224: [0.6, 0.5, 0.4, 0.3, 0.25],
}
SHAPES = [(32, 32, 32), (64, 64, 64), (224, 224, 224), (32, 8, 8), (32, 16, 64), (32, 12, 20)]


@pytest.mark.parametrize(("size", "height", "width"), SHAPES)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equals_the_box_filter_of_pillow(size: int, height: int, width: int, severity: int) -> None:
    images = torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(severity))
    kept = PUBLISHED[size][severity - 1]
    found = pixelate(images, severity, NO_KEYS[:1])
    for channel in range(2):
        picture = Image.fromarray(images[0, channel].numpy())  # mode F: floats throughout
        small = picture.resize((int(width * kept), int(height * kept)), Image.Resampling.BOX)
        expected = small.resize((width, height), Image.Resampling.BOX)
        np.testing.assert_allclose(found[0, channel], np.asarray(expected), atol=1e-6)


@given(st.integers(1, 60), st.data())
def test_every_cell_is_averaged_as_in_pillow(size: int, data: st.DataObject) -> None:
    cells = data.draw(st.integers(1, size))
    between = [(2 * pixel + 1) * cells % (2 * size) == 0 for pixel in range(size)]
    assume(not any(between))  # then Pillow's rounding decides
    row = np.arange(size, dtype=np.float32)[None] ** 2 / 3600
    small = Image.fromarray(row).resize((cells, 1), Image.Resampling.BOX)
    expected = np.asarray(small.resize((size, 1), Image.Resampling.BOX))
    of = cell_of(size, cells)
    counts = np.bincount(of)
    for axis, values in ((2, row.T), (3, row)):
        sums = _sums(np.ascontiguousarray(values)[None, None], counts, axis=axis)
        np.testing.assert_allclose((sums.ravel() / counts)[of], expected[0], atol=1e-6)


def test_a_flat_image_stays() -> None:
    flat = torch.full((2, 3, 13, 9), 0.3)
    torch.testing.assert_close(pixelate(flat, 5, NO_KEYS), flat)
