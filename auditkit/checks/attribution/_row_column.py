"""The column of a table that draws most attribution, and what exchanging it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._exchanged import Exchanged
from auditkit.checks.attribution._probes import shares_of_maps
from auditkit.checks.base import Example
from auditkit.checks.donors import lend
from auditkit.checks.galleries import shown
from auditkit.findings import TextRow, Token
from auditkit.methods.saliency.catalogue import Effort
from auditkit.percent import percent
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.types import Bools, Ints


@final
@dataclass(frozen=True, kw_only=True)
class RowColumn:
    """The nominated column, and the rows that were explained."""

    column: int
    share: float  # of the attribution, mean over the rows
    pool: Artifacts

    @property
    def name(self) -> str:
        """What the column is called."""
        return self.pool.table_model.schema.features[self.column].name

    def row(self, classes: Sequence[str]) -> TextRow:  # noqa: ARG002 - as texts and images are asked
        """Return the column, and what share of the attribution it gets."""
        n = count(len(self.pool), "row")
        caption = f"Column {self.name!r}: {percent(self.share)} of the attribution of {n}."
        return TextRow(id="nominated", caption=caption, tokens=[Token(text=self.name)])


def nominate(pool: Artifacts, *, effort: Effort, method: str) -> RowColumn | None:
    """Return the column that gets most attribution, None where none gets any.

    Columns that truly matter in most rows, where that is known, are to the point and left out.

    Parameters
    ----------
    pool : Artifacts
        Rows to explain.
    effort : Effort
        What a map may cost.
    method : str
        Of the map.
    """
    columns = len(pool.table_model.schema.features)
    shares = shares_of_maps(pool, (columns,), grid=1, effort=effort, method=method)
    truth, mean = pool.relevance, shares.mean(axis=0)
    if truth is not None:
        assert not isinstance(truth, list)  # only texts have spans
        mean = np.where(truth.mean(axis=0) > 0.5, 0.0, mean)
    if not mean.any():
        return None
    column = int(mean.argmax())
    return RowColumn(column=column, share=float(mean[column]), pool=pool)


def exchange(part: RowColumn, artifacts: Artifacts, held_out: Bools) -> Exchanged:
    """Exchange the nominated column of the held-out rows of a shard with that of donors."""
    predicted = artifacts[Predictions].predicted.numpy()
    lent = part.pool[Predictions].predicted.numpy()
    draws = uniform(artifacts.keys("shortcut donors"), (2,))  # (n, 2)
    rows, other, same = lend(lent, predicted, np.flatnonzero(held_out), draws)
    follows = _answers(part, artifacts, rows, other) == lent[other]
    disturbed = _answers(part, artifacts, rows, same) != predicted[rows]
    ids = [artifacts.ids[i] for i in rows]
    examples = [
        Example(gallery=gallery, score=luck, row=_example(part, artifacts, int(rows[k]), other[k]))
        for gallery, k, luck in shown(ids, {"random": draws[rows, 0]}, follows)
    ]
    return Exchanged(rows, follows, disturbed, None, examples)


def _answers(part: RowColumn, artifacts: Artifacts, rows: Ints, donors: Ints) -> Ints:
    """Return the predicted classes (m,) of the rows with the donors' column."""
    if len(rows) == 0:
        return np.zeros(0, dtype=np.int64)
    moved = _moved(part, artifacts, rows, donors)
    logits = artifacts.table_model.predict(moved, batch_size=artifacts.execution.batch_size)
    return logits.argmax(dim=1).numpy()


def _moved(part: RowColumn, artifacts: Artifacts, rows: Ints, donors: Ints) -> Tensor:
    """Return the rows (m, c) with the donors' column."""
    own, lent = artifacts.inputs, part.pool.inputs
    assert isinstance(own, Tensor)
    assert isinstance(lent, Tensor)
    moved = own[rows].clone()
    moved[:, part.column] = lent[donors, part.column]
    return moved


def _example(part: RowColumn, artifacts: Artifacts, i: int, donor: int) -> TextRow:
    """Return a row as its columns, the exchanged one marked with what stood there."""
    model, pool = artifacts.table_model, part.pool
    (moved,) = _moved(part, artifacts, np.array([i]), np.array([donor]))
    own = artifacts.inputs[i]
    assert isinstance(own, Tensor)
    columns = zip(model.schema.features, own.tolist(), moved.tolist(), strict=True)
    tokens = [
        Token(
            text=f"{one.name} {one.in_words(now)} ",
            was=one.in_words(before) if j == part.column else None,
        )
        for j, (one, before, now) in enumerate(columns)
    ]
    was = model.classes[int(artifacts[Predictions].predicted[i])]
    now = model.classes[int(pool[Predictions].predicted[donor])]
    caption = f"Was {was}; becomes {now} with the marked column of {pool.ids[donor]} ({now})."
    return TextRow(id=artifacts.ids[i], caption=caption, tokens=tokens)
