"""The contract of a check: declare what is needed, measure shards, summarise merged records."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from auditkit.artifacts.base import Artifacts
from auditkit.checks.adversarial import Adversarial, merged
from auditkit.checks.beside import Beside, merged_by_name
from auditkit.data.dataset import Dataset
from auditkit.findings import Evidence, Finding, ImageRow, Metric, TextRow, finding_id
from auditkit.models.classifier import Classifier
from auditkit.randomness import key_of
from auditkit.statistics import LEVEL, Interval, clopper_pearson
from auditkit.types import Family, Modality, Params, Scalar

GALLERY_SIZE = 6  # rows of one gallery


@final
@dataclass(frozen=True, kw_only=True)
class Meta:
    """What a check is, in words that are stored with its outcome.

    Parameters
    ----------
    id : str
        The file name with dashes; never reused for another measurement.
    family : Family
        The chapter of the report.
    version : int
        Raised whenever the check's numbers can change.
    question : str
        What a reader wants to know; ends with a question mark.
    explanation : str
        How it is measured, in two or three plain sentences.
    not_shown : str
        What the numbers cannot show.
    remedy : str
        What to do when they are bad.
    metrics : dict
        Every metric the check can report, with its definition and denominator.
    modalities : tuple of Modality
        What the check applies to.
    needs_gradients : bool
        Whether the classifier must be differentiable.
    headline : str
        Id pattern of the finding that stands for the check: the first one that matches, unless
        `Measured.headline` names another.
    references : tuple of str
        Papers.
    controlled_by : tuple of str
        Ids of checks whose findings are controls of this one's; they run along with it.
    reads : tuple of str
        Ids of checks whose records it reads in `summarise`; they run before it.
    """

    id: str
    family: Family
    question: str
    explanation: str
    not_shown: str
    remedy: str
    metrics: Mapping[str, Metric]
    headline: str
    version: int = 1
    modalities: tuple[Modality, ...] = ("image", "text", "tabular", "graph")
    needs_gradients: bool = False
    references: tuple[str, ...] = ()
    controlled_by: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class NotApplicable:
    """Why a check has nothing to measure here."""

    reason: str


@final
@dataclass(frozen=True, kw_only=True)
class Example:
    """A row that may be shown in a gallery; the highest scores of all shards are."""

    gallery: str
    score: float
    row: ImageRow | TextRow


@final
class Records:
    """Per-input columns of one check, of one shard or of all.

    Parameters
    ----------
    ids : sequence of str
        The inputs, n of them.
    examples : sequence of Example
        Rows that may be shown.
    columns : ndarray
        One (n,) array per keyword: bool, int, float or str. NaN is undefined.
    """

    def __init__(
        self,
        ids: Sequence[str],
        *,
        examples: Sequence[Example] = (),
        **columns: NDArray[Any],
    ) -> None:
        self.ids = tuple(ids)
        self.columns = {name: np.asarray(column) for name, column in columns.items()}
        for name, column in self.columns.items():
            if column.shape != (len(self.ids),):
                raise ValueError(
                    f"column {name} has shape {column.shape} for {len(self.ids)} inputs"
                )
        self.examples = _highest(examples)
        self.adversarial: tuple[Adversarial, ...] = ()
        self.beside: Mapping[str, Beside] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]

    def count(self, column: str) -> int:
        """Return how many inputs are true in a boolean column."""
        return int(np.count_nonzero(self.columns[column]))

    def gallery(self, name: str) -> list[ImageRow | TextRow]:
        """Return the rows to show, the highest score first."""
        return [one.row for one in self.examples if one.gallery == name]

    def with_inputs(self, adversarial: Sequence[Adversarial]) -> Self:
        """Return the same with inputs that fooled the model, to be stored and replayed.

        Parameters
        ----------
        adversarial : sequence of Adversarial
            One group per swept parameter.
        """
        same = copy(self)
        same.adversarial = tuple(adversarial)
        return same

    def with_beside(self, beside: Mapping[str, Beside]) -> Self:
        """Return the same with columns of inputs that are not of the sample, by their data's name.

        See `checks.shifted` for deployment data.
        """
        same = copy(self)
        same.beside = dict(beside)
        return same

    @classmethod
    def merged(cls, parts: Sequence[Records]) -> Self:
        """Return one set of records; merging is associative and keeps the order of the parts."""
        names = parts[0].columns.keys()
        whole = cls(
            [one for part in parts for one in part.ids],
            examples=[one for part in parts for one in part.examples],
            **{name: np.concatenate([part.columns[name] for part in parts]) for name in names},
        ).with_inputs(merged([one for part in parts for one in part.adversarial]))
        return whole.with_beside(merged_by_name([part.beside for part in parts]))


def _highest(examples: Sequence[Example]) -> tuple[Example, ...]:
    kept: list[Example] = []
    for gallery in dict.fromkeys(one.gallery for one in examples):
        rows = [one for one in examples if one.gallery == gallery]
        kept += sorted(rows, key=lambda one: (-one.score, one.row.id))[:GALLERY_SIZE]
    return tuple(kept)


@final
@dataclass(frozen=True, kw_only=True)
class Context:
    """What summarising may know besides the records, which are in the order of `data`.

    `others` are the records of the checks that ran before, by id.
    """

    data: Dataset
    seed: int
    level: float = LEVEL
    others: Mapping[str, Records] = field(default_factory=dict[str, Records])

    def key(self, *purpose: object) -> int:
        """Return a 64-bit seed for one purpose."""
        return key_of(self.seed, *purpose)


@final
@dataclass(frozen=True, kw_only=True)
class Measured:
    """Findings, the evidence they name by key, and the id of the finding that stands for all."""

    findings: list[Finding]
    evidence: dict[str, Evidence] = field(default_factory=dict[str, Evidence])
    headline: str | None = None


class Check(ABC):
    """One question to a model.

    A concrete check is a frozen dataclass whose fields are its parameters, in one file, with its
    question as the first line of the module docstring.
    """

    meta: ClassVar[Meta]

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:  # noqa: ARG002
        """Return why there is nothing to measure, before anything is computed."""
        if model.modality not in self.meta.modalities:
            return NotApplicable(f"it is about {' and '.join(self.meta.modalities)} models")
        if self.meta.needs_gradients and not model.differentiable:
            return NotApplicable("it needs gradients, and this model has none")
        return None

    def answers(self, n: int) -> float:  # noqa: ARG002
        """Return about how many answers it asks for with n inputs, a slope counted as two.

        0 unless they are thousands for an input that shards share evenly: for them alone, several
        processes repay their start where inputs are few.
        """
        return 0

    @abstractmethod
    def measure(self, artifacts: Artifacts) -> Records | NotApplicable:
        """Measure one shard of inputs.

        Only what holds for every shard may make it not applicable: that no input of *this* shard
        qualifies is for `summarise` to see over all of them.
        """

    @abstractmethod
    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Turn the merged records of all shards into findings."""

    def share(
        self,
        metric: str,
        count: int,
        *,
        n: int,
        slice_name: str = "all",
        swept: Params | None = None,
        evidence: Sequence[str] = (),
        controls: Sequence[str] = (),
        level: float = LEVEL,
    ) -> Finding:
        """Return a finding that is a share of n inputs, with its Clopper-Pearson interval."""
        if n == 0:
            return self.undefined(
                metric,
                "no input belongs to its denominator",
                n=0,
                slice_name=slice_name,
                swept=swept,
            )
        low, high = clopper_pearson(count, n, level=level)
        return self._finding(
            metric, count / n, n, Interval(low, high), "clopper-pearson",
            slice_name, swept, evidence, controls, level, None,
        )  # fmt: skip

    def value(
        self,
        metric: str,
        value: float,
        *,
        n: int,
        interval: Interval | None,
        method: str,
        slice_name: str = "all",
        swept: Params | None = None,
        evidence: Sequence[str] = (),
        controls: Sequence[str] = (),
        level: float = LEVEL,
    ) -> Finding:
        """Return a finding that is not a share; NaN becomes undefined, never a number.

        So does what was drawn again and again from one input: it has no spread. Where drawing many
        inputs anew always gives the same, it tells no interval either.
        """
        if method == "bootstrap" and n == 1:
            return self.undefined(
                metric, "one input alone has no spread", n=n, slice_name=slice_name, swept=swept
            )
        if method == "bootstrap" and interval is not None and interval.low == interval.high:
            interval, method = None, "none"
        if not np.isfinite(value):
            return self.undefined(
                metric, f"the computation gave {value}", n=n, slice_name=slice_name, swept=swept
            )
        return self._finding(
            metric, float(value), n, interval, method,
            slice_name, swept, evidence, controls, level, None,
        )  # fmt: skip

    def undefined(
        self,
        metric: str,
        why: str,
        *,
        n: int,
        slice_name: str = "all",
        swept: Params | None = None,
    ) -> Finding:
        """Return a finding without a value that says why."""
        return self._finding(metric, None, n, None, "none", slice_name, swept, (), (), LEVEL, why)

    def _finding(
        self,
        metric: str,
        value: float | None,
        n: int,
        interval: Interval | None,
        method: str,
        slice_name: str,
        swept: Params | None,
        evidence: Sequence[str],
        controls: Sequence[str],
        level: float,
        undefined: str | None,
    ) -> Finding:
        spec = self.meta.metrics[metric]
        swept = swept or {}
        return Finding(
            id=finding_id(self.meta.id, metric, slice_name, swept),
            metric=metric,
            value=value,
            unit=spec.unit,
            n=n,
            low=None if interval is None else interval.low,
            high=None if interval is None else interval.high,
            level=level,
            interval=method,
            better=spec.better,
            slice=slice_name,
            params={**self.parameters(), **swept},
            controls=list(controls),
            evidence=list(evidence),
            undefined=undefined,
        )

    def parameters(self) -> Params:
        """Return the check's scalar parameters by name."""
        fields = dataclasses.fields(self) if dataclasses.is_dataclass(self) else ()
        values: dict[str, Scalar] = {}
        for one in fields:
            value = getattr(self, one.name)
            if isinstance(value, (str, int, float, bool)):
                values[one.name] = value
        return values
