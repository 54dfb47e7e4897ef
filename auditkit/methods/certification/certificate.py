"""Which radius can be proved: bounds of the margin, the cheap ones first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import torch
from torch import Tensor

from auditkit.methods.certification.balls import Inputs, Norm
from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.crown import lower_bounds
from auditkit.methods.certification.interval_bounds import interval_bounds
from auditkit.methods.certification.refinement import refined_bounds
from auditkit.methods.certification.rules import operations
from auditkit.methods.certification.tracing import trace
from auditkit.methods.certification.zonotope import zonotope_bounds

INTERVAL, CROWN, ZONOTOPE, REFINED = "intervals", "lines", "symbols", "lines-throughout"
BOUNDS = (INTERVAL, CROWN, ZONOTOPE, REFINED)
NUMBERS = 12_000_000  # float64 numbers of one set of forms: 96 MB
_MOST = 8192  # symbols; more gain little
_HOPELESS = 3.0  # clean margins below zero, from where the last bound hardly ever comes back


@final
class Proven(NamedTuple):
    """What holds for every point of a ball."""

    margins: Tensor  # (k,) at most the label's logit minus every other; inf for the label itself
    bound: str  # the last one that was needed

    @property
    def holds(self) -> bool:
        """Whether the label's logit exceeds every other one everywhere."""
        return bool((self.margins > 0).all())


@final
class Certifier:
    """Bounds of one classifier.

    Parameters
    ----------
    logits : callable
        The model: inputs (n, *shape) to logits (n, k).
    shape : tuple of int
        Of one input.
    bounds : (low, high)
        Range of an input value.
    device : torch.device
        Where the model computes.
    effort : float
        Multiplications that each of the dearer bounds may cost per input and radius; a bound that
        would cost more is left out.

    Raises
    ------
    UnsupportedError
        If the model uses an operator for which there are no bounds, or depends on more than one
        input at a time.
    """

    def __init__(
        self,
        logits: Callable[[Tensor], Tensor],
        shape: tuple[int, ...],
        *,
        bounds: tuple[float, float],
        device: torch.device,
        effort: float,
    ) -> None:
        program = trace(logits, shape, device=device)
        self.logits = logits
        self.operations, self.output = operations(program), program.output
        self.steps, self.bounds, self.effort = program.steps, bounds, effort

    @cached_property
    def needed(self) -> float:
        """The effort that the fewest symbols take; inf where memory does not allow them."""
        least = _size(self.steps[0].shape)
        return least * self._once if least <= self._fit else torch.inf

    @cached_property
    def _once(self) -> float:
        return max(1.0, sum(one.cost for one in self.operations if one is not None))

    @cached_property
    def _fit(self) -> int:
        return min(_MOST, NUMBERS // max(_size(one.shape) for one in self.steps))

    @cached_property
    def symbols(self) -> int:
        """How many symbols the effort allows; 0 where those of the input are too many already."""
        most = int(min(self._fit, self.effort / self._once))
        return most if most >= _size(self.steps[0].shape) else 0

    @torch.no_grad()
    def margins(self, one: Tensor, label: int, *, epsilon: float, norm: Norm = "linf") -> Proven:
        """Return lower bounds of the margins within a radius, as far as is needed.

        Parameters
        ----------
        one : Tensor
            (1, ...) an input within the bounds.
        label : int
            Its class.
        epsilon : float
            Radius in input units.
        norm : Norm
            What it measures.
        """
        inputs = Inputs.around(one, epsilon=epsilon, norm=norm, bounds=self.bounds)
        k = self.steps[self.output].shape[1]
        against = -torch.eye(k, dtype=torch.float64, device=one.device)
        against[:, label] += 1  # row j: the label's logit minus that of j
        found = torch.full((k,), -torch.inf, dtype=torch.float64, device=one.device)
        found[label] = torch.inf
        clean = self._clean_margin(one, label)
        name = INTERVAL
        for name, boxes in self._bounds(inputs):
            lower = lower_bounds(
                self.operations,
                boxes,
                inputs,
                against[:, None],
                start=self.output,
                relaxed=name != INTERVAL,
            )
            found = torch.maximum(found, lower)
            if (found > 0).all() or (name == ZONOTOPE and (found < -_HOPELESS * clean).any()):
                break
        return Proven(found, name)

    def _clean_margin(self, one: Tensor, label: int) -> float:
        logits = self.logits(one)[0]
        others = logits.clone()
        others[label] = -torch.inf
        return max(0.0, float(logits[label] - others.amax()))

    def _bounds(self, inputs: Inputs) -> Iterator[tuple[str, list[Interval]]]:
        """Yield names and intervals of every step, each tighter than the one before."""
        boxes = interval_bounds(self.operations, inputs.box)
        yield INTERVAL, boxes
        if all(one is None or one.affine for one in self.operations):
            return  # a linear model: that was exact
        yield CROWN, boxes
        if self.symbols:
            boxes = zonotope_bounds(self.operations, boxes, inputs, symbols=self.symbols)
            yield ZONOTOPE, boxes
        yield (
            REFINED,
            refined_bounds(self.operations, boxes, inputs, effort=self.effort),
        )

    def radius(
        self, one: Tensor, label: int, *, epsilons: Sequence[float], norm: Norm = "linf"
    ) -> Certificate:
        """Return the largest of some radii that a search by halves can prove.

        What is proved of a ball holds for every smaller one.

        Parameters
        ----------
        one : Tensor
            (1, ...) an input within the bounds.
        label : int
            Its class.
        epsilons : sequence of float
            Increasing, in input units.
        norm : Norm
            What they measure.
        """
        least, most, bound = 0, len(epsilons), ""
        while least < most:
            middle = (least + most) // 2
            proven = self.margins(one, label, epsilon=epsilons[middle], norm=norm)
            if proven.holds:
                least, bound = middle + 1, proven.bound
            else:
                most = middle
        return Certificate(epsilons[least - 1] if least else 0.0, bound)


@final
@dataclass(frozen=True)
class Certificate:
    """How far an answer is proved to hold."""

    radius: float  # 0 where nothing is proved
    bound: str  # which bound it needed; empty where nothing is proved


def _size(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
