"""Mirrors auditkit/models/training/texts.py."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import nn

from auditkit.errors import ConfigError
from auditkit.models.builtin.encoder_transformer import EncoderTransformer
from auditkit.models.card import Recipe
from auditkit.models.tokenizer import word_tokenizer
from auditkit.models.training.fit import Epoch
from auditkit.models.training.texts import fit_text
from tests.models.training.toys import SHORT, sentences


def test_it_learns_a_negation() -> None:
    texts, labels = sentences()
    words = word_tokenizer(texts, vocabulary_size=50, max_length=8)
    torch.manual_seed(0)
    module = EncoderTransformer(vocabulary_size=words.get_vocab_size(), max_length=8, width=16)
    recipe = Recipe(seed=0, epochs=30, batch_size=8, learning_rate=5e-3)
    seen: list[Epoch] = []
    epochs = fit_text(
        module, words, texts, labels, recipe,
        validation=(texts, torch.tensor(labels)), progress=seen.append,
    )  # fmt: skip
    assert epochs[-1].validation == 1.0
    assert seen == epochs
    assert "epoch 30/30" in str(epochs[-1])


def test_word_dropout_teaches_the_unknown_word() -> None:
    texts, labels = sentences()
    words = word_tokenizer(texts, vocabulary_size=50, max_length=8)
    module = EncoderTransformer(vocabulary_size=words.get_vocab_size(), max_length=8, width=16)
    before = module.tokens.weight[1].detach().clone()
    recipe = Recipe(seed=0, epochs=1, batch_size=8, learning_rate=1e-2, weight_decay=0.0)
    fit_text(module, words, texts, labels, recipe)
    assert torch.equal(module.tokens.weight[1], before)
    fit_text(module, words, texts, labels, dataclasses.replace(recipe, word_dropout=0.3))
    assert not torch.equal(module.tokens.weight[1], before)


def test_a_tokenizer_without_special_tokens_is_refused() -> None:
    plain = Tokenizer(WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(ConfigError, match=r"\[PAD\]"):
        fit_text(nn.Linear(1, 1), plain, ["a"], [0], SHORT)
