"""Mirrors auditkit/models/builtin/rnn.py."""

from __future__ import annotations

import torch
from torch import nn

from auditkit.models.builtin import rnn
from tests.models.builtin.networks import noise
from tests.models.builtin.texts import mask_of


def test_the_states_equal_those_of_torch() -> None:
    cell, peer = rnn._Cell(3, 4), nn.RNN(3, 4, batch_first=True)
    state = {
        "weight_ih_l0": cell.word.weight,
        "weight_hh_l0": cell.memory.weight,
        "bias_ih_l0": cell.word.bias,
        "bias_hh_l0": cell.memory.bias,
    }
    peer.load_state_dict(state)
    x = noise(2, 7, 3)
    assert torch.allclose(cell(x, mask_of(7, 7)), peer(x)[0], atol=1e-6)


def test_without_memory_each_state_knows_its_own_word_alone() -> None:
    cell = rnn._Cell(3, 4)
    nn.init.zeros_(cell.memory.weight)
    x = noise(1, 5, 3)
    other = x.clone()
    other[0, 0] += 1
    before, after = (cell(one, mask_of(5))[0] for one in (x, other))
    assert not torch.allclose(before[0], after[0], atol=1e-3)
    assert torch.equal(before[1:], after[1:])
