"""One row of a table, cut into its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.saliency.probes.base import Probe
from auditkit.models.tabular import TabularClassifier
from auditkit.randomness import uniform
from auditkit.types import Bools, Floats, Keys

_NEAR = 0.02  # share of the spread of a column by which a nearby row differs


@final
@dataclass(frozen=True, kw_only=True)
class RowProbe(Probe):
    """One row, cut into its columns; removed ones get the value of a reference row.

    Parameters
    ----------
    model : TabularClassifier
        The model; it is not changed.
    row, reference : Tensor
        (c,) in raw units, the row and what stands in for removed columns.
    target : int
        The explained class.
    batch_size : int
        Rows per forward pass.
    """

    parts: ClassVar[str] = "columns"

    model: TabularClassifier
    row: Tensor
    reference: Tensor
    target: int
    batch_size: int

    @property
    def units(self) -> int:
        """Number of columns."""
        return len(self.row)

    @property
    def point(self) -> Tensor:
        """The features (1, d) that the network reads."""
        return self._point

    @property
    def origin(self) -> Tensor:
        """The features (1, d) of the reference row."""
        return self._origin

    def logits(self, points: Tensor) -> Tensor:
        """Return logits (m, k) of features (m, d)."""
        return self.model.logits_from_features(points)

    def summed(self, scores: Tensor) -> Tensor:
        """Return the sum over the features of each column (c,)."""
        columns = self.model.feature_columns.to(scores.device)
        return scores.new_zeros(self.units).index_add(0, columns, scores[0])

    def steepest(self, slopes: Tensor) -> Tensor:
        """Return the Euclidean length over the features of each column (c,)."""
        return self.summed(slopes.square()).sqrt()

    def modelless(self) -> dict[str, Floats]:
        """Return how far each column is from the reference: in spreads, 1 for another category."""
        return {"distance-from-the-usual-value": self._away()}

    def _away(self) -> Floats:
        away = np.zeros(self.units)
        for j, feature in enumerate(self.model.schema.features):
            value, usual = float(self.row[j]), float(self.reference[j])
            same = value == usual or (np.isnan(value) and np.isnan(usual))
            plain = feature.kind == "numeric" and np.isfinite(value) and np.isfinite(usual)
            away[j] = 0.0 if same else abs(value - usual) / feature.std if plain else 1.0
        return away

    def differs(self) -> Bools:
        """Return which columns have another value than the reference."""
        return self._away() > 0

    def answers(self, removed: Tensor) -> Tensor:
        """Return logits (b, k) where removed columns have the reference's value."""
        return self.model.logits(torch.where(removed.to(self.row.device), self.reference, self.row))

    def near(self, key: Keys, count: int) -> list[Probe]:
        """Return rows with up to a fiftieth of their spread added to numbers, or taken off."""
        draws = uniform(key, (count, self.units))[0]
        moved = self.row.expand(count, -1).clone()  # (count, c)
        for j, feature in enumerate(self.model.schema.features):
            if feature.kind == "numeric":
                step = _NEAR * feature.std * (2 * draws[:, j] - 1)
                moved[:, j] += torch.from_numpy(step).to(moved)
        return [replace(self, row=one) for one in moved]

    def pieces(self) -> list[str]:
        """Return each column's name and value."""
        values = self.row.cpu().numpy().astype(np.float64)
        columns = zip(self.model.schema.features, values, strict=True)
        return [f"{one.name} {one.in_words(float(value))} " for one, value in columns]

    @cached_property
    def _point(self) -> Tensor:
        return self.model.encode(self.row[None])

    @cached_property
    def _origin(self) -> Tensor:
        return self.model.encode(self.reference[None])


def usual_row(rows: Tensor, numeric: list[bool]) -> Tensor:
    """Return a row (c,) of medians and most frequent categories of rows (n, c).

    Missing values are left out; a column without any other is missing there too.

    Examples
    --------
    >>> rows = torch.tensor([[1.0, 0.0], [2.0, 2.0], [9.0, 2.0]])
    >>> usual_row(rows, [True, False]).tolist()
    [2.0, 2.0]
    """
    usual = torch.full((rows.shape[1],), torch.nan)
    for j, (column, is_number) in enumerate(zip(rows.unbind(1), numeric, strict=True)):
        known = column[~column.isnan()]
        if len(known):
            usual[j] = known.median() if is_number else known.mode().values
    return usual
