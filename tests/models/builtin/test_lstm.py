"""Mirrors auditkit/models/builtin/lstm.py."""

from __future__ import annotations

import torch
from torch import nn

from auditkit.models.builtin import lstm
from tests.models.builtin.networks import noise
from tests.models.builtin.texts import mask_of

ADD, KEEP, SHOW, NEWS = (slice(4 * part, 4 * part + 4) for part in range(4))  # rows of a gate
OPEN, CLOSED = 100.0, -100.0


def cell(**gates: float) -> lstm._Cell:
    """Return a cell with some gates held open or closed by their biases."""
    torch.manual_seed(0)
    built = lstm._Cell(3, 4)
    places = {"add": ADD, "keep": KEEP, "show": SHOW}
    with torch.no_grad():
        for name, value in gates.items():
            built.word.bias[places[name]] = value
    return built


def test_the_states_equal_those_of_torch() -> None:
    built, peer = cell(), nn.LSTM(3, 4, batch_first=True)
    order = [ADD, KEEP, NEWS, SHOW]  # torch has the proposal before the last gate
    state = {
        f"{kind}_{part}_l0": torch.cat([getattr(layer, kind)[rows] for rows in order])
        for part, layer in (("ih", built.word), ("hh", built.memory))
        for kind in ("weight", "bias")
    }
    peer.load_state_dict(state)
    x = noise(2, 7, 3)
    assert torch.allclose(built(x, mask_of(7, 7)), peer(x)[0], atol=1e-6)


def test_a_closed_forget_gate_forgets() -> None:
    built = cell(keep=CLOSED)
    nn.init.zeros_(built.memory.weight)  # otherwise what was shown still speaks
    x = noise(1, 5, 3)
    last_alone = built(x[:, 4:], mask_of(1))[0, 0]
    assert torch.allclose(built(x, mask_of(5))[0, 4], last_alone, atol=1e-6)
    with torch.no_grad():
        built.word.bias[KEEP] = OPEN
    assert not torch.allclose(built(x, mask_of(5))[0, 4], last_alone, atol=1e-2)


def test_an_open_forget_gate_keeps_the_memory_as_long_as_nothing_is_added() -> None:
    built = cell(keep=OPEN, add=CLOSED, show=OPEN)
    memory = noise(1, 4)
    state = (torch.zeros(1, 4), memory)
    for word in built.word(noise(1, 50, 3)).unbind(1):
        state = built.step(word, state)
    assert torch.allclose(state[1], memory, atol=1e-6)
    assert torch.allclose(state[0], memory.tanh(), atol=1e-6)


def test_a_closed_output_gate_shows_nothing() -> None:
    assert (cell(show=CLOSED)(noise(1, 5, 3), mask_of(5)).abs() < 1e-6).all()
