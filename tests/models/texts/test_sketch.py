"""Mirrors auditkit/models/texts/sketch.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditkit.models.card import Shapes
from auditkit.models.catalogue import MODELS
from auditkit.models.texts.sketch import sketch_text
from tests.models.files import Net
from tests.models.networks import TutorialNet
from tests.models.texts.networks import LONGEST, WIDTH, Transformer


def shapes(module: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def test_a_transformer_of_words() -> None:
    module = Transformer()
    module.embedding = nn.Embedding(300, WIDTH)
    seen = sketch_text(shapes(module))
    assert seen is not None
    assert (seen.name, seen.words, seen.width) == ("embedding.weight", 300, WIDTH)
    assert (seen.length, seen.n_classes) == (LONGEST, 3)
    assert (
        seen.family == "a network that reads words (300 of 8 features, texts of at most 24 tokens)"
    )


def test_an_embedding_under_any_name() -> None:
    module = nn.ModuleDict(
        {"table": nn.Embedding(100, 8), "rnn": nn.GRU(8, 4), "out": nn.Linear(4, 2)}
    )
    seen = sketch_text(shapes(module))
    assert seen is not None
    assert (seen.words, seen.length, seen.n_classes) == (100, None, 2)


@pytest.mark.parametrize(
    "module",
    [
        Net(),
        TutorialNet(),
        nn.Sequential(nn.Linear(8, 100, bias=False), nn.Linear(100, 2)),
        nn.Sequential(nn.Linear(784, 64), nn.Linear(64, 10)),
    ],
    ids=["conv", "tutorial", "matrix", "mlp"],
)
def test_other_networks_read_no_words(module: nn.Module) -> None:
    assert sketch_text(shapes(module)) is None


@pytest.mark.parametrize("name", sorted(MODELS))
def test_built_in_networks(name: str) -> None:
    card = MODELS[name]
    with torch.device("meta"):
        module = card.build(**card.config)
    assert (sketch_text(shapes(module)) is not None) == (card.modality == "text")
