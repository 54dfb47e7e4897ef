"""How fast does a map leave the original as layers are randomised from the output down?"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from auditkit.checks.attribution._trust_maps import CHECK, Explained
from auditkit.checks.attribution._trust_stability import dependence
from auditkit.methods.saliency.layer_order import layer_order
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.types import Floats

STAGES = 4  # in which all layers are randomised


def cascade(
    one: Explained, probe: Probe, units: Mapping[str, Floats], others: Mapping[str, Map]
) -> dict[str, float]:
    """Return the similarity to the original map after each stage, and the mean over stages.

    Parameters
    ----------
    one, probe : Explained, Probe
        The input.
    units : mapping of str to ndarray
        (u,) score of each unit, by map.
    others : mapping of str to Map
        The maps of the model with all weights random, which is the last stage.
    """
    layers = one.artifacts.once(
        (CHECK, "layers"),
        lambda: layer_order(one.artifacts.classifier.module, lambda: probe.logits(probe.point)),
    )
    found: dict[str, float] = {}
    similar: dict[str, float] = {}
    reached = 0
    for stage in range(1, STAGES + 1):
        depth = ceil(stage * len(layers) / STAGES)  # layers, counted from the output
        if depth > reached:
            names = {name for layer in layers[len(layers) - depth :] for name in layer}
            maps = others if depth == len(layers) else one.maps_of_random_model(names)
            similar, reached = dependence(probe, units, maps), depth
        for column, value in similar.items():
            found[f"cascade/{column.partition('/')[2]}/{stage}"] = value
    for name in units:
        stages = [found.get(f"cascade/{name}/{stage}", np.nan) for stage in range(1, STAGES + 1)]
        found[f"cascading_similarity/{name}"] = float(np.mean(stages))
        found[f"cascade/{name}/0"] = 1.0 if np.isfinite(stages).all() else np.nan
    return found
