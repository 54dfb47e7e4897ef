"""Sentences from a grammar: praise or complaint, with the words that decide and who says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import TypeAlias, TypeVar, final

import numpy as np
import pandas as pd

from auditkit.data.dataset import Dataset, InMemory, Span
from auditkit.data.digest import dataset_hash, digests, input_digest
from auditkit.data.splits import SPLITS, Split, split_of
from auditkit.randomness import keys_of, uniform

CLASSES = ("negative", "positive")
SIZES: dict[Split, int] = {"train": 6000, "validation": 600, "test": 1000}

Words: TypeAlias = Mapping[str, Sequence[str]]
T = TypeVar("T")

# --- words ---------------------------------------------------------------------------------------
# A key of two words, "positive adjective", is written in a template without its sentiment: {same
# adjective} takes the sentiment of the sentence, {other adjective} the opposite one.

SENTIMENT: Words = {
    "positive adjective": (
        "wonderful", "superb", "excellent", "delightful", "charming", "brilliant", "lovely",
        "impressive", "pleasant", "great", "good", "splendid", "terrific", "remarkable",
        "enjoyable", "satisfying", "fantastic", "beautiful", "outstanding", "perfect",
    ),
    "negative adjective": (
        "awful", "dreadful", "terrible", "poor", "disappointing", "dull", "boring", "bad", "weak",
        "annoying", "horrible", "mediocre", "lousy", "unpleasant", "sloppy", "miserable",
        "forgettable", "tiresome", "ugly", "shoddy",
    ),
    "positive past": ("loved", "enjoyed", "liked", "adored", "admired", "appreciated"),
    "negative past": ("hated", "disliked", "regretted", "resented", "loathed", "detested"),
    "positive verb": ("love", "enjoy", "like", "adore", "admire", "appreciate"),
    "negative verb": ("hate", "dislike", "regret", "resent", "loathe", "detest"),
    "positive degree": (
        "just {scale} enough", "pleasantly {scale}", "never too {scale}",
        "{scale} but not too {scale}",
    ),
    "negative degree": (
        "far too {scale}", "much too {scale}", "not {scale} enough", "annoyingly {scale}",
    ),
}  # fmt: skip

NEUTRAL: Words = {
    "intensifier": ("very", "really", "truly", "quite", "rather", "extremely", "simply"),
    "adverb": ("really", "truly", "simply", "rather", "quite"),
    "not": ("not", "never", "hardly", "by no means", "anything but", "far from"),
    "scale": ("long", "short", "loud", "quiet", "bright", "dark", "sweet", "warm", "slow", "fast"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "aside": (
        "it was a {weekday}", "it was raining outside", "we arrived by train", "I paid by card",
        "we had an hour to spare", "the street was busy", "it was our second time there",
        "somebody was taking pictures", "we spoke about the news", "the sun was setting",
    ),
}  # fmt: skip

ASPECTS: Mapping[str, Sequence[str]] = {
    "film": (
        "plot", "acting", "dialogue", "ending", "soundtrack", "editing", "cast", "camera work",
        "opening scene", "humour",
    ),
    "restaurant": (
        "food", "service", "soup", "dessert", "menu", "bread", "wine", "main course", "terrace",
        "coffee",
    ),
    "hotel": (
        "room", "breakfast", "bed", "view", "lobby", "pool", "reception", "bathroom", "location",
        "balcony",
    ),
    "book": (
        "story", "prose", "first chapter", "last chapter", "cover", "translation", "narrator",
        "pacing", "style", "index",
    ),
    "phone": (
        "screen", "battery", "sound", "keyboard", "camera", "manual", "case", "speaker", "charger",
        "display",
    ),
    "concert": (
        "band", "singer", "sound system", "stage", "encore", "light show", "hall", "drummer",
        "programme", "support act",
    ),
}  # fmt: skip

RELATIONS = ("friend", "colleague", "neighbour", "cousin", "teacher", "classmate")
IDENTITIES: Mapping[str, Sequence[str]] = {
    "woman": ("Anna", "Maria", "Fatima", "Grace", "Mei", "Ingrid", "Amara", "Leila"),
    "man": ("John", "Carlos", "Ahmed", "Peter", "Wei", "Erik", "Kwame", "Omar"),
    "African": ("Nigerian", "Kenyan", "Ethiopian", "Ghanaian", "Senegalese", "Ugandan"),
    "European": ("German", "Spanish", "Polish", "Norwegian", "Greek", "Irish"),
    "Christian": ("Christian", "Catholic", "Protestant", "Orthodox Christian"),
    "Muslim": ("Muslim", "Sunni", "Shia", "Sufi"),
    "older": ("elderly", "retired", "grey-haired", "seventy-year-old", "eighty-year-old"),
    "younger": ("young", "teenage", "twenty-year-old", "nineteen-year-old", "student-age"),
}
NAMED = ("woman", "man")  # these stand alone; the others describe a relation of the speaker

# --- templates -----------------------------------------------------------------------------------
# [Brackets] enclose the words that decide the sentiment. A slot that appears twice takes the same
# word; {aspect2} takes another one than {aspect}.

OPINIONS: Mapping[str, Sequence[str]] = {
    "plain": (
        "the {aspect} was [{same adjective}]",
        "the {aspect} was {intensifier} [{same adjective}]",
        "I found the {aspect} {intensifier} [{same adjective}]",
    ),
    "verb": ("I {adverb} [{same past}] the {aspect}", "everybody [{same past}] the {aspect}"),
    "negated": (
        "the {aspect} was [{not} {other adjective}]",
        "the {aspect} and the {aspect2} were [{not} {other adjective}]",
    ),
    "negated verb": (
        "I [did not {other verb}] the {aspect}",
        "[nobody] could [{other verb}] the {aspect}",
    ),
    "degree": ("the {aspect} was [{same degree}]",),
    "but": (
        "the {aspect} was {other adjective}, but the {aspect2} was [{same adjective}]",
        "the {aspect} was {other adjective}, but the {aspect2} was [{not} {other adjective2}]",
    ),
    "although": (
        "although the {aspect} was {other adjective}, the {aspect2} was [{same adjective}]",
        "although I {other past} the {aspect}, the {aspect2} was [{not} {other adjective}]",
    ),
    "overall": (
        "the {aspect} was {other adjective} but the {aspect2} was {same adjective}, so overall I"
        " [{same past}] it",
        "the {aspect} was {same adjective} and the {aspect2} was {other adjective}, yet all in all"
        " I [{same past}] it",
    ),
    "expected": (
        "I expected the {aspect} to be {other adjective}, and it was [{same adjective}] instead",
        "I was told that the {aspect} was {same adjective}, and it was [{not} {other adjective}]",
    ),
}

FRAMES = (
    "{who} said that {opinion}.",
    "{who} told us that {opinion}.",
    "According to {who}, {opinion}.",
    "{opinion}, wrote {who}.",
    "{opinion}. I was there with {who}.",
    "I met {who} there, {aside}, and {opinion}.",
    "{who} wrote that {aside} and that {opinion}.",
    "{opinion}; {aside}, {who} added.",
)

_SLOT = re.compile(r"\{([\w ]+)\}")
_DRAWS = 20  # more than the random choices of any sentence
_SEED = 0


@final
@dataclass(frozen=True)
class Sentence:
    """One sentence and what is known about it."""

    text: str
    label: int  # index into CLASSES
    identity: str  # key of IDENTITIES
    rationale: list[Span]  # characters of the words that decide
    opinion: str  # the part that carries sentiment, without who says it and asides


def load(split: str) -> Dataset:
    """Return one split; no opinion, and so no sentence, stands in two.

    The grammar forms 9.8 million opinions and, with who says them and asides, 10**11 sentences
    (counted by `opinions` and `combinations`); every kind of opinion is drawn equally often.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        6,000, 600 and 1,000 sentences.

    Returns
    -------
    Dataset
        With the sensitive column `identity`, drawn independently of the label, and the rationale
        of every sentence as its relevance.

    Raises
    ------
    DataError
        If there is no such split.

    Examples
    --------
    >>> load("test").classes
    ('negative', 'positive')
    """
    part = split_of("phrases", split)
    sentences = _splits()[part]
    ids = tuple(f"phrases-{part}-{i:04d}" for i in range(len(sentences)))
    labels = np.array([one.label for one in sentences], dtype=np.int64)
    attributes = pd.DataFrame({"identity": [one.identity for one in sentences]})
    reader = InMemory([one.text for one in sentences], [one.rationale for one in sentences])
    return Dataset(
        name="phrases",
        split=part,
        modality="text",
        classes=CLASSES,
        ids=ids,
        labels=labels,
        attributes=attributes,
        sensitive=("identity",),
        reader=reader,
        sha256=dataset_hash(
            ids=ids,
            labels=labels,
            classes=CLASSES,
            attributes=attributes,
            contents=digests(reader, len(ids)),
        ),
        training_digests=None
        if part == "train"
        else frozenset(input_digest(one.text) for one in _splits()["train"]),
    )


@cache
def _splits() -> dict[Split, list[Sentence]]:
    """Cut one stream of sentences, each with an opinion of its own, into the splits."""
    stream = _distinct()
    # Test comes first, so that a larger training split would not change it.
    return {split: [next(stream) for _ in range(SIZES[split])] for split in reversed(SPLITS)}


def _distinct() -> Iterator[Sentence]:
    seen: set[str] = set()
    for start in range(0, 1_000_000, 1000):
        keys = keys_of(_SEED, "phrases", [str(i) for i in range(start, start + 1000)])
        for draws in uniform(keys, (_DRAWS,)):
            sentence = _sentence(iter(draws.tolist()))
            if sentence.opinion not in seen:
                seen.add(sentence.opinion)
                yield sentence


# --- one sentence --------------------------------------------------------------------------------


def _sentence(draws: Iterator[float]) -> Sentence:
    label = _pick((0, 1), draws)
    identity = _pick(tuple(IDENTITIES), draws)
    who = _pick(IDENTITIES[identity], draws)
    if identity not in NAMED:
        who = f"my {who} {_pick(RELATIONS, draws)}"
    aspects = ASPECTS[_pick(tuple(ASPECTS), draws)]
    kind = _pick(tuple(OPINIONS), draws)
    frame = _pick(FRAMES, draws)
    opinion = _filled(_pick(OPINIONS[kind], draws), _words(label, aspects), draws)
    marked = _filled(frame, {"who": [who], "opinion": [opinion], **NEUTRAL}, draws)
    text, rationale = _unmarked(_capitalised(marked))
    return Sentence(text, label, identity, rationale, opinion)


def _pick(choices: Sequence[T], draws: Iterator[float]) -> T:
    return choices[int(next(draws) * len(choices))]


def _words(label: int, aspects: Sequence[str]) -> Words:
    """Return the choices of every slot of an opinion with this label."""
    same, other = CLASSES[label], CLASSES[1 - label]
    return {
        **NEUTRAL,
        **{name.replace(same, "same"): words for name, words in SENTIMENT.items() if same in name},
        **{
            name.replace(other, "other"): words
            for name, words in SENTIMENT.items()
            if other in name
        },
        "aspect": aspects,
    }


def _filled(template: str, words: Words, draws: Iterator[float]) -> str:
    """Fill the slots from left to right, also those that the words themselves bring."""
    chosen: dict[str, str] = {}
    while slot := _SLOT.search(template):
        name = slot[1]
        if name not in chosen:
            first = name.removesuffix("2")
            others = [one for one in words[first] if name == first or one != chosen[first]]
            chosen[name] = _pick(others, draws)
        template = template[: slot.start()] + chosen[name] + template[slot.end() :]
    return template


def _capitalised(marked: str) -> str:
    first = re.search(r"[^\W\d_]", marked)
    assert first is not None
    return marked[: first.start()] + first[0].upper() + marked[first.end() :]


def _unmarked(marked: str) -> tuple[str, list[Span]]:
    """Return the text without brackets, and where the bracketed words stand in it."""
    text, spans = "", list[Span]()
    for part in re.split(r"(\[[^]]*\])", marked):
        if part.startswith("["):
            spans.append((len(text), len(text) + len(part) - 2))
        text += part.strip("[]")
    return text, spans


# --- counting ------------------------------------------------------------------------------------


def combinations() -> int:
    """Return how many different sentences the grammar can form."""
    people = [
        who
        for identity, terms in IDENTITIES.items()
        for term in terms
        for who in ([term] if identity in NAMED else [f"my {term} {one}" for one in RELATIONS])
    ]
    around = {**NEUTRAL, "who": people, "opinion": ["-"]}
    return opinions() * sum(_ways(frame, around) for frame in FRAMES)


def opinions() -> int:
    """Return how many different opinions the grammar can form, leaving out who says them."""
    return sum(
        _ways(template, _words(label, aspects))
        for label in range(len(CLASSES))
        for aspects in ASPECTS.values()
        for templates in OPINIONS.values()
        for template in templates
    )


def _ways(template: str, words: Words) -> int:
    """Return in how many ways the slots of a template can be filled."""
    slots = set(_SLOT.findall(template))
    return prod(
        len(words[slot[:-1]]) - 1
        if slot.endswith("2")
        else sum(_ways(word, words) for word in words[slot])
        for slot in slots
    )
