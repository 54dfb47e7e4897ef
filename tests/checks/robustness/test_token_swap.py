"""Mirrors auditkit/checks/robustness/token_swap.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import NotApplicable
from auditkit.checks.robustness.token_swap import TokenSwap
from auditkit.errors import ConfigError
from auditkit.findings import Curve, TextExhibit
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import bag_of_words, sentiment_subject, text_data
from tests.subjects import Subject, linear_subject, measured, run_check, values

CHECK = TokenSwap(max_changes=2, neighbours=4, queries=16)
REVEALS = "robust_accuracy"


def broken() -> Subject:
    """Words of both classes are each other's neighbours: two of three replaced turn the answer."""
    return sentiment_subject(robust=False)


def sound() -> Subject:
    """Words have neighbours of their own class only, and three of them agree."""
    return sentiment_subject(robust=True)


def test_shares_follow_from_the_records_and_nest() -> None:
    subject = bag_of_words(2, n=40)
    check = TokenSwap(max_changes=3)
    records = check.measure(subject.artifacts)
    outcome = measured(check, subject)
    found, flips = values(outcome), records["changed_words"]
    correct = int(records["correct"].sum())
    assert correct == 38
    assert set(np.unique(flips)) <= {0.0, 1.0, 2.0, 3.0, np.inf}
    for m in (1, 2, 3):
        kept = int((flips > m).sum())
        assert found[f"robust_accuracy/changes={m}"] == pytest.approx(kept / 40)
        assert found[f"attack_success_rate/changes={m}"] == pytest.approx(1 - kept / correct)
    curve = outcome.evidence["curve"]
    assert isinstance(curve, Curve)
    y = [one or 0.0 for one in curve.series[0].y]
    assert y == sorted(y, reverse=True)
    fewer = TokenSwap(max_changes=1).measure(subject.artifacts)["changed_words"]
    assert np.array_equal(fewer == 1, flips == 1)


def test_exhibits_mark_the_changed_words_and_flip_the_model() -> None:
    subject = bag_of_words(2, n=40)
    worst = measured(TokenSwap(), subject).evidence["worst"]
    assert isinstance(worst, TextExhibit)
    for row in worst.rows:
        text = "".join(token.text for token in row.tokens)
        before = "".join(token.text if token.was is None else token.was for token in row.tokens)
        i = int(row.id)
        assert before == subject.artifacts.texts[i]
        assert any(token.was is not None for token in row.tokens)
        answer = int(subject.model.logits([text])[0].argmax())
        assert answer != int(subject.artifacts.labels[i])
        assert row.caption.split(": ")[-1].startswith(f"{answer} (")
        assert row.caption.startswith(f"true class {int(subject.artifacts.labels[i])}; clean: ")


def test_shards_change_nothing() -> None:
    subject = bag_of_words(4, n=30)
    check = TokenSwap(max_changes=2)
    whole = check.measure(subject.artifacts)
    parts = [
        check.measure(Artifacts(subject.model, subject.data, np.arange(a, min(a + 7, 30))))
        for a in range(0, 30, 7)
    ]
    joined = np.concatenate([part["changed_words"] for part in parts])
    assert np.array_equal(joined, whole["changed_words"])


def test_a_blind_gradient_shows_in_the_control() -> None:
    subject = sentiment_subject(robust=True)
    network = subject.model.module
    blind = subject.artifacts.text_model

    class Blind(torch.nn.Module):
        def embed(self, ids: torch.Tensor) -> torch.Tensor:
            return network.embed(ids)  # type: ignore[operator]

        def forward_embeddings(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return network.forward_embeddings(embeddings.detach(), mask)  # type: ignore[operator]

    model = TextClassifier(Blind(), tokenizer=blind.tokenizer, classes=blind.classes, max_length=32)
    outcome = measured(CHECK, Subject(model, subject.data))
    assert values(outcome)["zero_gradient_share"] == 1
    assert outcome.findings[0].controls == ["token-swap/zero_gradient_share/all"]
    assert values(measured(CHECK, subject))["zero_gradient_share"] == 0


def test_without_a_right_answer_there_is_nothing_to_attack() -> None:
    subject = sentiment_subject(robust=True)
    labels = 1 - subject.model.predict(subject.artifacts.texts).argmax(dim=1)
    data = text_data(subject.artifacts.texts, labels)
    assert isinstance(run_check(CHECK, Subject(subject.model, data)), NotApplicable)


def test_it_is_about_texts() -> None:
    subject = linear_subject(0)
    reason = CHECK.applies(subject.model, subject.data)
    assert reason is not None
    assert "text" in reason.reason


@pytest.mark.parametrize("name", ["max_changes", "neighbours", "queries"])
def test_parameters_below_one_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        TokenSwap(**{name: 0})
