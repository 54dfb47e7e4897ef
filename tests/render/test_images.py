"""Mirrors auditkit/render/images.py."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image

from auditkit.render import images
from tests.render.sample import digit, png


def pixels(drawing: images.Drawing) -> np.ndarray:
    """Return the colours of a drawing as Pillow reads them, (h, w, 3)."""
    file = io.BytesIO(base64.b64decode(drawing.png))
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def drawn(values: Sequence[Sequence[float | None]], *, signed: bool) -> images.Drawing:
    drawing = images.drawn(values, signed=signed)
    assert drawing is not None
    return drawing


def test_zero_is_white_and_the_signs_are_blue_and_orange() -> None:
    drawing = drawn([[-2.0, 0.0, 2.0]], signed=True)
    (minus, zero, plus) = pixels(drawing)[0].tolist()
    assert zero == [255, 255, 255]
    assert minus[2] > minus[0]
    assert plus[0] > plus[2]
    assert (drawing.low, drawing.high) == pytest.approx((-2, 2))


def test_an_all_zero_map_is_white_and_does_not_fail() -> None:
    drawing = drawn([[0.0, 0.0], [0.0, 0.0]], signed=True)
    assert (pixels(drawing) == 255).all()
    assert drawing.outline == ""
    assert len(np.unique(pixels(drawn([[0.0] * 3], signed=False)).reshape(-1, 3), axis=0)) == 1


def test_one_extreme_pixel_does_not_wash_out_the_others() -> None:
    values = np.full((20, 20), 1.0)
    values[3, 4] = 1000.0
    assert drawn(values.tolist(), signed=True).high < 100


def test_what_is_undefined_is_grey_and_not_zero() -> None:
    drawing = drawn([[None, 0.0, 1.0]], signed=False)
    (unknown, zero, one) = pixels(drawing)[0].tolist()
    assert unknown == [128, 128, 128]
    assert unknown not in (zero, one)
    assert images.drawn([[None]], signed=False) is None


@pytest.mark.parametrize("values", [[], [[]], [[1.0], [1.0, 2.0]]])
def test_what_is_no_rectangle_is_not_drawn(values: list[list[float]]) -> None:
    assert images.drawn(values, signed=True) is None


def luminance(colours: np.ndarray) -> np.ndarray:
    return colours[:255].astype(float) @ np.array([0.2126, 0.7152, 0.0722])


def test_the_unsigned_scale_gets_lighter_all_the_way() -> None:
    assert (np.diff(luminance(images.palette(signed=False))) > -0.5).all()
    assert np.diff(luminance(images.palette(signed=False))[::16]).min() > 0


def test_the_signed_scale_is_lightest_in_the_middle() -> None:
    light = luminance(images.palette(signed=True))
    assert light.argmax() == 127
    assert (np.diff(light[:128]) >= 0).all()
    assert (np.diff(light[127:]) <= 0).all()


def test_the_outline_surrounds_one_pixel_with_four_edges() -> None:
    chosen = np.zeros((3, 4), dtype=bool)
    chosen[1, 2] = True
    assert images.outline(chosen) == "M2 1h1M2 2h1M2 1v1M3 1v1"


@settings(max_examples=30)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7)))
def test_the_outline_has_the_length_of_the_border(chosen: np.ndarray) -> None:
    padded = np.pad(chosen, 1)
    border = (padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum()
    parts = images.outline(chosen).replace("v", "h").split("h")[1:]
    assert sum(int(part.split("M")[0]) for part in parts) == border


def test_the_strongest_tenth_is_outlined() -> None:
    values = np.arange(100.0).reshape(10, 10)
    assert drawn(values.tolist(), signed=False).outline == images.outline(values >= 90)


def test_large_maps_are_compressed_and_small_ones_are_stored() -> None:
    small, large = np.zeros((8, 8)), np.zeros((200, 200))
    assert len(drawn(large.tolist(), signed=True).png) < 2500
    assert pixels(drawn(large.tolist(), signed=True)).shape == (200, 200, 3)
    assert drawn(small.tolist(), signed=True) == drawn(small.tolist(), signed=True)


def test_only_a_png_of_sensible_size_is_a_picture() -> None:
    good = png(digit())
    assert images.picture_size(good) == images.Size(8, 8)
    assert images.picture_size("") is None
    assert images.picture_size('"><script>') is None
    assert images.picture_size(base64.b64encode(b"GIF89a" + bytes(40)).decode()) is None
    bomb = bytearray(base64.b64decode(good))
    bomb[16:24] = b"\x00\x0f\xff\xff\x00\x0f\xff\xff"
    assert images.picture_size(base64.b64encode(bytes(bomb)).decode()) is None
