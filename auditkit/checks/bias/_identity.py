"""What happens to texts when only the identity term is swapped: per-input columns of one shard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias, final, get_args

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Example
from auditkit.checks.galleries import answer
from auditkit.errors import ModelError
from auditkit.findings import TextRow, Token
from auditkit.methods.identity.swaps import (
    Finder,
    Spoken,
    about_nobody_else,
    about_others,
    filled_in,
)
from auditkit.methods.identity.terms import Axis, IdentityTerms
from auditkit.randomness import generator
from auditkit.types import Floats

Source: TypeAlias = Literal["texts", "templates"]
SOURCES: tuple[Source, ...] = get_args(Source)
MEASURES = ("changed", "shift", "control_changed", "control_shift")


def column(source: Source, axis: str, what: str) -> str:
    """Return the name of a column of the records."""
    return f"{source}/{axis}/{what}"


@final
@dataclass(frozen=True)
class Swapped:
    """One text in all its versions."""

    row: int  # in the shard
    source: Source
    axis: Axis
    spoken: Spoken
    about: Mapping[str, str]  # term to text
    neutral: Sequence[str]  # the control: as many texts, or none

    @property
    def texts(self) -> Iterator[str]:
        """All versions."""
        yield from self.about.values()
        yield from self.neutral


def swapped(artifacts: Artifacts, terms: IdentityTerms, rows: Sequence[int]) -> list[Swapped]:
    """Return what is to be read: the texts of these rows, and the templates of the shard.

    The template of an axis with the number of an input in the whole data belongs to that input's
    row, so that every shard measures its part of them.

    Parameters
    ----------
    artifacts : Artifacts
        The shard.
    terms : IdentityTerms
        What is swapped.
    rows : sequence of int
        Of the shard, whose texts are swapped.
    """
    keys, found = artifacts.keys("counterfactual-identity"), list[Swapped]()

    def add(row: int, source: Source, axis: Axis, spoken: Spoken, key: np.uint64) -> None:
        about = about_others(spoken, axis)
        if len(about) > 1:
            rng = generator(key)
            neutral = about_nobody_else(spoken, axis, terms.neutral, len(about), rng)
            found.append(Swapped(row, source, axis, spoken, about, neutral))

    for axis in terms.axes:
        finder = Finder(axis, terms.people)
        for row in rows:
            spoken = finder(artifacts.texts[row])
            if spoken is not None:
                add(row, "texts", axis, spoken, keys[row])
        names = list(axis.terms)
        for row, number in enumerate(artifacts.positions.tolist()):
            if number < len(axis.templates):
                spoken = filled_in(axis.templates[number], axis, names[number % len(names)], number)
                # The same words whatever the input: templates are no part of the data.
                key = np.uint64(artifacts.key("identity-templates", axis.name, number))
                add(row, "templates", axis, spoken, key)
    return found


def columns(
    artifacts: Artifacts, terms: IdentityTerms, found: Sequence[Swapped]
) -> tuple[dict[str, Floats | np.ndarray], list[Example]]:
    """Return the columns of the records, and texts to show.

    Per source and axis: `frame` tells texts apart that differ in more than the term, "" where there
    is none; `changed` and `control_changed` whether the answers to all versions are not one;
    `shift` and `control_shift` the mean absolute difference of the score between two versions; and
    the score under each term. Numbers are NaN where there is no text, or no control.
    """
    n = len(artifacts)
    numbers: dict[str, Floats | np.ndarray] = {}
    for source in SOURCES:
        for axis in terms.axes:
            for what in (*MEASURES, *(f"term {one}" for one in axis.terms)):
                numbers[column(source, axis.name, what)] = np.full(n, np.nan)
            numbers[column(source, axis.name, "frame")] = np.full(n, "", dtype="<U16")
    examples = list[Example]()
    logits = _logits(artifacts, found)
    for one in found:
        own = torch.stack([logits[text] for text in one.about.values()])  # (terms, k)
        which = _scored_class(artifacts, one, own)
        measured = {"frame": hashlib.blake2b(one.spoken.frame.encode(), digest_size=8).hexdigest()}
        values = dict(zip(("changed", "shift"), _differences(own, which), strict=True))
        if len(one.neutral) > 1:
            others = torch.stack([logits[text] for text in one.neutral])
            control = _differences(others, which)
            values |= dict(zip(("control_changed", "control_shift"), control, strict=True))
        scores = own.softmax(dim=1)[:, which]  # (terms,)
        values |= {f"term {t}": float(s) for t, s in zip(one.about, scores, strict=True)}
        for what, value in (measured | values).items():
            numbers[column(one.source, one.axis.name, what)][one.row] = value
        if values["changed"] and one.source == "texts":
            examples.append(_example(artifacts, one, own, scores))
    return numbers, examples


def _logits(artifacts: Artifacts, found: Sequence[Swapped]) -> dict[str, Tensor]:
    """Read every version once."""
    texts = list(dict.fromkeys(text for one in found for text in one.texts))
    if not texts:
        return {}
    logits = artifacts.classifier.predict(texts, batch_size=artifacts.execution.batch_size)
    bad = ~torch.isfinite(logits).all(dim=1)
    if bad.any():
        raise ModelError(
            f"The model returned NaN or infinite logits for {texts[int(bad.nonzero()[0, 0])]!r}.",
            hint="Try the model on that text alone.",
        )
    return dict(zip(texts, logits, strict=True))


def _scored_class(artifacts: Artifacts, one: Swapped, logits: Tensor) -> int:
    """Return whose probability is the score: class 1 of two, else the true or the usual class."""
    if logits.shape[1] == 2:
        return 1
    if one.source == "texts":
        return int(artifacts.labels[one.row])
    return int(logits.softmax(dim=1).mean(dim=0).argmax())


def _differences(logits: Tensor, which: int) -> tuple[float, float]:
    """Return whether answers differ, and the mean absolute difference of the score of two."""
    answers, scores = logits.argmax(dim=1), logits.softmax(dim=1)[:, which].double().tolist()
    pairs = [abs(a - b) for a, b in combinations(scores, 2)]
    return float(answers.unique().numel() > 1), float(np.mean(pairs))


def _example(artifacts: Artifacts, one: Swapped, logits: Tensor, scores: Tensor) -> Example:
    """Return the text beside the version whose answer differs and whose score is farthest."""
    terms = list(one.about)
    mine = terms.index(one.spoken.term)
    answers = logits.argmax(dim=1)
    away = (scores - scores[mine]).abs()
    if (answers != answers[mine]).any():
        away = away.masked_fill(answers == answers[mine], -1.0)
    other = int(away.argmax())
    classes = artifacts.classifier.classes
    caption = (
        f"{one.axis.name}, {terms[mine]}: {answer(classes, logits[mine])};"
        f" {terms[other]}: {answer(classes, logits[other])}"
    )
    tokens = _marked(one.spoken.text, one.about[terms[other]])
    row = TextRow(id=artifacts.ids[one.row], caption=caption, tokens=tokens)
    return Example(gallery="worst", score=float(away[other]), row=row)


def _marked(before: str, after: str) -> list[Token]:
    """Return the words of the second text, with what stood there where they differ."""
    old, new = before.split(), after.split()
    if len(old) != len(new):
        return [Token(text=after, was=before)]
    return [
        Token(text=f"{' ' * (i > 0)}{b}", was=None if a == b else f"{' ' * (i > 0)}{a}")
        for i, (a, b) in enumerate(zip(old, new, strict=True))
    ]
