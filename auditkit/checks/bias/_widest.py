"""Which gap stands for a check: the one that may be the widest."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.findings import Finding


def widest(findings: Sequence[Finding], metric: str) -> str | None:
    """Return the id of the finding of a metric whose interval reaches highest, if one has any."""
    ends = {one.id: one.high for one in findings if one.metric == metric and one.high is not None}
    return max(ends, key=lambda id_: ends[id_], default=None)
