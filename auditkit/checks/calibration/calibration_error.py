"""Does the model's confidence say how often it is right?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Finding, Metric, Note, Series, Table
from auditkit.methods.metrics.calibration import (
    Reliability,
    error_interval,
    null_errors,
    reliability,
)
from auditkit.methods.metrics.classification import brier_scores, log_losses, log_probabilities
from auditkit.statistics import bootstrap_mean, clopper_pearson, mean_minus_share
from auditkit.types import Floats


@final
@dataclass(frozen=True, kw_only=True)
class CalibrationError(Check):
    """Expected calibration error held against chance, proper scores and the reliability diagram.

    Parameters
    ----------
    bins : int
        Bins of equal width over the confidence; the last one holds 1.0.
    simulations : int
        Samples that a perfectly calibrated model is simulated on.

    Raises
    ------
    ConfigError
        If `bins` is below 2 or `simulations` below 100.

    References
    ----------
    Guo et al., 2017, arXiv:1706.04599; Broecker and Smith, 2007, doi:10.1175/WAF993.1.
    """

    meta: ClassVar[Meta] = Meta(
        id="calibration-error",
        family="calibration",
        question="Does the model's confidence say how often it is right?",
        explanation=(
            "Inputs are put into bins by the probability of the predicted class, and each bin's"
            " accuracy is compared with its mean confidence. A perfectly calibrated model would"
            " also show an error, by chance: it is simulated with the same confidences and the same"
            " number of inputs, and shown next to the observed one."
        ),
        not_shown=(
            "Only the probability of the predicted class is looked at, averaged within bins: errors"
            " in opposite directions inside one bin cancel. Groups may be badly calibrated while"
            " the whole is not."
        ),
        remedy=(
            "Fit a temperature on held-out data, or train with label smoothing; measure again on"
            " inputs that were not used for the fit."
        ),
        metrics={
            "ece": Metric(
                label="expected calibration error",
                definition="Mean over all inputs of |accuracy - mean confidence| of the input's"
                " bin. The value includes what chance adds; the interval is for the error of the"
                " population, without it.",
                unit="share",
                better="lower",
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
                unit="share",
                better="neither",
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
        },
        headline="calibration-error/ece/all",
        references=(
            "Guo et al., 2017, arXiv:1706.04599",
            "Broecker and Smith, 2007, doi:10.1175/WAF993.1",
        ),
    )
    bins: int = 15
    simulations: int = 1000

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ConfigError(
                f"calibration-error: bins is {self.bins}, expected at least 2.",
                hint="Leave it at 15, the number that published values use.",
            )
        if self.simulations < 100:
            raise ConfigError(
                f"calibration-error: simulations is {self.simulations}, expected at least 100.",
                hint="Leave it at 1000: fewer cannot show a 95 % band.",
            )

    def measure(self, artifacts: Artifacts) -> Records:
        """Score every input's probabilities."""
        clean = artifacts[Predictions]
        labels = clean.labels.numpy()
        log_probs = log_probabilities(clean.logits.numpy())  # (n, k)
        return Records(
            artifacts.ids,
            confidence=np.exp(log_probs.max(axis=1)),
            correct=clean.correct.numpy(),
            brier=brier_scores(log_probs, labels),
            nll=log_losses(log_probs, labels),
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Bin, and hold the error against what chance would show."""
        confidence, level = records["confidence"], context.level
        table = reliability(confidence, records["correct"], bins=self.bins)
        null = null_errors(
            confidence,
            bins=self.bins,
            seed=context.key("calibration-error", "null"),
            simulations=self.simulations,
        )
        return Measured(
            findings=[
                self._error(table, context),
                self._p(table.error, null, len(records)),
                self._overconfidence(records, level),
                self._score("brier", records, context),
                self._score("nll", records, context),
            ],
            evidence={
                "reliability": _diagram(table, level),
                "bins": _bins(table, self.bins, level),
                "null-band": _null_band(table.error, null, len(records)),
            },
        )

    def _error(self, table: Reliability, context: Context) -> Finding:
        seed = context.key("calibration-error", "noise")
        return self.value(
            "ece",
            table.error,
            n=int(table.count.sum()),
            interval=error_interval(table, seed=seed, level=context.level),
            method="noise-bound",
            evidence=["null-band", "reliability", "bins"],
            level=context.level,
        )

    def _p(self, observed: float, null: Floats, n: int) -> Finding:
        beyond = int(np.count_nonzero(null >= observed - 1e-12))
        return self.value(
            "ece_p",
            (1 + beyond) / (1 + len(null)),
            n=n,
            interval=None,
            method="exact",
            evidence=["null-band"],
        )

    def _overconfidence(self, records: Records, level: float) -> Finding:
        confidence, correct = records["confidence"], records["correct"]
        return self.value(
            "overconfidence",
            float(confidence.mean() - correct.mean()),
            n=len(records),
            interval=mean_minus_share(confidence, correct, level=level),
            method="square-and-add",
            evidence=["reliability"],
            level=level,
        )

    def _score(self, metric: str, records: Records, context: Context) -> Finding:
        scores, seed = records[metric], context.key("calibration-error", metric)
        return self.value(
            metric,
            float(scores.mean()),
            n=len(records),
            interval=bootstrap_mean(scores, seed=seed, level=context.level),
            method="bootstrap",
            level=context.level,
        )


def _diagram(table: Reliability, level: float) -> Curve:
    limits = _limits(table, level)
    return Curve(
        title="Reliability diagram",
        x_label="mean confidence of the bin",
        y_label="accuracy of the bin",
        series=[
            Series(
                name="accuracy",
                x=table.confidence.tolist(),
                y=list(table.accuracy.tolist()),
                low=[low for low, _ in limits],
                high=[high for _, high in limits],
            )
        ],
        diagonal=True,
    )


def _bins(table: Reliability, bins: int, level: float) -> Table:
    return Table(
        title="Bins of the reliability diagram; a bin without inputs is left out",
        columns=["from", "to", "n", "mean confidence", "accuracy", "low", "high"],
        rows=[
            [bin_ / bins, (bin_ + 1) / bins, count, confidence, accuracy, low, high]
            for bin_, count, confidence, accuracy, (low, high) in zip(
                table.bin.tolist(),
                table.count.tolist(),
                table.confidence.tolist(),
                table.accuracy.tolist(),
                _limits(table, level),
                strict=True,
            )
        ],
    )


def _limits(table: Reliability, level: float) -> list[tuple[float, float]]:
    cells = zip(table.hits.tolist(), table.count.tolist(), strict=True)
    return [clopper_pearson(hits, count, level=level) for hits, count in cells]


def _null_band(observed: float, null: Floats, n: int) -> Note:
    low, high = np.quantile(null, [0.025, 0.975])
    return Note(
        title="What chance alone would show",
        text=(
            f"A perfectly calibrated model with these confidences would show an error of"
            f" {null.mean():.4f} on average at n = {n}, between {low:.4f} and {high:.4f} in 95 of"
            f" 100 samples. Observed: {observed:.4f}, which is {observed - null.mean():+.4f} from"
            f" that average."
        ),
    )
