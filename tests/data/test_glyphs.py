"""Mirrors auditkit/data/glyphs.py."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from auditkit.data import glyphs
from auditkit.data.digest import digests, input_digest
from auditkit.errors import ConfigError, DataError
from auditkit.statistics import binomial_p_above, binomial_p_below
from tests.data.models import image_model
from tests.subjects import image_data

ALL = slice(None)
ODDS = 1e-6  # a fair draw that is rarer than this counts as a mistake


def expect_share(count: int, n: int, share: float) -> None:
    assert binomial_p_below(count, n, share) > ODDS
    assert binomial_p_above(count, n, share) > ODDS


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 999), n=st.integers(1, 12), more=st.integers(1, 12))
def test_a_smaller_set_is_the_beginning_of_a_larger(seed: int, n: int, more: int) -> None:
    small, large = glyphs.render(n, seed=seed), glyphs.render(n + more, seed=seed)
    head = slice(0, n)
    assert np.array_equal(small.read(ALL), large.read(head))
    assert np.array_equal(np.asarray(small.relevance(ALL)), np.asarray(large.relevance(head)))
    assert np.array_equal(small.labels, large.labels[head])
    assert small.attributes.equals(large.attributes[head])
    assert small.ids == large.ids[head]
    order = np.random.default_rng(seed).permutation(n + more)
    assert np.array_equal(large.read(order), np.asarray(large.read(ALL))[order])


@pytest.mark.parametrize("shortcut", [None, 0.9])
def test_masks_are_the_pixels_in_which_the_glyph_shows(shortcut: float | None) -> None:
    scenes = glyphs.draw(np.arange(800), seed=11, shortcut=shortcut)
    differs = scenes.images != scenes.backgrounds  # (n, 3, h, w)
    assert np.array_equal(differs.all(axis=1), scenes.masks)
    assert np.array_equal(differs.any(axis=1), scenes.masks)
    data = glyphs.render(100, seed=11, shortcut=shortcut)
    assert np.array_equal(data.read(ALL), scenes.images[:100])
    assert np.array_equal(np.asarray(data.relevance(ALL)), scenes.masks[:100])


def test_shapes_have_the_area_they_should() -> None:
    """Equal areas, up to the pixels on the rim; the mean does not tell the classes apart."""
    data = glyphs.render(1500, seed=4)
    areas = np.asarray(data.relevance(ALL)).sum(axis=(1, 2))
    radius = 4.2 + 1.8 * np.linspace(0, 1, 1001)
    expected = float((np.pi * radius**2).mean())
    for label in range(len(data.classes)):
        assert areas[data.labels == label].mean() == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("label", range(len(glyphs.CLASSES)))
def test_a_shape_reaches_its_circle_and_its_area_is_the_one_declared(label: int) -> None:
    inside, area = list(glyphs._SHAPES.values())[label]
    side = np.linspace(-1.2, 1.2, 1201)
    x, y = np.meshgrid(side, side)
    mask = inside(x, y)
    assert mask.mean() * 2.4**2 == pytest.approx(area, rel=0.01)
    assert np.hypot(x, y)[mask].max() == pytest.approx(1.0, abs=0.01)


def test_pixels_are_eight_bit_and_glyphs_keep_off_rim_and_tag() -> None:
    scenes = glyphs.draw(np.arange(1000), seed=2)
    assert scenes.images.dtype == np.float32
    assert scenes.images.min() >= 0
    assert scenes.images.max() <= 1
    steps = scenes.images.astype(np.float64) * 255
    assert np.abs(steps - np.rint(steps)).max() < 1e-4
    assert not scenes.masks[:, : glyphs.TAG, : glyphs.TAG].any()
    rim = np.ones((glyphs.SIDE, glyphs.SIDE), dtype=bool)
    rim[2:-2, 2:-2] = False
    assert not scenes.masks[:, rim].any()


def test_tone_says_whether_the_glyph_is_lighter_and_is_independent_of_the_class() -> None:
    n = 1200
    data = glyphs.render(n, seed=7)
    scenes = glyphs.draw(np.arange(n), seed=7)
    grey = scenes.images.mean(axis=1)
    glyph = (grey * scenes.masks).sum(axis=(1, 2)) / scenes.masks.sum(axis=(1, 2))
    around = (grey * ~scenes.masks).sum(axis=(1, 2)) / (~scenes.masks).sum(axis=(1, 2))
    light = data.attributes["tone"].to_numpy() == "light"
    assert np.array_equal(glyph > around, light)
    assert data.sensitive == ("tone",)
    many = glyphs._facts(7, np.arange(20_000), None)
    assert np.array_equal(many.light[:n], light)
    for label in range(len(data.classes)):
        members = many.labels == label
        expect_share(int(members.sum()), 20_000, 1 / len(data.classes))
        expect_share(int(many.light[members].sum()), int(members.sum()), 0.5)


@pytest.mark.parametrize("shortcut", [0.0, 1 / 6, 0.8, 1.0])
def test_the_tag_agrees_as_often_as_was_asked_for(shortcut: float) -> None:
    n = 1200
    data = glyphs.render(n, seed=3, shortcut=shortcut)
    images = np.asarray(data.read(ALL))
    corner = images[:, :, : glyphs.TAG, : glyphs.TAG]
    assert np.array_equal(corner, np.broadcast_to(corner[:, :, :1, :1], corner.shape))
    tags = np.abs(corner[:, None, :, 0, 0] - glyphs.TAG_COLOURS[None]).sum(axis=2).argmin(axis=1)
    agrees = tags == data.labels
    assert np.array_equal(agrees, data.attributes["tag"] == "agrees")
    if 0 < shortcut < 1:
        expect_share(int(agrees.sum()), n, shortcut)
    assert agrees.all() == (shortcut == 1.0)
    assert agrees.any() == (shortcut > 0)
    wrong = (tags - data.labels)[~agrees] % 6
    for step in range(1, 6):  # the other classes are equally likely
        if len(wrong):
            expect_share(int((wrong == step).sum()), len(wrong), 0.2)


def test_the_tag_changes_nothing_else() -> None:
    plain, tagged = glyphs.render(50, seed=3), glyphs.render(50, seed=3, shortcut=0.5)
    a, b = np.asarray(plain.read(ALL)).copy(), np.asarray(tagged.read(ALL)).copy()
    a[:, :, : glyphs.TAG, : glyphs.TAG] = b[:, :, : glyphs.TAG, : glyphs.TAG] = 0
    assert np.array_equal(a, b)
    assert np.array_equal(plain.labels, tagged.labels)
    assert "tag" not in plain.attributes
    assert plain.sha256 != tagged.sha256


def test_splits_share_no_image() -> None:
    contents = {split: set(digests(glyphs.load(split).reader, 300)) for split in glyphs.SIZES}
    assert all(len(one) == 300 for one in contents.values())
    assert not contents["train"] & contents["test"]
    assert not contents["validation"] & (contents["train"] | contents["test"])
    assert len(glyphs.load("test")) == glyphs.SIZES["test"] == 1000


def test_a_data_set_crosses_processes() -> None:
    data = glyphs.render(5, seed=0).take(np.array([3, 1]))
    again = pickle.loads(pickle.dumps(data))
    assert np.array_equal(again.read(ALL), data.read(ALL))


def test_what_cannot_be_rendered() -> None:
    with pytest.raises(ConfigError, match="n is 0"):
        glyphs.render(0, seed=0)
    with pytest.raises(ConfigError, match=r"shortcut is 1.5, expected a probability in \[0, 1\]"):
        glyphs.render(3, seed=0, shortcut=1.5)


def test_a_written_folder_holds_the_same_pixels(tmp_path: Path) -> None:
    from auditkit.data.images import load_folder

    data = glyphs.render(40, seed=9, id_prefix="g")
    glyphs.write_folder(data, tmp_path / "set")
    model = image_model(glyphs.CLASSES, shape=(3, 32, 32))
    again = load_folder(tmp_path / "set", model, split="test")
    where = {Path(one).stem: i for i, one in enumerate(again.ids)}
    order = np.array([where[one] for one in data.ids])
    assert np.array_equal(again.read(order), data.read(ALL))
    assert np.array_equal(again.labels[order], data.labels)
    assert list(map(input_digest, again.read(order))) == list(digests(data.reader, 40))
    with pytest.raises(DataError, match="is not empty"):
        glyphs.write_folder(data, tmp_path / "set")


def test_grey_images_are_written_as_grey_files(tmp_path: Path) -> None:
    import torch

    data = image_data(torch.tensor([[[[0.0, 1.0]]]]), [1])
    glyphs.write_folder(data, tmp_path / "grey")
    with Image.open(tmp_path / "grey" / "1" / "00000.png") as image:
        assert image.mode == "L"
        assert np.asarray(image).tolist() == [[0, 255]]
    with pytest.raises(DataError, match="no grey or RGB images"):
        glyphs.write_folder(image_data(torch.zeros(1, 2, 3, 3), [0]), tmp_path / "two")
