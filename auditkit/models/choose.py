"""Chooses, of several possible networks, the one that weights were trained in, by its answers.

All candidates have the same tensors and differ in what no tensor shows; the right one knows the
labels, and a wrong one guesses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from torch import Tensor

from auditkit.errors import AuditkitError, ModelError
from auditkit.models.classifier import ImageClassifier
from auditkit.models.preprocessing import (
    Alternative,
    Answers,
    alternatives,
    answers,
    flops_of,
    knows,
    most_frequent,
)
from auditkit.percent import percent

FIRST, INPUTS = 64, 400  # inputs that every candidate sees, and that the better ones see
FEWEST_KEPT, MOST_KEPT = 8, 24  # how many those are
_FEWEST = 24
_BUDGET = 4e11  # additions and multiplications in each of the two rounds; some seconds


@final
@dataclass(frozen=True, kw_only=True)
class Option:
    """A candidate in words, and a classifier around it."""

    id: str
    words: str
    classifier: ImageClassifier


@final
@dataclass(frozen=True, kw_only=True)
class _Tried:
    option: Option
    prepared: Alternative | None  # another preprocessing than the given one
    answers: Answers

    @property
    def accuracy(self) -> float:
        return self.answers.accuracy

    @property
    def words(self) -> str:
        return self.option.words + (f", {self.prepared.words}" if self.prepared else "")


@final
@dataclass(frozen=True, kw_only=True)
class Choice:
    """The candidate that was chosen, and what to say about it."""

    id: str
    note: str


def choose(
    options: Iterable[Option], images: Tensor, labels: Tensor, *, file: str, prepared: bool
) -> Choice:
    """Return the candidate that answers best.

    Candidates are compared by log loss, which tells more from few inputs than accuracy. Of those
    that are not clearly worse than the best one (99.99 % interval of the mean paired difference,
    because a smoother activation than in training often has a slightly smaller loss), the most
    usual one is taken.

    Parameters
    ----------
    options : iterable of Option
        Candidates, the most usual first.
    images : Tensor
        (n, c, h, w) in random order.
    labels : Tensor
        (n,) class numbers.
    file : str
        Named in messages.
    prepared : bool
        Whether the user said how images are normalised. Otherwise candidates are also tried with
        usual normalisations, because a network that reads them may be lost without; what is chosen
        is the network alone.

    Raises
    ------
    ModelError
        If none is clearly better than always answering the most frequent class.
    """
    pairs = [pair for option in options for pair in _prepared(option, prepared)]
    cost = _cost([option for option, alternative in pairs if alternative is None])
    first = _inputs(cost * len(pairs), FIRST)
    tried = [one for pair in pairs if (one := _try(*pair, images[:first], labels[:first]))]
    if not tried:
        raise _hopeless(file, "none of the networks that fit it can read the images")
    tried.sort(key=lambda one: one.answers.loss)
    few = tried[: min(max(_alike(tried), FEWEST_KEPT), MOST_KEPT)]
    last = max(first, _inputs(cost * (len(few) + 1), INPUTS))
    images, labels = images[:last], labels[:last]
    again = [one for old in few if (one := _try(old.option, old.prepared, images, labels))]
    again.sort(key=lambda one: one.answers.loss)
    usual = [option.id for option, _ in pairs]
    best = min(
        again[: _alike(again)],
        key=lambda one: (usual.index(one.option.id), one.prepared is not None),
    )
    given = best if best.prepared is None else _try(best.option, None, images, labels)
    assert given is not None  # it was tried before
    if not knows(best.answers, labels, tries=len(tried)):
        raise _hopeless(file, _why(best, labels, len(tried)))
    if best.prepared is not None and not knows(given.answers, labels, tries=len(tried)):
        raise ModelError(
            f"{best.option.words} fits {file} and is right on {percent(best.accuracy)} of"
            f" {len(labels)} inputs {best.prepared.words}, but on {percent(given.accuracy)} as"
            " given.",
            hint=f"Add: {best.prepared.option}",
        )
    rival = next((one for one in again if one.option is not best.option), None)
    return Choice(
        id=best.option.id, note=_note(best, given, rival, count=len(tried), n=len(labels))
    )


def _prepared(option: Option, known: bool) -> list[tuple[Option, Alternative | None]]:
    if known:
        return [(option, None)]
    others = [one for one in alternatives(option.classifier) if "--layout" not in one.option]
    return [(option, None), *((option, one) for one in others)]


def _cost(options: Sequence[Option]) -> int:
    """Return the work for one input of the first candidate that can read it."""
    for option in options:
        try:
            return flops_of(option.classifier)
        except (AuditkitError, RuntimeError):
            continue
    return 1


def _inputs(cost_of_one: int, most: int) -> int:
    return max(_FEWEST, min(most, int(_BUDGET / cost_of_one)))


def _try(
    option: Option, prepared: Alternative | None, images: Tensor, labels: Tensor
) -> _Tried | None:
    classifier = prepared.classifier if prepared else option.classifier
    try:
        found = answers(classifier, images, labels)
    except (AuditkitError, RuntimeError):
        return None
    if not math.isfinite(found.loss):
        return None
    return _Tried(option=option, prepared=prepared, answers=found)


def _alike(tried: list[_Tried]) -> int:
    """Return how many, sorted by loss, come before the first that is distinguishably worse."""
    worse = (i for i, one in enumerate(tried) if one.answers.worse_than(tried[0].answers))
    return next(worse, len(tried))


def _why(best: _Tried, labels: Tensor, count: int) -> str:
    return (
        f"the best of {count} that were tried ({best.words}) is right on {percent(best.accuracy)}"
        f" of {len(labels)} inputs, and the most frequent class makes up"
        f" {percent(most_frequent(labels))}"
    )


def _hopeless(file: str, why: str) -> ModelError:
    return ModelError(
        f"--arch auto found no network for {file} that works on these data: {why}.",
        hint="Check --normalise, --input-shape and --classes, or name the network: --arch"
        " package.module:factory",
    )


def _note(best: _Tried, given: _Tried, rival: _Tried | None, *, count: int, n: int) -> str:
    said = (
        f"--arch auto chose {best.option.words}: {percent(given.accuracy)} of {n}"
        " labelled inputs are classified correctly"
    )
    if best.prepared is not None:
        said += f" as given, and {percent(best.accuracy)} {best.prepared.words}"
    said += f"; the best of {count} that were tried."
    if rival is None:
        return said
    told_apart = (
        ""
        if rival.answers.worse_than(best.answers)
        else ", which these inputs do not tell apart from it"
    )
    return f"{said} The runner-up, {rival.words}, has {percent(rival.accuracy)}{told_apart}."


def shuffled(n: int, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return at most `INPUTS` positions in random order, every class among the first ones."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    rank = np.zeros(n)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(rank, kind="stable")[:INPUTS]
