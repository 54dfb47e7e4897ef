"""What the checks that prove share: certified below, attacked above, on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.checks.base import Check
from auditkit.findings import Curve, Finding, Metric, Series
from auditkit.statistics import clopper_pearson
from auditkit.types import Floats, Params

CONTRADICTED = "certified_but_attacked"


def kept(certified: Floats, flips: Floats, radius: float) -> tuple[int, int]:
    """Return how many inputs are certified at a radius, and how many no attack changed there.

    Parameters
    ----------
    certified : ndarray
        (n,) largest radius proved; -1 where the answer is wrong.
    flips : ndarray
        (n,) smallest radius at which an attack succeeded: 0 wrong as it stands, inf never.
    radius : float
        0 counts right answers.
    """
    return int((certified >= radius).sum()), int((flips > radius).sum())


def bracket(
    check: Check,
    certified: Floats,
    flips: Floats | None,
    radii: Sequence[float],
    *,
    name: str,
    swept: Params,
    evidence: Sequence[str],
    controls: Sequence[str],
    level: float,
) -> list[Finding]:
    """Return certified and, where there is an attack, empirical robust accuracy at every radius."""
    findings: list[Finding] = []
    for radius in radii:
        proved, held = kept(certified, certified if flips is None else flips, radius)
        counts = {"certified_accuracy": proved} | (
            {} if flips is None else {"robust_accuracy": held}
        )
        findings += [
            check.share(
                metric,
                count,
                n=len(certified),
                swept={**swept, name: radius},
                evidence=evidence,
                controls=controls,
                level=level,
            )
            for metric, count in counts.items()
        ]
    return findings


def bracket_curve(
    certified: Floats,
    flips: Floats | None,
    radii: Sequence[float],
    *,
    title: str,
    x_label: str,
    level: float,
) -> Curve:
    """Return both accuracies over the radius on one axis, from 0, which is clean accuracy."""
    x = [0.0, *map(float, radii)]
    counts = [kept(certified, certified if flips is None else flips, one) for one in x]
    series = [_series("certified, at least", x, [one for one, _ in counts], len(certified), level)]
    if flips is not None:
        upper = [one for _, one in counts]
        series.append(_series("under attack, at most", x, upper, len(certified), level))
    return Curve(title=title, x_label=x_label, y_label="robust accuracy", series=series)


def _series(name: str, x: list[float], counts: list[int], n: int, level: float) -> Series:
    ends = [clopper_pearson(count, n, level=level) for count in counts]
    return Series(
        name=name,
        x=x,
        y=[count / n for count in counts],
        low=[one.low for one in ends],
        high=[one.high for one in ends],
    )


def contradicted(
    check: Check, certified: Floats, flips: Floats, *, swept: Params, level: float
) -> Finding:
    """Return the control that counts inputs that fell within the radius proved for them."""
    count = int(((flips > 0) & (flips <= certified)).sum())
    return check.share(CONTRADICTED, count, n=len(certified), swept=swept, level=level)


def certified_accuracy(of: str) -> Metric:
    """Return the metric of what is proved, of the classifier that is meant."""
    return Metric(
        label="certified accuracy",
        definition="Share of the examined inputs that are classified correctly and for which it is"
        f" proved that no change within the radius makes {of} answer otherwise. A lower"
        " bound: more may hold than can be proved.",
        unit="share",
        better="higher",
    )
