"""One input under inspection: where its slopes are taken, and what is said without parts of it.

Images, texts, rows of tables and graphs answer the same questions here, so that neither a method
nor a check need tell them apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from auditkit.data.dataset import Span
from auditkit.methods.saliency.gradient import gradient
from auditkit.methods.saliency.scores import centred, centred_rows
from auditkit.types import Bools, Floats, Keys

Truth: TypeAlias = Bools | list[Span]  # of one input: pixels (h, w), or spans of characters


class Map(NamedTuple):
    """A score per place of an input, for the explained class.

    Places are pixels (h, w), tokens (u,), columns (u,) or nodes (u,).
    """

    scores: Floats
    signed: bool
    completeness_error: float = float("nan")  # NaN where completeness is not promised
    unsuited: str = ""  # why the method does not suit the network, where it does not


class Probe(ABC):
    """One input, cut into u units that can be removed.

    A point is what the network is differentiated at: an image, the embeddings of a text, the
    features of a row, a graph. A unit is what is removed as a whole: a cell of an image, a token, a
    column, a node. Methods see the score of the target: its logit less the mean of all logits.

    Attributes
    ----------
    parts : str
        What units are called.
    target : int
        The explained class.
    batch_size : int
        Inputs per forward pass.
    """

    parts: ClassVar[str]
    target: int
    batch_size: int

    @property
    @abstractmethod
    def units(self) -> int:
        """Number of units u."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a map; where nothing else is said, a place is a unit."""
        return (self.units,)

    @property
    @abstractmethod
    def point(self) -> Tensor:
        """The input as the network is differentiated at it, (1, ...)."""

    @property
    @abstractmethod
    def origin(self) -> Tensor:
        """The reference input, (1, ...), of the shape of the point."""

    @abstractmethod
    def logits(self, points: Tensor) -> Tensor:
        """Return logits (m, k) of points (m, ...), from the network itself."""

    def quick_logits(self, points: Tensor) -> Tensor:
        """Return logits (m, k) of points (m, ...), equal up to rounding and at less cost.

        For who asks for answers and slopes alone, and does not watch the network's functions.
        """
        return self.logits(points)

    @cached_property
    def slopes(self) -> Tensor:
        """Slopes of the target's score at the point, (1, ...).

        They are taken once: for other weights of the network, make another probe.
        """
        return gradient(centred(self.quick_logits), self.point, self.classes())

    @abstractmethod
    def summed(self, scores: Tensor) -> Tensor:
        """Return scores (1, ...) of the numbers of a point, added up per place."""

    @abstractmethod
    def steepest(self, slopes: Tensor) -> Tensor:
        """Return slopes (1, ...) of the numbers of a point as one size per place."""

    @abstractmethod
    def modelless(self) -> dict[str, Floats]:
        """Return plausible maps that are made without the model, by name."""

    def per_unit(self, scores: Floats) -> Floats:
        """Return the score of each unit (u,): the sum of what lies in it."""
        return scores

    def spread(self, scores: Floats) -> Floats:
        """Return a map from a score per unit (u,), whose sums per unit are these scores."""
        return scores

    @abstractmethod
    def differs(self) -> Bools:
        """Return which units (u,) are not like the reference, so that removing them shows."""

    @abstractmethod
    def answers(self, removed: Tensor) -> Tensor:
        """Return logits (b, k) of one batch, without the units removed (b, u)."""

    @torch.no_grad()
    def without(self, removed: Bools) -> Tensor:
        """Return logits (m, k) without the units removed (m, u), on the CPU.

        The network answers once where the same units are removed.
        """
        once, places = np.unique(removed, axis=0, return_inverse=True)
        batches = torch.from_numpy(once).split(self.batch_size)
        return torch.cat([self.answers(some).cpu() for some in batches])[places.ravel()]

    def relevant(self, truth: Truth) -> Bools:
        """Return which places of a map truly matter: what the mask says."""
        assert not isinstance(truth, list)  # only texts have spans
        return truth

    def near(self, key: Keys, count: int) -> list[Probe]:  # noqa: ARG002
        """Return probes of inputs hardly different, none where there is no such thing.

        Parameters
        ----------
        key : ndarray
            (1,) the input's own key, from which the changes are drawn.
        count : int
            Inputs to make.
        """
        return []

    def imputed(self, key: Keys) -> Probe | None:  # noqa: ARG002
        """Return the probe of the same input in which removed parts are guessed from the others.

        None where nothing can be guessed. The key (1,) is the input's own.
        """
        return None

    def otherwise(self) -> Probe | None:
        """Return the probe of the same input with another reference, None where there is one."""
        return None

    def pieces(self) -> list[str]:
        """Return what stands at each place, in words; pixels have none."""
        return []

    def scores(self, removed: Bools) -> Floats:
        """Return the score of the target (m,) without the units removed (m, u)."""
        return floats(centred_rows(self.without(removed))[:, self.target])

    def probabilities(self, removed: Bools) -> Floats:
        """Return the probability of the explained class (m,) without the units removed (m, u)."""
        return floats(self.without(removed).softmax(dim=1)[:, self.target])

    def classes(self) -> Tensor:
        """Return the target as a tensor (1,) beside the point."""
        return torch.tensor([self.target], device=self.point.device)


def floats(values: Tensor) -> Floats:
    """Return numbers as an array in double precision."""
    return values.detach().cpu().numpy().astype(np.float64)
