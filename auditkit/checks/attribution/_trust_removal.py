"""Does the class's probability follow the scores as parts are removed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from auditkit.checks.attribution._trust_maps import Explained
from auditkit.methods.metrics.deletion import area_under, deletion_order, removals
from auditkit.methods.metrics.set_correlation import set_correlation
from auditkit.methods.saliency.probes.base import Probe
from auditkit.randomness import uniform
from auditkit.types import Bools, Floats

CHANCE = "chance"  # the mean curve of a few random orders of removal
RANDOM_ORDERS = 4
RANDOM_SETS = 32  # of units that are removed together


def ranks(scores: Floats) -> bool:
    """Return whether scores order anything."""
    return bool(np.isfinite(scores).all() and scores.any())


def faithfulness(
    one: Explained, probe: Probe, units: Mapping[str, Floats], *, steps: int
) -> dict[str, float]:
    """Return the curves of removal of each map and the numbers they come to.

    Parameters
    ----------
    one, probe : Explained, Probe
        The input.
    units : mapping of str to ndarray
        (u,) score of each unit, by map.
    steps : int
        Points of a curve.
    """
    orders = uniform(one.key("orders"), (RANDOM_ORDERS, probe.units))[0]
    falling = _curves(probe, [*units.values(), *orders], steps)
    # Putting back the highest scores first is removing the lowest first, seen from the end.
    rising = _curves(probe, [-scores for scores in units.values()], steps)[:, ::-1]
    chance = falling[len(units) :].mean(axis=0)
    found = _columns("deletion", CHANCE, chance) | _columns("insertion", CHANCE, chance[::-1])
    sets = _halves(uniform(one.key("sets"), (RANDOM_SETS, probe.units))[0])
    falls = probe.scores(np.zeros((1, probe.units), dtype=np.bool_)) - probe.scores(sets)
    for (name, scores), fall, rise in zip(units.items(), falling, rising, strict=False):
        if not ranks(scores):
            continue
        found |= _columns("deletion", name, fall) | _columns("insertion", name, rise)
        found[f"deletion_gain/{name}"] = float(area_under(chance) - area_under(fall))
        found[f"insertion_gain/{name}"] = float(area_under(rise) - area_under(chance))
        found[f"set_correlation/{name}"] = set_correlation(scores, sets, falls)
    return found | _over_modelless(found)


def _halves(draws: Floats) -> Bools:
    """Return sets of half of the units each, (m, u), from draws of that shape."""
    return draws.argsort(axis=1).argsort(axis=1) < draws.shape[1] // 2


def _over_modelless(found: Mapping[str, float]) -> dict[str, float]:
    gains = {name: value for name, value in found.items() if name.startswith("deletion_gain/")}
    plain = gains.get("deletion_gain/modelless", np.nan)
    return {
        name.replace("deletion_gain", "gain_over_modelless"): value - plain
        for name, value in gains.items()
    }


def _curves(probe: Probe, scores: Sequence[Floats], steps: int) -> Floats:
    """Return the probability after each step, highest scores removed first, (maps, steps + 1)."""
    removed = np.stack([removals(deletion_order(one), steps) for one in scores])
    flat = removed.reshape(-1, removed.shape[2])
    return probe.probabilities(flat).reshape(removed.shape[:2])


def _columns(curve: str, name: str, values: Floats) -> dict[str, float]:
    return {f"{curve}/{name}/{step}": float(value) for step, value in enumerate(values)}
