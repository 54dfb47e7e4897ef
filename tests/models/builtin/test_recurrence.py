"""Mirrors auditkit/models/builtin/_recurrence.py."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from auditkit.models.builtin._recurrence import Cell, State
from tests.models.builtin.networks import noise
from tests.models.builtin.texts import mask_of, network


class Sum(Cell):
    """The state is the sum of all words."""

    parts: ClassVar[int] = 1

    def step(self, word: Tensor, state: State) -> State:
        return (word + state[0],)


class Count(Cell):
    """The first state is the number of words so far, the second twice that."""

    parts: ClassVar[int] = 1
    states: ClassVar[int] = 2

    def step(self, word: Tensor, state: State) -> State:
        return state[0] + 1, state[1] + 2


def test_every_state_follows_from_the_word_and_the_state_before() -> None:
    cell = Sum(3, 4)
    x = noise(2, 5, 3)
    expected = cell.word(x).cumsum(dim=1)
    assert torch.allclose(cell(x, mask_of(5, 5)), expected, atol=1e-6)


def test_padding_is_skipped_at_the_end_and_at_the_beginning() -> None:
    cell = Count(3, 1)
    mask = torch.tensor([[True, True, False, False], [False, False, True, True]])
    assert cell(noise(2, 4, 3), mask)[:, :, 0].tolist() == [[1, 2, 2, 2], [0, 0, 1, 2]]


def test_the_two_directions_read_from_opposite_ends() -> None:
    module: Any = network("rnn")
    x, mask = noise(1, 5, 6), mask_of(5)
    head = module.head.weight.detach().clone()
    both = {"forwards": slice(0, 5), "backwards": slice(5, 10)}
    for part, end in (("forwards", x), ("backwards", x.flip(1))):
        with torch.no_grad():
            module.head.weight.zero_()
            module.head.weight[:, both[part]] = head[:, both[part]]
        states = getattr(module, part)(end, mask)
        expected = head[:, both[part]] @ states[0].amax(dim=0) + module.head.bias
        assert torch.allclose(module.forward_embeddings(x, mask)[0], expected, atol=1e-5)
