"""Pictures keep size and colours; heat maps keep values, signs and a bounded size."""

import base64
import io

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from PIL import Image

from auditkit.findings import Picture
from auditkit.methods.pictures import heatmap, picture


def decoded(panel: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(panel.png))))


def test_one_channel_is_grey_and_three_are_rgb():
    grey = decoded(picture(torch.tensor([[[0.0, 0.5], [1.0, 0.2]]]), (0.0, 1.0), "x"))
    assert grey.tolist() == [[0, 128], [255, 51]]
    red = torch.zeros(3, 4, 5)
    red[0] = 1.0
    pixels = decoded(picture(red, (0.0, 1.0), "x"))
    assert pixels.shape == (4, 5, 3)
    assert (pixels == [255, 0, 0]).all()


def test_other_channel_counts_are_drawn_as_their_mean():
    image = torch.stack([torch.zeros(2, 2), torch.ones(2, 2)])
    assert (decoded(picture(image, (0.0, 1.0), "x")) == 128).all()


def test_bounds_are_black_and_white_and_the_rest_is_clipped():
    image = torch.tensor([[[-3.0, -1.0, 0.0, 1.0, 9.0, float("nan")]]])
    assert decoded(picture(image, (-1.0, 1.0), "x")).tolist() == [[0, 0, 128, 255, 255, 0]]


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
def test_eight_bit_images_survive_unchanged(seed: int, height: int, width: int):
    pixels = np.random.default_rng(seed).integers(0, 256, (3, height, width)).astype(np.float32)
    shown = decoded(picture(torch.from_numpy(pixels), (0.0, 255.0), "x"))
    assert (shown == pixels.transpose(1, 2, 0)).all()


def test_heatmap_keeps_sign_and_four_digits():
    panel = heatmap(torch.tensor([[1.23456, -0.000123456], [0.0, 98765.4]]), "map", signed=True)
    assert panel.values == [[1.235, -0.0001235], [0.0, 98770.0]]
    assert panel.signed
    assert panel.label == "map"


def test_heatmap_of_zeros_and_of_undefined_scores_is_zero():
    assert heatmap(torch.zeros(2, 3), "map", signed=False).values == [[0.0] * 3] * 2
    odd = torch.tensor([[float("nan"), float("inf"), -float("inf"), 2.0]])
    assert heatmap(odd, "map", signed=True).values == [[0.0, 0.0, 0.0, 2.0]]


def test_large_maps_become_block_means():
    values = torch.arange(130.0)[None, :].expand(65, 130)  # blocks of 2 rows and 3 columns
    shown = heatmap(values, "map", signed=False).values
    assert len(shown) == 33
    assert len(shown[0]) == 44
    assert shown[0][:2] == [1.0, 4.0]
    assert shown[-1][-1] == 129.0  # the last block holds one column: its mean is itself


@pytest.mark.parametrize("side", [64, 65, 224, 1000])
def test_size_is_bounded(side: int):
    shown = heatmap(torch.rand(side, side), "map", signed=False).values
    assert len(shown) <= 64
    assert all(len(row) <= 64 for row in shown)
