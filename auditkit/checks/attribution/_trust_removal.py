"""Does the class's probability follow the scores as parts are removed?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditkit.checks.attribution._trust_maps import Explained
from auditkit.methods.metrics.deletion import area_under, deletion_order, removals
from auditkit.methods.metrics.erasure import comprehensiveness, rationales, sufficiency
from auditkit.methods.metrics.infidelity import scaled_infidelity
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
    falling, last, random = _curves(probe, units, orders, steps)
    rising = last[:, ::-1]  # putting back the highest scores first, seen from the end
    chance = random.mean(axis=0)
    found = _columns("deletion", CHANCE, chance) | _columns("insertion", CHANCE, chance[::-1])
    sets = _halves(uniform(one.key("sets"), (RANDOM_SETS, probe.units))[0])
    mixed = _sets(uniform(one.key("mixed sets"), (RANDOM_SETS, probe.units + 1))[0])
    falls = _falls(probe, np.concatenate([sets, mixed]))
    falls, mixed_falls = falls[:RANDOM_SETS], falls[RANDOM_SETS:]
    for (name, scores), fall, rise in zip(units.items(), falling, rising, strict=True):
        if not ranks(scores):
            continue
        found |= _columns("deletion", name, fall) | _columns("insertion", name, rise)
        found[f"deletion_gain/{name}"] = float(area_under(chance) - area_under(fall))
        found[f"insertion_gain/{name}"] = float(area_under(rise) - area_under(chance))
        found[f"set_correlation/{name}"] = set_correlation(scores, sets, falls)
        found[f"infidelity/{name}"] = scaled_infidelity(scores, mixed, mixed_falls)
    return found


def road(
    one: Explained, probe: Probe, units: Mapping[str, Floats], *, steps: int
) -> dict[str, float]:
    """Return the gains where removed parts are guessed from the others, if they can be."""
    guessing = probe.imputed(one.key("imputation"))
    if guessing is None:
        return {}
    orders = uniform(one.key("orders"), (RANDOM_ORDERS, probe.units))[0]
    ranked = {name: scores for name, scores in units.items() if ranks(scores)}
    first, last, random = map(area_under, _curves(guessing, ranked, orders, steps))
    chance = float(random.mean())
    found: dict[str, float] = {}
    for name, first_area, last_area in zip(ranked, first, last, strict=True):
        found[f"road_morf_gain/{name}"] = chance - float(first_area)
        found[f"road_lerf_gain/{name}"] = float(last_area) - chance
    return found


def erasure(probe: Probe, units: Mapping[str, Floats]) -> dict[str, float]:
    """Return what the answer loses without the highest scores, and what it loses with only them."""
    chosen = {name: rationales(scores) for name, scores in units.items() if ranks(scores)}
    if not chosen:
        return {}
    first = np.stack(list(chosen.values()))  # (maps, shares, u)
    removed = np.concatenate([first, ~first], axis=1).reshape(-1, probe.units)
    removed = np.concatenate([np.zeros((1, probe.units), dtype=np.bool_), removed])
    whole, *rest = probe.probabilities(removed)
    answers = np.reshape(rest, (len(chosen), 2, -1))
    found: dict[str, float] = {}
    for name, (without, alone) in zip(chosen, answers, strict=True):
        found[f"comprehensiveness/{name}"] = comprehensiveness(float(whole), without)
        found[f"sufficiency/{name}"] = sufficiency(float(whole), alone)
    return found


def _falls(probe: Probe, sets: Bools) -> Floats:
    """Return how far the class score falls without each set (m, u)."""
    none = np.zeros((1, probe.units), dtype=np.bool_)
    scores = probe.scores(np.concatenate([none, sets]))
    return scores[0] - scores[1:]


def _sets(draws: Floats) -> Bools:
    """Return sets (m, u) of one unit to a quarter of them, from draws (m, u + 1).

    Of larger sets any sum grows with the fall, whatever the scores are.
    """
    share, units = draws[:, -1:] / 4, draws.shape[1] - 1
    return draws[:, :-1].argsort(axis=1).argsort(axis=1) < np.ceil(share * units)


def _halves(draws: Floats) -> Bools:
    """Return sets of half of the units each, (m, u), from draws of that shape."""
    return draws.argsort(axis=1).argsort(axis=1) < draws.shape[1] // 2


def _curves(
    probe: Probe, units: Mapping[str, Floats], orders: Floats, steps: int
) -> tuple[Floats, Floats, Floats]:
    """Return the probability after each step of removal.

    Of maps (maps, steps + 1) with the highest scores first, of maps with the lowest first, and of
    random orders. All are asked for at once: every curve begins and ends with the same inputs.
    """
    scores = [*units.values(), *(-one for one in units.values()), *orders]
    removed = np.stack([removals(deletion_order(one), steps) for one in scores])
    flat = removed.reshape(-1, removed.shape[2])
    curves = probe.probabilities(flat).reshape(removed.shape[:2])
    first, last, random = np.split(curves, (len(units), 2 * len(units)))
    return first, last, random


def _columns(curve: str, name: str, values: Floats) -> dict[str, float]:
    return {f"{curve}/{name}/{step}": float(value) for step, value in enumerate(values)}
