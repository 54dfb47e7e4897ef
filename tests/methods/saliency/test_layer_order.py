"""Mirrors auditkit/methods/saliency/layer_order.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditkit.methods.saliency.layer_order import layer_order
from tests.methods.saliency.nets import assert_untouched, state_of


class Backwards(nn.Module):
    """Written down from its output to its input, with a layer that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 2)
        self.unused = nn.Linear(1, 1)
        self.cell = nn.LSTM(4, 3, batch_first=True)
        self.first = nn.Linear(2, 4, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        states, _ = self.cell(self.first(inputs)[:, None])
        return nn.functional.linear(states[:, 0], self.last.weight, bias=self.last.bias)


def test_layers_come_in_the_order_of_their_use():
    net = Backwards().eval().requires_grad_(False)
    before = state_of(net)
    layers = layer_order(net, lambda: net(torch.zeros(1, 2)))
    assert [layer[0].split(".")[0] for layer in layers] == ["unused", "first", "cell", "last"]
    assert sorted(name for layer in layers for name in layer) == sorted(
        name for name, _ in net.named_parameters()
    )
    assert_untouched(net, before)


def test_attention_counts_as_a_layer_and_errors_leave_nothing_behind():
    net = nn.TransformerEncoderLayer(4, 1, 8, batch_first=True).eval().requires_grad_(False)
    layers = layer_order(net, lambda: net(torch.zeros(1, 3, 4)))
    assert len(layers) == 6  # in and out projections, two layers, two norms
    before = state_of(net)
    with pytest.raises(AssertionError, match="embedding dimension"):
        layer_order(net, lambda: net(torch.zeros(1, 3, 5)))
    assert_untouched(net, before)
