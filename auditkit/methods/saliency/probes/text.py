"""One text, cut into its tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.saliency.probes.base import Probe, Truth
from auditkit.models.classifier import Encoded, TextClassifier
from auditkit.types import Bools, Floats, Ints

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")


@final
@dataclass(frozen=True, kw_only=True)
class TextProbe(Probe):
    """One text, cut into its tokens; removed ones become `[UNK]`.

    The reference is the same text with each of its tokens unknown, and special tokens in their
    places. (Padding would not do: it is masked, and a text made of it has no defined score.)

    Parameters
    ----------
    model : TextClassifier
        The model; it is not changed.
    text : str
        The text; only tokens within the model's length are units.
    target : int
        The explained class.
    batch_size : int
        Inputs per forward pass.
    """

    parts: ClassVar[str] = "tokens"

    model: TextClassifier
    text: str
    target: int
    batch_size: int

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Character span of each token (u,), special tokens left out."""
        kept = (~self._encoded.special[0]).nonzero()[:, 0].tolist()
        return [self._encoded.offsets[0][i] for i in kept]

    @property
    def units(self) -> int:
        """Number of tokens."""
        return len(self.spans)

    @cached_property
    def words(self) -> Ints:
        """Which word each token belongs to (u,), numbered from 0 without gaps.

        Tokens that overlap one run of letters and digits, hyphens and apostrophes inside it, are
        parts of one word. A token that overlaps none, such as a comma, is a word of its own.
        """
        found = [one.span() for one in _WORD.finditer(self.text)]
        names = [
            next((word for word in found if start < word[1] and word[0] < stop), (start, stop))
            for start, stop in self.spans
        ]
        numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
        return np.array([numbers[name] for name in names], dtype=np.int64)

    @property
    def point(self) -> Tensor:
        """The embeddings (1, t, d), those of special tokens among them."""
        return self._point

    @property
    def origin(self) -> Tensor:
        """The embeddings (1, t, d) of unknown tokens."""
        return self._origin

    def logits(self, points: Tensor) -> Tensor:
        """Return logits (m, k) of embeddings (m, t, d)."""
        return self.model.logits_from_embeddings(points, self._encoded.mask.expand(len(points), -1))

    def summed(self, scores: Tensor) -> Tensor:
        """Return the sum over the numbers of each embedding (u,)."""
        return scores.sum(dim=2)[~self._encoded.special]

    def steepest(self, slopes: Tensor) -> Tensor:
        """Return the Euclidean length over the numbers of each embedding (u,)."""
        return slopes.norm(dim=2)[~self._encoded.special]

    def modelless(self) -> dict[str, Floats]:
        """Return the length of each token in characters."""
        lengths = np.array([stop - start for start, stop in self.spans], dtype=np.float64)
        return {"token-length": lengths}

    def differs(self) -> Bools:
        """Return which tokens are not unknown already."""
        encoded = self._encoded
        return (encoded.ids != self.model.unk_id)[~encoded.special].cpu().numpy()

    def answers(self, removed: Tensor) -> Tensor:
        """Return logits (b, k) where removed tokens are unknown."""
        encoded = self._encoded
        hidden = torch.zeros(len(removed), encoded.ids.shape[1], dtype=torch.bool)
        hidden[:, (~encoded.special[0]).cpu()] = removed
        ids = encoded.ids.masked_fill(hidden.to(encoded.ids.device), self.model.unk_id)  # (b, t)
        return self.model.logits_from_ids(ids, encoded.mask.expand(len(ids), -1))

    def relevant(self, truth: Truth) -> Bools:
        """Return which tokens (u,) overlap a span of the rationale."""
        assert isinstance(truth, list)  # only images have masks
        overlaps = [
            any(start < end and begin < stop for begin, end in truth) for start, stop in self.spans
        ]
        return np.array(overlaps, dtype=np.bool_)

    def pieces(self) -> list[str]:
        """Return each token with what stands before it in the text."""
        done, found = 0, list[str]()
        for _, stop in self.spans:
            found.append(self.text[done:stop])
            done = max(done, stop)
        return found

    @property
    def rest(self) -> str:
        """The end of the text, beyond the length that the model reads."""
        return self.text[max((stop for _, stop in self.spans), default=0) :]

    @cached_property
    def _encoded(self) -> Encoded:
        return self.model.encode([self.text])

    @cached_property
    def _point(self) -> Tensor:
        with torch.no_grad():
            return self.model.embed(self._encoded.ids)

    @cached_property
    def _origin(self) -> Tensor:
        ids = torch.where(self._encoded.special, self._encoded.ids, self.model.unk_id)
        with torch.no_grad():
            return self.model.embed(ids)
