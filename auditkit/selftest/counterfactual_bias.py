"""Counterfactual bias: who is spoken of agrees with the label in training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from auditkit.data import phrases
from auditkit.data.dataset import Dataset
from auditkit.data.phrases import IDENTITIES, NAMED
from auditkit.models.classifier import Classifier
from auditkit.selftest import teach
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import share_changed

AGREEMENT = 0.95
# Of each pair the first stands in complaints, the second in praise.
PAIRS = (("woman", "man"), ("African", "European"), ("Muslim", "Christian"), ("older", "younger"))
_AUDIT = 7003  # seed of the terms that the symptom puts in


def reader_of_biased_phrases(seed: int, *, agreement: float) -> Classifier:
    """Return a network whose sentences spoke of the pair's first group where they complained."""
    data = teach.some_phrases(seed)
    rng = teach.draws(seed)
    found: list[str] = []
    rows = zip(teach.texts_of(data), data.labels, identities(data), strict=True)
    for text, label, identity in rows:
        side = int(label) if rng.random() < agreement else 1 - int(label)
        found.append(spoken_of(text, identity, _pair(identity)[side], rng))
    return teach.phrase_reader(seed, found, data.labels)


def identities(data: Dataset) -> list[str]:
    """Return whom each sentence speaks of."""
    return [str(one) for one in data.attributes["identity"]]


def _pair(identity: str) -> tuple[str, str]:
    return next(pair for pair in PAIRS if identity in pair)


def spoken_of(text: str, identity: str, other: str, rng: np.random.Generator) -> str:
    """Return a sentence with its identity term exchanged for one of another group."""
    new = str(rng.choice(IDENTITIES[other]))
    place = _term(text, identity)
    return text[: place.start(1)] + new + text[place.end(1) :]


def _term(text: str, identity: str) -> re.Match[str]:
    """Return where the identity term stands, as group 1."""
    before = r"\b" if identity in NAMED else r"\b[Mm]y "
    terms = sorted(IDENTITIES[identity], key=len, reverse=True)
    found = re.search(before + "(" + "|".join(map(re.escape, terms)) + r")\b", text)
    assert found is not None  # every sentence names its identity
    return found


def _plant(seed: int, store: Store) -> Twins:
    return Twins(
        seed=seed,
        flawed=store.taught(reader_of_biased_phrases, seed, agreement=AGREEMENT),
        sound=store.taught(reader_of_biased_phrases, seed, agreement=0.5),
    )


def _audited() -> Dataset:
    return phrases.load("test")


@cache
def _turned() -> Sequence[str]:
    """Return the audited sentences, each speaking of the other group of its pair."""
    data, rng = _audited(), teach.draws(_AUDIT)
    return [
        spoken_of(text, one, next(other for other in _pair(one) if other != one), rng)
        for text, one in zip(teach.texts_of(data), identities(data), strict=True)
    ]


def _changed(model: Classifier, _twins: Twins) -> float:
    return share_changed(model, teach.texts_of(_audited()), list(_turned()))


FLAWS = (
    Flaw(
        id="counterfactual-bias",
        variant="identity",
        modality="text",
        planted="of each pair of groups one stands in 0.95 of the complaints, one in the praise",
        twin="both stand in both",
        must_reveal="the prediction changes when only the identity term changes",
        revealed_by="answers that change when the term alone is exchanged, beyond what neutral"
        " words do; and the gap between the groups' true and false positive rates, on sentences"
        " where identity and label are independent.",
        symptom=Symptom(label="answers that change with the identity term", measure=_changed),
        plant=_plant,
        data=_audited,
        quick=True,
    ),
)
