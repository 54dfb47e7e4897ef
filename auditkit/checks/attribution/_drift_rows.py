"""An input before a change, after it and after a random one, each with its map, to be shown."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._drift_texts import former_words
from auditkit.findings import ImageRow, Panel, TextRow
from auditkit.methods.corruptions.typos import Mistyped
from auditkit.methods.pictures import heatmap, picture
from auditkit.methods.saliency.exhibits import before_and_after
from auditkit.methods.saliency.probes.base import Map
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.text import TextProbe


def image_row(
    artifacts: Artifacts,
    i: int,
    probes: Sequence[ImageProbe],
    maps: Sequence[Map],
    ranks: Sequence[float],
) -> ImageRow:
    """Return image i of a shard, the changed one and its random twin, each with its map."""
    panels: list[Panel] = []
    for label, one, found in zip(("input", "changed", "random change"), probes, maps, strict=True):
        panels.append(picture(one.image, one.model.bounds, label))
        panels.append(heatmap(_by_cell(one, found), f"map, {label}", signed=found.signed))
    caption = _caption(artifacts, i, ranks)
    return ImageRow(id=artifacts.ids[i], caption=caption, panels=panels)


def text_row(
    artifacts: Artifacts,
    i: int,
    probes: Sequence[TextProbe],
    maps: Sequence[Map],
    ranks: Sequence[float],
    changed: Mistyped,
) -> TextRow:
    """Return text i of a shard and behind it the changed one, each with its map."""
    was = former_words(probes[1], changed)
    caption = _caption(artifacts, i, ranks)
    return before_and_after(artifacts.ids[i], caption, probes[:2], maps[:2], was)


def _by_cell(probe: ImageProbe, found: Map) -> Tensor:
    """Return a map as it is compared: one number per cell."""
    return torch.from_numpy(probe.spread(probe.per_unit(found.scores)))


def _caption(artifacts: Artifacts, i: int, ranks: Sequence[float]) -> str:
    classes = artifacts.classifier.classes
    predicted = classes[int(artifacts[Predictions].predicted[i])]
    label = artifacts.data.classes[int(artifacts.labels[i])]
    return (
        f"Answer each time: {predicted}; label: {label}. Rank correlation of the map with the one"
        f" before: {ranks[0]:.2f} after the change, {ranks[1]:.2f} after a random one."
    )
