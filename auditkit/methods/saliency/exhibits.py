"""Maps of one input as a row of a gallery."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from auditkit.findings import ImageRow, Panel, TextRow, Token
from auditkit.methods.pictures import heatmap, picture
from auditkit.methods.saliency.probes import ImageProbe, Map, TextProbe
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


def text_row(
    row_id: str, caption: str, probe: TextProbe, one: Map, relevant: Bools | None
) -> TextRow:
    """Return a text whose tokens carry their share of the largest score."""
    finite = np.nan_to_num(one.scores, nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(np.abs(finite).max(initial=0.0)) or 1.0
    gold = np.zeros(len(finite), dtype=np.bool_) if relevant is None else relevant
    tokens: list[Token] = []
    done = 0
    for (_, stop), score, is_gold in zip(probe.spans, finite, gold, strict=True):
        weight = float(f"{score / largest:.4g}")
        tokens.append(Token(text=probe.text[done:stop], weight=weight, gold=bool(is_gold)))
        done = max(done, stop)
    if probe.text[done:]:
        tokens.append(Token(text=probe.text[done:]))  # beyond the length that the model reads
    return TextRow(id=row_id, caption=caption, tokens=tokens)
