"""Mirrors auditkit/models/generative.py."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from auditkit.data.catalogue import DATA
from auditkit.errors import ConfigError, ModelError
from auditkit.models import generative
from auditkit.models.builtin.vae import Vae
from auditkit.models.catalogue import MODELS
from auditkit.models.generative import (
    generative_card,
    generative_cards,
    load_generative,
    sample_grid,
    samples,
    trained_cards,
)
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.training.generative import lower_bounds, quality
from tests.published import needs

NAMES = ("digits-vae", "fashion-vae", "digits-gan", "fashion-gan")


def test_the_four_networks_are_known() -> None:
    assert set(generative_cards()) == set(trained_cards()) == set(NAMES)
    assert not set(NAMES) & set(MODELS)  # a name means one thing


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_small_and_as_the_card_says(name: str) -> None:
    card, model = generative_card(name), load_generative(name)
    assert card.weights.stat().st_size <= 2_000_000
    assert sum(one.numel() for one in model.parameters()) == card.measured.parameters
    assert card.measured.recipe == card.recipe_text
    assert card.measured.seconds is not None
    assert card.measured.seconds < 45 * 60
    assert not model.training
    assert not any(one.requires_grad for one in model.parameters())
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert card.build.config_of(shapes) == card.config


def test_the_digits_autoencoder_bounds_the_test_images_as_its_card_says() -> None:
    card = generative_card("digits-vae")
    found, told = quality(card, load_generative("digits-vae")), card.measured.quality
    assert found.n == told.n == 450
    assert found.value == pytest.approx(told.value, abs=0.01)
    assert (found.low, found.high) == pytest.approx((told.low, told.high), abs=0.01)
    assert told.low < told.value < told.high < 0


@needs("fashion-mnist")
def test_the_fashion_autoencoder_bounds_test_images_as_its_card_says() -> None:
    model, told = load_generative("fashion-vae"), generative_card("fashion-vae").measured.quality
    assert isinstance(model, Vae)
    images = DATA["fashion-mnist"].load("test").read(slice(0, 1000))
    assert not isinstance(images, list)
    values = lower_bounds(model, torch.from_numpy(images))
    assert told.n == 10_000
    assert abs(values.mean() - told.value) < 4 * values.std() / 1000**0.5
    inverted = lower_bounds(model, torch.from_numpy(1 - images[:200]))
    assert inverted.mean() < values.mean() - 1000  # it knows clothes from other things


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("gan")])
def test_classifiers_recognise_the_made_classes_as_the_card_says(name: str) -> None:
    card = generative_card(name)
    assert card.judge is not None
    told, n = card.measured.quality, 200
    classifier = load_model(ModelSpec(source=card.judge, device="cpu"))
    labels = torch.arange(n) % 10
    made = samples(load_generative(name), n, seed=0)
    found = float((classifier.predict(made).argmax(dim=1) == labels).float().mean())
    assert told.n == 1000
    assert abs(found - told.value) < 0.05
    assert told.low <= told.value <= told.high
    assert told.low > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_an_image_depends_on_seed_place_and_class_alone(name: str) -> None:
    model = load_generative(name)
    many = samples(model, 20, seed=3)
    assert many.shape == (20, *generative_card(name).input_shape)
    assert ((many >= 0) & (many <= 1)).all()
    assert torch.allclose(samples(model, 5, seed=3), many[:5], atol=1e-5)
    assert not torch.allclose(samples(model, 20, seed=4), many, atol=1e-2)
    assert many.std(dim=0).max() > 0.1  # not one image again and again


def test_classes_can_be_asked_for() -> None:
    model = load_generative("digits-gan")
    turns = samples(model, 12, seed=0)
    asked = samples(model, 12, seed=0, labels=[i % 10 for i in range(12)])
    assert torch.equal(turns, asked)
    ones = samples(model, 12, seed=0, labels=[1] * 12)
    assert torch.allclose(ones[1], turns[1], atol=1e-5)
    assert not torch.allclose(ones[0], turns[0], atol=1e-2)


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 10], [0, -1, 1]])
def test_labels_that_do_not_fit_are_refused(labels: list[int]) -> None:
    with pytest.raises(ConfigError, match="Expected 3 labels from 0 to 9"):
        samples(load_generative("digits-gan"), 3, seed=0, labels=labels)


def test_an_autoencoder_is_not_asked_for_classes() -> None:
    with pytest.raises(ConfigError, match="Vae does not know classes"):
        samples(load_generative("digits-vae"), 1, seed=0, labels=[1])


def test_an_unknown_name_names_the_near_miss() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'digits-gan'"):
        load_generative("digit-gan")


def test_other_weights_than_the_card_describes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = generative_card("digits-gan")
    (tmp_path / "digits-gan.safetensors").write_bytes(card.weights.read_bytes()[:-4] + b"abcd")
    monkeypatch.setattr(generative, "WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match="not the ones its card describes"):
        load_generative("digits-gan")


def test_a_card_without_weights_says_how_to_train() -> None:
    card = dataclasses.replace(generative_card("digits-gan"), name="nothing")
    with pytest.raises(ModelError, match="comes without weights") as raised:
        _ = card.measured
    assert "audit models train" in raised.value.hint


def test_a_grid_shows_images_in_frames_one_class_a_column() -> None:
    pixels = np.asarray(Image.open(io.BytesIO(sample_grid("digits-gan", rows=2, seed=5))))
    assert pixels.shape == (2 * 10, 10 * 10)
    tiles = pixels.reshape(2, 10, 10, 10).transpose(0, 2, 1, 3)  # (rows, columns, h, w)
    made = samples(load_generative("digits-gan"), 20, seed=5)
    expected = (made.view(2, 10, 8, 8) * 255).round().byte().numpy()
    assert np.array_equal(tiles[:, :, 1:-1, 1:-1], expected)
    assert (tiles[:, :, 0] == 128).all()


def test_figures_are_told_in_words() -> None:
    bound = generative_card("digits-vae").measured.quality
    assert str(bound).startswith("evidence lower bound -")
    assert "n = 450 test images" in str(bound)
    share = generative_card("digits-gan").measured.quality
    assert "of n = 1000 made images are of the class asked for, as digits-cnn sees" in str(share)
    assert share.interval == (share.low, share.high)
