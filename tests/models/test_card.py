"""Mirrors auditkit/models/card.py."""

from __future__ import annotations

import dataclasses

import pytest

from auditkit.models.builtin.digits_vit import CARD


def test_accuracy_and_interval_follow_from_the_counts() -> None:
    card = dataclasses.replace(CARD, correct=8, n=10)
    assert card.accuracy == 0.8
    assert tuple(round(end, 4) for end in card.interval) == (0.4439, 0.9748)


def test_facts_say_how_sure_the_accuracy_is() -> None:
    facts = dataclasses.replace(CARD, correct=8, n=10).facts()
    assert facts["held-out accuracy"] == (
        "80.0% of n = 10 (split test), 95 % interval 44.4% to 97.5%"
    )
    assert all(isinstance(value, str) and value for value in facts.values())


def test_an_image_model_has_a_shape_and_a_text_model_has_none() -> None:
    assert CARD.modality == "image"
    assert dataclasses.replace(CARD, input_shape=None).modality == "text"


def test_a_card_cannot_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CARD.correct = 450  # type: ignore[misc]
