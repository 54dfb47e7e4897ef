"""Long short-term memory over words: gates decide what is kept, added and shown."""

from __future__ import annotations

from typing import ClassVar, final

from torch import Tensor

from auditkit.data.sst2 import CLASSES, TERMS
from auditkit.models.builtin._recurrence import Cell, Recurrent, State
from auditkit.models.builtin._words import SST2_LIMITS
from auditkit.models.card import ModelCard, Recipe


@final
class Lstm(Recurrent):
    """A text classifier with a memory that gates protect.

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
    Hochreiter and Schmidhuber, 1997, doi:10.1162/neco.1997.9.8.1735; with the forget gate of Gers
    et al., 2000, doi:10.1162/089976600300015015.
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
    """The memory is multiplied by one gate, added to through a second, shown through a third."""

    parts: ClassVar[int] = 4
    states: ClassVar[int] = 2

    def step(self, word: Tensor, state: State) -> State:
        """Return what is shown and the memory, each (n, hidden), after one more word."""
        shown, memory = state
        add, keep, show, news = (word + self.memory(shown)).chunk(4, dim=1)
        memory = keep.sigmoid() * memory + add.sigmoid() * news.tanh()
        return show.sigmoid() * memory.tanh(), memory


CARDS = (
    ModelCard(
        name="sst2-lstm",
        summary="A long short-term memory that tells praise from complaint in film reviews.",
        build=Lstm,
        config={"vocabulary_size": 6000, "width": 48, "hidden": 64, "n_classes": 2},
        data="sst2",
        modality="text",
        classes=CLASSES,
        source="Hochreiter and Schmidhuber, 1997, doi:10.1162/neco.1997.9.8.1735",
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
