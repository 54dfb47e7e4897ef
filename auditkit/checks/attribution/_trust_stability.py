"""How far does a map change with the weights, the input, the draw and the reference?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from auditkit.checks.attribution._trust_maps import Explained
from auditkit.checks.attribution._trust_removal import ranks
from auditkit.methods.metrics.max_sensitivity import max_sensitivity
from auditkit.methods.metrics.output_stability import relative_output_stability
from auditkit.methods.metrics.rank_correlation import rank_correlation, rank_correlations
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
    logits = _logits([probe, *nearby]) if nearby else np.empty(0)
    found: dict[str, float] = {}
    for name in one.methods:
        scores, method = maps[name].scores, METHODS[name]
        if not ranks(scores):
            continue
        units = probe.per_unit(scores)
        if nearby:
            moved = [map_of(near, name, effort).scores for near in nearby]
            found[f"max_sensitivity/{name}"] = max_sensitivity(scores, np.stack(moved))
            moved_units = np.stack([probe.per_unit(near) for near in moved])
            found[f"relative_output_stability/{name}"] = relative_output_stability(
                units, moved_units, logits[0], logits[1:]
            )
        if method.draws:
            redrawn = probe.per_unit(map_of(probe, name, again).scores)
            found[f"seed_similarity/{name}"] = rank_correlation(units, redrawn)
        if method.reference and other is not None:
            elsewhere = other.per_unit(map_of(other, name, effort).scores)
            found[f"reference_similarity/{name}"] = rank_correlation(units, elsewhere)
    return found


def _logits(probes: Sequence[Probe]) -> Floats:
    whole = [np.zeros((1, probe.units), dtype=np.bool_) for probe in probes]
    answers = [one.without(none) for one, none in zip(probes, whole, strict=True)]
    return torch.cat(answers).numpy().astype(np.float64)


def alike(units: Mapping[str, Floats]) -> dict[str, float]:
    """Return how alike every two maps of one input order its parts."""
    names = [name for name, scores in units.items() if ranks(scores)]
    if not names:
        return {}
    values = rank_correlations(np.abs(np.stack([units[name] for name in names])))
    return {
        f"agreement/{a}/{b}": float(values[i, j])
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i < j
    }
