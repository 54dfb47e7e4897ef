"""How the maps of one input stand in the galleries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._probes import key_for
from auditkit.checks.attribution._trust_maps import CHECK, Explained
from auditkit.checks.base import Example
from auditkit.methods.saliency.exhibits import image_row, words, words_row
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.reference import Reference
from auditkit.percent import percent
from auditkit.randomness import uniform
from auditkit.types import Bools

_REFERENCES: dict[Reference, str] = {
    "mean": "its mean colour",
    "low": "the lowest value",
    "middle": "the middle value",
    "high": "the highest value",
}


def examples(
    one: Explained,
    probe: Probe,
    maps: Mapping[str, Map],
    relevant: Bools | None,
    found: Mapping[str, float],
) -> list[Example]:
    """Return one row for the random gallery and, where its gain is known, for the worst."""
    artifacts, i = one.artifacts, one.i
    first = next(iter(maps), None)
    if first is None:
        return []
    gain = found.get(f"deletion_gain/{first}")
    error = found.get(f"completeness_error/{first}", np.nan)
    row_id, caption = artifacts.ids[i], _caption(one, first, gain, error)
    if isinstance(probe, ImageProbe):
        row = image_row(row_id, caption, probe, maps, relevant)
    else:
        row = words_row(row_id, caption, probe, maps[first], relevant)
    luck = float(uniform(key_for(artifacts, CHECK, "gallery", i), (1,))[0, 0])
    rows = [Example(gallery="random", score=luck, row=row)]
    if gain is not None:
        rows.append(Example(gallery="worst", score=-gain, row=row))
    return rows


def _caption(one: Explained, method: str, gain: float | None, error: float) -> str:
    """Say what is explained, against which reference, how well, and by how much the sum misses."""
    artifacts, i = one.artifacts, one.i
    clean = artifacts[Predictions]
    predicted = artifacts.classifier.classes[int(clean.predicted[i])]
    label = artifacts.data.classes[int(artifacts.labels[i])]
    known = "undefined, the map is zero everywhere" if gain is None else f"{gain:+.3f}"
    missed = "" if np.isnan(error) else f"; completeness error: {_beyond_rounding(error)}"
    image = artifacts.classifier.modality == "image"
    reference = f" Reference: {_REFERENCES[one.reference]}." if image else ""
    return (
        f"Explained: {predicted} ({percent(float(clean.confidence[i]), 0)}); label: {label}."
        f" Deletion gain of {words(method)}: {known}{missed}.{reference}"
    )


def _beyond_rounding(share: float) -> str:
    """Return a share in percent, without the digits of rounding alone."""
    return percent(share) if share >= 0.001 else "under 0.1 %"
