"""Mirrors auditkit/methods/variation/warp.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.methods.variation.warp import crop, rotation, scale, translation, warped
from auditkit.randomness import keys_of

KEYS = keys_of(0, "test", [str(i) for i in range(12)])


def disc(at: tuple[float, float] = (16, 16), *, side: int = 32) -> Tensor:
    """A smooth blob (1, 1, side, side) at a row and a column."""
    row, column = np.mgrid[:side, :side] + 0.5
    values = np.exp(-((row - at[0]) ** 2 + (column - at[1]) ** 2) / 5)
    return torch.from_numpy(values).float()[None, None]


def centre(image: Tensor) -> tuple[float, float]:
    values = image.double().numpy().squeeze()
    row, column = np.mgrid[: values.shape[0], : values.shape[1]] + 0.5
    return float((row * values).sum() / values.sum()), float((column * values).sum() / values.sum())


def test_a_blob_goes_where_geometry_says() -> None:
    image = disc((16, 24))
    turned = warped(image, angle=np.array([np.pi / 2]))  # counter-clockwise: right goes up
    assert centre(turned) == pytest.approx((8, 16), abs=0.05)
    nearer = warped(disc((16, 20)), zoom=np.array([2.0]))
    assert centre(nearer) == pytest.approx((16, 24), abs=0.1)
    shifted = warped(disc(), shift=np.array([[0.25, -0.125]]))
    assert centre(shifted) == pytest.approx((12, 24), abs=0.05)


def test_no_change_changes_nothing_and_the_rim_is_repeated() -> None:
    image = torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(warped(image), image, atol=1e-5, rtol=1e-5)
    flat = torch.full((2, 1, 8, 8), 0.7)
    for vary in (rotation, translation, scale, crop):
        torch.testing.assert_close(vary(flat, 5, KEYS[:2]), flat)


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_sizes_are_those_of_the_severity(severity: int) -> None:
    many = disc((16, 22)).expand(12, -1, -1, -1)
    angles = {
        round(float(np.degrees(np.arctan2(16 - row, column - 16))))
        for row, column in map(centre, rotation(many, severity, KEYS))
    }
    degrees = {1: 5, 3: 15, 5: 30}[severity]
    assert angles == {degrees, -degrees}
    moved = [centre(one) for one in translation(disc().expand(12, -1, -1, -1), severity, KEYS)]
    lengths = [np.hypot(row - 16, column - 16) / 32 for row, column in moved]
    assert lengths == pytest.approx([{1: 0.03, 3: 0.1, 5: 0.2}[severity]] * 12, abs=0.01)
    shares = scale(disc().expand(12, -1, -1, -1), severity, KEYS).sum(dim=(1, 2, 3)) / disc().sum()
    factor = {1: 1.1, 3: 1.35, 5: 1.75}[severity] ** 2
    larger = shares > 1
    assert 0 < larger.sum() < 12
    assert shares[larger].tolist() == pytest.approx([factor] * int(larger.sum()), rel=0.05)
    assert shares[~larger].tolist() == pytest.approx([1 / factor] * int((~larger).sum()), rel=0.05)


def test_a_crop_is_a_part_of_the_image_at_full_size() -> None:
    ramp = torch.linspace(0, 1, 32).expand(12, 1, 32, 32)
    spans = crop(ramp, 5, KEYS).amax(dim=(1, 2, 3)) - crop(ramp, 5, KEYS).amin(dim=(1, 2, 3))
    assert spans.tolist() == pytest.approx([0.6] * 12, abs=0.03)
    assert crop(ramp, 5, KEYS).amin(dim=(1, 2, 3)).std() > 0.05  # at different places


def test_a_key_is_a_change_whatever_the_batch() -> None:
    many = disc((12, 20)).expand(12, -1, -1, -1)
    for vary in (rotation, translation, scale, crop):
        torch.testing.assert_close(vary(many[3:5], 4, KEYS[3:5]), vary(many, 4, KEYS)[3:5])
