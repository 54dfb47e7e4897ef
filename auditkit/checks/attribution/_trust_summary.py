"""What the records of `attribution-trust` come to: findings, curves, a table with controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import final

import numpy as np

from auditkit.checks.attribution._few_usable import few_usable
from auditkit.checks.attribution._trust_cascade import STAGES
from auditkit.checks.attribution._trust_maps import CHECK, PREFLIGHT, controls
from auditkit.checks.attribution._trust_metrics import METRICS
from auditkit.checks.attribution._trust_removal import CHANCE
from auditkit.checks.base import Check, Context, Measured, Records
from auditkit.checks.galleries import galleries
from auditkit.findings import (
    Curve,
    Evidence,
    Finding,
    Matrix,
    Selection,
    Series,
    Table,
    finding_id,
)
from auditkit.methods.saliency.catalogue import METHODS
from auditkit.methods.saliency.exhibits import words
from auditkit.statistics import Interval, bootstrap, bootstrap_mean, bounded_mean
from auditkit.types import Floats, Params, Scalar

CURVES = {
    "deletion": ("Probability of the predicted class as parts are removed", "removed"),
    "insertion": ("Probability of the predicted class as parts are put back", "put back"),
}
_GAINS = {"relevance_gain": "relevance_rank_accuracy", "rationale_gain": "rationale_hit_rate"}
QUANTITIES = tuple(one for one in METRICS if one not in (*_GAINS, "gain_over_modelless"))
_TABLES = {
    "scores": (
        "Do the maps find what the answer depends on?",
        (
            "deletion_gain", "insertion_gain", "road_morf_gain", "road_lerf_gain",
            "gain_over_modelless", "comprehensiveness", "sufficiency", "set_correlation",
            "infidelity",
        ),
    ),
    "dependence": (
        "Do the maps depend on the model, and on little else?",
        (
            "randomisation_similarity", "cascading_similarity", "max_sensitivity",
            "relative_output_stability", "seed_similarity", "reference_similarity",
            "completeness_error",
        ),
    ),
    "location": (
        "Do the maps lie where they should?",
        (
            "relevance_mass", "relevance_rank_accuracy", "pointing_hit_rate", "rationale_hit_rate",
        ),
    ),
}  # fmt: skip
_SHOWN_BESIDE = {
    "deletion_gain": ("deletion", "worst"),
    "insertion_gain": ("insertion",),
    "cascading_similarity": ("cascade",),
    "relevance_gain": ("location", "random"),
    "rationale_gain": ("location", "random"),
}
_ONLY_IMAGES = (
    "relevance_mass", "relevance_rank_accuracy", "relevance_gain", "pointing_hit_rate",
)  # fmt: skip
_ONLY_TEXTS = ("rationale_hit_rate", "rationale_gain")
_SHARES = ("pointing_hit_rate", "rationale_hit_rate")
_COSTLY = ("road_morf_gain", "road_lerf_gain", "cascading_similarity")
_MEDIANS = ("completeness_error", "relative_output_stability")
_UNBOUNDED = "max_sensitivity"
_RANGES = {  # of one input's number; all others lie between -1 and 1
    **dict.fromkeys((*CURVES, "relevance_mass", "relevance_rank_accuracy"), (0.0, 1.0)),
    "gain_over_modelless": (-2.0, 2.0),
    "infidelity": (0.0, 1.0),
}
_CONTROLLED = (
    "deletion_gain", "insertion_gain", "road_morf_gain", "road_lerf_gain", "gain_over_modelless",
    "comprehensiveness", "sufficiency", "infidelity", *_GAINS,
)  # fmt: skip
_OF_CONTROLS = ("deletion_gain", "gain_over_modelless", "randomisation_similarity")
_LEFT_ALONE = ("changed_answer_share", "left_behind_share")
_CHANCE = {  # what a map without information scores
    "deletion_gain": 0.0,
    "insertion_gain": 0.0,
    "road_morf_gain": 0.0,
    "road_lerf_gain": 0.0,
    "set_correlation": 0.0,
    "randomisation_similarity": 0.0,
    "cascading_similarity": 0.0,
}
_NOWHERE = "the map is zero everywhere or not finite"
_WHY_UNDEFINED = {
    "deletion_gain": _NOWHERE,
    "insertion_gain": _NOWHERE,
    "road_morf_gain": _NOWHERE,
    "road_lerf_gain": _NOWHERE,
    "comprehensiveness": _NOWHERE,
    "sufficiency": _NOWHERE,
    "gain_over_modelless": "one of the two maps is zero everywhere or not finite",
    "set_correlation": "the summed scores, or the falls, of random sets do not vary",
    "infidelity": "the map is zero or not finite, or no set of parts changes the class score",
    "randomisation_similarity": "the map, or that of the random model, has no order",
    "cascading_similarity": "the map, or that of a model with random layers, has no order",
    "relative_output_stability": "the map is zero, or each input nearby is of another class",
    "completeness_error": "the class score changes by less than 0.01 from the reference",
}


@final
class Summary:
    """Findings and evidence from the merged records.

    Columns are `<quantity>/<map>` and `<curve>/<map>/<step>`, NaN where undefined.
    """

    def __init__(self, check: Check, records: Records, context: Context, *, steps: int) -> None:
        self._check, self._records, self._context = check, records, context
        self._steps = steps
        self._modality = context.data.modality
        self._truth_known = bool(records["truth_known"].any())
        self._controls = controls(self._modality)
        self._methods = [one for one in METHODS if f"deletion_gain/{one}" in records.columns]
        self._metrics = [one for one in check.meta.metrics if self._applies(one)]

    def measured(self) -> Measured:
        """Return everything that can be said."""
        evidence = self._evidence()
        findings = [
            self._finding(metric, {"method": method}, evidence)
            for metric in self._metrics
            for method in self._methods
            if self._has(metric, method)
        ]
        findings += [
            self._finding(metric, {"control": control}, evidence)
            for metric in _OF_CONTROLS
            for control in self._controls
        ]
        return Measured(findings=findings, evidence=evidence)

    def _applies(self, metric: str) -> bool:
        if metric in _ONLY_TEXTS:
            return self._modality == "text" and self._truth_known
        if metric in ("sufficiency", "comprehensiveness"):
            return self._modality == "text"
        if metric in ("max_sensitivity", "relative_output_stability"):
            return self._modality in ("image", "tabular")
        if metric in _COSTLY and not self._records["costly"].any():
            return False
        if metric in ("reference_similarity", "road_morf_gain", "road_lerf_gain"):
            return self._modality == "image"
        if metric in _ONLY_IMAGES:
            return self._modality != "text" and self._truth_known
        return True

    def _has(self, metric: str, method: str) -> bool:
        """Return whether a metric means anything for a method."""
        match metric:
            case "completeness_error":
                return METHODS[method].promise == "sum"
            case "seed_similarity":
                return METHODS[method].draws
            case "reference_similarity":
                return METHODS[method].reference
            case _:
                return True

    def _values(self, metric: str, name: str) -> Floats:
        """Return the numbers of the explained inputs on which the metric is defined."""
        if metric == "gain_over_modelless":
            gains = self._records[f"deletion_gain/{name}"]
            values = gains - self._records[f"deletion_gain/{self._best_modelless}"]
        elif metric in _GAINS:
            values = self._records[f"{_GAINS[metric]}/{name}"] - self._records["relevant_share"]
        else:
            values = self._records[f"{metric}/{name}"]
        return values[np.isfinite(values)]

    @cached_property
    def _best_modelless(self) -> str:
        """The map made without the model that does best."""
        gains = {one: _mean(self._values("deletion_gain", one)) for one in self._controls[:-1]}
        return max(gains, key=lambda one: np.nan_to_num(gains[one], nan=-np.inf))

    def _finding(self, metric: str, swept: Params, made: Mapping[str, Evidence]) -> Finding:
        """Return the number of one map, which is a method's or a control's."""
        ((kind, name),) = ((key, str(value)) for key, value in swept.items())
        values, eligible = self._values(metric, name), self._eligible(metric)
        evidence = [key for key in _shown_by(metric) if key in made]
        if len(values) < max(2, eligible / 2):
            why = self._unsuited(metric, name) or _WHY_UNDEFINED.get(
                metric, "the map is zero or the truth leaves nothing out"
            )
            left = few_usable(len(values), eligible, why)
            return self._check.undefined(metric, left, n=eligible, swept=swept)
        is_controlled = metric in _CONTROLLED and kind == "method"
        controls = _controls_of(name) if is_controlled else []
        if metric in _SHARES:
            return self._check.share(
                metric, int(values.sum()), n=len(values),
                swept=swept, evidence=evidence, controls=controls, level=self._context.level,
            )  # fmt: skip
        value, interval, method = self._estimate(metric, name, values)
        return self._check.value(
            metric, value, n=len(values), interval=interval, method=method,
            swept=swept, evidence=evidence, controls=controls, level=self._context.level,
        )  # fmt: skip

    def _unsuited(self, metric: str, method: str) -> str:
        """Return why a method or a metric does not suit the model, as any input tells."""
        weighty = metric in ("randomisation_similarity", "cascading_similarity")
        if weighty and not self._records["has_weights"].any():
            return "the model has no weights that could be drawn anew"
        reasons = self._records.columns.get(f"unsuited/{method}", ())  # controls suit everything
        return next((str(one) for one in reasons if one), "")

    def _eligible(self, metric: str) -> int:
        """Return how many explained inputs could have had a number."""
        if metric in _ONLY_IMAGES or metric in _ONLY_TEXTS:
            return int(np.isfinite(self._records["relevant_share"]).sum())
        return self._records.count("costly" if metric in _COSTLY else "drawn")

    def _estimate(self, metric: str, name: str, values: Floats) -> tuple[float, Interval, str]:
        seed, level = self._context.key("attribution-trust", metric, name), self._context.level
        if metric in _MEDIANS:
            middle = bootstrap(
                lambda rows: np.median(values[rows], axis=1), len(values), seed=seed, level=level
            )
            return float(np.median(values)), middle, "bootstrap"
        if metric == _UNBOUNDED:
            interval = bootstrap_mean(values, seed=seed, level=level)
            return float(values.mean()), interval, "bootstrap"
        low, high = _RANGES.get(metric, (-1.0, 1.0))
        return bounded_mean(values, seed=seed, level=level, low=low, high=high)

    def _evidence(self) -> dict[str, Evidence]:
        evidence: dict[str, Evidence] = {curve: self._curve(curve) for curve in CURVES}
        if self._records["has_weights"].any() and "cascading_similarity" in self._metrics:
            evidence["cascade"] = self._cascade()
        for key, (title, metrics) in _TABLES.items():
            if shown := [one for one in metrics if self._in_table(one)]:
                evidence[key] = self._table(title, shown)
        evidence["agreement"] = self._agreement()
        titles: dict[Selection, str] = {
            "worst": "Least faithful maps",
            "random": "Maps of inputs drawn at random",
        }
        return evidence | galleries(self._records, titles)

    def _curve(self, curve: str) -> Curve:
        title, done = CURVES[curve]
        return Curve(
            title=title,
            x_label=f"share of parts {done}",
            y_label="mean probability",
            series=[
                self._series(curve, name, self._steps)
                for name in (*self._methods, *self._controls[:-1], CHANCE)
            ],
        )

    def _cascade(self) -> Curve:
        return Curve(
            title="Similarity to the map of the model as its layers are randomised",
            x_label="share of layers randomised, last first",
            y_label="mean rank correlation",
            series=[
                self._series("cascade", name, STAGES) for name in (*self._methods, *self._controls)
            ],
        )

    def _series(self, curve: str, name: str, steps: int) -> Series:
        middle: list[float | None] = []
        low: list[float | None] = []
        high: list[float | None] = []
        for step in range(steps + 1):
            values = self._values(curve, f"{name}/{step}")
            if len(values) < 2:
                interval, mean = Interval(np.nan, np.nan), np.nan
            elif curve == "cascade" and (step == 0 or name in self._controls[:-1]):
                # The map itself, or one that knows no model: 1 whatever the inputs are.
                interval, mean = Interval(np.nan, np.nan), float(values.mean())
            else:
                mean, interval, _ = self._estimate(curve, f"{name}/{step}", values)
            for line, number in ((middle, mean), (low, interval.low), (high, interval.high)):
                line.append(round(number, 5) if np.isfinite(number) else None)
        shares = [step / steps for step in range(steps + 1)]
        return Series(name=self._label(name), x=shares, y=middle, low=low, high=high)

    def _in_table(self, metric: str) -> bool:
        return metric in self._metrics and any(self._has(metric, one) for one in self._methods)

    def _table(self, title: str, metrics: Sequence[str]) -> Table:
        """Return metrics of every map, controls behind the methods and chance at the end."""
        names = (*self._methods, *self._controls)
        share = _mean(self._records["relevant_share"])
        by_chance = _CHANCE | dict.fromkeys((*_ONLY_IMAGES, *_ONLY_TEXTS), share)
        rows: list[list[Scalar]] = [
            [
                self._check.meta.metrics[metric].label,
                *(self._cell(metric, name) for name in names),
                _plain(by_chance.get(metric)),
            ]
            for metric in metrics
        ]
        labels = [self._label(name) for name in names]
        return Table(title=title, columns=["measure", *labels, "expected by chance"], rows=rows)

    def _agreement(self) -> Matrix:
        """Return how alike every two maps are; it counts for nothing."""
        names = [*self._methods, *self._controls]
        labels = [self._label(one) for one in names]
        values = [[self._alike(a, b) for b in names] for a in names]
        return Matrix(
            title="How alike maps order the parts (agreement is no evidence of being right)",
            row_label="map",
            column_label="map",
            rows=labels,
            columns=labels,
            values=values,
            unit="rank correlation",
        )

    def _alike(self, first: str, second: str) -> float | None:
        if first == second:
            return 1.0
        columns = self._records.columns
        name = f"agreement/{first}/{second}"
        return _plain(_mean(columns[name if name in columns else f"agreement/{second}/{first}"]))

    def _cell(self, metric: str, name: str) -> Scalar:
        values = self._values(metric, name)
        if len(values) == 0:
            return None
        middle = np.median(values) if metric in _MEDIANS else values.mean()
        return _plain(float(middle))

    def _label(self, name: str) -> str:
        if name in self._controls[:-1]:
            return f"{words(name)} (no model)"
        return {"random": "random scores (no model)", CHANCE: "random order"}.get(name, words(name))


def _controls_of(method: str) -> list[str]:
    """Return what must hold before a map may count as faithful."""
    of_slopes = [finding_id(PREFLIGHT, "path_error", "all", {})] * METHODS[method].gradients
    return [
        finding_id(CHECK, "randomisation_similarity", "all", {"method": method}),
        *(finding_id(PREFLIGHT, one, "all", {}) for one in _LEFT_ALONE),
        *of_slopes,
    ]


def _shown_by(metric: str) -> list[str]:
    """Return the keys of the evidence that shows a metric."""
    tables = [key for key, (_, metrics) in _TABLES.items() if metric in metrics]
    galleries_too = ["random"] if "location" in tables else []
    return [*tables, *galleries_too, *_SHOWN_BESIDE.get(metric, ())]


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _plain(value: float | None) -> float | None:
    return round(value, 4) if value is not None and np.isfinite(value) else None
