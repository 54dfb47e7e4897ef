"""Does a map lie where the data says that it should?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditkit.checks.attribution._trust_removal import ranks
from auditkit.methods.metrics.localisation import relevance_mass, relevance_rank_accuracy
from auditkit.methods.saliency.probes.base import Map
from auditkit.types import Bools


def location(maps: Mapping[str, Map], relevant: Bools, *, is_text: bool) -> dict[str, float]:
    """Return how well each map of one input agrees with what truly matters."""
    if relevant.all() or not relevant.any():
        return {}
    found = {"relevant_share": float(relevant.mean())}
    for name, one in maps.items():
        scores = one.scores
        if not ranks(scores):
            continue
        if is_text:
            found[f"rationale_hit_rate/{name}"] = float(relevant[scores.argmax()])
        else:
            found[f"relevance_mass/{name}"] = relevance_mass(scores, relevant)
            found[f"relevance_rank_accuracy/{name}"] = relevance_rank_accuracy(scores, relevant)
            found[f"pointing_hit_rate/{name}"] = float(relevant.flat[np.abs(scores).argmax()])
    return found
