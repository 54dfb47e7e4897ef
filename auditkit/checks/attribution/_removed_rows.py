"""One input beside what is left of it, as a row of a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from auditkit.checks.galleries import answer
from auditkit.findings import ImageRow, Panel, TextRow, Token
from auditkit.methods.pictures import heatmap, picture
from auditkit.methods.saliency.probes.base import Probe
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.row import RowProbe
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.types import Bools


def removed_row(
    row_id: str,
    probe: Probe,
    sets: Mapping[str, Bools],
    classes: Sequence[str],
    relevant: Bools | None,
) -> ImageRow | TextRow:
    """Return an input with the answers before and after each set of its parts (u,) is removed.

    Texts, rows and graphs show the first set alone.
    """
    none = np.zeros(probe.units, dtype=np.bool_)
    logits = probe.without(np.stack([none, *sets.values()]))
    before, *after = (answer(classes, one) for one in logits)
    said = [
        f"{int(removed.sum())} of {probe.units} {probe.parts} removed ({name}): {now}"
        for (name, removed), now in zip(sets.items(), after, strict=True)
    ]
    if isinstance(probe, ImageProbe):
        caption = f"Whole: {before}. {'. '.join(said)}."
        return ImageRow(id=row_id, caption=caption, panels=_panels(probe, sets, relevant))
    caption = f"Whole: {before}. {said[0]}."
    return TextRow(
        id=row_id, caption=caption, tokens=_tokens(probe, next(iter(sets.values())), relevant)
    )


def _panels(probe: ImageProbe, sets: Mapping[str, Bools], relevant: Bools | None) -> list[Panel]:
    bounds = probe.model.bounds
    panels: list[Panel] = [picture(probe.image, bounds, "input")]
    for name, removed in sets.items():
        hidden = torch.from_numpy(probe.spread(removed.astype(np.float64)) > 0)
        left = torch.where(hidden.to(probe.image.device), probe.reference, probe.image)
        panels.append(picture(left, bounds, f"without {name}"))
        panels.append(picture(hidden[None].double(), (0.0, 1.0), f"{name}, white"))
    if relevant is not None:
        region = torch.from_numpy(relevant.astype(np.float64))
        panels.append(heatmap(region, "what truly matters", signed=False))
    return panels


def _tokens(probe: Probe, removed: Bools, relevant: Bools | None) -> list[Token]:
    """Return the parts, the removed ones with what stands there instead."""
    gold = np.zeros(probe.units, dtype=np.bool_) if relevant is None else relevant
    tokens = [
        Token(text=new, was=piece, gold=bool(is_gold))
        if gone
        else Token(text=piece, gold=bool(is_gold))
        for piece, new, gone, is_gold in zip(
            probe.pieces(), _instead(probe), removed, gold, strict=True
        )
    ]
    if isinstance(probe, TextProbe) and probe.rest:
        tokens.append(Token(text=probe.rest))  # beyond the length that the model reads
    return tokens


def _instead(probe: Probe) -> list[str]:
    """Return what stands in the place of each removed part, in words."""
    match probe:
        case TextProbe():
            return [f"{' ' * piece.startswith(' ')}[UNK]" for piece in probe.pieces()]
        case RowProbe():
            return replace(probe, row=probe.reference).pieces()
        case _:
            return ["(taken out) "] * probe.units
