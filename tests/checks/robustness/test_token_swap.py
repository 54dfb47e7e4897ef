"""Mirrors auditkit/checks/robustness/token_swap.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import NotApplicable, Records
from auditkit.checks.catalogue import make_check
from auditkit.checks.robustness.token_swap import TokenSwap
from auditkit.errors import ConfigError
from auditkit.findings import Curve, TextExhibit
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import WORDS, bag_of_words, sentiment_subject, text_data
from tests.subjects import Subject, linear_subject, measured, run_check, values

CHECK = TokenSwap(max_changes=2, candidates=("neighbours",), neighbours=4, queries=16)
REVEALS = "robust_accuracy"


def broken() -> Subject:
    """Words of both classes are each other's neighbours: two of three replaced turn the answer."""
    return sentiment_subject(robust=False)


def sound() -> Subject:
    """Words have neighbours of their own class only, and three of them agree."""
    return sentiment_subject(robust=True)


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    """A list in which every word may become the next one."""
    file = tmp_path / "pairs.txt"
    lines = [f"{word}: {WORDS[(i + 1) % len(WORDS)]}" for i, word in enumerate(WORDS)]
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


def test_shares_follow_from_the_records_and_nest(pairs: str) -> None:
    subject = bag_of_words(2, n=40)
    check = TokenSwap(max_changes=3, synonyms=pairs, min_cosine=0.2)
    records = check.measure(subject.artifacts)
    outcome = measured(check, subject)
    found = values(outcome)
    correct = int(records["correct"].sum())
    assert correct == 38
    columns = {"": "changed_words"} | {
        f"candidates={one},": f"changed_words-{one}" for one in ("synonyms", "neighbours")
    }
    for swept, column in columns.items():
        flips = records[column]
        assert set(np.unique(flips)) <= {0.0, 1.0, 2.0, 3.0, np.inf}
        for m in (1, 2, 3):
            kept = int((flips > m).sum())
            assert found[f"robust_accuracy/{swept}changes={m}"] == pytest.approx(kept / 40)
        fewer = TokenSwap(max_changes=1, synonyms=pairs, min_cosine=0.2)
        assert np.array_equal(fewer.measure(subject.artifacts)[column] == 1, flips == 1)
    flips = records["changed_words"]
    for m in (1, 2, 3):
        kept = int((flips > m).sum())
        assert found[f"attack_success_rate/changes={m}"] == pytest.approx(1 - kept / correct)
    both = np.minimum(records["changed_words-synonyms"], records["changed_words-neighbours"])
    assert (flips <= both).all()
    assert (flips < both).any()  # words of both sources together do more
    curve = outcome.evidence["curve"]
    assert isinstance(curve, Curve)
    assert len(curve.series) == 3
    for line in curve.series:
        y = [one or 0.0 for one in line.y]
        assert y == sorted(y, reverse=True)
    assert outcome.headline == "token-swap/robust_accuracy/all/candidates=synonyms,changes=2"
    spent = records["queries"][records["correct"]]
    assert found["queries_per_input"] == pytest.approx(spent.mean())


def test_a_share_of_the_words_limits_them_but_leaves_one(pairs: str) -> None:
    subject = bag_of_words(2, n=40, length=5)
    free = TokenSwap(max_changes=5, synonyms=pairs, candidates=("synonyms",))
    flips = free.measure(subject.artifacts)["changed_words"]
    for share, words in ((0.1, 1), (0.39, 1), (0.4, 2), (0.6, 3), (1.0, 5)):
        some = TokenSwap(max_changes=5, max_share=share, synonyms=pairs, candidates=("synonyms",))
        expected = np.where(flips <= words, flips, np.inf)
        assert np.array_equal(some.measure(subject.artifacts)["changed_words"], expected)


def test_exhibits_mark_the_changed_words_and_flip_the_model(pairs: str) -> None:
    subject = bag_of_words(2, n=40)
    worst = measured(TokenSwap(synonyms=pairs), subject).evidence["worst"]
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


def test_shards_change_nothing(pairs: str) -> None:
    subject = bag_of_words(4, n=30)
    for access in ("gradients", "scores", "decisions"):
        check = TokenSwap(max_changes=2, synonyms=pairs, access=access)
        whole = check.measure(subject.artifacts)
        parts = [
            check.measure(Artifacts(subject.model, subject.data, np.arange(a, min(a + 7, 30))))
            for a in range(0, 30, 7)
        ]
        joined = Records.merged(parts)
        for column in whole.columns:
            assert np.array_equal(joined[column], whole[column]), (access, column)


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


def test_a_model_without_gradients_is_asked_for_scores(
    pairs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = bag_of_words(5, n=30)
    subject.model.differentiable = False

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a gradient was taken")

    monkeypatch.setattr(torch.autograd, "grad", refuse)
    check = TokenSwap(synonyms=pairs, candidates=("synonyms",))
    assert check.applies(subject.model, subject.data) is None
    found = measured(check, subject)
    assert "zero_gradient_share" not in values(found)
    assert all(one.controls == [] for one in found.findings)
    assert values(found)["attack_success_rate/changes=3"] > 0.3  # type: ignore[operator]
    told = TokenSwap(access="gradients").applies(subject.model, subject.data)
    assert isinstance(told, NotApplicable)


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


def test_the_list_that_was_used_is_part_of_the_parameters(pairs: str) -> None:
    own, given = TokenSwap().parameters(), TokenSwap(synonyms=pairs).parameters()
    assert own["synonyms_sha256"] != given["synonyms_sha256"]
    Path(pairs).write_text("big, large", encoding="utf-8")
    assert TokenSwap(synonyms=pairs).parameters()["synonyms_sha256"] != given["synonyms_sha256"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_changes", 0), ("neighbours", 0), ("queries", 0), ("beam", 0), ("max_share", 0.0),
        ("max_share", 1.5), ("min_cosine", 2.0), ("candidates", ()), ("candidates", ("synonym",)),
        ("candidates", ("synonyms", "synonyms")), ("access", "gradient"), ("synonyms", "no.txt"),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        make_check("token-swap", {name: value})
