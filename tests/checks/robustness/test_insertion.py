"""Mirrors auditkit/checks/robustness/insertion.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import NotApplicable, Records
from auditkit.checks.robustness import insertion
from auditkit.checks.robustness.insertion import Insertion, searched_half, targets_of
from auditkit.errors import ConfigError
from auditkit.findings import Table, TextExhibit
from auditkit.methods.attacks.distractors import DISTRACTORS
from auditkit.methods.attacks.triggers import Pool, TriggerSearch
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import WORDS, bag_of_words, text_data, text_model
from tests.subjects import Subject, linear_subject, measured, run_check, values

SENTENCES = ("amber birch", "grove haven inlet")
CHECK = Insertion(length=2, search_inputs=8, candidates=4, sentences=SENTENCES)
REVEALS = "robust_accuracy"


def voters(words: int, *, n: int = 40) -> Subject:
    """Ten words vote for each class, one vote each; each text is of `words` words of one class."""
    votes = torch.tensor([0.0, 0.0] + [-1.0] * 10 + [1.0] * 10)[:, None]
    model = text_model(votes, torch.tensor([[-1.0], [1.0]]), torch.zeros(2), words=WORDS)
    labels = [i % 2 for i in range(n)]
    texts = [
        " ".join(WORDS[10 * label + (i + j) % 10] for j in range(words))
        for i, label in enumerate(labels)
    ]
    return Subject(model, text_data(texts, labels))


def broken() -> Subject:
    """One inserted word outvotes nothing, two outvote the one word of a text."""
    return voters(1)


def sound() -> Subject:
    return voters(6)


@pytest.mark.parametrize("words", [1, 2, 3, 4])
def test_a_vote_is_lost_when_the_trigger_has_more_words(words: int) -> None:
    """The closed form: l words for a class outvote fewer for the other; a tie goes to class 0."""
    check = Insertion(length=4, search_inputs=8, candidates=4, sentences=SENTENCES)
    subject = voters(words)
    found = values(measured(check, subject))
    labels = subject.data.labels[~searched_half(subject.data, 0)]
    for size in (1, 2, 3, 4):
        to_zero, to_one = size >= words, size > words
        assert found[f"flip_rate/length={size},target=0"] == to_zero
        assert found[f"flip_rate/length={size},target=1"] == to_one
        kept = (to_zero, to_one)
        fell = np.where(labels == 1, kept[0], kept[1]).mean()
        assert found[f"robust_accuracy/length={size}"] == pytest.approx(1 - fell)
    # both sentences vote for class 0, the longer one with three words
    assert found["distractor_flip_rate"] == (0.5 if words <= 3 else 0)


def test_random_words_are_the_control_on_the_same_texts() -> None:
    subject = voters(2)
    records = CHECK.measure(subject.artifacts)
    outcome = measured(CHECK, subject)
    found = values(outcome)
    who = ~records["searched"] & records["correct"] & (subject.data.labels != 0)
    random = np.stack([records[f"random-{r}-2"] for r in range(insertion.RANDOM)])[:, who]
    flips = records["flip-0-2"][who]
    assert found["random_flip_rate/length=2,target=0"] == pytest.approx(random.mean())
    gain = next(one for one in outcome.findings if one.id.endswith("gain/all/length=2,target=0"))
    assert gain.value == pytest.approx(flips.mean() - random.mean())
    assert gain.n == who.sum()
    long = Insertion(length=4, search_inputs=8, candidates=4, sentences=SENTENCES)
    found = values(measured(long, subject))
    assert 0 < found["random_flip_rate/length=4,target=1"] < 1  # type: ignore[operator]
    assert found["trigger_gain/length=4,target=1"] > 0  # type: ignore[operator]


def test_nothing_is_measured_where_it_was_searched() -> None:
    subject = voters(1, n=60)
    half = searched_half(subject.data, 0)
    assert 20 < half.sum() < 40
    records = CHECK.measure(subject.artifacts)
    assert np.array_equal(records["searched"], half)
    for target in (0, 1):
        assert not records[f"flip-{target}-2"][half].any()
    robust = measured(CHECK, subject).findings[0]
    assert robust.n == (~half).sum()


def test_triggers_are_searched_once_and_are_the_same_in_every_shard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = bag_of_words(3, n=40)
    calls: list[int] = []
    search = TriggerSearch.triggers

    def counted(
        self: TriggerSearch, model: TextClassifier, pool: Pool, texts: list[str], **sizes: int
    ) -> object:
        calls.append(sizes["target"])
        where = [subject.artifacts.texts.index(text) for text in texts]
        assert len(texts) == 8
        assert searched_half(subject.data, 0)[where].all()
        for i in where:  # of another class, and right
            label = int(subject.data.labels[i])
            assert label != sizes["target"]
            assert int(model.predict([subject.artifacts.texts[i]])[0].argmax()) == label
        return search(self, model, pool, texts, **sizes)

    monkeypatch.setattr(TriggerSearch, "triggers", counted)
    whole = CHECK.measure(subject.artifacts)
    parts = [
        CHECK.measure(Artifacts(subject.model, subject.data, np.arange(a, min(a + 7, 40))))
        for a in range(0, 40, 7)
    ]
    assert calls == targets_of(subject.data, 2)  # once per target
    joined = Records.merged(parts)
    for column in whole.columns:
        assert np.array_equal(joined[column], whole[column]), column
    other = Insertion(length=1, search_inputs=8, candidates=4, sentences=SENTENCES)
    other.measure(subject.artifacts)
    assert len(calls) == 4


def test_longer_triggers_keep_every_success() -> None:
    subject = bag_of_words(5, n=60)
    check = Insertion(length=4, search_inputs=16, candidates=4, sentences=SENTENCES)
    records = check.measure(subject.artifacts)
    for target in targets_of(subject.data, 2):
        for size in (1, 2, 3):
            less, more = (records[f"flip-{target}-{j}"] for j in (size, size + 1))
            assert not (less & ~more).any()
    shorter = Insertion(length=2, search_inputs=16, candidates=4, sentences=SENTENCES)
    fewer = shorter.measure(subject.artifacts)
    for target in targets_of(subject.data, 2):
        assert np.array_equal(fewer[f"flip-{target}-2"], records[f"flip-{target}-2"])


def test_what_falls_to_fewer_words_falls_to_more() -> None:
    some = [np.array([True, False, False]), np.array([False, True, False])]
    carried = insertion._carried("a", some)
    assert {name: one.tolist() for name, one in carried.items()} == {
        "a-1": [True, False, False],
        "a-2": [True, True, False],
    }


def test_exhibits_flip_the_model_and_the_table_names_the_triggers() -> None:
    subject = voters(1)
    outcome = measured(CHECK, subject)
    worst, table = outcome.evidence["worst"], outcome.evidence["triggers"]
    assert isinstance(worst, TextExhibit)
    assert isinstance(table, Table)
    triggers = [row[2] for row in table.rows]
    assert len(triggers) == 4
    for row in worst.rows:
        i = int(row.id)
        assert row.tokens[0].was == ""
        assert row.tokens[0].text in triggers
        text = "".join(token.text for token in row.tokens)
        assert text == f"{row.tokens[0].text} {subject.artifacts.texts[i]}"
        assert int(subject.model.predict([text])[0].argmax()) != subject.data.labels[i]


def test_a_class_without_texts_to_search_on_is_undefined_not_zero() -> None:
    subject = voters(1)
    texts = [subject.artifacts.texts[i] for i in range(0, 40, 2)]
    alone = Subject(subject.model, text_data(texts, [0] * 20))
    found = values(measured(CHECK, alone))
    assert found["flip_rate/length=1,target=0"] is None
    assert found["trigger_gain/length=1,target=0"] is None
    assert found["flip_rate/length=2,target=1"] == 1


def test_without_gradients_words_come_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = voters(1)
    subject.model.differentiable = False

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a gradient was taken")

    monkeypatch.setattr(torch.autograd, "grad", refuse)
    found = values(measured(CHECK, subject))
    assert found["flip_rate/length=2,target=1"] == 1


def test_without_a_right_answer_there_is_nothing_to_attack() -> None:
    subject = voters(2)
    wrong = text_data(subject.artifacts.texts, 1 - subject.artifacts.labels)
    assert isinstance(run_check(CHECK, Subject(subject.model, wrong)), NotApplicable)


def test_it_is_about_texts_and_the_sentences_are_sentences() -> None:
    subject = linear_subject(0)
    assert CHECK.applies(subject.model, subject.data) is not None
    assert len(set(DISTRACTORS)) == len(DISTRACTORS) >= 10
    assert all(one[0].isupper() and one.endswith(".") for one in DISTRACTORS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("length", 0), ("targets", 0), ("search_inputs", 0), ("candidates", 0), ("sentences", (" ",))],
)
def test_bad_parameters_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        Insertion(**{name: value})  # type: ignore[arg-type]
