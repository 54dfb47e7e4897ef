"""A temperature fitted on one half of the inputs, and what it mends on the other half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from auditkit.checks.base import Context
from auditkit.checks.halves import FEWEST, half_of
from auditkit.findings import Note
from auditkit.methods.metrics.calibration import Reliability, reliability
from auditkit.methods.metrics.classification import (
    best_temperature,
    log_losses,
    log_probabilities,
)
from auditkit.methods.metrics.temperature import BOUNDS, slopes, temperature_interval
from auditkit.percent import plain_percent
from auditkit.plurals import count
from auditkit.statistics import Interval
from auditkit.types import Floats

MOST = 1e6  # an interval that ends beyond it says nothing


@final
@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What a temperature is, and what it does to inputs that it was not fitted on."""

    temperature: float
    interval: Interval
    fitted: int  # inputs it was fitted on
    before: Reliability
    after: Reliability
    confidence: Floats  # (m,) after
    saved: Floats  # (m,) log loss before minus after

    @property
    def n(self) -> int:
        """Inputs it was measured on."""
        return len(self.saved)

    def note(self, null: Floats, level: float) -> Note:
        """Return in words what it does.

        Parameters
        ----------
        null : ndarray
            Errors that a perfectly calibrated model with the new confidences would show.
        level : float
            Of its interval.
        """
        side = "too sure" if self.temperature > 1 else "not sure enough"
        open_ = self.interval.low <= 1 <= self.interval.high
        says = "which may be no change at all" if open_ else f"so the model is {side}"
        low, high = self.interval
        return Note(
            title="The temperature that would fix it",
            text=(
                f"Fitted on {self.fitted} inputs, logits divided by {self.temperature:.3g}"
                f" ({plain_percent(level)} interval {low:.3g} to {high:.3g}) have the highest"
                f" likelihood, {says}. On the other {self.n} inputs the calibration error is"
                f" {self.before.error:.4f} before and {self.after.error:.4f} after it; a perfectly"
                f" calibrated model would show {null.mean():.4f} there on average. No prediction"
                " changes: a temperature keeps the order of the classes."
            ),
        )


def scaled(log_probs: Floats, ids: Sequence[str], context: Context, *, bins: int) -> Scaled | str:
    """Return the temperature and what it does, or why there is none.

    Parameters
    ----------
    log_probs : ndarray
        (n, k); a temperature is the same for them as for the logits.
    ids : sequence of str
        The inputs.
    context : Context
        Labels, level and the seed that halves the inputs.
    bins : int
        Of the calibration errors.
    """
    if len(ids) < FEWEST:
        return f"{count(len(ids), 'input')}: too few to fit on one half and measure on the other"
    half = half_of(ids, context.seed, "calibration-error")
    fit, rest = np.flatnonzero(half), np.flatnonzero(~half)
    labels = context.data.labels
    if (log_probs[fit].argmax(axis=1) == labels[fit]).all():
        return f"all {len(fit)} inputs it is fitted on are right: the surer, the likelier"
    temperature = best_temperature(log_probs[fit], labels[fit])
    interval = temperature_interval(
        temperature, *slopes(log_probs[fit], labels[fit], temperature), level=context.level
    )
    if not BOUNDS[0] < temperature < BOUNDS[1] or interval.high > MOST:
        return f"the {len(fit)} inputs it is fitted on do not say what it should be"
    before = log_probs[rest]
    after = log_probabilities(before / temperature)
    correct = before.argmax(axis=1) == labels[rest]
    confidence = np.exp(after.max(axis=1))
    return Scaled(
        temperature=temperature,
        interval=interval,
        fitted=len(fit),
        before=reliability(np.exp(before.max(axis=1)), correct, bins=bins),
        after=reliability(confidence, correct, bins=bins),
        confidence=confidence,
        saved=log_losses(before, labels[rest]) - log_losses(after, labels[rest]),
    )
