"""Changes of a text that its answer should survive, each with a random twin of its size.

And the words that were not changed, in which maps can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution._drift_images import MAP_ATTACK
from auditkit.checks.attribution._probes import key_for
from auditkit.methods.attacks.lexicon import Lexicon
from auditkit.methods.attacks.map_swap import map_swap, random_swap
from auditkit.methods.attacks.synonyms import built_in
from auditkit.methods.attacks.token_swap import Listed
from auditkit.methods.attacks.word_search import Reworded
from auditkit.methods.corruptions.typos import Change, Mistyped, typos
from auditkit.methods.metrics.rank_correlation import rank_correlation
from auditkit.methods.saliency.catalogue import Effort, map_of
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.randomness import uniform
from auditkit.types import Bools, Floats, Keys

TYPOS = "typos"
_LENDING = 200  # texts whose words stand in for others
_NODES, _COPIES, _SETS = 4, 4, 50  # of the maps that an attack looks at
_WORD = re.compile(r"\w+")


class TextPair(NamedTuple):
    """A text after a change, and after a random one of the same size."""

    change: str
    changed: Mistyped
    twin: Mistyped


def changes_of_text(
    artifacts: Artifacts,
    i: int,
    probe: TextProbe,
    *,
    method: str,
    effort: Effort,
    words: int,
    tries: int,
    severity: int,
) -> Iterator[TextPair]:
    """Yield the changes of text i of a shard; one that changes nothing is left out.

    Parameters
    ----------
    probe : TextProbe
        Its probe.
    method : str
        What makes its map.
    effort : Effort
        What a map may cost; the attack on the map looks at cheaper ones.
    words : int
        Words that the attack replaces by synonyms, at most.
    tries : int
        Synonyms that it tries for each.
    severity : int
        Of the typing mistakes.
    """
    text = Reworded.of(probe.text)
    lexicon = artifacts.once("attribution-drift lexicon", lambda: _lexicon(artifacts))
    attacked = _attacked(
        text, probe, lexicon, method, effort, words, tries,
        key_for(artifacts, "attribution-drift", "swaps", i),
    )  # fmt: skip
    if attacked.changes:
        key = key_for(artifacts, "attribution-drift", "random swaps", i)
        twin = random_swap(text, lexicon, words=attacked.changes, key=key)
        yield TextPair(MAP_ATTACK, marked(attacked), marked(twin))
    mistyped = typos([probe.text], severity, artifacts.keys(TYPOS)[i : i + 1])[0]
    key = key_for(artifacts, "attribution-drift", "words", i)
    exchanged = _vocabulary(artifacts).exchanged(probe.text, mistyped, key)
    if mistyped.changes and exchanged is not None:
        yield TextPair(TYPOS, mistyped, exchanged)


def _attacked(
    text: Reworded,
    probe: TextProbe,
    lexicon: Lexicon,
    method: str,
    effort: Effort,
    words: int,
    tries: int,
    key: Keys,
) -> Reworded:
    cheap = replace(effort, steps=_NODES, copies=_COPIES, sets=min(_SETS, effort.sets))

    def keeps(versions: Sequence[Reworded]) -> Bools:
        logits = probe.model.predict([one.text for one in versions], batch_size=probe.batch_size)
        return (logits.argmax(dim=1) == probe.target).numpy()

    before = map_of(probe, method, cheap).scores

    def likeness(version: Reworded) -> float:
        changed = marked(version)
        places = untouched(probe.text, changed)
        after = replace(probe, text=changed.text)
        scores = map_of(after, method, cheap).scores
        both = np.stack(
            [
                word_scores(probe, before, places.before),
                word_scores(after, scores, places.after),
            ]
        )
        return rank_correlation(*both[:, np.isfinite(both).all(axis=0)])

    return map_swap(text, lexicon, keeps, likeness, words=words, tries=tries, key=key)


def marked(reworded: Reworded) -> Mistyped:
    """Return a text with where its words were replaced.

    Examples
    --------
    >>> marked(Reworded(pieces=("", "big", " cat"), was=("", "large", " cat")))
    Mistyped(text='big cat', changes=(Change(start=0, end=3, was='large'),))
    """
    done = 0
    changes: list[Change] = []
    for now, was in zip(reworded.pieces, reworded.was, strict=True):
        if now != was:
            changes.append(Change(done, done + len(now), was))
        done += len(now)
    return Mistyped(reworded.text, tuple(changes))


def former_words(probe: TextProbe, changed: Mistyped) -> dict[int, str]:
    """Return the tokens with which changed words begin, and what these words were.

    Parameters
    ----------
    probe : TextProbe
        Of the changed text.
    changed : Mistyped
        Where it was changed.
    """
    found: dict[int, str] = {}
    for one in changed.changes:
        inside = (
            place
            for place, (start, end) in enumerate(probe.spans)
            if start < one.end and one.start < end
        )
        if (place := next(inside, None)) is not None:
            found[place] = one.was
    return found


def _lexicon(artifacts: Artifacts) -> Lexicon:
    return Lexicon(artifacts.text_model, Listed(built_in()))


def _vocabulary(artifacts: Artifacts) -> Vocabulary:
    return artifacts.once(
        "attribution-drift words",
        lambda: Vocabulary.of(artifacts.sample("attribution-drift words", _LENDING).texts),
    )


class Words(NamedTuple):
    """The words that a change leaves as they are: where they stand before and after it."""

    before: list[tuple[int, int]]
    after: list[tuple[int, int]]


@final
@dataclass(frozen=True)
class Vocabulary:
    """Words of other texts, as often as they occur there."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Vocabulary:
        """Return the words of some texts."""
        return cls(tuple(word for text in texts for word in _WORD.findall(text)))

    def exchanged(self, original: str, changed: Mistyped, key: Keys) -> Mistyped | None:
        """Return the text with other words where it was mistyped; None where there are none.

        Parameters
        ----------
        original : str
            The text before it was mistyped.
        changed : Mistyped
            The text afterwards.
        key : ndarray
            (1,) what the words are drawn by.
        """
        draws = uniform(key, (len(changed.changes),))[0]
        pieces: list[str] = []
        changes: list[Change] = []
        done = length = shift = 0
        for change, draw in zip(changed.changes, draws, strict=True):
            others = [word for word in self.words if word.lower() != change.was.lower()]
            if not others:
                return None
            now, start = others[int(draw * len(others))], change.start - shift
            pieces += [original[done:start], now]
            length += start - done
            changes.append(Change(length, length + len(now), change.was))
            length += len(now)
            done = start + len(change.was)
            shift += change.end - change.start - len(change.was)
        return Mistyped("".join([*pieces, original[done:]]), tuple(changes))


def untouched(original: str, changed: Mistyped) -> Words:
    """Return the words that a change leaves, wherever it moves them.

    Examples
    --------
    >>> untouched("so good", Mistyped("soo good", (Change(0, 3, "so"),)))
    Words(before=[(3, 7)], after=[(4, 8)])
    """
    edits = list[tuple[int, int, int]]()  # start and end in the original, shift behind it
    shift = 0
    for change in changed.changes:
        start = change.start - shift
        end = start + len(change.was)
        shift += change.end - change.start - len(change.was)
        edits.append((start, end, shift))
    before: list[tuple[int, int]] = []
    after: list[tuple[int, int]] = []
    for match in _WORD.finditer(original):
        start, end = match.span()
        if any(start < stop and begin < end for begin, stop, _ in edits):
            continue
        moved = next((by for _, stop, by in reversed(edits) if stop <= start), 0)
        before.append((start, end))
        after.append((start + moved, end + moved))
    return Words(before, after)


class Both(NamedTuple):
    """The words that two changes leave as they are: before, after the one and after the other."""

    before: list[tuple[int, int]]
    first: list[tuple[int, int]]
    second: list[tuple[int, int]]


def untouched_by_both(original: str, first: Mistyped, second: Mistyped) -> Both:
    """Return the words that neither of two changes touches."""
    one, other = untouched(original, first), untouched(original, second)
    there = dict(zip(other.before, other.after, strict=True))
    kept = [(a, b) for a, b in zip(one.before, one.after, strict=True) if a in there]
    return Both([a for a, _ in kept], [b for _, b in kept], [there[a] for a, _ in kept])


def word_scores(probe: TextProbe, scores: Floats, spans: Sequence[tuple[int, int]]) -> Floats:
    """Return the sum over the tokens that lie in each span (w,); NaN where none does."""
    starts, ends = np.array(probe.spans, dtype=np.int64).reshape(-1, 2).T
    found = np.full(len(spans), np.nan)
    for place, (start, end) in enumerate(spans):
        inside = (starts < end) & (start < ends)
        if inside.any():
            found[place] = scores[inside].sum()
    return found
