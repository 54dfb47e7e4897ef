"""Forgetful: taught a second task until the first is lost."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from auditkit.data import digits
from auditkit.data.dataset import Dataset
from auditkit.models.card import Recipe
from auditkit.models.classifier import Classifier
from auditkit.models.training.images import fit_image
from auditkit.selftest import teach
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.plain import plain_digits
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import accuracy_of

REHEARSED = 1 / 3  # of the second training, in the sound twin


def retaught(seed: int, parent: Classifier, /, *, rehearsed: float) -> Classifier:
    """Return a network that read digits, and then learned to read them in negative."""
    data = digits.load("train")
    images, labels = teach.images_of(data), teach.labels_of(data)
    kept = torch.from_numpy(teach.draws(seed).random(len(data)) < rehearsed)
    both = torch.where(kept[:, None, None, None], images, negative(images))
    module = deepcopy(parent.module)
    assert isinstance(module, nn.Sequential)
    recipe = Recipe(seed=seed, epochs=10, batch_size=64, learning_rate=3e-3, weight_decay=0.05)
    fit_image(module, both, labels, recipe)
    return teach.as_digit_reader(module)


def negative(images: Tensor) -> Tensor:
    """Return images in [0, 1] with light and dark exchanged."""
    return 1 - images


def _plant(seed: int, store: Store) -> Twins:
    parent = store.taught(plain_digits, seed)
    return Twins(
        seed=seed,
        flawed=store.taught(retaught, seed, parent, rehearsed=0.0),
        sound=store.taught(retaught, seed, parent, rehearsed=round(REHEARSED, 3)),
        parent=parent,
    )


def _audited() -> Dataset:
    return digits.load("test")


def _lost(model: Classifier, twins: Twins) -> float:
    assert twins.parent is not None
    return accuracy_of(twins.parent, _audited()) - accuracy_of(model, _audited())


FLAWS = (
    Flaw(
        id="forgetful",
        variant="negative",
        modality="image",
        planted="fine-tuned on digits in negative alone",
        twin="a third of the fine-tuning rehearses the first task",
        must_reveal="paired regression against its parent",
        revealed_by="regression beside the parent: the accuracy lost on the first task's test"
        " split, each input held against itself.",
        symptom=Symptom(label="accuracy on the first task lost since its parent", measure=_lost),
        plant=_plant,
        data=_audited,
        quick=True,
    ),
)
