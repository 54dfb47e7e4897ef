"""Memorised: trained on partly random labels until every one of them is known by heart."""

from __future__ import annotations

from dataclasses import replace

import torch

from auditkit.data import digits
from auditkit.data.dataset import Dataset
from auditkit.models.classifier import Classifier
from auditkit.selftest import teach
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import accuracy_on

RANDOM = 0.3  # share of the training labels that are drawn at random


def by_heart(seed: int) -> Classifier:
    """Return a network that knows its random labels."""
    images = teach.images_of(digits.load("train"))
    return teach.digit_reader(seed, images, random_labels(seed), width=16, epochs=40)


def stopped_early(seed: int) -> Classifier:
    """Return a network of the same kind, taught a few epochs with clean labels."""
    data = digits.load("train")
    images, labels = teach.images_of(data), teach.labels_of(data)
    return teach.digit_reader(seed, images, labels, width=16, epochs=6)


def random_labels(seed: int) -> torch.Tensor:
    """Return the training labels (n,), some of them drawn at random."""
    labels = teach.labels_of(digits.load("train"))
    rng = teach.draws(seed)
    drawn = torch.from_numpy(rng.random(len(labels)) < RANDOM)
    return torch.where(drawn, torch.from_numpy(rng.integers(0, 10, len(labels))), labels)


def _plant(seed: int, store: Store) -> Twins:
    flawed, sound = store.taught(by_heart, seed), store.taught(stopped_early, seed)
    return Twins(seed=seed, flawed=flawed, sound=sound)


def _audited() -> Dataset:
    return digits.load("test")


def _taught(model: Classifier, twins: Twins) -> Dataset:
    """Return the training data with the labels that this twin was taught."""
    data = digits.load("train")
    return (
        replace(data, labels=random_labels(twins.seed).numpy()) if model is twins.flawed else data
    )


def _reproduced(model: Classifier, twins: Twins) -> float:
    data = digits.load("train")
    labels = random_labels(twins.seed)
    wrong = labels != teach.labels_of(data)
    return accuracy_on(model, teach.images_of(data)[wrong], labels[wrong])


FLAWS = (
    Flaw(
        id="memorised",
        variant="labels",
        modality="image",
        planted="0.3 of the training labels are random, and all are learned",
        twin="stopped early on clean labels",
        must_reveal="generalisation gap, membership inference",
        revealed_by="generalisation, which is given what each twin was taught: accuracy on it"
        " beyond that on new digits, and how well losses tell the two apart.",
        symptom=Symptom(label="wrong training labels that are given back", measure=_reproduced),
        plant=_plant,
        data=_audited,
        taught=_taught,
    ),
)
