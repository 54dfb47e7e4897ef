"""Does the model's confidence say how often it is right?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.checks.calibration._changed import (
    Change,
    changed_logits,
    changes_for,
    require_changes,
)
from auditkit.checks.calibration._error_tables import (
    Cell,
    beyond,
    bins_table,
    cells_curve,
    cells_table,
    chance_note,
    chance_table,
    diagram,
    slices_bars,
    slices_table,
)
from auditkit.checks.calibration._slices import slices_of, too_small
from auditkit.checks.calibration._temperature import scaled
from auditkit.checks.parameters import require_least
from auditkit.findings import Evidence, Finding, Metric, Table
from auditkit.methods.metrics.calibrated_classes import null_scores
from auditkit.methods.metrics.calibration import (
    Reliability,
    Side,
    classwise_reliability,
    equal_mass_reliability,
    error_interval,
    mean_error_interval,
    null_errors,
    reliability,
)
from auditkit.methods.metrics.classification import brier_scores, log_losses, log_probabilities
from auditkit.methods.metrics.smooth_calibration import (
    null_smooth_errors,
    smooth_error,
    smooth_error_interval,
)
from auditkit.statistics import bootstrap_mean, bounded_mean, mean_minus_share
from auditkit.types import Bools, Floats, Modality, Params

MOST_CLASSES = 1000  # whose probabilities are kept per input


@final
@dataclass(frozen=True, kw_only=True)
class CalibrationError(Check):
    """Calibration errors held against chance, in slices and under change, and what would mend them.

    Parameters
    ----------
    bins : int
        Bins of equal width over the confidence; the last one holds 1.0.
    simulations : int
        Samples that a perfectly calibrated model is simulated on.
    kinds : tuple of str
        Corruptions that images are looked at under; none is allowed. Texts are mistyped.
    severities : tuple of int
        Of the corruptions or typos, from 1 to 5; none is allowed.
    minimum_n : int
        A slice with fewer inputs is undefined.

    Raises
    ------
    ConfigError
        If `bins` is below 2, `simulations` below 100, `minimum_n` below 1, or a kind or severity
        is unknown or named twice.

    References
    ----------
    Guo et al., 2017, arXiv:1706.04599; Broecker and Smith, 2007, doi:10.1175/WAF993.1; Nixon et
    al., 2019, arXiv:1904.01685; Kull et al., 2019, arXiv:1910.12656; Blasiok and Nakkiran, 2023,
    arXiv:2309.12236; Ovadia et al., 2019, arXiv:1906.02530.
    """

    meta: ClassVar[Meta] = Meta(
        id="calibration-error",
        family="calibration",
        version=4,
        question="Does the model's confidence say how often it is right?",
        explanation=(
            "Inputs are put into bins by the probability of the predicted class, and each bin's"
            " accuracy is compared with its mean confidence. A perfectly calibrated model would"
            " also show an error, by chance: it is simulated with the same confidences and the same"
            " number of inputs, and shown next to the observed one. The same is asked in slices and"
            " on changed inputs. A temperature, which divides all logits, is fitted on one half of"
            " the inputs; what error remains is measured on the other half."
        ),
        not_shown=(
            "Bins hide errors in opposite directions inside one of them; the smooth error has no"
            " bins, but a bandwidth. A model can be calibrated and useless: saying how often it is"
            " right is not being right. Other changes of the data may harm the confidence more."
        ),
        remedy=(
            "Divide the logits by a temperature fitted on held-out data, or train with label"
            " smoothing; measure again on inputs that were not used for the fit. A temperature"
            " mends little under a shift: fit it on data like those of the deployment."
        ),
        metrics={
            "ece": Metric(
                label="expected calibration error",
                definition="Mean over all inputs of |accuracy - mean confidence| of the input's"
                " bin. The value includes what chance adds; the interval is for the error of the"
                " population, without it.",
                unit="share",
                better="lower",
                plain="On average, its confidence is {value} off how often it is right",
            ),
            "ece_p": Metric(
                label="p-value of perfect calibration",
                definition="(1 + simulated perfectly calibrated samples with at least the observed"
                " error) / (1 + simulated samples). A large value is not evidence of calibration:"
                " few inputs give one too.",
                unit="p",
                better="neither",
            ),
            "overconfidence": Metric(
                label="overconfidence",
                definition="Mean confidence minus accuracy, both over all inputs; negative is"
                " underconfident.",
                unit="share difference",
                better="neither",
            ),
            "adaptive_ece": Metric(
                label="adaptive calibration error",
                definition="As the expected calibration error, over all inputs, in bins of about"
                " equally many inputs; equal confidences share a bin.",
                unit="share",
                better="lower",
            ),
            "classwise_ece": Metric(
                label="classwise calibration error",
                definition="For each class the mean over all inputs of |share of the class - mean"
                " probability of the class| of the input's bin; the mean of that over all classes."
                " With many classes most probabilities are near 0, and so is this.",
                unit="share",
                better="lower",
            ),
            "smooth_ece": Metric(
                label="smooth calibration error",
                definition="Integral of the absolute residual (correct - confidence, over all"
                " inputs) smoothed by a Gaussian kernel reflected at 0 and 1, at the bandwidth that"
                " equals this very error.",
                unit="share",
                better="lower",
            ),
            "brier": Metric(
                label="Brier score",
                definition="Mean over all inputs of the sum over classes of"
                " (probability - truth)^2, between 0 and 2.",
                unit="squared probability",
                better="lower",
            ),
            "nll": Metric(
                label="negative log-likelihood",
                definition="Mean over all inputs of -log probability of the true class.",
                unit="nats",
                better="lower",
            ),
            "temperature": Metric(
                label="temperature that would fix it",
                definition="The number that logits must be divided by for the highest likelihood"
                " of the labels, fitted on one half of the inputs, drawn at random. Above 1 the"
                " model is too sure, below 1 not sure enough.",
                unit="ratio",
                better="neither",
            ),
            "unscaled_ece": Metric(
                label="calibration error before the temperature",
                definition="Expected calibration error on the half of the inputs that the"
                " temperature was not fitted on.",
                unit="share",
                better="lower",
            ),
            "scaled_ece": Metric(
                label="calibration error after the temperature",
                definition="Expected calibration error on the half of the inputs that the"
                " temperature was not fitted on, logits divided by it.",
                unit="share",
                better="lower",
            ),
            "nll_saved": Metric(
                label="negative log-likelihood saved by the temperature",
                definition="Mean of -log probability of the true class before minus after the"
                " temperature, over the half of the inputs that it was not fitted on.",
                unit="nats",
                better="neither",
            ),
        },
        headline="calibration-error/ece/all",
        references=(
            "Guo et al., 2017, arXiv:1706.04599",
            "Broecker and Smith, 2007, doi:10.1175/WAF993.1",
            "Nixon et al., 2019, arXiv:1904.01685",
            "Kull et al., 2019, arXiv:1910.12656",
            "Blasiok and Nakkiran, 2023, arXiv:2309.12236",
            "Ovadia et al., 2019, arXiv:1906.02530",
        ),
    )
    bins: int = 15
    simulations: int = 1000
    kinds: tuple[str, ...] = ("gaussian-noise", "defocus-blur")
    severities: tuple[int, ...] = (1, 3, 5)
    minimum_n: int = 20

    def __post_init__(self) -> None:
        require_least(self, bins=2, hint="Leave it at 15, the number that published values use.")
        require_least(
            self, simulations=100, hint="Leave it at 1000: fewer cannot show a 95 % band."
        )
        require_least(self, minimum_n=1, hint="Leave it at 20: fewer inputs say next to nothing.")
        require_changes("calibration-error", self.kinds, self.severities)

    def measure(self, artifacts: Artifacts) -> Records:
        """Score every input's probabilities, as it is and under each change."""
        clean = artifacts[Predictions]
        labels = clean.labels.numpy()
        log_probs = log_probabilities(clean.logits.numpy())  # (n, k)
        columns: dict[str, NDArray[Any]] = {
            "confidence": np.exp(log_probs.max(axis=1)),
            "correct": clean.correct.numpy(),
            "brier": brier_scores(log_probs, labels),
            "nll": log_losses(log_probs, labels),
        }
        if log_probs.shape[1] <= MOST_CLASSES:
            columns |= {f"log-p-{c}": column for c, column in enumerate(log_probs.T)}
        for one in self._changes(artifacts.data.modality):
            logits = changed_logits(artifacts, one)
            changed = log_probabilities(logits.numpy()).max(axis=1)
            columns[one.column("confidence")] = np.exp(changed)
            columns[one.column("correct")] = (logits.argmax(dim=1) == artifacts.labels).numpy()
        return Records(artifacts.ids, examples=(), **columns)

    def summarise(self, records: Records, context: Context) -> Measured:
        """Hold every error against chance, then look into slices and changes, then mend it."""
        table = reliability(records["confidence"], records["correct"], bins=self.bins)
        null = self._null(records["confidence"], context, "null")
        log_probs = _log_probs(records, len(context.data.classes))
        findings = [
            self._error(table, context),
            self._p(table.error, null, len(records)),
            self._overconfidence("all", records["confidence"], records["correct"], context),
            *self._other_errors(records, log_probs, context),
            self._score("brier", records, context),
            self._score("nll", records, context),
        ]
        evidence: dict[str, Evidence] = {
            "reliability": diagram("Reliability diagram", {"accuracy": table}, context.level),
            "bins": bins_table(table, self.bins, context.level),
            "null-band": chance_note(table.error, null, len(records)),
            "chance": self._chance(records, log_probs, findings, null, context),
        }
        for part in (
            self._mended(records, log_probs, context),
            self._sliced(records, context),
            self._under_change(records, context),
        ):
            findings += part.findings
            evidence |= part.evidence
        return Measured(findings=findings, evidence=evidence)

    # --- all inputs ------------------------------------------------------------------------------

    def _error(self, table: Reliability, context: Context) -> Finding:
        seed = context.key("calibration-error", "noise")
        return self.value(
            "ece",
            table.error,
            n=int(table.count.sum()),
            interval=error_interval(table, seed=seed, level=context.level),
            method="noise-bound",
            evidence=["null-band", "reliability", "bins", "chance"],
            level=context.level,
        )

    def _p(self, observed: float, null: Floats, n: int) -> Finding:
        return self.value(
            "ece_p", beyond(observed, null), n=n, interval=None, method="exact",
            evidence=["null-band"],
        )  # fmt: skip

    def _overconfidence(
        self,
        where: str,
        confidence: Floats,
        correct: Bools,
        context: Context,
        *,
        evidence: Sequence[str] = ("reliability",),
        swept: Params | None = None,
    ) -> Finding:
        return self.value(
            "overconfidence",
            float(confidence.mean() - correct.mean()),
            n=len(confidence),
            interval=mean_minus_share(confidence, correct, level=context.level),
            method="square-and-add",
            slice_name=where,
            swept=swept,
            evidence=evidence,
            level=context.level,
        )

    def _other_errors(
        self, records: Records, log_probs: Floats | None, context: Context
    ) -> list[Finding]:
        confidence, correct, n = records["confidence"], records["correct"], len(records)
        level, key = context.level, partial(context.key, "calibration-error")
        equal = equal_mass_reliability(confidence, correct, bins=self.bins)
        found = [
            (
                "adaptive_ece",
                equal.error,
                error_interval(equal, seed=key("adaptive"), level=level),
            ),
            (
                "smooth_ece",
                smooth_error(confidence, correct),
                smooth_error_interval(confidence, correct, seed=key("smooth"), level=level),
            ),
        ]
        if log_probs is not None:
            classes = classwise_reliability(np.exp(log_probs), context.data.labels, bins=self.bins)
            interval = mean_error_interval(classes, seed=key("classwise"), level=level)
            value = float(np.mean([one.error for one in classes]))
            found.append(("classwise_ece", value, interval))
        findings = [
            self.value(
                metric, value, n=n, interval=interval, method="noise-bound", evidence=["chance"],
                level=level,
            )
            for metric, value, interval in found
        ]  # fmt: skip
        if log_probs is None:
            findings.append(self.undefined("classwise_ece", _TOO_MANY, n=n))
        return findings

    def _score(self, metric: str, records: Records, context: Context) -> Finding:
        scores, seed = records[metric], context.key("calibration-error", metric)
        if metric == "brier":
            value, interval, method = bounded_mean(scores, seed=seed, level=context.level, high=2.0)
        else:  # a loss has no upper bound
            value, method = float(scores.mean()), "bootstrap"
            interval = bootstrap_mean(scores, seed=seed, level=context.level)
        return self.value(
            metric,
            value,
            n=len(records),
            interval=interval,
            method=method,
            evidence=["chance"],
            level=context.level,
        )

    def _null(
        self, confidence: Floats, context: Context, *purpose: object, side: Side = "both"
    ) -> Floats:
        return null_errors(
            confidence,
            bins=self.bins,
            seed=context.key("calibration-error", *purpose),
            simulations=self.simulations,
            side=side,
        )

    def _chance(
        self,
        records: Records,
        log_probs: Floats | None,
        findings: list[Finding],
        null: Floats,
        context: Context,
    ) -> Table:
        confidence, key = records["confidence"], partial(context.key, "calibration-error")
        table = reliability(confidence, records["correct"], bins=self.bins)
        labels = {name: one.label for name, one in self.meta.metrics.items()}
        observed = {one.metric: one.value for one in findings if one.value is not None}
        drawn = {
            "adaptive_ece": null_errors(
                confidence, bins=self.bins, seed=key("adaptive null"),
                simulations=self.simulations, equal_mass=True,
            ),
            "smooth_ece": null_smooth_errors(
                confidence, seed=key("smooth null"), simulations=self.simulations
            ),
        }  # fmt: skip
        if log_probs is not None:
            scores = null_scores(
                log_probs, bins=self.bins, seed=key("classes"), simulations=self.simulations
            )
            drawn |= {
                "classwise_ece": scores.classwise, "brier": scores.brier, "nll": scores.nll
            }  # fmt: skip
        whole = labels["ece"]
        sides: tuple[tuple[str, float, Side], ...] = (
            (f"{whole}: bins that are too sure", table.too_sure, "too_sure"),
            (f"{whole}: not sure enough", table.not_sure_enough, "not_sure_enough"),
        )
        rows = {whole: (observed["ece"], null)}
        for name, value, side in sides:
            rows[name] = (value, self._null(confidence, context, side, side=side))
        rows |= {
            labels[name]: (observed[name], one) for name, one in drawn.items() if name in observed
        }
        return chance_table(rows, len(records), context.level)

    # --- a temperature ---------------------------------------------------------------------------

    def _mended(self, records: Records, log_probs: Floats | None, context: Context) -> Measured:
        metrics = ("temperature", "unscaled_ece", "scaled_ece", "nll_saved")
        n = len(records)
        result = (
            scaled(log_probs, records.ids, context, bins=self.bins)
            if log_probs is not None
            else _TOO_MANY
        )
        if isinstance(result, str):
            return Measured(findings=[self.undefined(one, result, n=n) for one in metrics])
        level = context.level
        value = partial(self.value, evidence=["scaled", "temperature"], level=level)
        errors = [
            value(
                name,
                table.error,
                n=result.n,
                interval=error_interval(
                    table, seed=context.key("calibration-error", name), level=level
                ),
                method="noise-bound",
            )
            for name, table in (("unscaled_ece", result.before), ("scaled_ece", result.after))
        ]
        saved = bootstrap_mean(
            result.saved, seed=context.key("calibration-error", "saved"), level=level
        )
        return Measured(
            findings=[
                value(
                    "temperature",
                    result.temperature,
                    n=result.fitted,
                    interval=result.interval,
                    method="sandwich",
                    evidence=["temperature"],
                ),
                *errors,
                value(
                    "nll_saved",
                    float(result.saved.mean()),
                    n=result.n,
                    interval=saved,
                    method="bootstrap",
                ),
            ],
            evidence={
                "temperature": result.note(
                    self._null(result.confidence, context, "scaled null"), level
                ),
                "scaled": diagram(
                    f"Before and after the temperature, n = {result.n}",
                    {"as it is": result.before, "after the temperature": result.after},
                    level,
                ),
            },
        )

    # --- slices and changes ----------------------------------------------------------------------

    def _sliced(self, records: Records, context: Context) -> Measured:
        findings: list[Finding] = []
        cells: dict[str, list[Cell]] = {}
        for one in slices_of(context.data):
            if one.n < self.minimum_n:
                why = too_small(one.n, self.minimum_n)
                findings += [
                    self.undefined(metric, why, n=one.n, slice_name=one.name)
                    for metric in ("ece", "overconfidence")
                ]
                cell = Cell.empty(one.group, one.n)
            else:
                cell = self._cell(
                    one.group, records["confidence"][one.members],
                    records["correct"][one.members], context, one.name,
                )  # fmt: skip
                findings += self._of_cell(
                    cell, context, one.name, ["slices", *_bars_of(cells, one.column)]
                )
            cells.setdefault(one.column, []).append(cell)
        if not cells:
            return Measured(findings=[])
        evidence: dict[str, Evidence] = {
            f"slices-{i}": slices_bars(column, found)
            for i, (column, found) in enumerate(cells.items(), 1)
        }
        evidence["slices"] = slices_table(cells, self.minimum_n)
        return Measured(findings=findings, evidence=evidence)

    def _under_change(self, records: Records, context: Context) -> Measured:
        changes = self._changes(context.data.modality)
        if not changes:
            return Measured(findings=[])
        clean = self._cell("clean", records["confidence"], records["correct"], context, "clean")
        cells = {
            one: self._cell(
                one.kind, records[one.column("confidence")], records[one.column("correct")],
                context, one.kind, one.severity,
            )
            for one in changes
        }  # fmt: skip
        return Measured(
            findings=[
                finding
                for one, cell in cells.items()
                for finding in self._of_cell(
                    cell, context, "all", ["change-curve", "changes"], one.swept
                )
            ],
            evidence={
                "change-curve": cells_curve(clean, cells),
                "changes": cells_table(clean, cells),
            },
        )

    def _cell(
        self, name: str, confidence: Floats, correct: Bools, context: Context, *purpose: object
    ) -> Cell:
        table = reliability(confidence, correct, bins=self.bins)
        seed = context.key("calibration-error", "noise of", *purpose)
        return Cell.of(
            name,
            confidence,
            correct,
            table.error,
            error_interval(table, seed=seed, level=context.level),
            self._null(confidence, context, "null of", *purpose),
            context.level,
        )

    def _of_cell(
        self,
        cell: Cell,
        context: Context,
        where: str,
        evidence: Sequence[str],
        swept: Params | None = None,
    ) -> list[Finding]:
        return [
            self.value(
                "ece", cell.error, n=cell.n, interval=cell.interval, method="noise-bound",
                slice_name=where, swept=swept, evidence=evidence, level=context.level,
            ),
            self._overconfidence(
                where, cell.confidence, cell.correct, context, evidence=evidence, swept=swept
            ),
        ]  # fmt: skip

    def _changes(self, modality: Modality) -> list[Change]:
        return changes_for(modality, self.kinds, self.severities)


_TOO_MANY = f"more than {MOST_CLASSES} classes: their probabilities are not kept"


def _bars_of(cells: Mapping[str, object], column: str) -> list[str]:
    """Return the key of the bars of a column, which come in the order of the columns."""
    return [f"slices-{(*cells, column).index(column) + 1}"]


def _log_probs(records: Records, classes: int) -> Floats | None:
    """Return the log probabilities (n, k), where they are kept."""
    if "log-p-0" not in records.columns:
        return None
    return np.stack([records[f"log-p-{c}"] for c in range(classes)], axis=1)
