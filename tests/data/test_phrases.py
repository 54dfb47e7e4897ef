"""Mirrors auditkit/data/phrases.py."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product

import numpy as np
import pytest

from auditkit.data import phrases
from auditkit.data.dataset import Dataset
from auditkit.data.digest import input_digest
from auditkit.data.splits import SPLITS

ALL = slice(None)


@pytest.fixture(scope="module")
def splits() -> dict[str, Dataset]:
    return {split: phrases.load(split) for split in SPLITS}


def texts_of(data: Dataset) -> list[str]:
    texts = data.read(ALL)
    assert isinstance(texts, list)
    return texts


def rationales(data: Dataset) -> list[list[str]]:
    spans = data.relevance(ALL)
    assert isinstance(spans, list)
    return [
        [text[start:end] for start, end in row]
        for text, row in zip(texts_of(data), spans, strict=True)
    ]


def test_splits_share_no_sentence_and_no_opinion(splits: dict[str, Dataset]) -> None:
    seen: set[str] = set()
    for split, data in splits.items():
        assert len(data) == phrases.SIZES[split]  # type: ignore[index]
        texts = set(texts_of(data))
        assert len(texts) == len(data)
        assert not texts & seen
        seen |= texts
    opinions = [one.opinion for part in phrases._splits().values() for one in part]
    assert len(set(opinions)) == len(opinions) == 7600
    train = frozenset(map(input_digest, texts_of(splits["train"])))
    assert splits["test"].training_digests == train
    assert splits["train"].training_digests is None


SENTIMENT_OF = {
    word: label
    for label, name in enumerate(phrases.CLASSES)
    for key, words in phrases.SENTIMENT.items()
    if name in key and "degree" not in key
    for word in words
}
NEGATORS = (*phrases.NEUTRAL["not"], "did not", "nobody")
DEGREES = [
    (re.compile(word.replace("{scale}", f"(?:{'|'.join(phrases.NEUTRAL['scale'])})")), label)
    for label, name in enumerate(phrases.CLASSES)
    for word in phrases.SENTIMENT[f"{name} degree"]
]


def label_read_from(rationale: list[str]) -> int:
    """Return the label that follows from the marked words alone."""
    whole = " ".join(rationale)
    whole = whole[0].lower() + whole[1:]  # it may begin the sentence
    for pattern, label in DEGREES:
        if pattern.fullmatch(whole):
            return label
    for negator in NEGATORS:
        if whole.startswith(f"{negator} "):
            return 1 - SENTIMENT_OF[whole.removeprefix(f"{negator} ")]
    return SENTIMENT_OF[whole]


def test_the_rationale_spells_the_words_that_decide(splits: dict[str, Dataset]) -> None:
    """They alone give the label: sentiment words, turned round by a negator where one stands."""
    for data in splits.values():
        found = [label_read_from(one) for one in rationales(data)]
        assert found == data.labels.tolist()


def test_no_marks_are_left_in_the_text(splits: dict[str, Dataset]) -> None:
    for data in splits.values():
        for text in texts_of(data):
            assert not set(text) & set("[]{}_")
            assert text[0].isupper()
            assert text.endswith(".")
            assert "  " not in text


def test_one_word_does_not_give_the_label_away(splits: dict[str, Dataset]) -> None:
    """The best single sentiment word rule is far from perfect; many sentences hold both kinds."""
    data = splits["train"]
    both = naive = 0
    for text, label in zip(texts_of(data), data.labels, strict=True):
        words = re.findall(r"\w+", text)
        votes = [SENTIMENT_OF[word] for word in words if word in SENTIMENT_OF]
        both += len(set(votes)) == 2
        naive += round(float(np.mean(votes))) == label if votes else 0
    assert both / len(data) > 0.25
    assert naive / len(data) < 0.75


def test_label_and_identity_are_balanced_and_independent(splits: dict[str, Dataset]) -> None:
    data = splits["train"]
    identity = data.attributes["identity"]
    assert data.sensitive == ("identity",)
    assert set(identity) == set(phrases.IDENTITIES)
    groups = list(phrases.IDENTITIES)
    table = np.zeros((len(groups), 2))
    for group, label in zip(identity, data.labels, strict=True):
        table[groups.index(group), label] += 1
    odds = table / table.sum(axis=1, keepdims=True) - table.sum(axis=0) / table.sum()  # (g, 2)
    assert np.abs(odds).max() < 6 * 0.5 / 750**0.5  # binomial standard deviations
    assert abs(table.sum(axis=0)[0] - 3000) < 6 * 39  # binomial standard deviations
    assert (np.abs(table.sum(axis=1) - 750) < 6 * 26).all()


def test_the_identity_is_named_in_the_sentence_and_never_in_the_rationale(
    splits: dict[str, Dataset],
) -> None:
    data = splits["test"]
    for text, group, marked in zip(
        texts_of(data), data.attributes["identity"], rationales(data), strict=True
    ):
        terms = [one for one in phrases.IDENTITIES[group] if re.search(rf"\b{one}\b", text)]
        assert terms, text
        assert not set(terms) & set(" ".join(marked).split())


def test_identity_terms_belong_to_one_group() -> None:
    terms = [term for terms in phrases.IDENTITIES.values() for term in terms]
    assert len(set(terms)) == len(terms)
    aspects = [one for some in phrases.ASPECTS.values() for one in some]
    assert len(set(aspects)) == len(aspects)
    words = [w for key, some in phrases.SENTIMENT.items() if "degree" not in key for w in some]
    assert len(set(words)) == len(words)


def every(template: str, words: phrases.Words) -> list[str]:
    """Fill a template in every way, by brute force."""
    found = [template]
    while any("{" in one for one in found):
        longer: list[str] = []
        for one in found:
            slot = re.search(r"\{([\w ]+)\}", one)
            if slot is None:
                longer.append(one)
                continue
            name = slot[1].removesuffix("2")
            for word in words[name]:
                filled = one.replace(slot[0], word)
                longer.append(filled)
        found = longer
    return found


def test_the_number_of_combinations_is_counted_by_brute_force() -> None:
    small = {
        "aspect": ["plot", "cast"],
        "not": ["not"],
        "degree": ["too {scale}", "{scale} but not too {scale}"],
        "scale": ["long", "loud", "warm"],
        "adjective": ["good", "fine"],
    }
    for template, expected in (
        ("the {aspect} was {adjective}", 4),
        ("the {aspect} was {degree}", 12),
        ("the {aspect} was {not} {adjective}", 4),
    ):
        assert phrases._ways(template, small) == len(set(every(template, small))) == expected
    pairs = "the {aspect} and the {aspect2}"
    assert phrases._ways(pairs, small) == 2
    drawn = {
        phrases._filled(pairs, small, iter(draws))
        for draws in product(np.linspace(0.01, 0.99, 7), repeat=2)
    }
    assert drawn == {"the plot and the cast", "the cast and the plot"}


def test_thousands_of_combinations() -> None:
    assert phrases.opinions() == 9_814_560
    assert phrases.combinations() == 101_953_649_280


def test_every_kind_of_sentence_occurs_about_equally_often() -> None:
    """Kinds are drawn evenly; those with fewer opinions lose a few to repetition."""
    kinds = Counter[str]()
    patterns = {
        kind: [
            re.compile(re.sub(r"\\\{[^}]*\\\}", ".+", re.escape(re.sub(r"[\[\]]", "", one))))
            for one in templates
        ]
        for kind, templates in phrases.OPINIONS.items()
    }
    for part in phrases._splits().values():
        for sentence in part:
            plain = re.sub(r"[\[\]]", "", sentence.opinion)
            kinds.update(
                kind for kind, some in patterns.items() if any(one.fullmatch(plain) for one in some)
            )
    assert set(kinds) == set(phrases.OPINIONS)
    assert min(kinds.values()) > 500


def test_the_split_is_the_same_for_everyone(splits: dict[str, Dataset]) -> None:
    """Built-in weights were trained on exactly these sentences."""
    assert {split: data.sha256[:16] for split, data in splits.items()} == HASHES


HASHES = {
    "train": "2d408c866f742b31",
    "validation": "e267f07665267796",
    "test": "5bf513159f8e5942",
}
