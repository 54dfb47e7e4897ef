"""Reading a text word by word, in both directions, for the built-in recurrent networks."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from auditkit.models.builtin._words import TextNetwork, embedding, highest
from auditkit.models.card import Config, Shapes

State: TypeAlias = tuple[Tensor, ...]  # each (n, hidden); the first is what a step shows


class Cell(nn.Module):
    """One step of a recurrence; its kinds differ in how the state changes.

    Parameters
    ----------
    width : int
        Features per token.
    hidden : int
        Features of the state.
    """

    parts: ClassVar[int]  # vectors of `hidden` features that a step is made of
    states: ClassVar[int] = 1  # tensors in a state

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.word = nn.Linear(width, self.parts * hidden)
        self.memory = nn.Linear(hidden, self.parts * hidden)

    def step(self, word: Tensor, state: State) -> State:
        """Return the state after one more word, given as `self.word` of it, (n, parts * hidden)."""
        raise NotImplementedError

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map tokens (n, t, width) to the states (n, t, hidden) after each; padding is skipped."""
        state: State = (x.new_zeros(len(x), self.hidden),) * self.states
        shown: list[Tensor] = []
        for word, real in zip(self.word(x).unbind(1), mask[:, :, None].unbind(1), strict=True):
            after = self.step(word, state)
            state = tuple(
                torch.where(real, new, old) for new, old in zip(after, state, strict=True)
            )
            shown.append(state[0])
        return torch.stack(shown, dim=1)


class Recurrent(TextNetwork):
    """A text classifier that reads forwards and backwards and keeps each feature's highest value.

    Parameters
    ----------
    cell : type of Cell
        The recurrence.
    vocabulary_size : int
        Tokens that have an embedding; id 0 is padding.
    width : int
        Features per token.
    hidden : int
        Features of the state, per direction.
    n_classes : int
        Number of logits.

    References
    ----------
    Schuster and Paliwal, 1997, doi:10.1109/78.650093 (both directions).
    """

    def __init__(
        self, cell: type[Cell], *, vocabulary_size: int, width: int, hidden: int, n_classes: int
    ) -> None:
        super().__init__()
        self.config = {
            "vocabulary_size": vocabulary_size,
            "width": width,
            "hidden": hidden,
            "n_classes": n_classes,
        }
        self.tokens = embedding(vocabulary_size, width)
        self.forwards = cell(width, hidden)
        self.backwards = cell(width, hidden)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(2 * hidden, n_classes)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Map embeddings (n, t, width) and mask (n, t), True at real tokens, to logits (n, k)."""
        x = self.dropout(embeddings)
        forwards = self.forwards(x, mask)  # (n, t, hidden)
        backwards = self.backwards(x.flip(1), mask.flip(1)).flip(1)
        read = torch.cat([forwards, backwards], dim=2)
        return self.head(self.dropout(highest(read, mask)))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        vocabulary_size, width = shapes["tokens.weight"]
        return {
            "vocabulary_size": vocabulary_size,
            "width": width,
            "hidden": shapes["forwards.memory.weight"][1],
            "n_classes": shapes["head.weight"][0],
        }
