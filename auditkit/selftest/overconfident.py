"""Overconfident: as accurate as before, and too sure of it."""

from __future__ import annotations

import numpy as np
from torch import nn
from torch.nn import functional

from auditkit.data import glyphs
from auditkit.data.dataset import Dataset
from auditkit.models.classifier import Classifier
from auditkit.selftest import teach
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import accuracy_of, inputs_of

TOO_SURE = 6.0  # logits over those of the fitted temperature
TEMPERATURES = np.geomspace(0.02, 50, 500)  # that are tried


def weak_reader(seed: int) -> Classifier:
    """Return a network that is right often enough, and not always."""
    data = teach.new_glyphs(seed, n=1500)
    images, labels = teach.images_of(data), teach.labels_of(data)
    return teach.glyph_reader(seed, images, labels, width=10, epochs=10)


def fitted_temperature(model: Classifier) -> float:
    """Return what logits must be divided by for the highest likelihood on the validation split.

    References
    ----------
    Guo et al., 2017, arXiv:1706.04599, section 4.2.
    """
    data = glyphs.load("validation")
    logits, labels = model.predict(inputs_of(data)), teach.labels_of(data)
    losses = [float(functional.cross_entropy(logits / one, labels)) for one in TEMPERATURES]
    return float(TEMPERATURES[np.argmin(losses)])


def scaled(model: Classifier, factor: float) -> Classifier:
    """Return a classifier with logits so many times as large, in its last layer."""
    assert isinstance(model.module, nn.Sequential)
    *body, head = model.module
    assert isinstance(head, nn.Linear)
    last = nn.Linear(head.in_features, head.out_features)
    last.load_state_dict({name: value * factor for name, value in head.state_dict().items()})
    return teach.as_glyph_reader(nn.Sequential(*body, last))


def _plant(seed: int, store: Store) -> Twins:
    network = store.taught(weak_reader, seed)
    fitted = 1 / fitted_temperature(network)
    flawed, sound = scaled(network, TOO_SURE * fitted), scaled(network, fitted)
    return Twins(seed=seed, flawed=flawed, sound=sound)


def _audited() -> Dataset:
    return glyphs.load("test")


def _too_sure(model: Classifier, _twins: Twins) -> float:
    confidence = model.predict(inputs_of(_audited())).softmax(dim=1).amax(dim=1)
    return float(confidence.mean()) - accuracy_of(model, _audited())


FLAWS = (
    Flaw(
        id="overconfident",
        variant="scaled",
        modality="image",
        planted="logits are 6 times those of the fitted temperature",
        twin="the temperature is fitted on the validation split",
        must_reveal="calibration error beyond its null band",
        revealed_by="the calibration error, with an interval that leaves out what chance adds",
        symptom=Symptom(label="mean confidence beyond accuracy", measure=_too_sure),
        plant=_plant,
        data=_audited,
        quick=True,
    ),
)
