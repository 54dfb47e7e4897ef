"""Inputs, labels, stable ids and named slices; read in batches, never needed in memory whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, final

import numpy as np
import pandas as pd

from auditkit.data.schema import Schema
from auditkit.errors import DataError
from auditkit.randomness import generator, key_of
from auditkit.types import Bools, Floats, Ints, Modality

# Float32 in raw units: images (m, c, h, w), rows of a table (m, c), graphs (m, v, d + v); or texts.
Batch: TypeAlias = Floats | list[str]
Span: TypeAlias = tuple[int, int]  # characters [start, end) of a text
Relevance: TypeAlias = Bools | list[list[Span]]  # image masks (m, h, w), or spans per text


class Reader(Protocol):
    """Where inputs come from."""

    def read(self, rows: Ints) -> Batch:
        """Return the inputs of the given row numbers, in that order."""
        ...

    def relevance(self, rows: Ints) -> Relevance | None:
        """Return which pixels or characters truly matter, or None where nobody knows."""
        ...


@final
@dataclass(frozen=True)
class InMemory:
    """Inputs that are small enough to hold."""

    inputs: Batch
    masks: Relevance | None = None

    def read(self, rows: Ints) -> Batch:
        """Return the inputs of the given rows."""
        if isinstance(self.inputs, list):
            return [self.inputs[i] for i in rows]
        return self.inputs[rows]

    def relevance(self, rows: Ints) -> Relevance | None:
        """Return the relevance of the given rows, or None."""
        if self.masks is None or not isinstance(self.masks, list):
            return None if self.masks is None else self.masks[rows]
        return [self.masks[i] for i in rows]


@final
@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A labelled sample, with everything checks need to know about it.

    Parameters
    ----------
    name, split : str
        "digits", "test".
    modality : Modality
        What one input is.
    classes : tuple of str
        Class names; `labels` index into them.
    ids : tuple of str
        One stable, unique id per input.
    labels : ndarray
        (n,) int64; all `labels.UNKNOWN` where the inputs have none.
    attributes : DataFrame
        (n, columns) of group names as strings; a missing value is the group "(missing)".
    sensitive : tuple of str
        Columns that compare people.
    derived : tuple of str
        Columns computed from the inputs themselves.
    reader : Reader
        Where the inputs come from.
    sha256 : str
        Hash of ids, labels, attributes and inputs.
    input_shape : (c, h, w), optional
        Of every image.
    schema : Schema, optional
        Tables: what the columns of a row mean.
    tags : tuple of str
        Graphs: what the first d numbers of a node stand for; see `data.graphs`.
    training_digests : frozenset of str, optional
        Digest of every training input (see `data.digest.input_digest`), where known.
    attributes_sha256 : str, optional
        Hash of the file that attributes were joined from.
    min_cell : int
        Nothing may be said of fewer inputs of a group; see `auditkit.privacy`.
    """

    name: str
    split: str
    modality: Modality
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Ints
    reader: Reader
    sha256: str
    attributes: pd.DataFrame = field(default_factory=pd.DataFrame)
    sensitive: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    input_shape: tuple[int, int, int] | None = None
    schema: Schema | None = None
    tags: tuple[str, ...] = ()
    training_digests: frozenset[str] | None = None
    available: int = 0  # inputs before sampling; 0 means all of them are here
    notes: tuple[str, ...] = ()
    attributes_sha256: str | None = None
    min_cell: int = 0
    rows: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        n = len(self.ids)
        if n == 0:
            raise DataError(f"{self.name} holds no inputs.")
        if len(self.labels) != n:
            raise DataError(f"{self.name} has {n} inputs and {len(self.labels)} labels.")
        if len(set(self.ids)) != n:
            twice, count = Counter(self.ids).most_common(1)[0]
            raise DataError(
                f"{self.name}: the id {twice!r} stands {count} times; ids must be unique.",
                hint="Remove the repeated rows, or drop the id column.",
            )
        if (self.labels < 0).any() and (self.labels >= 0).any():
            raise DataError(
                f"{self.name}: {int((self.labels < 0).sum())} of {n} inputs have no label.",
                hint="Label all of them, or none.",
            )
        if len(self.rows) == 0:
            object.__setattr__(self, "rows", np.arange(n, dtype=np.int64))
        if not self.available:
            object.__setattr__(self, "available", n)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labelled(self) -> bool:
        """Whether the true classes are known; those of data that are audited always are."""
        return bool(self.labels[0] >= 0)

    def read(self, where: slice | Ints) -> Batch:
        """Return the inputs at the given positions of this sample."""
        return self.reader.read(self.rows[where])

    def relevance(self, where: slice | Ints) -> Relevance | None:
        """Return which parts of the inputs truly matter, or None where nobody knows."""
        return self.reader.relevance(self.rows[where])

    def take(self, positions: Ints) -> Dataset:
        """Return the inputs at the given positions as a data set of their own."""
        return replace(
            self,
            ids=tuple(self.ids[i] for i in positions),
            labels=self.labels[positions],
            attributes=self.attributes.iloc[positions].reset_index(drop=True),
            rows=self.rows[positions],
        )

    def sample(self, n: int, *, seed: int) -> Dataset:
        """Return a label-stratified random sample of at most n inputs, in the original order."""
        if n >= len(self):
            return self
        rng = generator(key_of(seed, "sample", self.name))
        order = rng.permutation(len(self))
        # Ranking inputs within their class and taking the lowest relative ranks keeps the shares.
        rank = np.empty(len(self))
        for label in np.unique(self.labels):
            members = order[self.labels[order] == label]
            rank[members] = (np.arange(len(members)) + rng.random()) / len(members)
        chosen = np.sort(np.argsort(rank, kind="stable")[:n])
        return self.take(chosen)


def require_columns(frame: pd.DataFrame, wanted: Sequence[str], *, where: str) -> None:
    """Raise DataError naming the first wanted column that is not in the table."""
    from auditkit.errors import near_miss

    for name in wanted:
        if name not in frame.columns:
            raise DataError(
                f"{where} has no column {name!r}; it has {', '.join(map(repr, frame.columns))}."
                f"{near_miss(name, map(str, frame.columns))}",
                hint="Name the columns with --columns text,label.",
            )
