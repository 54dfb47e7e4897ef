"""The probe of one input of a shard, whatever it is, and the key of what is drawn for it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.memory import bytes_per_input, fitting_batch
from auditkit.methods.saliency.catalogue import METHODS, Effort, map_of
from auditkit.methods.saliency.eager import eager
from auditkit.methods.saliency.probes.base import Probe
from auditkit.methods.saliency.probes.graph import GraphProbe
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.row import RowProbe, usual_row
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.methods.saliency.reference import Reference, reference_images
from auditkit.methods.saliency.superpixels import superpixels
from auditkit.randomness import keys_of
from auditkit.types import Floats, Keys

_USUAL = 200  # rows whose medians stand in for removed columns
_OTHERS = 8  # inputs of the data that expected gradients start from
_MEMORY = 2 << 30  # bytes that the answers and slopes of one batch may take


Parts: TypeAlias = Literal["cells", "superpixels"]
PARTS: tuple[Parts, ...] = ("cells", "superpixels")


def probe_of(
    artifacts: Artifacts,
    i: int,
    *,
    grid: int,
    reference: Reference = "mean",
    parts: Parts = "cells",
) -> Probe:
    """Return the probe of input i of a shard, for the class that the model predicts.

    Parameters
    ----------
    artifacts : Artifacts
        The shard.
    i : int
        Place in the shard.
    grid : int
        Images: cells along the longer side.
    reference : {"mean", "low", "middle", "high"}
        Images: what stands in for removed cells.
    parts : {"cells", "superpixels"}
        Images: what they are cut into.
    """
    target = int(artifacts[Predictions].predicted[i])
    batch_size = _batch_size(artifacts)
    match artifacts.classifier.modality:
        case "text":
            return TextProbe(
                model=artifacts.text_model,
                text=artifacts.texts[i],
                target=target,
                batch_size=batch_size,
            )
        case "tabular":
            return RowProbe(
                model=artifacts.table_model,
                row=_tensor(artifacts, i),
                reference=_usual(artifacts),
                target=target,
                batch_size=batch_size,
            )
        case "graph":
            return GraphProbe(
                model=artifacts.graph_model,
                graph=_tensor(artifacts, i),
                target=target,
                batch_size=batch_size,
            )
        case "image":
            model, image = artifacts.image_model, artifacts.images[i]
            side = -(-max(image.shape[1:]) // grid)
            cut = parts == "superpixels"
            return ImageProbe(
                model=model,
                image=image,
                reference=reference_images(image[None], model.bounds, reference)[0],
                target=target,
                side=side,
                batch_size=batch_size,
                segments=superpixels(image, side=side, bounds=model.bounds) if cut else None,
            )


def others_of(artifacts: Artifacts, check: str) -> Tensor | None:
    """Return points (8, ...) of inputs of the data, from which expected gradients start.

    None where inputs differ in shape, so that there is no such method.
    """
    if artifacts.classifier.modality not in METHODS["expected-gradients"].modalities:
        return None
    some = artifacts.sample(f"{check} references", _OTHERS).inputs
    assert isinstance(some, Tensor)
    return (
        artifacts.table_model.encode(some) if artifacts.classifier.modality == "tabular" else some
    )


def key_for(artifacts: Artifacts, check: str, purpose: str, i: int) -> Keys:
    """Return the key (1,) of what a check draws for one purpose and input i of a shard."""
    return keys_of(artifacts.seed, f"{check} {purpose}", artifacts.ids[i : i + 1])


def shares_of_maps(
    pool: Artifacts, shape: tuple[int, ...], *, grid: int, effort: Effort, method: str
) -> Floats:
    """Return each input's map as shares of its attribution (n, *shape), zero where it has none."""
    shares = np.zeros((len(pool), *shape))
    for i in range(len(pool)):
        sizes = np.abs(map_of(probe_of(pool, i, grid=grid), method, effort).scores)
        total = sizes.sum()
        if np.isfinite(total) and total > 0:
            shares[i] = sizes / total
    return shares


def _batch_size(artifacts: Artifacts) -> int:
    """Return the run's batch size, or the largest share of it whose slopes fit into 2 GiB."""
    most, model = artifacts.execution.batch_size, artifacts.classifier
    if not model.differentiable:  # it runs elsewhere, and is asked no more than needed
        return most

    def fitting() -> int:
        some = artifacts.at(np.arange(min(2, len(artifacts.data))))
        with eager():
            per_input = bytes_per_input(model, some.inputs)
        return fitting_batch(_MEMORY, per_input, used=0, most=most)

    return artifacts.once("batch size of maps", fitting)


def _tensor(artifacts: Artifacts, i: int) -> Tensor:
    one = artifacts.inputs[i]
    assert isinstance(one, Tensor)
    return one


def _usual(artifacts: Artifacts) -> Tensor:
    """Return the medians and most frequent categories of a sample of the rows."""

    def row() -> Tensor:
        rows = artifacts.sample("usual row", _USUAL).inputs
        assert isinstance(rows, Tensor)
        features = artifacts.table_model.schema.features
        return usual_row(rows, [one.kind == "numeric" for one in features])

    return artifacts.once("usual row", row)
