"""One input under inspection: its maps, its removable parts, and what the model says without them.

Images and texts answer the same questions here, so that a check need not tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from auditkit.data.dataset import Span
from auditkit.methods.saliency.edges import edges
from auditkit.methods.saliency.gradient import embedding_gradient, gradient
from auditkit.methods.saliency.integrated_gradients import (
    Attributed,
    TokenAttributed,
    embedding_integrated_gradients,
    integrated_gradients,
)
from auditkit.methods.saliency.occlusion import cells, occlusion, token_occlusion
from auditkit.methods.saliency.scores import centred
from auditkit.models.classifier import Encoded, ImageClassifier, TextClassifier
from auditkit.types import Bools, Floats

METHODS = ("integrated-gradients", "occlusion", "gradient")
COMPLETE = ("integrated-gradients",)  # those whose scores promise to add up to a change
NEGLIGIBLE = 0.01  # nats: a smaller change of a score moves a probability by less than 1 %


Truth: TypeAlias = Bools | list[Span]  # of one input: pixels (h, w), or spans of characters


class Map(NamedTuple):
    """A score per pixel (h, w) or per token (u,) for the explained class."""

    scores: Floats
    signed: bool
    completeness_error: float = float("nan")  # NaN where completeness is not promised


class Probe(Protocol):
    """One input, cut into u units that can be removed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a map."""
        ...

    def map(self, method: str) -> Map:
        """Return the map of one of `METHODS`."""
        ...

    def modelless(self) -> Floats:
        """Return a plausible map that is made from the input alone."""
        ...

    def per_unit(self, scores: Floats) -> Floats:
        """Return the score of each unit (u,): the sum of what lies in it."""
        ...

    def probabilities(self, removed: Bools) -> Floats:
        """Return the probability of the explained class (m,) without the units removed (m, u)."""
        ...

    def relevant(self, truth: Truth) -> Bools:
        """Return which places of a map truly matter."""
        ...


@final
@dataclass(frozen=True, kw_only=True)
class ImageProbe:
    """One image, cut into square cells.

    Parameters
    ----------
    model : ImageClassifier
        The model; it is not changed.
    image, reference : Tensor
        (c, h, w), the image and what stands in for removed parts.
    target : int
        The explained class.
    side : int
        Side of a cell in pixels.
    steps : int
        Nodes of integrated gradients.
    batch_size : int
        Inputs per forward pass.
    """

    model: ImageClassifier
    image: Tensor
    reference: Tensor
    target: int
    side: int
    steps: int
    batch_size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(h, w)."""
        return tuple(self.image.shape[1:])

    def map(self, method: str) -> Map:
        """Return a map (h, w): channels are added, for the gradient the steepest one counts."""
        logits, target = centred(self.model.logits), torch.tensor([self.target])
        image, reference = self.image[None], self.reference[None]
        match method:
            case "integrated-gradients":
                found = integrated_gradients(
                    logits, image, target,
                    reference=reference, steps=self.steps, batch_size=self.batch_size,
                )  # fmt: skip
                scores = found.scores[0].sum(dim=0)
                return Map(_floats(scores), True, completeness_error(found))
            case "occlusion":
                falls = occlusion(
                    logits, image, target,
                    reference=reference, side=self.side, batch_size=self.batch_size,
                )  # fmt: skip
                return Map(_floats(falls[0].sum(dim=0)), True)
            case "gradient":
                slope = gradient(logits, image, target)
                return Map(_floats(slope[0].abs().amax(dim=0)), False)
            case _:
                raise ValueError(f"no map is called {method!r}")

    def modelless(self) -> Floats:
        """Return the edges of the image."""
        return _floats(edges(self.image[None])[0])

    def per_unit(self, scores: Floats) -> Floats:
        """Return the sum over each cell."""
        sums = np.bincount(self._cells.numpy().ravel(), weights=scores.ravel())
        return sums.astype(np.float64)

    @torch.no_grad()
    def probabilities(self, removed: Bools) -> Floats:
        """Return the probability of the explained class where removed cells show the reference."""
        hidden = torch.from_numpy(removed)[:, self._cells]  # (m, h, w)
        rows: list[Tensor] = []
        for some in hidden.split(self.batch_size):
            images = torch.where(some[:, None], self.reference, self.image)
            rows.append(self.model.logits(images).softmax(dim=1)[:, self.target])
        return _floats(torch.cat(rows))

    def relevant(self, truth: Truth) -> Bools:
        """Return the mask (h, w) as it is."""
        assert not isinstance(truth, list)  # only texts have spans
        return truth

    @cached_property
    def _cells(self) -> Tensor:
        _, height, width = self.image.shape
        return cells(height, width, self.side)


@final
@dataclass(frozen=True, kw_only=True)
class TextProbe:
    """One text, cut into its tokens; removed ones become `[UNK]`.

    Parameters
    ----------
    model : TextClassifier
        The model; it is not changed.
    text : str
        The text; only tokens within the model's length are units.
    target : int
        The explained class.
    steps : int
        Nodes of integrated gradients.
    batch_size : int
        Inputs per forward pass.
    """

    model: TextClassifier
    text: str
    target: int
    steps: int
    batch_size: int

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Character span of each token (u,), special tokens left out."""
        kept = (~self._encoded.special[0]).nonzero()[:, 0].tolist()
        return [self._encoded.offsets[0][i] for i in kept]

    @property
    def shape(self) -> tuple[int, ...]:
        """(u,)."""
        return (len(self.spans),)

    def map(self, method: str) -> Map:
        """Return a map (u,)."""
        texts, target = [self.text], torch.tensor([self.target], device=self.model.device)
        match method:
            case "integrated-gradients":
                found = embedding_integrated_gradients(
                    self.model, texts, target, steps=self.steps, batch_size=self.batch_size
                )
                return Map(self._of_tokens(found.scores), True, completeness_error(found))
            case "occlusion":
                falls = token_occlusion(self.model, texts, target, batch_size=self.batch_size)
                return Map(self._of_tokens(falls), True)
            case "gradient":
                return Map(self._of_tokens(embedding_gradient(self.model, texts, target)), False)
            case _:
                raise ValueError(f"no map is called {method!r}")

    def modelless(self) -> Floats:
        """Return the length of each token in characters."""
        return np.array([stop - start for start, stop in self.spans], dtype=np.float64)

    def per_unit(self, scores: Floats) -> Floats:
        """Return the scores: a token is a unit."""
        return scores

    @torch.no_grad()
    def probabilities(self, removed: Bools) -> Floats:
        """Return the probability of the explained class where removed tokens are unknown."""
        encoded = self._encoded
        hidden = torch.zeros(len(removed), encoded.ids.shape[1], dtype=torch.bool)
        hidden[:, (~encoded.special[0]).cpu()] = torch.from_numpy(removed)
        rows: list[Tensor] = []
        for some in hidden.to(encoded.ids.device).split(self.batch_size):
            ids = encoded.ids.masked_fill(some, self.model.unk_id)  # (m, t)
            logits = self.model.logits_from_ids(ids, encoded.mask.expand(len(ids), -1))
            rows.append(logits.softmax(dim=1)[:, self.target])
        return _floats(torch.cat(rows))

    def relevant(self, truth: Truth) -> Bools:
        """Return which tokens (u,) overlap a span of the rationale."""
        assert isinstance(truth, list)  # only images have masks
        overlaps = [
            any(start < end and begin < stop for begin, end in truth) for start, stop in self.spans
        ]
        return np.array(overlaps, dtype=np.bool_)

    @cached_property
    def _encoded(self) -> Encoded:
        return self.model.encode([self.text])

    def _of_tokens(self, scores: Tensor) -> Floats:
        return _floats(scores[0].cpu()[~self._encoded.special[0].cpu()])


def completeness_error(found: Attributed | TokenAttributed) -> float:
    """Return |sum of the scores - change| / |change| of one input; NaN where nothing changes."""
    change, delta = float(found.change), float(found.delta)
    return abs(delta / change) if abs(change) > NEGLIGIBLE else float("nan")


def _floats(values: Tensor) -> Floats:
    return values.detach().cpu().numpy().astype(np.float64)
