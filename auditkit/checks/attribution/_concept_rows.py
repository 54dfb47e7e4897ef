"""One input and the same with each concept, as a row of a gallery."""

from __future__ import annotations

import re

import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._concept_trials import Trials, luck
from auditkit.checks.base import Example
from auditkit.checks.galleries import answer
from auditkit.findings import ImageRow, Panel, TextRow, Token
from auditkit.methods.pictures import picture


def example(sample: Artifacts, trials: Trials, i: int) -> Example:
    """Return an image with all concepts, or a text with the one that moves it most.

    Input i of the sample must be one of those that may be shown.
    """
    most = max(trials.effects, key=lambda name: float(abs(trials.effects[name][i]).sum()))
    classes, clean = sample.classifier.classes, sample[Predictions]
    now = clean.logits[i].softmax(dim=0) + torch.from_numpy(trials.effects[most][i])
    caption = (
        f"{answer(classes, clean.logits[i])}; moved most by {most}:"
        f" {answer(classes, now.clamp_min(1e-30).log())}."
    )
    place = trials.shown[i]
    if sample.classifier.modality == "text":
        row: ImageRow | TextRow = TextRow(
            id=sample.ids[i], caption=caption, tokens=_tokens(trials, most, place)
        )
    else:
        bounds = sample.image_model.bounds
        panels: list[Panel] = [picture(sample.images[i], bounds, "input")]
        for name, change in trials.changes.items():
            assert not isinstance(change.present, list)  # images
            panels.append(picture(change.present[place], bounds, name))
        row = ImageRow(id=sample.ids[i], caption=caption, panels=panels)
    return Example(gallery="random", score=float(luck(sample)[i]), row=row)


def _tokens(trials: Trials, concept: str, place: int) -> list[Token]:
    """Return the text with the word that was put in."""
    change = trials.changes[concept]
    word, text = change.words[place], str(change.present[place])
    pieces = re.split(rf"((?<!\w){re.escape(word)}(?!\w))", text, maxsplit=1)
    return [Token(text=one, was="" if one == word else None) for one in pieces if one]
