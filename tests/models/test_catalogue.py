"""Mirrors auditkit/models/catalogue.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditkit.models import builtin
from auditkit.models.bundle import file_sha256
from auditkit.models.catalogue import MODELS
from auditkit.models.load import builtin_path


def test_every_file_is_in_the_catalogue_under_its_own_name() -> None:
    files = {p.stem.replace("_", "-") for p in Path(builtin.__path__[0]).glob("*.py")}
    assert set(MODELS) == files - {"--init--"}


@pytest.mark.parametrize("name", MODELS)
def test_names_of_model_class_and_weights_agree(name: str) -> None:
    card = MODELS[name]
    assert card.build.__name__.lower() == name.replace("-", "")
    assert card.weights == name.replace("-", "_") + ".safetensors"


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_are_small_and_the_ones_on_the_card(name: str) -> None:
    path = builtin_path(MODELS[name])
    assert path.stat().st_size < 2_000_000
    assert file_sha256(path) == MODELS[name].sha256


@pytest.mark.parametrize("name", MODELS)
def test_the_card_is_complete(name: str) -> None:
    card = MODELS[name]
    assert card.split == "test"
    assert card.limits
    assert card.terms
    assert (card.input_shape is None) == (card.bounds is None)
