"""Mirrors auditkit/checks/robustness/character.py."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase, Replace
from tokenizers.normalizers import Sequence as Several
from tokenizers.pre_tokenizers import Whitespace

from auditkit.checks.robustness.character import Character
from auditkit.errors import ConfigError
from auditkit.findings import TextExhibit
from auditkit.methods.attacks.characters import INVISIBLE, KINDS, OVERRIDE, POP
from auditkit.methods.corruptions.look_alikes import LOOK_ALIKE
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import WORDS, BagOfWords, bag_of_words, text_data
from tests.subjects import Subject, linear_subject, measured, values

CHECK = Character(max_changes=2, queries=16, kinds=("homoglyphs",))
EVERY = Character(max_changes=2, queries=16)
REVEALS = "robust_accuracy"


def reader(*, normalised: bool, n: int = 24) -> Subject:
    """A bag of words that knows only its words: one side is said by words, the other by none.

    Normalised: invisible characters are dropped, and look-alikes become what they look like.
    """
    rng = torch.Generator().manual_seed(0)
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))  # type: ignore[call-arg]
    dropped = [Replace(one, "") for one in (*INVISIBLE.values(), OVERRIDE, POP)]
    replaced = [Replace(other, letters) for letters, other in LOOK_ALIKE.items()]
    steps = [NFKC(), *dropped, *replaced, Lowercase()] if normalised else [Lowercase()]
    tokenizer.normalizer = Several(steps)  # type: ignore[assignment]
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    tokenizer.add_special_tokens(["[PAD]", "[UNK]"])
    embeddings = torch.tensor([0.0, -1.0] + [1.0] * len(WORDS))[:, None]  # unknown speaks against
    network = BagOfWords(embeddings, torch.tensor([[-1.0], [1.0]]), torch.tensor([0.0, -0.8]))
    model = TextClassifier(network, tokenizer=tokenizer, classes=["0", "1"], max_length=32)
    rows = torch.randint(len(WORDS), (n, 4), generator=rng).tolist()
    texts = [" ".join(WORDS[i] for i in row) for row in rows]
    return Subject(model, text_data(texts, model.predict(texts).argmax(dim=1)))


def broken() -> Subject:
    return reader(normalised=False)


def sound() -> Subject:
    return reader(normalised=True)


def test_the_closed_form_of_a_reader_that_counts_known_words() -> None:
    """The score is 2 m - 0.8, with m the mean of 1 for known and -1 for unknown words.

    One unknown of four leaves m = 0.5, which holds; two leave 0, which does not. A word that a
    character breaks in two is two unknown words: m = 0.2, which does not hold.
    """
    found = values(measured(EVERY, broken()))
    for kind in ("typos", "homoglyphs"):
        assert found[f"robust_accuracy/changes=1,kind={kind}"] == 1
        assert found[f"robust_accuracy/changes=2,kind={kind}"] == 0
    assert found["robust_accuracy/changes=1,kind=invisible"] == 0
    assert found["robust_accuracy/changes=1"] == 0


def test_what_the_normaliser_undoes_is_no_success() -> None:
    subject = sound()
    records = EVERY.measure(subject.artifacts)
    assert np.isinf(records["changed_words-homoglyphs"]).all()
    found = values(measured(EVERY, subject))
    assert found["robust_accuracy/changes=2,kind=homoglyphs"] == 1
    assert found["robust_accuracy/changes=2,kind=typos"] == 0  # which no normaliser undoes
    assert found["robust_accuracy/changes=1,kind=invisible"] == 1  # but for letters in reverse


def test_exhibits_hold_the_very_characters_and_name_what_they_were() -> None:
    subject = broken()
    worst = measured(Character(kinds=("invisible",)), subject).evidence["worst"]
    assert isinstance(worst, TextExhibit)
    for row in worst.rows:
        text = "".join(token.text for token in row.tokens)
        assert int(subject.model.predict([text])[0].argmax()) != int(
            subject.artifacts.labels[int(row.id)]
        )
        changed = [token for token in row.tokens if token.was is not None]
        assert changed
        for token in changed:
            assert any(unicodedata.category(c) == "Cf" for c in token.text)


def test_fewer_words_and_single_kinds_never_find_more() -> None:
    subject = bag_of_words(3, n=40)
    records = Character(max_changes=3).measure(subject.artifacts)
    fewer = Character(max_changes=1).measure(subject.artifacts)
    for column in ("changed_words", *(f"changed_words-{kind}" for kind in KINDS)):
        assert np.array_equal(fewer[column] == 1, records[column] == 1)
        assert (records["changed_words"] <= records[column]).all()


def test_without_gradients_and_with_answers_alone_it_also_works() -> None:
    subject = broken()
    subject.model.differentiable = False
    for access in ("auto", "decisions"):
        check = Character(max_changes=2, access=access)
        assert check.applies(subject.model, subject.data) is None
        found = values(measured(check, subject))
        assert found["robust_accuracy/changes=2"] == 0
        assert found["queries_per_input"] > 1  # type: ignore[operator]


def test_it_is_about_texts() -> None:
    subject = linear_subject(0)
    assert CHECK.applies(subject.model, subject.data) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [("kinds", ()), ("kinds", ("typos", "typos")), ("kinds", ("typo",)), ("max_changes", 0)],
)
def test_bad_parameters_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name.removesuffix("s")):
        Character(**{name: value})  # type: ignore[arg-type]
