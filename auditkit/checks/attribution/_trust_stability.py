"""How far does a map change with the weights, the input, the draw and the reference?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditkit.checks.attribution._trust_maps import Explained
from auditkit.checks.attribution._trust_removal import ranks
from auditkit.methods.metrics.rank_correlation import rank_correlation
from auditkit.methods.saliency.catalogue import METHODS, map_of
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.types import Floats


def dependence(
    probe: Probe, units: Mapping[str, Floats], others: Mapping[str, Map]
) -> dict[str, float]:
    """Return how like the maps of a random model the maps (u,) are, over parts that show."""
    there = probe.differs()
    return {
        f"randomisation_similarity/{name}": rank_correlation(
            np.abs(units[name])[there], np.abs(probe.per_unit(other.scores))[there]
        )
        for name, other in others.items()
        if ranks(units[name])
    }


def stability(
    one: Explained, probe: Probe, maps: Mapping[str, Map], *, neighbours: int
) -> dict[str, float]:
    """Return how far maps change with the input, the draw and the reference."""
    effort, again, other = one.spending(0), one.spending(2), probe.otherwise()
    nearby = probe.near(one.key("near"), neighbours)
    found: dict[str, float] = {}
    for name in one.methods:
        scores, method = maps[name].scores, METHODS[name]
        if not ranks(scores):
            continue
        if nearby:
            moved = [map_of(near, name, effort).scores for near in nearby]
            farthest = max(float(np.linalg.norm(near - scores)) for near in moved)
            found[f"max_sensitivity/{name}"] = farthest / float(np.linalg.norm(scores))
        units = probe.per_unit(scores)
        if method.draws:
            redrawn = probe.per_unit(map_of(probe, name, again).scores)
            found[f"seed_similarity/{name}"] = rank_correlation(units, redrawn)
        if method.reference and other is not None:
            elsewhere = other.per_unit(map_of(other, name, effort).scores)
            found[f"reference_similarity/{name}"] = rank_correlation(units, elsewhere)
    return found


def alike(units: Mapping[str, Floats]) -> dict[str, float]:
    """Return how alike every two maps of one input order its parts."""
    names = list(units)
    return {
        f"agreement/{a}/{b}": rank_correlation(np.abs(units[a]), np.abs(units[b]))
        for k, a in enumerate(names)
        for b in names[k + 1 :]
        if ranks(units[a]) and ranks(units[b])
    }
