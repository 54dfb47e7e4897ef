"""Chooses how texts are split into words by what is known and what is answered correctly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from auditkit.models.classifier import TextClassifier
from auditkit.models.preprocessing import Answers, answers, gain, knows
from auditkit.models.texts.load import Reader
from auditkit.models.texts.wording import Wording, tokenizer_of
from auditkit.percent import percent

MOST, LEAST = 400, 40  # texts that are compared
_BUDGET = 1e11  # additions and multiplications for each wording; some seconds
_POINTS = 0.10  # of accuracy by which another order of the classes has to be better
_FEW = 0.02  # of the words that may be unknown more than with another way to split
_STRANGE = 0.5  # share of unknown words from which the vocabulary is doubted


@final
@dataclass(frozen=True, kw_only=True)
class _Tried:
    wording: Wording
    classifier: TextClassifier
    unknown: float  # share of the words


def retokenised(model: TextClassifier, reader: Reader, wording: Wording) -> TextClassifier:
    """Return a classifier with the same network that splits texts in another way."""
    assert reader.words is not None
    return TextClassifier(
        model.module,
        tokenizer=tokenizer_of(reader.words, wording),
        classes=model.classes,
        max_length=model.max_length,
        padded=model.padded,
        identity=model.identity,
    )


def choose_wording(
    model: TextClassifier, reader: Reader, texts: Sequence[str], labels: Tensor
) -> tuple[Wording, str]:
    """Return the wording that knows most words and answers best, and what to say about it.

    The likeliest of those that leave few words unknown is taken, unless another has a clearly
    smaller loss (99.99 % interval of the mean paired difference).

    Parameters
    ----------
    model : TextClassifier
        As it was loaded.
    reader : Reader
        Gives the ways to split texts.
    texts : sequence of str
        In random order.
    labels : Tensor
        (n,) class numbers.
    """
    assert reader.words is not None
    tried = list(_distinct(model, reader, texts))
    least = min(one.unknown for one in tried)
    tried.sort(key=lambda one: one.unknown - least > _FEW)  # stable: the likeliest stays first
    if len(tried) == 1 or len(texts) < LEAST:
        only = tried[0]
        return only.wording, (
            f"Texts are {only.wording.in_words(reader.words)}, as the words of {reader.file}"
            f" suggest; {percent(only.unknown)} of the words are unknown to it."
        )
    n = min(_affordable(model, texts), len(texts))
    found = [(one, answers(one.classifier, list(texts[:n]), labels[:n])) for one in tried]
    lowest = min((one for _, one in found), key=lambda one: one.loss)
    best, result = next(pair for pair in found if not pair[1].worse_than(lowest))
    said = (
        f"Texts are {best.wording.in_words(reader.words)}: of {len(tried)} ways that the words of"
    )
    return best.wording, (
        f"{said} {reader.file} allow, {_why(best, tried)}; {percent(best.unknown)} of the words are"
        " unknown"
        f" to it, and {percent(result.accuracy)} of {n} labelled texts are classified correctly."
    )


def _why(best: _Tried, tried: Sequence[_Tried]) -> str:
    return "the likeliest that knows the data" if best is tried[0] else "the one that answers best"


def _distinct(model: TextClassifier, reader: Reader, texts: Sequence[str]) -> Iterator[_Tried]:
    """Yield wordings that give different ids of the texts."""
    seen: list[Tensor] = []
    for wording in reader.wordings:
        classifier = retokenised(model, reader, wording)
        ids = classifier.encode(texts).ids
        if any(ids.shape == other.shape and bool((ids == other).all()) for other in seen):
            continue
        seen.append(ids)
        share = unknown_share(classifier, texts)
        yield _Tried(wording=wording, classifier=classifier, unknown=share)


def unknown_share(model: TextClassifier, texts: Sequence[str]) -> float:
    """Return the share of the words in texts that a model does not know."""
    encoded = model.encode(texts)
    real = encoded.mask & ~encoded.special
    return float((encoded.ids[real] == model.unk_id).float().mean()) if real.any() else 1.0


def doubt_of_texts(model: TextClassifier, texts: Sequence[str], labels: Tensor) -> str | None:
    """Return a sentence where vocabulary or order of the classes seem to be wrong, else None.

    Parameters
    ----------
    model : TextClassifier
        As it was loaded.
    texts : sequence of str
        In random order.
    labels : Tensor
        (n,) class numbers.
    """
    n = min(_affordable(model, texts), len(texts))
    if n < LEAST:
        return None
    texts, labels = texts[:n], labels[:n]
    share = unknown_share(model, texts)
    if share > _STRANGE:
        return (
            f"{percent(share, 0)} of the words in {n} texts are unknown to the model: is the"
            " vocabulary that of its training, and in the language of the data?"
        )
    return _other_order(model, answers(model, list(texts), labels), texts, labels)


def _other_order(
    model: TextClassifier, own: Answers, texts: Sequence[str], labels: Tensor
) -> str | None:
    """Return what to type where another order of the classes is far better."""
    from scipy.optimize import linear_sum_assignment

    k = len(model.classes)
    answered = model.predict(list(texts)).argmax(dim=1)
    counts = torch.zeros(k, k, dtype=torch.int64)  # (answer, truth)
    counts.index_put_(
        (answered, labels), torch.ones(len(labels), dtype=torch.int64), accumulate=True
    )
    _, order = linear_sum_assignment(-counts.numpy())  # truth that each output means
    means = torch.as_tensor(order)
    correct = (means[answered] == labels).numpy()
    other = Answers(correct, own.losses)
    far = other.accuracy - own.accuracy >= _POINTS and gain(other, own).low > 0
    if not far or not knows(other, labels, tries=k):
        return None
    names = ",".join(model.classes[i] for i in order)
    return (
        f"Accuracy is {percent(own.accuracy, 0)} as given and {percent(other.accuracy, 0)} with the"
        f" classes in another order, on the same {len(labels)} texts: did you mean --classes"
        f" {names}?"
    )


def _affordable(model: TextClassifier, texts: Sequence[str]) -> int:
    """Return how many texts can be compared in some seconds."""
    with FlopCounterMode(display=False) as counter:
        model.predict(list(texts[:4]))
    return max(LEAST, min(MOST, int(4 * _BUDGET / max(1, counter.get_total_flops()))))
