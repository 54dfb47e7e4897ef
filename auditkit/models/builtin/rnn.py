"""Plain recurrent network over words: each state is a squashed sum of word and last state."""

from __future__ import annotations

from typing import ClassVar, final

from torch import Tensor

from auditkit.data.sst2 import CLASSES, TERMS
from auditkit.models.builtin._recurrence import Cell, Recurrent, State
from auditkit.models.builtin._words import SST2_LIMITS
from auditkit.models.card import ModelCard, Recipe


@final
class Rnn(Recurrent):
    """A text classifier whose memory is one squashed state, without any gates.

    Parameters
    ----------
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
    Elman, 1990, doi:10.1207/s15516709cog1402_1.
    """

    def __init__(
        self, *, vocabulary_size: int, width: int = 48, hidden: int = 64, n_classes: int = 2
    ) -> None:
        super().__init__(
            _Cell,
            vocabulary_size=vocabulary_size,
            width=width,
            hidden=hidden,
            n_classes=n_classes,
        )


@final
class _Cell(Cell):
    """The new state forgets as much of the old one as its weights and the squashing make it."""

    parts: ClassVar[int] = 1

    def step(self, word: Tensor, state: State) -> State:
        """Return the state after one more word."""
        return ((word + self.memory(state[0])).tanh(),)


CARDS = (
    ModelCard(
        name="sst2-rnn",
        summary="A plain recurrent network that tells praise from complaint in film reviews.",
        build=Rnn,
        config={"vocabulary_size": 6000, "width": 48, "hidden": 64, "n_classes": 2},
        data="sst2",
        modality="text",
        classes=CLASSES,
        source="Elman, 1990, doi:10.1207/s15516709cog1402_1",
        recipe=Recipe(
            seed=0,
            epochs=5,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.01,
            word_dropout=0.2,
        ),
        limits=SST2_LIMITS,
        terms=TERMS,
    ),
)
