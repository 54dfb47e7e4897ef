"""Mirrors auditkit/models/builtin/decoder_transformer.py."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from auditkit.models.builtin.decoder_transformer import DecoderTransformer
from auditkit.models.training.language import LanguageModel
from tests.models.builtin.texts import ids_of, mask_of, network


def decoder() -> DecoderTransformer:
    module = network("decoder")
    assert isinstance(module, DecoderTransformer)
    return module


@pytest.mark.parametrize("changed", range(1, 8))
def test_a_later_word_never_changes_an_earlier_feature(changed: int) -> None:
    module = decoder()
    ids, mask = ids_of(8)
    other = ids.clone()
    other[0, changed] = 3 if ids[0, changed] != 3 else 4
    before, after = (module.features(module.embed(one), mask)[0] for one in (ids, other))
    assert torch.equal(before[:changed], after[:changed])
    moved = (before - after).abs().amax(dim=1)[changed:]
    assert (moved > 1e-4).all()  # its own and every later one do change


def test_the_class_is_read_from_the_last_real_token() -> None:
    module = decoder()
    ids, mask = ids_of(8, 3)
    features = module.features(module.embed(ids), mask)
    expected = module.head(torch.stack([features[0, 7], features[1, 2]]))
    assert torch.allclose(module(ids, mask), expected, atol=1e-6)


def test_the_language_loss_asks_for_each_next_word() -> None:
    module = decoder()
    assert isinstance(module, LanguageModel)
    ids, mask = ids_of(6, 3)
    losses: list[torch.Tensor] = []
    for row, size in enumerate((6, 3)):
        for end in range(1, size):
            x = module.features(module.embed(ids[row : row + 1, :end]), mask_of(end))[0, -1]
            scores = x @ module.tokens.weight[3:].T
            losses.append(functional.cross_entropy(scores, ids[row, end] - 3))
    expected = torch.stack(losses).mean()
    assert len(losses) == 7
    assert torch.allclose(module.language_loss(ids, mask), expected, atol=1e-4)
