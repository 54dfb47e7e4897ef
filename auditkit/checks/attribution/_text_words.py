"""The words that stand for each class: which draw attribution, and what exchanging them does."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._exchanged import Exchanged
from auditkit.checks.attribution._probes import probe_of
from auditkit.checks.base import Example
from auditkit.findings import TextRow, Token
from auditkit.methods.saliency.catalogue import Effort, map_of
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.percent import percent
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.types import Bools, Floats

_WORD = re.compile(r"\w[\w'-]*")
_FEWEST = 5  # texts that a word occurs in before it is nominated
_COMMON = 40  # words among which one that should do nothing is drawn


class Nominee(NamedTuple):
    """A word that speaks for a class."""

    word: str
    share: float  # of the attribution of the class's texts, over all of them
    texts: int  # of the class in which it occurs


@final
@dataclass(frozen=True, kw_only=True)
class TextWords:
    """One nominated word per class, by class number."""

    nominees: dict[int, Nominee]
    common: tuple[str, ...]  # frequent words that were not nominated
    n: int  # texts that were explained

    def row(self, classes: Sequence[str]) -> TextRow:
        """Return the words, and what share of the attribution they get."""
        said = "; ".join(
            f"{classes[label]}: {one.word!r}, {percent(one.share)} of the attribution, in"
            f" {count(one.texts, 'text')}"
            for label, one in sorted(self.nominees.items())
        )
        tokens = [Token(text=f"{one.word} ") for _, one in sorted(self.nominees.items())]
        return TextRow(id="nominated", caption=f"{said}. {count(self.n, 'text')}.", tokens=tokens)


def nominate(pool: Artifacts, *, effort: Effort, method: str) -> TextWords | None:
    """Return the word of each predicted class that gets most attribution, None where none does.

    Words that mostly stand in a rationale, where those are known, are to the point and left out.

    Parameters
    ----------
    pool : Artifacts
        Texts to explain.
    effort : Effort
        What a map may cost.
    method : str
        Of the map.
    """
    truth = pool.relevance
    predicted = pool[Predictions].predicted.numpy()
    shares: dict[int, defaultdict[str, float]] = {}
    seen: dict[int, Counter[str]] = {}
    in_texts, in_rationales = Counter[str](), Counter[str]()
    for i, text in enumerate(pool.texts):
        probe = probe_of(pool, i, grid=1)
        assert isinstance(probe, TextProbe)
        words = list(_WORD.finditer(text))
        spans = truth[i] if isinstance(truth, list) else []
        for one in words:
            inside = any(one.start() < stop and start < one.end() for start, stop in spans)
            in_texts[one.group().lower()] += 1
            in_rationales[one.group().lower()] += inside
        if probe.units == 0:
            continue
        scores = map_of(probe, method, effort).scores
        total = float(np.abs(scores).sum())
        if not np.isfinite(total) or total == 0:
            continue
        of_class = shares.setdefault(int(predicted[i]), defaultdict(float))
        known = seen.setdefault(int(predicted[i]), Counter())
        for one in words:
            of_class[one.group().lower()] += _score(one, probe, scores) / total
        known.update({one.group().lower() for one in words})
    nominees: dict[int, Nominee] = {}
    for label, of_class in shares.items():
        beside = {
            word: share
            for word, share in of_class.items()
            if seen[label][word] >= _FEWEST
            and 2 * in_rationales[word] <= in_texts[word]
            and share > 0
        }
        if beside:
            word = max(sorted(beside), key=lambda one: beside[one])
            n = int((predicted == label).sum())
            nominees[label] = Nominee(word, beside[word] / n, seen[label][word])
    if len(nominees) < 2:
        return None
    chosen = {one.word for one in nominees.values()}
    common = [word for word, _ in in_texts.most_common() if word not in chosen][:_COMMON]
    return TextWords(nominees=nominees, common=tuple(sorted(common)), n=len(pool))


def _score(word: re.Match[str], probe: TextProbe, scores: Floats) -> float:
    """Return the summed score of the tokens that overlap a word."""
    return sum(
        float(score)
        for (start, stop), score in zip(probe.spans, scores, strict=True)
        if start < word.end() and word.start() < stop
    )


def exchange(part: TextWords, artifacts: Artifacts, held_out: Bools) -> Exchanged:
    """Exchange the word for each held-out text's class with that for another class.

    A text without the word gets the other one at its end. The comparison is a common word at the
    end of the same text.
    """
    model = artifacts.text_model
    predicted = artifacts[Predictions].predicted.numpy()
    draws = uniform(artifacts.keys("shortcut words"), (3,))  # (n, 3)
    rows = np.array(
        [i for i in np.flatnonzero(held_out) if set(part.nominees) - {int(predicted[i])}],
        dtype=np.int64,
    )
    wanted, moved, plain = list[int](), list[str](), list[str]()
    for i in rows:
        own = int(predicted[i])
        others = sorted(set(part.nominees) - {own})
        wanted.append(others[int(draws[i, 0] * len(others))])
        out = part.nominees[own].word if own in part.nominees else None
        text = artifacts.texts[i]
        moved.append(_with_word(text, out, part.nominees[wanted[-1]].word))
        common = part.common[int(draws[i, 1] * len(part.common))] if part.common else "the"
        plain.append(f"{text} {common}")
    size = artifacts.execution.batch_size
    target = np.array(wanted, dtype=np.int64)
    follows = model.predict(moved, batch_size=size).argmax(dim=1).numpy() == target
    disturbed = model.predict(plain, batch_size=size).argmax(dim=1).numpy() == target
    examples = [
        _example(artifacts, int(i), moved[k], target[k], part, float(draws[i, 2]))
        for k, i in enumerate(rows)
        if follows[k]
    ]
    return Exchanged(rows, follows, disturbed, None, examples)


def _with_word(text: str, out: str | None, word: str) -> str:
    """Return a text with one word in the place of another, or at the end.

    Examples
    --------
    >>> _with_word("Sent from my Phone.", "phone", "desk")
    'Sent from my desk.'
    >>> _with_word("Nice.", "phone", "desk")
    'Nice. desk'
    """
    if out is None:
        return f"{text} {word}"
    found, times = re.subn(
        rf"(?<!\w){re.escape(out)}(?![\w])", lambda _: word, text, flags=re.IGNORECASE
    )
    return found if times else f"{text} {word}"


def _example(
    artifacts: Artifacts, i: int, moved: str, wanted: int, part: TextWords, luck: float
) -> Example:
    classes = artifacts.classifier.classes
    was = classes[int(artifacts[Predictions].predicted[i])]
    word = part.nominees[wanted].word
    tokens = [
        Token(text=piece, weight=1.0 if piece.lower() == word else None)
        for piece in re.split(rf"((?<!\w){re.escape(word)}(?!\w))", moved)
        if piece
    ]
    caption = f"Was {was}; becomes {classes[wanted]} with the marked word."
    return Example(
        gallery="random",
        score=luck,
        row=TextRow(id=artifacts.ids[i], caption=caption, tokens=tokens),
    )
