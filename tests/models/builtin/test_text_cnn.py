"""Mirrors auditkit/models/builtin/text_cnn.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from auditkit.models.builtin.text_cnn import WIDTHS, TextCnn
from tests.models.builtin.networks import noise
from tests.models.builtin.texts import mask_of, network


def cnn() -> TextCnn:
    module = network("textcnn")
    assert isinstance(module, TextCnn)
    return module


@pytest.mark.parametrize("words", [1, 2, 3, 5, 9])
def test_the_logits_equal_the_formula(words: int) -> None:
    """Every phrase that begins in the text, by hand; behind the end stand zeros."""
    module = cnn()
    x = noise(words, 6)
    longer = torch.cat([x, torch.zeros(4, 6)])
    features: list[torch.Tensor] = []
    phrases: Any = module.phrases
    for layer, size in zip(phrases, WIDTHS, strict=True):
        matches = [
            (layer.weight * longer[start : start + size].T).sum(dim=(1, 2)) + layer.bias
            for start in range(words)
        ]
        features.append(torch.stack(matches).amax(dim=0).relu())
    expected = module.head(torch.cat(features))
    found = module.forward_embeddings(x[None], mask_of(words))[0]
    assert torch.allclose(found, expected, atol=1e-5)


def test_where_a_phrase_stands_does_not_matter() -> None:
    module = cnn()
    texts = torch.zeros(5, 12, 6)
    for row, start in enumerate(range(4, 9)):  # zeros on both sides, as many as a filter spans
        texts[row, start : start + 3] = noise(3, 6)
    logits = module.forward_embeddings(texts, mask_of(12).expand(5, -1))
    assert torch.allclose(logits, logits[:1].expand(5, -1), atol=1e-6)
    turned = torch.zeros(1, 12, 6)
    turned[0, 4:7] = noise(3, 6).flip(0)  # but the order of its words does
    assert not torch.allclose(module.forward_embeddings(turned, mask_of(12)), logits[:1], atol=1e-2)


def test_words_five_apart_do_not_know_of_each_other() -> None:
    """Each filter sees one phrase only, so that no logit depends on far words together."""
    module = cnn()
    phrases: Any = module.phrases
    x = noise(1, 12, 6).requires_grad_()
    matches = phrases[2](x.transpose(1, 2))  # the widest: five words
    matches[0, :, 3].sum().backward()
    assert x.grad is not None
    touched = x.grad[0].abs().amax(dim=1) > 0
    assert touched.tolist() == [3 <= place < 8 for place in range(12)]
