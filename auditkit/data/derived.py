"""Slices that the inputs themselves define, for data that names no groups of people."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from auditkit.data.dataset import Batch
from auditkit.data.graphs import graph_quantities
from auditkit.data.schema import Schema
from auditkit.types import Bools, Floats


def derived_slices(
    inputs: Iterable[Batch],
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    schema: Schema | None = None,
) -> pd.DataFrame:
    """Return group names (n, columns): halves of the inputs by simple quantities.

    Images: brightness, contrast and ink (see `image_quantities`). Texts: length in words. Tables:
    unusualness and missing values (see `table_quantities`). Graphs: nodes, and edges per node. A
    quantity that is the same everywhere gives no column.

    Parameters
    ----------
    inputs : iterable of Batch
        All inputs in order, a batch at a time; none is kept, but for the rows of a table.
    bounds : (low, high)
        Range of a raw pixel.
    schema : Schema, optional
        Tables: what their columns mean.

    Examples
    --------
    >>> derived_slices([["so good", "good"]])["length"].tolist()
    ['high (>= 1.5)', 'low (< 1.5)']
    """
    if schema is not None:
        rows = [batch for batch in inputs if not isinstance(batch, list)]
        parts = [table_quantities(np.concatenate(rows), schema)]
    else:
        parts = [_quantities(batch, bounds) for batch in inputs]
    groups = {name: halves(np.concatenate([part[name] for part in parts])) for name in parts[0]}
    return pd.DataFrame({name: group for name, group in groups.items() if group is not None})


def _quantities(batch: Batch, bounds: tuple[float, float]) -> dict[str, Floats]:
    if isinstance(batch, list):
        return text_quantities(batch)
    return graph_quantities(batch) if batch.ndim == 3 else image_quantities(batch, bounds)


def text_quantities(texts: list[str]) -> dict[str, Floats]:
    """Return the length of each text in words, split at spaces."""
    return {"length": np.array([len(text.split()) for text in texts], dtype=np.float64)}


def image_quantities(images: Floats, bounds: tuple[float, float]) -> dict[str, Floats]:
    """Return numbers (n,) that describe images (n, c, h, w), each in [0, 1].

    With grey levels g, the mean of the channels scaled so that the bounds are 0 and 1: brightness
    is the mean of g, contrast its standard deviation, and ink the share of pixels that stand out:
    further from the median of the image's rim than half of the furthest pixel.
    """
    low, high = bounds
    grey = (images.astype(np.float64).mean(axis=1) - low) / (high - low)  # (n, h, w)
    distance = np.abs(grey - np.median(grey[:, _rim(grey.shape[1:])], axis=1)[:, None, None])
    furthest = distance.max(axis=(1, 2), keepdims=True)
    return {
        "brightness": grey.mean(axis=(1, 2)),
        "contrast": grey.std(axis=(1, 2)),
        "ink": (distance > furthest / 2).mean(axis=(1, 2)),
    }


def _rim(shape: tuple[int, ...]) -> Bools:
    rim = np.ones(shape, dtype=np.bool_)
    rim[1:-1, 1:-1] = False
    return rim


def table_quantities(rows: Floats, schema: Schema) -> dict[str, Floats]:
    """Return numbers (n,) that describe rows (n, c) among each other.

    Unusualness is a mean over the columns whose value is known, each between 0 and 1: how near a
    number is to the lowest or highest of the column, in ranks (0 is the median), and the share of
    rows that have another category. The other quantity is the number of missing values.
    """
    known = ~np.isnan(rows)
    unusual = np.zeros(rows.shape)
    for j, feature in enumerate(schema.features):
        values = rows[known[:, j], j]
        if len(values) == 0:
            continue
        distinct, where, counts = np.unique(values, return_inverse=True, return_counts=True)
        share = counts / len(values)
        if feature.kind == "categorical":
            score = 1 - share
        else:
            score = np.abs(2 * (np.cumsum(share) - share / 2) - 1)  # equal values share a rank
        unusual[known[:, j], j] = score[where] if len(distinct) > 1 else 0.0
    columns = known.sum(axis=1)
    return {
        "unusualness": unusual.sum(axis=1) / np.maximum(columns, 1),
        "missing values": (rows.shape[1] - columns).astype(np.float64),
    }


def halves(values: Floats) -> list[str] | None:
    """Return "low (< edge)" or "high (>= edge)" per value, or None where all values are equal.

    The edge is the median, rounded to as few digits as still leave both halves with inputs; the
    name states the edge that was used.
    """
    middle = float(np.median(values))
    above = values[values > values.min()]
    if len(above) == 0:
        return None
    for digits in (3, 6, 17):
        edge = float(f"{middle:.{digits}g}")
        low = values < edge
        if low.any() and not low.all():
            return _named(low, edge)
    edge = float(above.min())  # more than half of the inputs share the smallest value
    return _named(values < edge, edge)


def _named(low: Bools, edge: float) -> list[str]:
    text = f"{edge:.17g}" if float(f"{edge:.6g}") != edge else f"{edge:.6g}"
    return [f"low (< {text})" if one else f"high (>= {text})" for one in low]
