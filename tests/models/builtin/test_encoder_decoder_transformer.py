"""Mirrors auditkit/models/builtin/encoder_decoder_transformer.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from auditkit.models.builtin import encoder_decoder_transformer as file
from auditkit.models.builtin.encoder_decoder_transformer import EncoderDecoderTransformer
from auditkit.models.training.language import LanguageModel
from tests.models.builtin.networks import noise
from tests.models.builtin.texts import ids_of, mask_of, network


def both() -> EncoderDecoderTransformer:
    module = network("encoder-decoder")
    assert isinstance(module, EncoderDecoderTransformer)
    return module


def test_without_cross_attention_the_answer_does_not_depend_on_the_text() -> None:
    module = both()
    ids, mask = ids_of(8, 5, 3)
    assert module(ids, mask).std(dim=0).min() > 1e-3
    blocks: Any = module.decoder
    for block in blocks:
        nn.init.zeros_(block.cross_attention.project.weight)
    logits = module(ids, mask)
    assert torch.equal(logits, logits[:1].expand(3, -1))


def test_cross_attention_takes_queries_from_one_side_and_keys_from_the_other() -> None:
    torch.manual_seed(0)
    layer = file._CrossAttention(16)
    x, encoded, readable = noise(2, 3, 16), noise(2, 5, 16, seed=1), mask_of(5, 4)[:, None, :]
    key, value = layer.key_value(encoded).split(16, dim=2)
    mixed = functional.scaled_dot_product_attention(
        layer.query(x)[:, None], key[:, None], value[:, None], attn_mask=readable[:, None]
    )
    assert torch.allclose(layer(x, encoded, readable), layer.project(mixed[:, 0]), atol=1e-6)


@pytest.mark.parametrize("changed", range(5))
def test_what_is_written_later_never_changes_what_comes_earlier(changed: int) -> None:
    module = both()
    ids, mask = ids_of(8)
    encoded = module.encode(module.embed(ids), mask)
    written = noise(1, 5, 32)
    other = written.clone()
    other[0, changed] += noise(32, seed=1)
    before, after = (module.decode(one, encoded, mask)[0] for one in (written, other))
    assert torch.equal(before[:changed], after[:changed])
    assert ((before - after).abs().amax(dim=1)[changed:] > 1e-4).all()


def test_the_class_is_what_the_start_token_finds() -> None:
    module = both()
    ids, mask = ids_of(8, 5)
    encoded = module.encode(module.embed(ids), mask)
    longer = torch.cat([module.start.expand(2, 1, -1), noise(2, 4, 32)], dim=1)
    first = module.decode(longer, encoded, mask)[:, 0]  # whatever would be written after it
    assert torch.allclose(module(ids, mask), module.head(first), atol=1e-5)


def test_the_language_loss_asks_for_the_words_that_were_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = both()
    assert isinstance(module, LanguageModel)
    ids, mask = ids_of(6, 3)
    seen = torch.where(ids == ids[0, 2], 1, ids)
    monkeypatch.setattr(file, "hide_words", lambda *_: (seen, seen != ids))
    losses: list[torch.Tensor] = []
    for row, size in enumerate((6, 3)):
        shown = mask_of(size)
        encoded = module.encode(module.embed(seen[row : row + 1, :size]), shown)
        for end in range(1, size):  # the decoder has the start, then the words before this one
            written = torch.cat([module.start, module.embed(ids[row, 1:end])])[None]
            x = module.decode(written, encoded, shown)[0, -1]
            scores = x @ module.tokens.weight[3:].T
            losses.append(functional.cross_entropy(scores, ids[row, end] - 3))
    assert torch.allclose(module.language_loss(ids, mask), torch.stack(losses).mean(), atol=1e-4)
