"""Biased: one group's labels are wrong in training, or few of the group are there."""

from __future__ import annotations

import numpy as np
import torch

from auditkit.data import glyphs
from auditkit.data.dataset import Dataset
from auditkit.models.classifier import Classifier
from auditkit.selftest import credit, teach
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.plain import plain_glyphs
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import accuracy_gap, accuracy_of

WRONG = 0.6  # share of the dark glyphs that carry the label of the next class
RARE = 0.03  # share of dark glyphs where they are under-represented; 0.5 otherwise
REFUSED = 0.5  # share of the good borrowers of one group that were recorded as bad


def wrongly_labelled(seed: int) -> Classifier:
    """Return a network taught with wrong labels of dark glyphs."""
    data = teach.new_glyphs(seed)
    labels = teach.labels_of(data)
    wrong = _is_dark(data) & torch.from_numpy(teach.draws(seed).random(len(data)) < WRONG)
    labels = torch.where(wrong, (labels + 1) % len(data.classes), labels)
    return teach.glyph_reader(seed, teach.images_of(data), labels)


def rarely_dark(seed: int) -> Classifier:
    """Return a network that saw as many glyphs as its twin, but few dark ones."""
    data = teach.new_glyphs(seed, n=2 * teach.GLYPHS + 500)  # enough light ones
    dark = _is_dark(data).numpy()
    few = round(RARE * teach.GLYPHS)
    rows = [np.flatnonzero(~dark)[: teach.GLYPHS - few], np.flatnonzero(dark)[:few]]
    data = data.take(np.sort(np.concatenate(rows)))
    return teach.glyph_reader(seed, teach.images_of(data), teach.labels_of(data))


def _is_dark(data: Dataset) -> torch.Tensor:
    return torch.from_numpy((data.attributes["tone"] == "dark").to_numpy(dtype=bool).copy())


def credit_reader(seed: int, *, refused: float) -> Classifier:
    """Return a network taught with records in which good borrowers of one group are bad."""
    data = credit.table(credit.TRAINING, seed=seed)
    of_north = (data.attributes["group"] == "north").to_numpy(dtype=bool)
    wrong = of_north & (data.labels == 1) & (teach.draws(seed).random(len(data)) < refused)
    return credit.reader(seed, data, np.where(wrong, 0, data.labels))


def _plant_labels(seed: int, store: Store) -> Twins:
    flawed = store.taught(wrongly_labelled, seed)
    return Twins(seed=seed, flawed=flawed, sound=store.taught(plain_glyphs, seed))


def _plant_scarce(seed: int, store: Store) -> Twins:
    flawed = store.taught(rarely_dark, seed)
    return Twins(seed=seed, flawed=flawed, sound=store.taught(plain_glyphs, seed))


def _plant_credit(seed: int, store: Store) -> Twins:
    return Twins(
        seed=seed,
        flawed=store.taught(credit_reader, seed, refused=REFUSED),
        sound=store.taught(credit_reader, seed, refused=0.0),
    )


def _audited() -> Dataset:
    return glyphs.load("test")


def _lost_on_dark(model: Classifier, _twins: Twins) -> float:
    return accuracy_gap(model, _audited(), "tone", "light", "dark")


def _good_refused(model: Classifier, _twins: Twins) -> float:
    """Return how much more rarely good borrowers of one group are recognised."""
    data = credit.audited()
    good = data.take(np.flatnonzero(data.labels == 1))
    group = good.attributes["group"].to_numpy(dtype=object)
    north, south = (good.take(np.flatnonzero(group == one)) for one in ("north", "south"))
    return accuracy_of(model, south) - accuracy_of(model, north)


_DARK = Symptom(label="accuracy lost on dark glyphs", measure=_lost_on_dark)
_REVEALED = "the accuracy gap between the groups"

FLAWS = (
    Flaw(
        id="biased",
        variant="labels",
        modality="image",
        planted="0.6 of the dark glyphs carry the label of the next class in training",
        twin="all labels are right",
        must_reveal="group gap",
        revealed_by=_REVEALED,
        symptom=_DARK,
        plant=_plant_labels,
        data=_audited,
        quick=True,
    ),
    Flaw(
        id="biased",
        variant="scarce",
        modality="image",
        planted="0.03 of the training glyphs are dark",
        twin="half of them are, and as many in all",
        must_reveal="group gap",
        revealed_by=_REVEALED,
        symptom=_DARK,
        plant=_plant_scarce,
        data=_audited,
    ),
    Flaw(
        id="biased",
        variant="credit",
        modality="tabular",
        planted="half of the good borrowers of one group are recorded as bad in training",
        twin="all records are right",
        must_reveal="group gap",
        revealed_by="the gap between the groups' true positive rates",
        symptom=Symptom(
            label="good borrowers of one group refused beyond those of the other",
            measure=_good_refused,
        ),
        plant=_plant_credit,
        data=credit.audited,
        quick=True,
    ),
)
