"""Mirrors auditkit/models/classifier.py: how texts become tokens."""

from __future__ import annotations

import torch

from tests.methods.attacks.subjects import WORDS, bag_of_words

TEXTS = ["amber birch cedar.", "", "unheard", " ".join(WORDS[:9]), " ".join(WORDS) * 3]


def test_tokens_are_padded_to_a_multiple_of_eight_and_cut() -> None:
    model = bag_of_words(0).artifacts.text_model  # 32 tokens at most
    encoded = model.encode(TEXTS)
    assert encoded.ids.shape == encoded.mask.shape == encoded.special.shape == (5, 32)
    assert encoded.mask.sum(dim=1).tolist() == [4, 1, 1, 9, 32]
    assert encoded.ids[0, :5].tolist() == [2, 3, 4, model.unk_id, model.pad_id]
    assert encoded.ids[1, :2].tolist() == [model.unk_id, model.pad_id]  # no token: unknown
    assert (encoded.special == ~encoded.mask)[[0, 2, 3, 4]].all()  # it adds no special tokens
    assert encoded.special[1].all()
    assert encoded.offsets[0] == [(0, 5), (6, 11), (12, 17), (17, 18)]
    assert encoded.offsets[1] == [(0, 0)]
    assert model.encode(TEXTS[:1]).ids.shape == (1, 8)
    assert model.encode([]).ids.shape == (0, 8)


def test_answers_are_those_of_the_tokens() -> None:
    model = bag_of_words(1).artifacts.text_model
    encoded = model.encode(TEXTS)
    assert torch.equal(model.logits(TEXTS), model.logits_from_ids(encoded.ids, encoded.mask))
    assert torch.allclose(model.logits(TEXTS)[:1], model.logits(TEXTS[:1]), atol=1e-6)
