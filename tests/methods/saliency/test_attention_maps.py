"""Mirrors auditkit/methods/saliency/attention_maps.py."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.saliency.attention import attended
from auditkit.methods.saliency.attention_maps import ATTENTION_MAPS, image_view, text_view
from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.scores import centred
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.models.classifier import ImageClassifier
from tests.methods.saliency.nets import BagOfWords, bag_of, noise, word_model
from tests.methods.saliency.transformers import vit


class Looking(BagOfWords):
    """Words look at each other, all alike, so that the whole is linear."""

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        alike = embeddings[:, :, :1] * 0 @ embeddings[:, :, :1].mT
        weights = alike.masked_fill(~mask[:, None], -torch.inf).softmax(dim=-1)  # (n, t, t)
        return (weights @ embeddings)[:, 0] @ self.head


def test_patches_are_those_of_the_image_whatever_token_answers() -> None:
    """Changing one patch moves what is said of that patch most, class token first or last."""
    for answer in ("first", "last", "mean"):
        model = ImageClassifier(
            vit(answer=answer), classes=("a", "b", "c"), input_shape=(3, 16, 16)
        )
        image = noise(3, 16, 16)
        view = image_view(model, image, 1, reference=image * 0 + 0.5, batch_size=8)
        assert not isinstance(view, Unsuited)
        assert view.shape == (4, 4)
        attention = attended(centred(model.logits), image[None], torch.tensor([1]))
        assert not isinstance(attention, Unsuited)
        patches = slice(1, 17) if answer == "first" else slice(0, 16)
        for name, method in ATTENTION_MAPS.items():
            tokens = method(attention)
            assert isinstance(tokens, Tensor)
            assert np.allclose(view.maps[name], tokens[0, patches].numpy())
        hidden = image.clone()
        hidden[:, 8:12, 4:8] = 0.5  # row 2, column 1
        slope = gradient(centred(model.logits), image[None], torch.tensor([1]))[0]
        first_order = (slope * (image - 0.5))[:, 8:12, 4:8].sum()
        assert np.isclose(view.maps["gradient"][2 * 4 + 1], float(first_order), atol=1e-6)
        both = centred(model.logits)(torch.stack([image, hidden]))[:, 1]
        assert np.isclose(view.falls[2 * 4 + 1], float(both[0] - both[1]), atol=1e-6)


def test_a_linear_text_falls_by_its_gradient() -> None:
    model = word_model(
        ["good", "bad"], votes={"good": 2.0, "bad": -1.0, "[UNK]": 0.5}, kind=Looking
    )
    view = text_view(model, "good bad dull", 1, batch_size=8)
    assert not isinstance(view, Unsuited)
    assert view.shape == (3,)
    # A fourth of what each vote is above that of [UNK], and half of it is left by centring.
    assert view.falls.tolist() == [0.1875, -0.1875, 0.0]
    assert np.allclose(view.maps["gradient"], view.falls)
    # All tokens are looked at alike: rollout halves what does not pass by.
    assert np.allclose(view.maps["last-attention"], 0.25)
    assert np.allclose(view.maps["attention-rollout"], 0.125)
    # A weight's slope is what it fetches, and only rising ones count.
    assert np.allclose(view.maps["gradient-weighted-attention"], [0.25, 0, 0.0625])
    assert bag_of(model).head.grad is None


def test_reasons_are_passed_on() -> None:
    model = word_model(["good"])
    assert isinstance(text_view(model, "good", 1, batch_size=8), Unsuited)

    class Pooled(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            tokens = images.flatten(2)[:, :, :7].mT  # seven tokens of an 8x8 image
            weights = (tokens @ tokens.mT).softmax(-1)
            return (weights @ tokens).mean(dim=1)

    odd = ImageClassifier(Pooled(), classes=("a", "b", "c"), input_shape=(3, 8, 8))
    image = noise(3, 8, 8)
    found = image_view(odd, image, 0, reference=image * 0, batch_size=8)
    assert found == Unsuited("the tokens of its attention are no grid of patches")
