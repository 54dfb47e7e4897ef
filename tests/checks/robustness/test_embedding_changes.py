"""Mirrors auditkit/checks/robustness/embedding_changes.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.checks.base import NotApplicable
from auditkit.checks.robustness.embedding_changes import EmbeddingChanges
from auditkit.errors import ConfigError
from auditkit.findings import Curve, TextExhibit
from auditkit.models.classifier import TextClassifier
from auditkit.statistics import median_interval
from tests.methods.attacks.subjects import (
    WORDS,
    BagOfWords,
    bag_of_words,
    sentiment_subject,
    text_data,
)
from tests.methods.attacks.test_embedding_changes import closed_form, with_a_first_token
from tests.subjects import Subject, measured, run_check, values

CHECK = EmbeddingChanges(radii=(0.02, 0.1, 0.4), rounds=1)
REVEALS = "median_distance"


def broken() -> Subject:
    """Words of the two classes are a hundredth apart."""
    return sentiment_subject(robust=False)


def sound() -> Subject:
    """Words of the two classes are far apart."""
    return sentiment_subject(robust=True)


def relative(subject: Subject) -> np.ndarray:
    """The distances in closed form (n,), as shares of the lengths; 0 where the answer is wrong."""
    model = subject.artifacts.text_model
    texts, labels = subject.artifacts.texts, subject.artifacts.labels.tolist()
    right = (model.predict(texts).argmax(dim=1) == subject.artifacts.labels).tolist()
    found: list[float] = []
    for text, label, fine in zip(texts, labels, right, strict=True):
        encoded = model.encode([text])
        length = float(model.embed(encoded.ids)[encoded.mask].norm())
        found.append(closed_form(model, text, label) / length if fine else 0.0)
    return np.array(found)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_closed_form(seed: int) -> None:
    subject = bag_of_words(seed)
    expected = relative(subject)
    check = EmbeddingChanges(radii=(0.03, 0.1, 0.3))
    records = check.measure(subject.artifacts)
    np.testing.assert_allclose(records["distance"], expected, rtol=1e-4, atol=1e-4)
    outcome = measured(check, subject)
    found = values(outcome)
    n, right = len(expected), expected[expected > 0]
    for radius in check.radii:
        kept = int((expected > radius).sum())
        assert found[f"robust_accuracy/radius={radius}"] == pytest.approx(kept / n)
        success = found[f"attack_success_rate/radius={radius}"]
        assert success == pytest.approx(1 - kept / len(right))
    assert found["nothing_found"] == 0.0
    median = next(one for one in outcome.findings if one.metric == "median_distance")
    assert median.value == pytest.approx(
        float(np.quantile(right, 0.5, method="inverted_cdf")), rel=1e-4, abs=1e-4
    )
    assert (median.low, median.high) == pytest.approx(median_interval(right), rel=1e-4, abs=1e-4)
    assert median.n == len(right) == 22
    assert outcome.headline == median.id


def test_only_those_drawn_are_attacked() -> None:
    subject = bag_of_words(0)
    check = EmbeddingChanges(max_inputs=10)
    records = check.measure(subject.artifacts)
    drawn = subject.artifacts.drawn("embedding-changes", 10)
    assert (np.isnan(records["distance"]) == ~drawn).all()
    accuracy = next(
        one for one in measured(check, subject).findings if one.metric == "robust_accuracy"
    )
    assert accuracy.n == 10


def test_shows_texts_and_a_falling_curve() -> None:
    subject = bag_of_words(0)
    outcome = measured(CHECK, subject, shard_size=9)
    worst, curve = outcome.evidence["worst"], outcome.evidence["curve"]
    assert isinstance(curve, Curve)
    y = [one for one in curve.series[0].y if one is not None]
    assert y == sorted(y, reverse=True)
    assert isinstance(worst, TextExhibit)
    texts = dict(zip(subject.data.ids, subject.artifacts.texts, strict=True))
    assert [one.tokens[0].text for one in worst.rows] == [texts[one.id] for one in worst.rows]


class OneWord(BagOfWords):
    """Reads its first word, and the second one a little."""

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        score = (embeddings * torch.tensor([1.0, 0.1, 0.0])[:, None]).sum(dim=(1, 2))
        return torch.stack([score, torch.zeros_like(score)], dim=1)


def test_names_the_words_that_moved_most() -> None:
    straight = bag_of_words(0).artifacts.text_model
    network = OneWord(torch.ones(22, 4), torch.zeros(2, 4), torch.zeros(2))
    padded = TextClassifier(
        network, tokenizer=straight.tokenizer, classes=("0", "1"), max_length=3, padded=True
    )
    subject = Subject(padded, text_data(["birch amber cedar", "Cedar dunes amber"], [0, 0]))
    worst = measured(CHECK, subject).evidence["worst"]
    assert isinstance(worst, TextExhibit)
    named = {row.id: row.tokens[-1].text.split("moved most: ")[1] for row in worst.rows}
    assert named == {"00000": "birch, amber, cedar", "00001": "Cedar, dunes, amber"}


def test_a_model_that_does_not_look() -> None:
    """Nothing is found: the control says so, and the median is undefined, not infinite."""
    subject = bag_of_words(0)
    model = subject.artifacts.text_model
    with torch.no_grad():
        model.module.head.weight.zero_()  # type: ignore[union-attr]
        model.module.head.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))  # type: ignore[union-attr]
    data = text_data(subject.artifacts.texts, [0] * 24, classes=3)
    outcome = measured(CHECK, Subject(model, data))
    found = values(outcome)
    assert found["nothing_found"] == 1.0
    assert found["median_distance"] is None
    assert found["robust_accuracy/radius=0.4"] == 1.0
    assert outcome.headline == "embedding-changes/robust_accuracy/all/radius=0.1"
    accuracy = next(one for one in outcome.findings if one.metric == "robust_accuracy")
    assert accuracy.controls == ["embedding-changes/nothing_found/all"]
    wrong = Subject(model, text_data(subject.artifacts.texts, [1] * 24, classes=3))
    assert isinstance(run_check(CHECK, wrong), NotApplicable)


def test_far_is_not_the_same_as_not_found() -> None:
    subject = bag_of_words(0)
    model = subject.artifacts.text_model
    with torch.no_grad():
        model.module.head.bias.copy_(torch.tensor([50.0, 0.0, 0.0]))  # type: ignore[union-attr]
    far = Subject(model, text_data(subject.artifacts.texts, [0] * 24, classes=3))
    assert relative(far).min() > 1
    found = values(measured(EmbeddingChanges(rounds=2), far))
    assert found["nothing_found"] == 0.0
    assert (found["median_distance"] or 0.0) > 1
    assert found["robust_accuracy/radius=0.2"] == 1.0


def test_a_text_without_words_does_not_count() -> None:
    model = with_a_first_token()
    texts = ["", *(" ".join(WORDS[k : k + 5]) for k in range(8))]
    labels = model.predict(texts).argmax(dim=1)
    subject = Subject(model, text_data(texts, labels, classes=3))
    records = CHECK.measure(subject.artifacts)
    assert np.isnan(records["distance"]).tolist() == [True] + [False] * 8
    assert {one.n for one in measured(CHECK, subject).findings} == {8}


def test_needs_gradients() -> None:
    subject = bag_of_words(0)
    assert CHECK.applies(subject.model, subject.data) is None
    subject.model.differentiable = False
    obstacle = CHECK.applies(subject.model, subject.data)
    assert isinstance(obstacle, NotApplicable)
    assert "gradients" in obstacle.reason


@pytest.mark.parametrize("wrong", [{"radii": (0.1, 0.05)}, {"rounds": 0}, {"max_inputs": 1}])
def test_wrong_parameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        EmbeddingChanges(**wrong)  # type: ignore[arg-type]
