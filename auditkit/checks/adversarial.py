"""Inputs that fooled the model, as a check hands them over to be stored: a bounded choice of them.

Of too many inputs those stay whose ids have the smallest hashes: a random choice that is the same
for any number of shards and workers, for every check and every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias, final

import numpy as np
from torch import Tensor

from auditkit.data.dataset import Batch
from auditkit.randomness import keys_of
from auditkit.types import Bools, Floats, Ints

MOST_BYTES = 16 * 2**20  # of one check and parameter, before compression

BEHIND = ("robust_accuracy", "attack_success_rate")  # metrics that stored inputs stand behind

Measure: TypeAlias = Literal["linf", "l2", "l1", "words", "columns", "std"]
"""What a budget counts: a norm of the change in units of the input range, changed words, changed
columns of a row, or the farthest that a number moved, in training standard deviations."""


@final
@dataclass(frozen=True, kw_only=True)
class Adversarial:
    """Inputs that are misclassified within a budget although they were not before.

    Parameters
    ----------
    parameter : str
        The swept parameter of the findings that they stand behind: an input stands behind those
        whose value of it is at least the input's budget.
    measure : {"linf", "l2", "l1", "words", "columns", "std"}
        What a budget counts.
    ids : tuple of str
        m ids of the clean inputs, in the order of the data.
    inputs : ndarray or list of str
        (m, ...) float32 as the model reads them in raw units, or m texts.
    budgets : ndarray
        (m,) float64, what each took.
    found : int
        How many there were before some were left out.
    cut : int, optional
        The smallest key that was left out; so that merging is associative, nothing behind it stays.
    """

    parameter: str
    measure: Measure
    ids: tuple[str, ...]
    inputs: Batch
    budgets: Floats
    found: int
    cut: int | None = None

    @classmethod
    def among(
        cls,
        ids: Sequence[str],
        inputs: Tensor | Sequence[str],
        budgets: Floats,
        *,
        parameter: str,
        measure: Measure,
        most: float,
    ) -> Self:
        """Return those of n inputs whose budget is above 0 and at most `most`.

        Parameters
        ----------
        ids : sequence of str
            n ids.
        inputs : Tensor or sequence of str
            (n, ...) perturbed inputs, or n texts.
        budgets : ndarray
            (n,) what it took to change each answer; 0 where it was wrong anyway.
        parameter, measure : str
            See the class.
        most : float
            The largest budget of a finding.
        """
        (rows,) = np.nonzero((budgets > 0) & (budgets <= most))
        kept = (
            inputs[rows].detach().cpu().numpy()
            if isinstance(inputs, Tensor)
            else [inputs[i] for i in rows.tolist()]
        )
        return cls(
            parameter=parameter,
            measure=measure,
            ids=tuple(ids[i] for i in rows.tolist()),
            inputs=kept,
            budgets=budgets[rows].astype(np.float64),
            found=len(rows),
        ).bounded()

    def __len__(self) -> int:
        return len(self.ids)

    def bounded(self, most_bytes: int = MOST_BYTES) -> Self:
        """Return as many as fit, the smallest hashes of ids first."""
        keys = keys_of(0, "adversarial", self.ids)
        order = np.argsort(keys, kind="stable")
        fits = np.empty(len(keys), dtype=bool)
        fits[order] = np.cumsum(_sizes(self.inputs)[order]) <= most_bytes
        cuts = [int(key) for key in keys[~fits]] + ([] if self.cut is None else [self.cut])
        cut = min(cuts, default=None)
        return replace(self._of(fits & _below(keys, cut)), cut=cut)

    def within(self, budget: float) -> Self:
        """Return those that a budget suffices for."""
        return self._of(self.budgets <= budget)

    def at(self, rows: Ints) -> Self:
        """Return some, in the order of the rows."""
        inputs = self.inputs
        kept = [inputs[i] for i in rows.tolist()] if isinstance(inputs, list) else inputs[rows]
        ids = tuple(self.ids[i] for i in rows.tolist())
        return replace(self, ids=ids, inputs=kept, budgets=self.budgets[rows])

    def _of(self, which: Bools) -> Self:
        return self.at(np.flatnonzero(which))


def merged(groups: Sequence[Adversarial]) -> list[Adversarial]:
    """Return one group per parameter, bounded; merging is associative and keeps the order."""
    by_parameter: dict[str, list[Adversarial]] = {}
    for one in groups:
        by_parameter.setdefault(one.parameter, []).append(one)
    return [_united(parts) for parts in by_parameter.values()]


def _united(parts: Sequence[Adversarial]) -> Adversarial:
    cuts = [one.cut for one in parts if one.cut is not None]
    return replace(
        parts[0],
        ids=tuple(one for part in parts for one in part.ids),
        inputs=_joined([part.inputs for part in parts]),
        budgets=np.concatenate([part.budgets for part in parts]),
        found=sum(part.found for part in parts),
        cut=min(cuts, default=None),
    ).bounded()


def _joined(batches: Sequence[Batch]) -> Batch:
    arrays = [one for one in batches if not isinstance(one, list)]
    if arrays:
        return np.concatenate(arrays)
    return [text for one in batches if isinstance(one, list) for text in one]


def _sizes(inputs: Batch) -> Ints:
    """Return the bytes of each input (m,)."""
    if isinstance(inputs, list):
        return np.array([len(one.encode(errors="replace")) for one in inputs], dtype=np.int64)
    each = inputs.nbytes // max(1, len(inputs))
    return np.full(len(inputs), each, dtype=np.int64)


def _below(keys: np.ndarray, cut: int | None) -> Bools:
    return np.ones(len(keys), dtype=bool) if cut is None else keys < np.uint64(cut)
