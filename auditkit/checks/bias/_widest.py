"""Which gap stands for a check: the one that may be the widest, or that surely is wide."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from auditkit.findings import Finding


def widest(findings: Sequence[Finding], metric: str) -> str | None:
    """Return the id of the finding of a metric whose interval reaches highest, if one has any."""
    ends = {one.id: one.high for one in findings if one.metric == metric and one.high is not None}
    return max(ends, key=lambda id_: ends[id_], default=None)


def surest(findings: Sequence[Finding], metrics: Collection[str]) -> str | None:
    """Return the id of the finding whose interval begins highest, if one begins above 0."""
    ends = {one.id: one.low for one in findings if one.metric in metrics and one.low}
    return max(ends, key=lambda id_: ends[id_], default=None)
