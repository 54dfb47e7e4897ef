"""Which inputs a check shows, and how they stand in the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from auditkit.checks.base import GALLERY_SIZE, Records
from auditkit.findings import Evidence, ImageExhibit, ImageRow, Selection, TextExhibit, TextRow
from auditkit.percent import percent
from auditkit.types import Bools, Floats


def shown(
    ids: Sequence[str], scores: Mapping[str, Floats], eligible: Bools
) -> Iterator[tuple[str, int, float]]:
    """Yield (gallery, position, score) of the inputs that this shard offers for showing."""
    for gallery, score in scores.items():
        candidates = [(-float(score[i]), ids[i], i) for i in np.flatnonzero(eligible).tolist()]
        for negative, _, i in sorted(candidates)[:GALLERY_SIZE]:
            yield gallery, i, -negative


def galleries(records: Records, titles: Mapping[Selection, str]) -> dict[str, Evidence]:
    """Return the galleries that have rows, by the name they have in the records."""
    found: dict[str, Evidence] = {}
    for selection, title in titles.items():
        if rows := records.gallery(selection):
            found[selection] = exhibit(title, selection, rows)
    return found


def exhibit(
    title: str, selection: Selection, rows: Sequence[ImageRow | TextRow]
) -> ImageExhibit | TextExhibit:
    """Return rows of one kind, images or texts, as a gallery."""
    images = [row for row in rows if isinstance(row, ImageRow)]
    if images:
        return ImageExhibit(title=title, selection=selection, rows=images)
    texts = [row for row in rows if isinstance(row, TextRow)]
    return TextExhibit(title=title, selection=selection, rows=texts)


def answer(classes: Sequence[str], logits: Tensor) -> str:
    """Return the winning class and its probability in words."""
    probability, winner = torch.softmax(logits, dim=0).max(dim=0)
    return f"{classes[int(winner)]} ({percent(float(probability))})"
