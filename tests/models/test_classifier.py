"""Mirrors auditkit/models/classifier.py: how texts become tokens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditkit.models.classifier import ImageClassifier, randomised
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


def test_some_weights_are_drawn_anew_with_the_numbers_that_all_would_get() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with randomised(net, 7):
        every = {name: value.clone() for name, value in net.state_dict().items()}
    chosen = {"1.weight", "0.bias"}
    with randomised(net, 7, chosen):
        for name, value in net.state_dict().items():
            assert torch.equal(value, (every if name in chosen else before)[name])
            assert not torch.equal(every[name], before[name])
    with pytest.raises(ValueError, match="inside"), randomised(net, 7, chosen):
        raise ValueError("inside")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


class Overwriting(nn.Module):
    """Its first step writes into what it was given."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mul_(2).flatten(1)[:, :2]


def test_a_network_that_writes_into_its_input_changes_nothing_outside_and_has_gradients() -> None:
    model = ImageClassifier(Overwriting(), classes=["a", "b"], input_shape=(1, 2, 2))
    images = torch.rand(3, 1, 2, 2)
    before = images.clone()
    assert torch.equal(model.predict(images), 2 * before.flatten(1)[:, :2])
    assert torch.equal(images, before)
    leaf = images.requires_grad_(True)
    (slopes,) = torch.autograd.grad(model.logits(leaf)[:, 1].sum(), leaf)
    assert slopes.flatten(1).tolist() == [[0, 2, 0, 0]] * 3
