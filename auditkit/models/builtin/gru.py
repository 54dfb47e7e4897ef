"""Gated recurrent units over words: one gate replaces, another resets the state."""

from __future__ import annotations

from typing import ClassVar, final

from torch import Tensor

from auditkit.data.sst2 import CLASSES, TERMS
from auditkit.models.builtin._recurrence import Cell, Recurrent, State
from auditkit.models.builtin._words import SST2_LIMITS
from auditkit.models.card import ModelCard, Recipe


@final
class Gru(Recurrent):
    """A text classifier whose state is partly kept and partly replaced at every word.

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
    Cho et al., 2014, arXiv:1406.1078, section 2.3; the reset gate acts after the product, as in
    the first version of that paper and in cuDNN.
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
    """The state moves towards a proposal, as far as one gate lets it; a second gate forms that."""

    parts: ClassVar[int] = 3

    def step(self, word: Tensor, state: State) -> State:
        """Return the state after one more word."""
        old = state[0]
        reset, keep, news = word.chunk(3, dim=1)
        reset_by, keep_by, past = self.memory(old).chunk(3, dim=1)
        proposal = (news + (reset + reset_by).sigmoid() * past).tanh()
        kept = (keep + keep_by).sigmoid()
        return (kept * old + (1 - kept) * proposal,)


CARDS = (
    ModelCard(
        name="sst2-gru",
        summary="Gated recurrent units that tell praise from complaint in film reviews.",
        build=Gru,
        config={"vocabulary_size": 6000, "width": 48, "hidden": 64, "n_classes": 2},
        data="sst2",
        modality="text",
        classes=CLASSES,
        source="Cho et al., 2014, arXiv:1406.1078",
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
