"""Mirrors auditkit/methods/saliency/gradient_weighted_attention.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditkit.methods.saliency.attention import Attended, Layer, LayerKind, attended
from auditkit.methods.saliency.attention_rollout import attention_rollout
from auditkit.methods.saliency.gradient_weighted_attention import gradient_weighted_attention
from auditkit.methods.saliency.scores import centred
from tests.methods.saliency.nets import noise
from tests.methods.saliency.transformers import OneLayer, coloured_patches, trained_vit, vit


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layer(q: int, s: int, kind: LayerKind = "self", *, seed: int = 0) -> Layer:
    return Layer(randn(2, 3, q, s, seed=seed).softmax(-1), randn(2, 3, q, s, seed=seed + 50), kind)


def useful(one: Layer) -> Tensor:
    """Equation 5, number by number."""
    return torch.where(one.slopes > 0, one.weights * one.slopes, 0.0).sum(dim=1) / 3


def shared_out(gathered: Tensor) -> Tensor:
    """Equations 8 and 9 for what was gathered, without the identity."""
    return gathered / gathered.sum(dim=2, keepdim=True) + torch.eye(gathered.shape[1])


def relevance(*layers: Layer, read: Tensor) -> Tensor:
    return gradient_weighted_attention(Attended(layers=layers, read=read, read_from=""))


def test_one_layer_counts_weights_by_their_slopes() -> None:
    """The logit is the sum of weights times values, so a weight's slope is its value."""
    tokens, target = randn(2, 4, 3), torch.tensor([0, 2])
    attention = attended(OneLayer(), tokens, target)
    assert isinstance(attention, Attended)
    values = torch.stack([tokens[0, :, 0], tokens[1, :, 2]])
    expected = (OneLayer.by_hand(tokens)[:, 0] * values).relu()
    assert torch.allclose(gradient_weighted_attention(attention), expected, atol=1e-6)
    assert expected.eq(0).any()


def test_three_layers_by_the_rule() -> None:
    """(I + A3)(I + A2)(I + A1) - I, written out as a sum over which layers are passed."""
    layers = [layer(4, 4, seed=i) for i in range(3)]
    a, b, c = (useful(one) for one in layers)
    expected = a + b + c + b @ a + c @ a + c @ b + c @ b @ a
    first = torch.tensor([[1.0, 0, 0, 0]] * 2)
    assert torch.allclose(relevance(*layers, read=first), expected[:, 0], atol=1e-6)
    mean = torch.full((2, 4), 0.25)
    assert torch.allclose(relevance(*layers, read=mean), expected.mean(dim=1), atol=1e-6)


def test_cross_attention_by_the_rule() -> None:
    """Equation 10: what was written, across, and what the input's tokens have gathered."""
    among, written, across = (
        layer(4, 4),
        layer(2, 2, "written", seed=1),
        layer(2, 4, "cross", seed=2),
    )
    again, across_again = layer(2, 2, "written", seed=3), layer(2, 4, "cross", seed=4)
    inner, outer = shared_out(useful(among)), shared_out(useful(written))
    once = outer.mT @ useful(across) @ inner
    read = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = relevance(among, written, across, read=read)
    assert torch.allclose(found, torch.stack([once[0, 0], once[1, 1]]), atol=1e-6)
    held = useful(written) + useful(again) + useful(again) @ useful(written)
    twice = once + useful(again) @ once
    twice = twice + shared_out(held).mT @ useful(across_again) @ inner
    found = relevance(among, written, across, again, across_again, read=read)
    assert torch.allclose(found, torch.stack([twice[0, 0], twice[1, 1]]), atol=1e-6)


@pytest.mark.parametrize("answer", ["first", "mean"])
def test_what_a_transformer_looks_for_is_found(answer: str) -> None:
    """One patch of sixteen decides; both maps of attention put several times its share there."""
    images, labels, decides = coloured_patches(100, seed=7)
    model = trained_vit(answer)  # type: ignore[arg-type]
    assert torch.equal(model(images).argmax(dim=1), labels)
    attention = attended(centred(model), images, labels)
    assert isinstance(attention, Attended)
    for method in (gradient_weighted_attention, attention_rollout):
        tokens = method(attention)
        assert isinstance(tokens, Tensor)
        patches = tokens[:, -16:]
        mass = (patches * decides).sum(dim=1) / patches.sum(dim=1)
        assert float(mass.mean() - 2 * mass.std() / 10) > 2 / 16


def test_a_score_without_slopes_gives_zeros() -> None:
    model, images = vit(), noise(2, 3, 16, 16)
    for flat in (lambda x: model(x) * 0, lambda x: (model(x) * 0).sqrt()):
        attention = attended(flat, images, torch.tensor([0, 1]))
        assert isinstance(attention, Attended)
        assert attention.read_from == "all tokens, as no slope tells which"
        assert not gradient_weighted_attention(attention).any()
        rolled = attention_rollout(attention)
        assert isinstance(rolled, Tensor)
        assert torch.allclose(rolled.sum(dim=1), torch.ones(2))


def test_inputs_do_not_see_their_neighbours() -> None:
    model, images, target = vit(), noise(3, 3, 16, 16), torch.tensor([0, 1, 2])
    together = attended(model, images, target)
    assert isinstance(together, Attended)
    for i in range(3):
        alone = attended(model, images[i : i + 1], target[i : i + 1])
        assert isinstance(alone, Attended)
        expected = gradient_weighted_attention(together)[i]
        assert torch.allclose(gradient_weighted_attention(alone)[0], expected, atol=1e-6)
        assert expected.any()


def test_another_class_has_another_map() -> None:
    model, images = vit(), noise(1, 3, 16, 16)
    maps: list[Tensor] = []
    for k in range(3):
        attention = attended(model, images, torch.tensor([k]))
        assert isinstance(attention, Attended)
        maps.append(gradient_weighted_attention(attention))
    assert not torch.allclose(maps[0], maps[1], rtol=0.1)
