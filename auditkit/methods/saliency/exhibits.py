"""Maps of one input as a row of a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from auditkit.findings import ImageRow, Panel, TextRow, Token
from auditkit.methods.pictures import heatmap, picture
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.types import Bools


def words(method: str) -> str:
    """Return a method's id as words.

    Examples
    --------
    >>> words("integrated-gradients")
    'integrated gradients'
    """
    return method.replace("-", " ")


def image_row(
    row_id: str, caption: str, probe: ImageProbe, maps: Mapping[str, Map], relevant: Bools | None
) -> ImageRow:
    """Return an image, its maps and, where it is known, the region that truly matters."""
    panels: list[Panel] = [picture(probe.image, probe.model.bounds, "input")]
    panels += [
        heatmap(torch.from_numpy(one.scores), words(name), signed=one.signed)
        for name, one in maps.items()
    ]
    if relevant is not None:
        region = torch.from_numpy(relevant.astype(np.float64))
        panels.append(heatmap(region, "what truly matters", signed=False))
    return ImageRow(id=row_id, caption=caption, panels=panels)


def words_row(row_id: str, caption: str, probe: Probe, one: Map, relevant: Bools | None) -> TextRow:
    """Return tokens, columns or nodes that carry their share of the largest score."""
    finite = np.nan_to_num(one.scores, nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(np.abs(finite).max(initial=0.0)) or 1.0
    gold = np.zeros(len(finite), dtype=np.bool_) if relevant is None else relevant
    tokens = [
        Token(text=piece, weight=float(f"{score / largest:.4g}"), gold=bool(is_gold))
        for piece, score, is_gold in zip(probe.pieces(), finite, gold, strict=True)
    ]
    if isinstance(probe, TextProbe) and probe.rest:
        tokens.append(Token(text=probe.rest))  # beyond the length that the model reads
    return TextRow(id=row_id, caption=caption, tokens=tokens)


def before_and_after(
    row_id: str, caption: str, probes: Sequence[Probe], maps: Sequence[Map], was: Mapping[int, str]
) -> TextRow:
    """Return an input and behind it the changed one, each with its map.

    Parameters
    ----------
    row_id, caption : str
        Of the row.
    probes, maps : sequence
        Of both.
    was : mapping
        Places of the changed one that are others now, and what stood there.
    """
    tokens: list[Token] = []
    marks = ({}, was)
    for label, probe, found, changed in zip(
        ("Before: ", "\nAfter: "), probes, maps, marks, strict=True
    ):
        tokens.append(Token(text=label))
        for place, token in enumerate(words_row("", "", probe, found, None).tokens):
            tokens.append(token.model_copy(update={"was": changed.get(place)}))
    return TextRow(id=row_id, caption=caption, tokens=tokens)
