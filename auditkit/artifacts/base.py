"""Facts about one shard that several checks share, each computed once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Self, TypeVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.data.dataset import Dataset, Relevance
from auditkit.models.classifier import Classifier, ImageClassifier, Inputs, TextClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import TabularClassifier
from auditkit.randomness import key_of, keys_of
from auditkit.result import Execution
from auditkit.types import Bools, Floats, Ints, Keys


class Artifact(ABC):
    """A fact computed from a shard: declare it as a dataclass with a `compute`.

    One that is `as_large_as_inputs` is forgotten with them, and computed again when asked for.
    """

    as_large_as_inputs: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def compute(cls, shard: Artifacts) -> Self:
        """Return the fact for one shard."""


A = TypeVar("A", bound=Artifact)
T = TypeVar("T")


@final
class Artifacts:
    """One shard of inputs, the model, and the facts already computed about the two.

    Parameters
    ----------
    classifier : Classifier
        The model under audit.
    data : Dataset
        The whole sample; the shard is `data` at `positions`.
    positions : ndarray
        (n,) positions of the shard's inputs.
    seed : int
        The run's seed.
    execution : Execution
        Batch size, precision and layout.
    shared : dict
        What was found out about the whole sample, for all shards of a process; see `once`.
    """

    def __init__(
        self,
        classifier: Classifier,
        data: Dataset,
        positions: Ints,
        *,
        seed: int = 0,
        execution: Execution | None = None,
        shared: dict[Hashable, Any] | None = None,
    ) -> None:
        self.classifier = classifier
        self.data = data
        self.positions = positions
        self.seed = seed
        self.execution = execution or Execution()
        self.ids = tuple(data.ids[i] for i in positions)
        self.labels = torch.from_numpy(data.labels[positions].copy()).long()  # (n,)
        self._inputs: Inputs | None = None
        self._facts: dict[type[Artifact], Any] = {}
        self._of_shard: dict[Hashable, Any] = {}
        self._shared = {} if shared is None else shared

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, kind: type[A]) -> A:
        if kind not in self._facts:
            self._facts[kind] = kind.compute(self)
        return self._facts[kind]

    @property
    def inputs(self) -> Inputs:
        """The raw inputs, read on first use: n texts, or float32 numbers.

        Images (n, c, h, w), rows of a table (n, c), graphs (n, v, d + v).
        """
        if self._inputs is None:
            batch = self.data.read(self.positions)
            self._inputs = batch if isinstance(batch, list) else torch.from_numpy(batch)
        return self._inputs

    @property
    def images(self) -> Tensor:
        """The raw images (n, c, h, w); only checks whose modality is image may ask."""
        assert isinstance(self.inputs, Tensor)
        return self.inputs

    @property
    def texts(self) -> list[str]:
        """The raw texts; only checks whose modality is text may ask."""
        assert isinstance(self.inputs, list)
        return self.inputs

    def in_words(self, i: int) -> str:
        """Return one input as a line of text; images have none."""
        model, one = self.classifier, self.inputs[i]
        if isinstance(one, str):
            return one
        assert isinstance(model, TabularClassifier | GraphClassifier)
        return model.in_words(one)

    @property
    def image_model(self) -> ImageClassifier:
        """The classifier, known to read images."""
        assert isinstance(self.classifier, ImageClassifier)
        return self.classifier

    @property
    def text_model(self) -> TextClassifier:
        """The classifier, known to read texts."""
        assert isinstance(self.classifier, TextClassifier)
        return self.classifier

    @property
    def table_model(self) -> TabularClassifier:
        """The classifier, known to read rows of a table."""
        assert isinstance(self.classifier, TabularClassifier)
        return self.classifier

    @property
    def graph_model(self) -> GraphClassifier:
        """The classifier, known to read graphs."""
        assert isinstance(self.classifier, GraphClassifier)
        return self.classifier

    @property
    def relevance(self) -> Relevance | None:
        """Which parts of the inputs truly matter, or None where nobody knows."""
        return self.data.relevance(self.positions)

    def keys(self, purpose: str) -> Keys:
        """Return one 64-bit key per input (n,), the same whatever the shard or worker."""
        return keys_of(self.seed, purpose, self.ids)

    def key(self, *purpose: object) -> int:
        """Return one 64-bit key for the whole run, the same in every shard."""
        return key_of(self.seed, *purpose)

    def column(self, rows: Ints | Bools, values: Sequence[float] | Floats) -> Floats:
        """Return a column of records (n,): these values in some rows, NaN in all others."""
        column = np.full(len(self), np.nan)
        column[rows] = values
        return column

    def once(self, what: Hashable, compute: Callable[[], T]) -> T:
        """Return a fact about the whole sample, computed by the first shard of a process that asks.

        Every process computes it for itself, so it must depend on the sample, the seed and the
        parameters alone, never on this shard.

        Parameters
        ----------
        what : hashable
            Names the fact and everything that it depends on besides sample and seed: a check.
        compute : callable
            Computes it.
        """
        if what not in self._shared:
            self._shared[what] = compute()
        return self._shared[what]

    def once_per_shard(self, what: Hashable, compute: Callable[[], T]) -> T:
        """Return a fact about this shard, computed by the first check that asks.

        For facts that an `Artifact` cannot name, because they have parameters.

        Parameters
        ----------
        what : hashable
            Names the fact and everything that it depends on besides shard and seed.
        compute : callable
            Computes it.
        """
        if what not in self._of_shard:
            self._of_shard[what] = compute()
        return self._of_shard[what]

    def drawn(self, purpose: str, count: int) -> Bools:
        """Return which inputs of the shard (n,) are among `count` drawn from the whole data."""
        if count < 1:
            return np.zeros(len(self), dtype=np.bool_)
        return self.keys(purpose) <= _lowest_key(self.data.ids, self.seed, purpose, count)

    def sample(self, purpose: str, count: int) -> Artifacts:
        """Return `count` inputs drawn from the whole data, with the facts about them.

        The same inputs whatever the shard or worker, and what `drawn` says of them; each process
        computes their facts once.
        """

        def drawn() -> Artifacts:
            keys = keys_of(self.seed, purpose, self.data.ids)
            lowest = _lowest_key(self.data.ids, self.seed, purpose, count)
            return self.at(np.flatnonzero(keys <= lowest))

        return self.once(("sample", purpose, count), drawn)

    def at(self, positions: Ints) -> Artifacts:
        """Return the inputs at these positions of the whole data, with the facts about them."""
        return Artifacts(
            self.classifier,
            self.data,
            positions,
            seed=self.seed,
            execution=self.execution,
            shared=self._shared,
        )

    def forget_inputs(self) -> None:
        """Let go of the inputs and of what is as large, in the samples too, until asked for."""
        self._forget()
        for one in self._shared.values():
            if isinstance(one, Artifacts):
                one._forget()  # noqa: SLF001 - of this class

    def _forget(self) -> None:
        self._inputs = None
        self._facts = {k: v for k, v in self._facts.items() if not k.as_large_as_inputs}


@lru_cache(maxsize=8)
def _lowest_key(ids: tuple[str, ...], seed: int, purpose: str, count: int) -> np.uint64:
    keys = keys_of(seed, purpose, ids)
    last = min(count, len(keys)) - 1
    return np.partition(keys, last)[last]
