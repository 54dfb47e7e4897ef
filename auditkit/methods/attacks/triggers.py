"""Short sequences of words that change the answers to many texts when they are put in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import scores_and_gradients
from auditkit.methods.attacks.lexicon import tokens_of
from auditkit.methods.attacks.token_swap import Vocabulary
from auditkit.methods.attacks.word_search import Asked
from auditkit.models.classifier import TextClassifier
from auditkit.randomness import generator, key_of

START = "the"  # what a trigger grows from, where the model knows it
LEAST = 1e-6  # nats by which a better trigger must be better


@final
class Pool:
    """Words that the model reads as one token each, and where they lie.

    Parameters
    ----------
    model : TextClassifier
        Whose words.
    """

    def __init__(self, model: TextClassifier) -> None:
        vocabulary = Vocabulary(model)
        read = tokens_of(model, vocabulary.words)
        ids = [i for i, tokens in enumerate(read) if vocabulary.words[i] and tokens == (i,)]
        self.words = tuple(vocabulary.words[i] for i in ids)
        self.embeddings = vocabulary.embeddings[ids]  # (w, d)

    def drawn(self, count: int, key: int) -> list[str]:
        """Return random words, perhaps one twice; of a larger count the first are the same."""
        draws = generator(key).random(count)
        return [self.words[int(draw * len(self.words))] for draw in draws]


@final
@dataclass(frozen=True, kw_only=True)
class TriggerSearch:
    """How triggers are searched.

    Parameters
    ----------
    access : {"gradients", "scores"}
        Whether the gradient proposes words, or chance does.
    rounds : int
        Times that every place is tried anew, while that helps.
    candidates : int
        Words tried per place.
    key : int
        Of the words that chance proposes.
    batch_size : int
        Texts per forward pass.

    References
    ----------
    Wallace et al., 2019, arXiv:1908.07125, sections 2.2 and 2.3; here every candidate is read by
    the model as text, and places are tried one after another.
    """

    access: Literal["gradients", "scores"]
    rounds: int
    candidates: int
    key: int
    batch_size: int = 128

    def triggers(
        self, model: TextClassifier, pool: Pool, texts: Sequence[str], *, target: int, length: int
    ) -> list[tuple[str, ...]]:
        """Return one trigger of each length from 1 to `length`, each grown from the one before.

        Parameters
        ----------
        model : TextClassifier
            The model under attack.
        pool : Pool
            Its words.
        texts : sequence of str
            Texts of other classes, on which triggers are chosen.
        target : int
            The class that the model is to say.
        length : int
            Words of the longest.
        """
        asked, found = Asked(model, self.batch_size), []
        trigger: tuple[str, ...] = ()
        begun = START if START in pool.words else pool.words[0]
        for size in range(1, length + 1):
            trigger = self._better(asked, pool, texts, target, (*trigger, begun), size)
            found.append(trigger)
        return found

    def _better(
        self,
        asked: Asked,
        pool: Pool,
        texts: Sequence[str],
        target: int,
        trigger: tuple[str, ...],
        size: int,
    ) -> tuple[str, ...]:
        (best,) = self._scores(asked, [trigger], texts, target)
        for turn in range(self.rounds):
            before = best
            for place in reversed(range(size)):  # the newest word first
                key = key_of(self.key, target, size, turn, place)
                words = self._proposed(asked.model, pool, texts, target, trigger, place, key)
                tried = [(*trigger[:place], one, *trigger[place + 1 :]) for one in words]
                scores = self._scores(asked, tried, texts, target)
                if scores and max(scores) > best + LEAST:
                    best = max(scores)
                    trigger = tried[scores.index(best)]
            if best <= before:
                break
        return trigger

    def _scores(
        self, asked: Asked, tried: Sequence[tuple[str, ...]], texts: Sequence[str], target: int
    ) -> list[float]:
        """Return the mean log probability of the target under each trigger."""
        logits = asked.read([with_trigger(one, text) for one in tried for text in texts])
        likely = logits.double().log_softmax(dim=1)[:, target]
        return likely.view(len(tried), len(texts)).mean(dim=1).tolist()

    def _proposed(
        self,
        model: TextClassifier,
        pool: Pool,
        texts: Sequence[str],
        target: int,
        trigger: tuple[str, ...],
        place: int,
        key: int,
    ) -> list[str]:
        if self.access == "scores":
            drawn = pool.drawn(self.candidates, key)
        else:
            slope = self._slope(model, texts, target, trigger, place)  # (d,)
            order = (pool.embeddings @ slope).argsort(descending=True, stable=True)
            drawn = [pool.words[i] for i in order[: self.candidates].tolist()]
        return [one for one in dict.fromkeys(drawn) if one != trigger[place]]

    def _slope(
        self,
        model: TextClassifier,
        texts: Sequence[str],
        target: int,
        trigger: tuple[str, ...],
        place: int,
    ) -> Tensor:
        """Return the gradient (d,) of the log probability by the word at one place, summed."""
        start = sum(len(word) + 1 for word in trigger[:place])
        end = start + len(trigger[place])
        total = torch.zeros(1, device=model.device)
        for i in range(0, len(texts), self.batch_size):
            encoded = model.encode(
                [with_trigger(trigger, t) for t in texts[i : i + self.batch_size]]
            )
            slopes = scores_and_gradients(
                lambda points, mask=encoded.mask: model.logits_from_embeddings(points, mask),
                model.embed(encoded.ids),
                torch.full((len(encoded.ids),), target, device=model.device),
                loss=_log_probability,
            )
            here = np.zeros(tuple(encoded.ids.shape), dtype=np.float32)
            for row, offsets in enumerate(encoded.offsets):
                for token, (a, b) in enumerate(offsets):
                    here[row, token] = max(a, start) < min(b, end)
            weight = torch.from_numpy(here).to(slopes.gradients)[:, :, None]
            total = total + (torch.nan_to_num(slopes.gradients) * weight).sum(dim=(0, 1)).float()
        return total


def with_trigger(trigger: Sequence[str], text: str) -> str:
    """Return a text behind a trigger."""
    return " ".join([*trigger, text])


def _log_probability(logits: Tensor, labels: Tensor, _rows: Tensor) -> Tensor:
    return logits.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
