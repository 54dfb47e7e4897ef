"""Mirrors auditkit/models/card.py."""

from __future__ import annotations

import dataclasses

import pytest

from auditkit.errors import ModelError
from auditkit.models import card as card_module
from auditkit.models.card import Adversarial, ModelCard, Recipe, measurements
from auditkit.models.catalogue import MODELS

CARD = MODELS["digits-vit"]


def measured_as(monkeypatch: pytest.MonkeyPatch, correct: int, n: int) -> ModelCard:
    row = measurements()["digits-vit"].model_copy(update={"correct": correct, "n": n})
    monkeypatch.setattr(card_module, "measurements", lambda: {"digits-vit": row})
    return CARD


def test_accuracy_and_interval_follow_from_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    card = measured_as(monkeypatch, 8, 10)
    assert card.accuracy == 0.8
    assert tuple(round(end, 4) for end in card.interval) == (0.4439, 0.9748)


def test_facts_say_how_sure_the_accuracy_is(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = measured_as(monkeypatch, 8, 10).facts()
    assert facts["held-out accuracy"] == (
        "80.0 % of n = 10 (split test), 95 % interval 44.4 to 97.5 %"
    )
    assert all(isinstance(value, str) and value for value in facts.values())


def test_a_model_without_weights_says_how_to_train_it() -> None:
    card = dataclasses.replace(CARD, name="digits-new")
    with pytest.raises(ModelError, match="digits-new comes without weights") as raised:
        _ = card.measured
    assert "audit models train digits-new" in raised.value.hint


def test_a_recipe_names_what_it_does_and_nothing_else() -> None:
    recipe = Recipe(
        seed=0, epochs=3, batch_size=8, learning_rate=0.1, weight_decay=0.0, flip=True,
        hardening=Adversarial(epsilon=0.1, steps=2),
    )  # fmt: skip
    assert recipe.as_text() == (
        "seed 0, epochs 3, batch size 8, learning rate 0.1, precision float32, flip True,"
        " hardening Adversarial(epsilon=0.1, steps=2)"
    )


def test_a_card_cannot_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CARD.name = "other"  # type: ignore[misc]
