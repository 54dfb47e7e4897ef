"""Mirrors auditkit/models/builtin/phrases_transformer.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from auditkit.data import phrases
from auditkit.models.builtin.phrases_transformer import (
    CARD,
    HEAD,
    PhrasesTransformer,
    word_tokenizer,
)
from auditkit.models.classifier import TextModule
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.train import accuracy
from tests.models.builtin.test_digits_cnn import shapes


def network(**config: int) -> PhrasesTransformer:
    torch.manual_seed(0)
    return PhrasesTransformer(
        **{"vocabulary_size": 20, "max_length": 12, "width": 32, **config}
    ).eval()


def test_the_shipped_weights_reach_exactly_what_the_card_says() -> None:
    classifier = load_model(ModelSpec(source="phrases-transformer"))
    found = accuracy(classifier, phrases.load("test"))
    assert (found.correct, found.n) == (CARD.correct, CARD.n)
    assert found.share >= 0.95
    assert classifier.parameters == CARD.parameters


def test_padding_does_not_change_the_logits() -> None:
    module = network()
    ids = torch.tensor([[2, 5, 6, 7]])
    short = module(ids, torch.ones(1, 4, dtype=torch.bool))
    mask = torch.tensor([[True] * 4 + [False] * 5])
    for filler in (0, 9):  # whatever stands behind the mask
        padded = functional.pad(ids, (0, 5), value=filler)
        assert torch.allclose(module(padded, mask), short, atol=1e-6)
    everything = torch.ones_like(mask)
    assert not torch.allclose(module(functional.pad(ids, (0, 5), value=9), everything), short)


def test_the_answer_needs_attention_to_the_words() -> None:
    """The head reads [CLS] alone, so only attention can carry a word there."""
    module = network()
    mask = torch.ones(1, 4, dtype=torch.bool)
    one, other = torch.tensor([[2, 5, 6, 7]]), torch.tensor([[2, 5, 6, 8]])
    assert not torch.allclose(module(one, mask), module(other, mask), atol=1e-6)
    blocks: Any = module.blocks
    for block in blocks:
        nn.init.zeros_(block.attention.project.weight)
    assert torch.equal(module(one, mask), module(other, mask))


def test_word_order_matters_through_positions_alone() -> None:
    module = network()
    mask = torch.ones(1, 4, dtype=torch.bool)
    one, other = torch.tensor([[2, 5, 6, 7]]), torch.tensor([[2, 7, 6, 5]])
    assert not torch.allclose(module(one, mask), module(other, mask), atol=1e-6)
    nn.init.zeros_(module.positions)
    assert torch.allclose(module(one, mask), module(other, mask), atol=1e-6)


def test_attention_equals_the_one_of_torch() -> None:
    block: Any = network().blocks[0]
    attention = block.attention
    x = torch.randn(3, 5, 2 * HEAD, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True] + [False] * 4])
    query, key, value = (
        part.view(3, 5, 2, HEAD).transpose(1, 2)
        for part in attention.query_key_value(x).split(2 * HEAD, dim=2)
    )
    mixed = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask[:, None, None, :]
    )
    expected = attention.project(mixed.transpose(1, 2).reshape(3, 5, 2 * HEAD))
    assert torch.allclose(attention(x, mask), expected, atol=1e-6)


def test_it_is_a_text_module_whose_two_steps_make_the_whole() -> None:
    module = network()
    assert isinstance(module, TextModule)
    ids, mask = torch.tensor([[2, 5, 0]]), torch.tensor([[True, True, False]])
    assert module.embed(ids).shape == (1, 3, 32)
    assert torch.equal(module(ids, mask), module.forward_embeddings(module.embed(ids), mask))


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    module = network(depth=3, n_classes=4)
    assert PhrasesTransformer.config_of(shapes(module)) == module.config


def test_the_tokenizer_lower_cases_splits_and_knows_what_it_saw() -> None:
    words = word_tokenizer(["A fine day, really."], vocabulary_size=50, max_length=6)
    row = words.encode("A FINE night, really fine")
    assert row.tokens == ["[CLS]", "a", "fine", "[UNK]", ",", "really"]  # cut to six
    assert row.offsets[2] == (2, 6)
    assert [words.token_to_id(one) for one in ("[PAD]", "[UNK]", "[CLS]")] == [0, 1, 2]


def test_the_vocabulary_keeps_the_most_frequent_words() -> None:
    words = word_tokenizer(["b b b a a c"], vocabulary_size=5, max_length=6)
    assert set(words.get_vocab()) == {"[PAD]", "[UNK]", "[CLS]", "b", "a"}


@pytest.mark.parametrize("text", ["", "   ", "unheard of"])
def test_every_text_has_at_least_one_token(text: str) -> None:
    words = word_tokenizer(["a"], vocabulary_size=5, max_length=6)
    assert words.encode(text).tokens[0] == "[CLS]"
