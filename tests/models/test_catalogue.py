"""Mirrors auditkit/models/catalogue.py: what holds for every built-in model."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

import pytest
import torch

from auditkit.data.catalogue import DATA
from auditkit.data.dataset import Dataset
from auditkit.models import builtin
from auditkit.models.bundle import file_sha256
from auditkit.models.card import MEASUREMENTS, WEIGHTS, ModelCard, measurements
from auditkit.models.catalogue import ARCHITECTURES, CARDS, MODELS
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.training.report import accuracy
from auditkit.statistics import clopper_pearson
from tests.published import needs

FOLDER = Path(builtin.__path__[0])
BY_NAME = [pytest.param(name, marks=needs(card.data)) for name, card in MODELS.items()]


@cache
def published_test(name: str) -> Dataset:
    return DATA[name].load("test")


def test_every_card_of_every_file_is_in_the_catalogue() -> None:
    found: list[str] = []
    for file in FOLDER.glob("*.py"):
        module = importlib.import_module(f"auditkit.models.builtin.{file.stem}")
        cards = getattr(module, "CARDS", ())
        found += [card.name for card in cards if isinstance(card, ModelCard)]
    assert sorted(found) == sorted(CARDS)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_is_alone_in_the_file_of_its_name(name: str) -> None:
    build = ARCHITECTURES[name]
    file = build.__module__.rpartition(".")[2]
    assert file.replace("_", "") == name.lower()


def test_weights_and_figures_are_those_of_the_catalogue_and_small() -> None:
    files = {path.stem: path.stat().st_size for path in WEIGHTS.glob("*.safetensors")}
    generative = {name for name in files if name.endswith(("-vae", "-gan"))}
    assert set(files) - generative == set(MODELS) == set(measurements()) == set(CARDS)
    assert max(files.values()) <= 2_000_000
    assert sum(files.values()) <= 30_000_000
    assert MEASUREMENTS.parent == WEIGHTS


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_are_the_ones_that_were_measured(name: str) -> None:
    card = MODELS[name]
    assert file_sha256(card.weights) == card.measured.sha256
    assert card.recipe_text == card.measured.recipe  # nobody changed the card since


@pytest.mark.parametrize("name", MODELS)
def test_the_card_is_complete(name: str) -> None:
    card = MODELS[name]
    known = DATA[card.data]
    assert card.measured.split == "test"
    assert card.measured.n == known.sizes["test"]
    assert card.modality == known.modality
    assert card.limits
    assert card.terms
    assert "derived from these data" in card.facts()["data terms"]
    assert (card.input_shape is None) == (card.bounds is None) == (card.modality != "image")
    assert (card.measured.flops > 0) == (card.architecture != "GradientBoosting")  # trees compare


@pytest.mark.parametrize("name", BY_NAME)
def test_the_weights_reach_what_the_card_says(name: str) -> None:
    """On a sample: the card's accuracy lies within a wide interval of the sample's."""
    card = MODELS[name]
    classifier = load_model(ModelSpec(source=name))
    assert classifier.parameters == card.measured.parameters
    found = accuracy(classifier, published_test(card.data).sample(300, seed=0))
    low, high = clopper_pearson(found.correct, found.n, level=0.999)
    assert low <= card.accuracy <= high


def card_is_rounded(name: str) -> bool:
    return MODELS[name].architecture == "QuantisedResNet"


@pytest.mark.parametrize("name", BY_NAME)
def test_an_answer_does_not_depend_on_the_rest_of_the_batch(name: str) -> None:
    classifier = load_model(ModelSpec(source=name))
    batch = published_test(MODELS[name].data).read(slice(0, 8))
    inputs = batch if isinstance(batch, list) else torch.from_numpy(batch)
    alone = torch.cat([classifier.predict(inputs[i : i + 1]) for i in range(8)])
    # Another order of sums can tip a rounded activation by one step of its eight bits.
    slack = 0.1 if card_is_rounded(name) else 1e-4
    assert torch.allclose(classifier.predict(inputs), alone, atol=slack)


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_NAME)
def test_the_weights_reach_exactly_what_the_card_says(name: str) -> None:
    card = MODELS[name]
    found = accuracy(load_model(ModelSpec(source=name)), published_test(card.data))
    assert found.n == card.measured.n
    # Another processor rounds differently, which may tip an input that lies on a border.
    assert abs(found.correct - card.measured.correct) <= max(1, 0.001 * found.n)
