"""Mirrors auditkit/models/builtin/gru.py."""

from __future__ import annotations

import torch
from torch import nn

from auditkit.models.builtin import gru
from tests.models.builtin.networks import noise
from tests.models.builtin.texts import mask_of

RESET, KEEP = slice(0, 4), slice(4, 8)  # rows of a gate


def cell(gate: slice | None = None, value: float = 0.0) -> gru._Cell:
    """Return a cell, with one gate held open or closed by its bias."""
    torch.manual_seed(0)
    built = gru._Cell(3, 4)
    if gate is not None:
        with torch.no_grad():
            built.word.bias[gate] = value
    return built


def test_the_states_equal_those_of_torch() -> None:
    built, peer = cell(), nn.GRU(3, 4, batch_first=True)
    state = {
        f"{kind}_{part}_l0": getattr(layer, kind)
        for part, layer in (("ih", built.word), ("hh", built.memory))
        for kind in ("weight", "bias")
    }
    peer.load_state_dict(state)
    x = noise(2, 7, 3)
    assert torch.allclose(built(x, mask_of(7, 7)), peer(x)[0], atol=1e-6)


def test_a_kept_state_hears_nothing_new() -> None:
    built = cell(KEEP, 100.0)
    old = noise(1, 4)
    state = (old,)
    for word in built.word(noise(1, 50, 3)).unbind(1):
        state = built.step(word, state)
    assert torch.allclose(state[0], old, atol=1e-6)


def test_a_reset_state_that_is_not_kept_knows_the_last_word_alone() -> None:
    built = cell(RESET, -100.0)
    with torch.no_grad():
        built.word.bias[KEEP] = -100.0
    x = noise(1, 5, 3)
    last_alone = built(x[:, 4:], mask_of(1))[0, 0]
    assert torch.allclose(built(x, mask_of(5))[0, 4], last_alone, atol=1e-6)
    assert not torch.allclose(cell()(x, mask_of(5))[0, 4], last_alone, atol=1e-2)
