"""Mirrors auditkit/methods/saliency/attention_rollout.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.saliency.attention import Attended, Layer, LayerKind, attended
from auditkit.methods.saliency.attention_rollout import attention_rollout, last_attention
from auditkit.methods.saliency.unsuited import Unsuited
from tests.methods.saliency.transformers import OneLayer


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layer(q: int, s: int, kind: LayerKind = "self", *, seed: int = 0) -> Layer:
    weights = randn(2, 3, q, s, seed=seed).softmax(-1)
    return Layer(weights, randn(2, 3, q, s, seed=seed + 50), kind)


def made_of(*layers: Layer, read: Tensor | None = None) -> Attended:
    q = layers[-1].weights.shape[2]
    return Attended(
        layers=layers,
        read=torch.full((2, q), 1 / q) if read is None else read,
        read_from="",
    )


def test_one_layer_is_its_attention_with_what_passes_by() -> None:
    tokens = randn(2, 4, 3)
    attention = attended(OneLayer(), tokens, torch.tensor([0, 2]))
    assert isinstance(attention, Attended)
    weights = OneLayer.by_hand(tokens)[:, 0]  # (n, t), of the first token, which answers
    expected = weights / 2
    expected[:, 0] += 0.5
    rolled = attention_rollout(attention)
    assert isinstance(rolled, Tensor)
    assert torch.allclose(rolled, expected, atol=1e-6)
    last = last_attention(attention)
    assert isinstance(last, Tensor)
    assert torch.allclose(last, weights, atol=1e-6)


def test_layers_are_multiplied_path_by_path() -> None:
    """The share of a token is the sum over all paths to the answer of the product of shares."""
    layers = [layer(3, 3, seed=i) for i in range(3)]
    read = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    rolled = attention_rollout(made_of(*layers, read=read))
    assert isinstance(rolled, Tensor)
    for n in range(2):
        expected = np.zeros(3)
        steps = [one.weights[n].mean(0).numpy() / 2 + np.eye(3) / 2 for one in layers]
        for token, first, second, answer in np.ndindex(3, 3, 3, 3):
            path = steps[2][answer, second] * steps[1][second, first] * steps[0][first, token]
            expected[token] += float(read[n, answer]) * path
        assert rolled[n].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert rolled.sum(dim=1).tolist() == pytest.approx([1, 1])


def test_slopes_do_not_matter() -> None:
    one = layer(3, 3)
    flipped = Layer(one.weights, -one.slopes, "self")
    assert torch.equal(*(attention_rollout(made_of(x)) for x in (one, flipped)))  # type: ignore[arg-type]


def test_a_query_of_its_own_reads_what_the_tokens_hold() -> None:
    among, across = layer(4, 4), layer(1, 4, "cross", seed=1)
    alone = layer(1, 1, "written", seed=2)
    rolled = attention_rollout(made_of(among, alone, across))
    assert isinstance(rolled, Tensor)
    mixed = (among.weights.mean(dim=1) + torch.eye(4)) / 2
    expected = torch.einsum("nt,nts->ns", across.weights.mean(dim=1)[:, 0], mixed)
    assert torch.allclose(rolled, expected, atol=1e-6)


def test_decoders_of_several_layers_or_tokens_are_refused() -> None:
    across = layer(2, 4, "cross")
    for decoder in ([across, across], [layer(2, 2, "written"), across]):
        assert isinstance(attention_rollout(made_of(layer(4, 4), *decoder)), Unsuited)
    assert isinstance(last_attention(made_of(across, layer(2, 2, "written"))), Unsuited)


def test_attention_pooling_reads_all_it_looks_at() -> None:
    """A recurrent network with a learnt query over its states is no transformer, but has this."""
    query = randn(1, 1, 3)

    def pooled(tokens: Tensor) -> Tensor:
        states = tokens.cumsum(dim=1)
        return functional.scaled_dot_product_attention(
            query.expand(len(tokens), -1, -1), states, states
        )[:, 0]

    tokens = randn(2, 5, 3, seed=1)
    attention = attended(pooled, tokens, torch.tensor([0, 1]))
    assert isinstance(attention, Attended)
    expected = (query @ tokens.cumsum(dim=1).mT * 3**-0.5).softmax(-1)[:, 0]
    rolled = attention_rollout(attention)
    assert isinstance(rolled, Tensor)
    assert torch.allclose(rolled, expected, atol=1e-6)
