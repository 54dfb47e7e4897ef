"""Do answers hold for graphs of another size or degree, and with random edges?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.checks.shift._graded import (
    Cell,
    accuracy_and_drop,
    accuracy_series,
    mean_error,
    require_choice,
    require_severities,
)
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Bar, Bars, Curve, Evidence, Finding, Metric
from auditkit.methods.corruptions.graphs import KINDS, Kind, rewired
from auditkit.methods.corruptions.severity import SEVERITIES
from auditkit.statistics import clopper_pearson, gap_of_shares
from auditkit.types import Bools, Floats, Ints

_PARTS = 4


@final
@dataclass(frozen=True, kw_only=True)
class GraphShift(Check):
    """Accuracy by size and degree, and with edges added or removed at random.

    A graph gets the same changes in every run of the same seed, and a higher severity keeps those
    of a lower one.

    Parameters
    ----------
    severities : tuple of int
        Distinct severities from 1 to 5: the shares of edges in
        `auditkit.methods.corruptions.graphs.SHARE_OF_EDGES`.
    kinds : tuple of str
        Distinct ones of "added" and "removed".

    Raises
    ------
    ConfigError
        If a severity or a kind is unknown or named twice, or a tuple is empty.
    """

    meta: ClassVar[Meta] = Meta(
        id="graph-shift",
        family="shift",
        question="Do answers hold for graphs of another size or degree, and with random edges?",
        explanation="Graphs are cut into quarters by their number of nodes, and by their mean"
        " degree, and accuracies compared. Then a share of the edges is removed at random, or as"
        " many are added between any two nodes, and accuracy is compared with that on the same"
        " graphs when whole.",
        not_shown="Edges that somebody chooses to turn an answer: edge-flips looks for them. A"
        " graph with another edge may truly be of another class.",
        remedy="Train with graphs of more sizes, normalise by degree, and drop edges at random"
        " while training.",
        metrics={
            "mean_edge_error": Metric(
                label="mean error with random edges",
                definition="Error averaged over kinds and severities, of all graphs.",
                unit="share",
                better="lower",
            ),
            "accuracy": Metric(
                label="accuracy with random edges",
                definition="Share of all graphs that are classified correctly with edges added or"
                " removed at one severity.",
                unit="share",
                better="higher",
            ),
            "accuracy_drop": Metric(
                label="accuracy lost to random edges",
                definition="Accuracy on the whole graphs minus accuracy on the same graphs with"
                " edges added or removed at one severity.",
                unit="share difference",
                better="lower",
            ),
            "part_accuracy": Metric(
                label="accuracy by size or degree",
                definition="Share of the graphs in one quarter, by nodes or by mean degree, that"
                " are classified correctly.",
                unit="share",
                better="higher",
            ),
            "part_gap": Metric(
                label="largest difference in accuracy between sizes or degrees",
                definition="Highest minus lowest accuracy of the quarters.",
                unit="share difference",
                better="lower",
            ),
        },
        headline="graph-shift/mean_edge_error/all",
        modalities=("graph",),
    )
    severities: tuple[int, ...] = SEVERITIES
    kinds: tuple[str, ...] = KINDS

    def __post_init__(self) -> None:
        require_severities("graph-shift", self.severities)
        require_choice("graph-shift", "kinds", self.kinds)
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigError(
                    f"graph-shift: there is no kind {kind!r}.{near_miss(kind, KINDS)}",
                    hint=f"Choose from {', '.join(KINDS)}.",
                )

    def measure(self, artifacts: Artifacts) -> Records:
        """Read one shard with every change, and count nodes and edges."""
        graphs = artifacts.inputs
        assert not isinstance(graphs, list)
        whole, d = graphs.numpy(), len(artifacts.graph_model.tags)
        flags: dict[str, Bools] = {"correct": artifacts[Predictions].correct.numpy()}
        for kind in self.kinds:
            keys = artifacts.keys(f"graph-shift/{kind}")
            for severity in self.severities:
                changed = rewired(whole, d, cast("Kind", kind), severity, keys)
                name = f"edges {kind} at severity {severity}"
                cell = Cell.read(artifacts, torch.from_numpy(changed), name)
                flags[f"{kind}-{severity}"] = cell.correct
        nodes = whole[:, :, :d].any(axis=2).sum(axis=1)
        degree = (whole[:, :, d:] != 0).sum(axis=(1, 2)) / np.maximum(1, nodes)
        return Records(artifacts.ids, examples=(), nodes=nodes, degree=degree, **flags)

    def summarise(self, records: Records, context: Context) -> Measured:
        """Return errors with random edges, and accuracies by size and degree."""
        level = context.level
        cells = [(kind, severity) for kind in self.kinds for severity in self.severities]
        value, interval, method = mean_error(
            [records[f"{kind}-{severity}"] for kind, severity in cells],
            seed=context.key("graph-shift", "mean"),
            level=level,
        )
        mean = self.value(
            "mean_edge_error", value, n=len(records), interval=interval, method=method,
            evidence=("curve",), level=level,
        )  # fmt: skip
        evidence: dict[str, Evidence] = {"curve": self._curve(records, level)}
        findings = [mean, *(one for cell in cells for one in self._at(*cell, records, level))]
        for by in ("nodes", "degree"):
            parts = _parts(np.asarray(records[by], dtype=np.float64))
            counts = np.array(
                [records["correct"][parts == i].sum() for i in range(parts.max() + 1)]
            )
            totals = np.bincount(parts)
            evidence[by] = _bars(by, records[by], parts, counts, level)
            findings += self._by(by, counts, totals, level)
        return Measured(findings=findings, evidence=evidence)

    def _at(self, kind: str, severity: int, records: Records, level: float) -> list[Finding]:
        return accuracy_and_drop(
            self, f"{kind}-{severity}", records, swept={"kind": kind, "severity": severity},
            evidence=("curve",), level=level,
        )  # fmt: skip

    def _by(self, by: str, counts: Ints, totals: Ints, level: float) -> list[Finding]:
        shares = counts / totals
        found = [
            self.share(
                "part_accuracy", int(count), n=int(total), swept={"by": by, "part": i + 1},
                evidence=(by,), level=level,
            )
            for i, (count, total) in enumerate(zip(counts, totals, strict=True))
        ]  # fmt: skip
        if len(counts) < 2:
            why = f"all graphs have the same {by}"
            return [*found, self.undefined("part_gap", why, n=int(totals.sum()), swept={"by": by})]
        gap = self.value(
            "part_gap", float(np.ptp(shares)), n=int(totals.sum()),
            interval=gap_of_shares(counts, totals, level=level),
            method="newcombe" if len(counts) == 2 else "simultaneous", swept={"by": by},
            evidence=(by,), level=level,
        )  # fmt: skip
        return [*found, gap]

    def _curve(self, records: Records, level: float) -> Curve:
        clean = {0: records["correct"]}
        return Curve(
            title="Accuracy over severity, 0 being the whole graphs",
            x_label="severity",
            y_label="accuracy",
            series=[
                accuracy_series(
                    f"edges {kind}",
                    clean | {s: records[f"{kind}-{s}"] for s in sorted(self.severities)},
                    level=level,
                )
                for kind in self.kinds
            ],
        )


def _parts(values: Floats) -> Ints:
    """Return which quarter each of the values (n,) is in; equal values share one."""
    cuts = np.unique(np.quantile(values, np.arange(1, _PARTS) / _PARTS, method="inverted_cdf"))
    return np.unique(np.searchsorted(cuts, values), return_inverse=True)[1]


def _bars(by: str, values: Floats, parts: Ints, counts: Sequence[int] | Ints, level: float) -> Bars:
    bars: list[Bar] = []
    for i, count in enumerate(counts):
        here = values[parts == i]
        low, high = clopper_pearson(int(count), len(here), level=level)
        label = f"{here.min():.3g} to {here.max():.3g}"
        bars.append(Bar(label=label, value=count / len(here), low=low, high=high, n=len(here)))
    title = {"nodes": "Accuracy by number of nodes", "degree": "Accuracy by mean degree"}[by]
    return Bars(title=title, value_label="accuracy", bars=bars)
