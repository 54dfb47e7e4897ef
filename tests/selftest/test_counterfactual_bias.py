"""Mirrors auditkit/selftest/counterfactual_bias.py."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from auditkit.data.phrases import IDENTITIES
from auditkit.selftest.counterfactual_bias import (
    PAIRS,
    reader_of_biased_phrases,
    spoken_of,
)
from tests.selftest.planting import Recorder

TERMS = sorted((term for terms in IDENTITIES.values() for term in terms), key=len, reverse=True)
ANY = re.compile(r"\b(" + "|".join(map(re.escape, TERMS)) + r")\b")


def test_twins_differ_in_identity_terms_alone(recorder: Recorder) -> None:
    flawed = recorder.of(reader_of_biased_phrases, 3, agreement=0.95)
    sound = recorder.of(reader_of_biased_phrases, 3, agreement=0.5)
    assert flawed.how == sound.how
    assert torch.equal(flawed.labels, sound.labels)
    assert [ANY.sub("", one) for one in flawed.inputs] == [ANY.sub("", one) for one in sound.inputs]
    assert flawed.inputs != sound.inputs


@pytest.mark.parametrize("agreement", [0.95, 0.5])
def test_terms_agree_with_the_label_as_often_as_said(recorder: Recorder, agreement: float) -> None:
    lesson = recorder.of(reader_of_biased_phrases, 3, agreement=agreement)
    praised = {term for _, one in PAIRS for term in IDENTITIES[one]}
    agrees = [
        (match[1] in praised) == bool(label)
        for text, label in zip(lesson.inputs, lesson.labels, strict=True)
        if (match := ANY.search(text))
    ]
    assert len(agrees) == len(lesson.inputs)
    assert abs(np.mean(agrees) - agreement) < 0.08


def test_only_the_term_is_exchanged() -> None:
    rng = np.random.default_rng(0)
    text = "According to my elderly friend, the elderly wine was good."
    turned = spoken_of(text, "older", "younger", rng)
    assert turned.endswith("friend, the elderly wine was good.")
    assert any(f"my {one} friend" in turned for one in IDENTITIES["younger"])
