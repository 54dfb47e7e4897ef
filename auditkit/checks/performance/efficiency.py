"""What does one answer cost in operations and memory?"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.checks.parameters import require_least
from auditkit.findings import Evidence, Finding, Metric, Note, Table
from auditkit.methods.cost import Cost, cost_of
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import Classifier
from auditkit.statistics import median_interval
from auditkit.types import Floats

_ROWS = 20  # functions in the table
_OPAQUE = "the model is a function that auditkit cannot look into"


@final
@dataclass(frozen=True, kw_only=True)
class Efficiency(Check):
    """Parameters, floating-point operations and memory of one answer; nothing that a clock says.

    A sample of inputs is read one by one, so that inputs of different length or size show what
    each costs.

    Parameters
    ----------
    max_inputs : int
        Inputs that are read, at least 1.

    Raises
    ------
    ConfigError
        If max_inputs is below 1.
    """

    meta: ClassVar[Meta] = Meta(
        id="efficiency",
        family="performance",
        question="What does one answer cost in operations and memory?",
        explanation="Parameters are counted. A sample of inputs is read one at a time while every"
        " function that the model calls is watched: operations of matrix products, convolutions"
        " and attention are counted, and so is the memory of what is alive at the same time."
        " The numbers are the same on every machine.",
        not_shown="Time and energy, which are never the same twice and say as much of the machine:"
        " audit time MODEL measures them apart from an audit. Functions that work element by"
        " element are listed, and not counted as operations. Scratch memory within a function, and"
        " that of Python, is not seen.",
        remedy="Prune, distil or quantise, and compare the results of both: audit the smaller model"
        " with the larger one: --other-model MODEL.",
        metrics={
            "parameters": Metric(
                label="parameters",
                definition="Trained numbers of the model.",
                unit="numbers",
                better="lower",
            ),
            "weight_memory": Metric(
                label="memory of the weights",
                definition="Bytes of all parameters and buffers.",
                unit="bytes",
                better="lower",
            ),
            "flops": Metric(
                label="operations for one input",
                definition="Median over the inputs that were read of floating-point operations in"
                " matrix products, convolutions and attention; a product and a sum are two.",
                unit="FLOPs",
                better="lower",
            ),
            "largest_flops": Metric(
                label="operations for the most expensive input",
                definition="Largest of the same numbers.",
                unit="FLOPs",
                better="lower",
            ),
            "peak_memory": Metric(
                label="memory for one input beyond the weights",
                definition="Median over the inputs that were read of the bytes of tensors that the"
                " model made and that were alive at the same time, at the most.",
                unit="bytes",
                better="lower",
            ),
            "uncounted_calls": Metric(
                label="calls of functions whose operations are not counted",
                definition="Median over the inputs that were read.",
                unit="calls",
                better="neither",
            ),
        },
        headline="efficiency/parameters/all",
    )
    max_inputs: int = 32

    def __post_init__(self) -> None:
        require_least(self, max_inputs=1)

    def measure(self, artifacts: Artifacts) -> Records:
        """Read those inputs of the shard that are among the drawn ones, each alone."""
        n, model = len(artifacts), artifacts.classifier
        read = artifacts.drawn("efficiency", self.max_inputs)
        columns = {name: np.full(n, np.nan) for name in ("flops", "peak", "calls")}
        functions = np.full(n, "", dtype=object)
        opaque = isinstance(model.module, BlackBox)
        for i in [] if opaque else np.flatnonzero(read).tolist():
            cost = _cost(artifacts, i)
            columns["flops"][i], columns["peak"][i] = cost.flops, cost.peak_bytes
            columns["calls"][i] = sum(cost.uncounted.values())
            functions[i] = json.dumps(dict(sorted(cost.uncounted.items())))
        parameters = model.parameters
        return Records(
            artifacts.ids,
            examples=(),
            parameters=np.full(n, np.nan if parameters is None else parameters),
            weights=np.full(n, np.nan if opaque else _weight_bytes(model)),
            functions=functions.astype(np.str_),
            **columns,
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Return what is counted, and medians over the inputs that were read."""
        level = context.level
        flops, peak, calls = (_known(records[name]) for name in ("flops", "peak", "calls"))
        findings = [
            self._exact("parameters", records["parameters"], "nobody can count them"),
            self._exact("weight_memory", records["weights"], _OPAQUE),
            self._median("flops", flops, level, ("functions", "reading")),
            self._exact("largest_flops", flops[np.argsort(-flops)], _OPAQUE),
            self._median("peak_memory", peak, level, ("reading",)),
            self._median("uncounted_calls", calls, level, ("functions",)),
        ]
        if not len(flops):
            return Measured(findings=findings)
        evidence: dict[str, Evidence] = {
            "reading": Note(title="How to read this", text=_reading(flops, calls)),
        }
        if rows := _rows(records):
            evidence["functions"] = Table(
                title="Functions that compute and are not counted, over all inputs that were read",
                columns=["function", "calls"],
                rows=[[name, count] for name, count in rows],
            )
        kept = [
            one.model_copy(update={"evidence": [e for e in one.evidence if e in evidence]})
            for one in findings
        ]
        return Measured(findings=kept, evidence=evidence)

    def _exact(self, metric: str, values: Floats, why: str) -> Finding:
        if not len(values) or np.isnan(values[0]):
            return self.undefined(metric, why, n=len(values))
        return self.value(metric, float(values[0]), n=len(values), interval=None, method="exact")

    def _median(
        self, metric: str, values: Floats, level: float, evidence: tuple[str, ...]
    ) -> Finding:
        if not len(values):
            return self.undefined(metric, _OPAQUE, n=0)
        ends = median_interval(values, level=level)
        known = np.isfinite(ends.low)
        return self.value(
            metric,
            float(np.quantile(values, 0.5, method="inverted_cdf")),
            n=len(values),
            interval=ends if known else None,
            method="order-statistics" if known else "none",
            evidence=evidence,
            level=level,
        )


def _cost(artifacts: Artifacts, i: int) -> Cost:
    """Return the cost of one input; what a model keeps from its first call is kept by then."""
    one = artifacts.inputs[i : i + 1]
    artifacts.once("efficiency/warm", lambda: artifacts.classifier.predict(one))
    return cost_of(lambda: artifacts.classifier.logits(one))


def _weight_bytes(model: Classifier) -> int:
    parts = [*model.module.parameters(), *model.module.buffers()]
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in parts}
    return sum(storages.values())


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _rows(records: Records) -> list[tuple[str, int]]:
    total: Counter[str] = Counter()
    for text in records["functions"]:
        if text:
            total.update(json.loads(str(text)))
    return sorted(total.items(), key=lambda one: (-one[1], one[0]))[:_ROWS]


def _reading(flops: Floats, calls: Floats) -> str:
    same = "Every input costs the same." if np.ptp(flops) == 0 else "Inputs differ in their cost."
    said = f"{same} One input is read at a time; memory for a batch grows with its size."
    if calls.any():
        said += (
            f" The counter does not know the functions behind {int(np.median(calls))} calls for one"
            " input, which mostly work element by element: the operations are a lower bound."
        )
    return said
