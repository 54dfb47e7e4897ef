"""The built-in models, by name."""

from __future__ import annotations

from auditkit.models.builtin import digits_cnn, digits_vit, phrases_transformer
from auditkit.models.card import ModelCard

MODELS: dict[str, ModelCard] = {
    card.name: card for card in (digits_cnn.CARD, digits_vit.CARD, phrases_transformer.CARD)
}
