"""What the robustness checks share: findings, curve and galleries from the budget of each flip.

The flip budget of an input is the smallest change at which its answer became wrong: 0 where it is
wrong as it stands, infinity where no attack changed it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditkit.checks.base import Check, Records
from auditkit.errors import ConfigError
from auditkit.findings import (
    Curve,
    Finding,
    Metric,
    Series,
)
from auditkit.statistics import clopper_pearson
from auditkit.types import Floats

ROBUST_ACCURACY = Metric(
    label="robust accuracy",
    definition="Share of all inputs that are classified correctly and that no attack within the"
    " budget changed. An upper bound: a stronger attack can only lower it.",
    unit="share",
    better="higher",
)
ATTACK_SUCCESS_RATE = Metric(
    label="attack success rate",
    definition="Share of the correctly classified inputs whose answer an attack within the budget"
    " made wrong.",
    unit="share",
    better="lower",
)
ZERO_GRADIENT_SHARE = Metric(
    label="share of zero gradients",
    definition="Share of the correctly classified inputs whose loss gradient is zero everywhere or"
    " not finite, so that a gradient attack is blind there. A control of the attack, not a"
    " strength of the model.",
    unit="share",
    better="lower",
)


def ascending(check: str, name: str, values: Sequence[float], *, most: float) -> None:
    """Raise ConfigError unless the values are increasing, above 0 and at most `most`."""
    if not values or list(values) != sorted(set(values)) or not 0 < values[0] <= values[-1] <= most:
        limit = f"in (0, {most:g}]" if np.isfinite(most) else "above 0"
        raise ConfigError(
            f"{check}: {name} is {list(values)}, expected increasing values {limit}.",
            hint=f"Write for example {name} = [0.01, 0.05]: shares of the input range, 8/255 is"
            " 0.0314.",
        )


def curve_places(flips: Floats, budgets: Sequence[float]) -> list[float]:
    """Return where a curve is drawn: at budgets that were found, and at the listed ones."""
    found = np.unique(flips[(flips > 0) & np.isfinite(flips)])
    some = found[np.linspace(0, len(found) - 1, min(POINTS, len(found))).astype(int)]
    return sorted({*some.tolist(), *(float(one) for one in budgets)})


POINTS = 60  # of a curve, at most, besides the listed budgets


def zero_gradients(check: Check, records: Records, *, level: float) -> Finding:
    """Return the control that counts the correct inputs on which a gradient attack is blind."""
    blind = records["correct"] & ~records["usable_gradient"]
    return check.share(
        "zero_gradient_share", int(blind.sum()), n=records.count("correct"), level=level
    )


def robustness(
    check: Check,
    flips: Floats,
    budgets: Sequence[float],
    *,
    name: str,
    evidence: Sequence[str],
    controls: Sequence[str],
    level: float,
) -> list[Finding]:
    """Return robust accuracy and attack success rate at every budget."""
    n, right = len(flips), int((flips > 0).sum())
    findings: list[Finding] = []
    for budget in budgets:
        kept = int((flips > budget).sum())
        for metric, count, total in (
            ("robust_accuracy", kept, n),
            ("attack_success_rate", right - kept, right),
        ):
            finding = check.share(
                metric,
                count,
                n=total,
                swept={name: budget},
                evidence=evidence,
                controls=controls,
                level=level,
            )
            findings.append(finding)
    return findings


def at_the_middle_budget(findings: Sequence[Finding]) -> str:
    """Return the id of the robust accuracy that stands for a sweep over budgets."""
    swept = [one.id for one in findings if one.metric == "robust_accuracy"]
    return swept[len(swept) // 2]


def robustness_curve(
    flips: Floats, budgets: Sequence[float], *, title: str, x_label: str, level: float
) -> Curve:
    """Return robust accuracy over the budget, from 0, which is clean accuracy."""
    x = [0.0, *(float(one) for one in budgets)]
    kept = [int((flips > budget).sum()) for budget in x]
    ends = [clopper_pearson(count, len(flips), level=level) for count in kept]
    series = Series(
        name="robust accuracy",
        x=x,
        y=[count / len(flips) for count in kept],
        low=[one.low for one in ends],
        high=[one.high for one in ends],
    )
    return Curve(title=title, x_label=x_label, y_label="robust accuracy", series=[series])


def stepwise_scores(
    flips: Floats, budgets: Sequence[float], confidence: Floats, draws: Floats
) -> dict[str, Floats]:
    """Return a score per gallery and input (n,) where flips happen at few budgets.

    Worst is flipped by the smallest budget, most confidently; boundary by the largest, barely.
    """
    rank = np.searchsorted(np.asarray(budgets), flips)  # (n,)
    return {
        "worst": confidence - 2.0 * rank,
        "random": draws,
        "boundary": 2.0 * rank - confidence,
    }
