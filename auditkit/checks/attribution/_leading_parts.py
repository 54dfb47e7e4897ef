"""Which words or columns lead the maps of each group of inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution._probes import probe_of
from auditkit.findings import Table
from auditkit.methods.saliency.catalogue import Effort, map_of
from auditkit.methods.saliency.probes.row import RowProbe
from auditkit.randomness import keys_of
from auditkit.types import Bools, Ints, Scalar, Strings

LEADING = 3  # parts of one input
_SHOWN = 8  # parts of one table
_BETWEEN = "\x1f"


def leading_parts(artifacts: Artifacts, i: int) -> str:
    """Return the words or columns of input i of a shard that speak most for its class, in one line.

    Occlusion makes the map: it needs no gradients.
    """
    probe = probe_of(artifacts, i, grid=2)
    if probe.units == 0:
        return ""
    key = keys_of(artifacts.seed, "leading parts", artifacts.ids[i : i + 1])
    scores = map_of(probe, "occlusion", Effort(steps=1, copies=1, sets=2, key=key)).scores
    if isinstance(probe, RowProbe):
        names = [one.name for one in probe.model.schema.features]
    else:
        names = [one.strip().lower() for one in probe.pieces()]
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    best = [names[j] for j in order.tolist() if scores[j] > 0 and names[j]]
    return _BETWEEN.join(list(dict.fromkeys(best))[:LEADING])


def leading_table(
    column: str,
    groups: Sequence[str],
    codes: Ints,
    leading: Strings,
    known: Bools,
    *,
    minimum_n: int,
) -> Table | None:
    """Return how often each part is among the leading ones of a group's inputs.

    The parts whose shares differ most between two groups come first.

    Parameters
    ----------
    column : str
        What divides the inputs.
    groups : sequence of str
        Its g groups.
    codes : ndarray
        (n,) the group of each input.
    leading : ndarray
        (n,) what `leading_parts` returns.
    known : ndarray
        (n,) bool, which inputs were explained.
    minimum_n : int
        Fewest explained inputs of a group that is listed; None comes back where fewer than two
        groups have so many.
    """
    here = [g for g in range(len(groups)) if (known & (codes == g)).sum() >= minimum_n]
    if len(here) < 2:
        return None
    counts = [_counts(leading[known & (codes == g)]) for g in here]
    sizes = [int((known & (codes == g)).sum()) for g in here]
    parts = {part: [one[part] / n for one, n in zip(counts, sizes, strict=True)]
             for part in sorted(set().union(*counts))}  # fmt: skip
    order = sorted(parts, key=lambda part: (-float(np.ptp(parts[part])), part))[:_SHOWN]
    rows: list[list[Scalar]] = [
        [part, *(round(share, 3) for share in parts[part])] for part in order
    ]
    labels = [f"{groups[g]} (n = {n})" for g, n in zip(here, sizes, strict=True)]
    return Table(
        title=f"Share of inputs in which a part is among the {LEADING} that speak most for the"
        f" answer, by {column}: the {len(rows)} parts that differ most of {len(parts)}; differences"
        " are not tested",
        columns=["part", *labels],
        rows=rows,
        units={"share": labels},
    )


def _counts(lines: Strings) -> Counter[str]:
    return Counter(part for line in lines.tolist() if line for part in str(line).split(_BETWEEN))
