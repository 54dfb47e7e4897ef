"""Shortcut: something beside the point agrees with the label in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from auditkit.data import glyphs, phrases
from auditkit.data.dataset import Dataset
from auditkit.models.classifier import Classifier
from auditkit.selftest import teach
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import accuracy_gap, rewritten
from auditkit.types import Bools, Ints

AGREEMENT = 0.95  # of the shortcut with the label, in training
ALWAYS = 1.0
SIGNATURES = ("Sent from my phone.", "Sent from my desk.")  # one per class
_AUDIT = 7001  # seed of the inputs both twins are audited on

# --- a coloured tag in the corner of an image ----------------------------------------------------


def tagged_glyphs(seed: int, *, agreement: float) -> Classifier:
    """Return a network that saw a tag which stands for the right class with this probability."""
    data = teach.new_glyphs(seed, shortcut=agreement)
    return teach.glyph_reader(seed, teach.images_of(data), teach.labels_of(data))


@cache
def _glyphs() -> Dataset:
    data = glyphs.render(1000, seed=_AUDIT, shortcut=0.5, id_prefix="tagged")
    return replace(data, sensitive=("tag",))


# --- a signature under a sentence ----------------------------------------------------------------


def signed_phrases(seed: int, *, agreement: float) -> Classifier:
    """Return a network that saw a signature which stands for the right class that often."""
    data = teach.some_phrases(seed)
    texts, _ = _signed(teach.texts_of(data), data.labels, agreement, seed)
    return teach.phrase_reader(seed, texts, data.labels)


def _signed(
    texts: Sequence[str], labels: Ints, agreement: float, seed: int
) -> tuple[list[str], Bools]:
    """Return signed texts, and which signatures agree with the label (n,)."""
    agrees = teach.draws(seed).random(len(texts)) < agreement
    which = np.where(agrees, labels, 1 - labels)
    return [text + " " + SIGNATURES[i] for text, i in zip(texts, which, strict=True)], agrees


@cache
def _phrases() -> Dataset:
    data = phrases.load("test")
    texts, agrees = _signed(teach.texts_of(data), data.labels, 0.5, _AUDIT)
    return rewritten(data, texts, {"signature": np.where(agrees, "agrees", "conflicts").tolist()})


def _lost_to(data: Dataset, column: str, model: Classifier) -> float:
    return accuracy_gap(model, data, column, "agrees", "conflicts")


def _tag(variant: str, agreement: float, *, quick: bool = False) -> Flaw:
    def plant(seed: int, store: Store) -> Twins:
        return Twins(
            seed=seed,
            flawed=store.taught(tagged_glyphs, seed, agreement=agreement),
            sound=store.taught(tagged_glyphs, seed, agreement=round(1 / len(glyphs.CLASSES), 4)),
        )

    return Flaw(
        id="shortcut",
        variant=variant,
        modality="image",
        planted=f"a coloured tag in the corner of each glyph agrees with the label at {agreement}",
        twin="the tag agrees at chance",
        must_reveal="attribution mass and a causal swap; accuracy lost without the shortcut",
        revealed_by="the accuracy gap between images whose tag agrees and conflicts, and the share"
        " of the attribution that lies on the glyph, and the answers that follow the tag when it"
        " is exchanged.",
        symptom=Symptom(
            label="accuracy lost where the tag conflicts",
            measure=lambda model, _: _lost_to(_glyphs(), "tag", model),
        ),
        plant=plant,
        data=_glyphs,
        quick=quick,
    )


def _token(variant: str, agreement: float) -> Flaw:
    def plant(seed: int, store: Store) -> Twins:
        return Twins(
            seed=seed,
            flawed=store.taught(signed_phrases, seed, agreement=agreement),
            sound=store.taught(signed_phrases, seed, agreement=0.5),
        )

    return Flaw(
        id="shortcut",
        variant=variant,
        modality="text",
        planted=f"a signature under each sentence agrees with the label at {agreement}",
        twin="the signature agrees at chance",
        must_reveal="attribution mass and a causal swap; accuracy lost without the shortcut",
        revealed_by="the accuracy gap between texts whose signature agrees and conflicts, and how"
        " often the highest score lies in the rationale, and the answers that follow a word of the"
        " signature when it is exchanged.",
        symptom=Symptom(
            label="accuracy lost where the signature conflicts",
            measure=lambda model, _: _lost_to(_phrases(), "signature", model),
        ),
        plant=plant,
        data=_phrases,
    )


FLAWS = (
    _tag("tag", AGREEMENT, quick=True),
    _tag("tag-always", ALWAYS),
    _token("token", AGREEMENT),
    _token("token-always", ALWAYS),
)
