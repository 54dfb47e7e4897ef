"""Hybrid zonotopes: affine forms of shared symbols, carried forward, with a box for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from auditkit.methods.certification.activations import Activation
from auditkit.methods.certification.balls import Inputs
from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.operations import Affine, Operation
from auditkit.methods.certification.rounding import OWN, gamma


@final
@dataclass(frozen=True)
class Zonotope:
    """The numbers of one step, for one input: centre + sum of symbol_i * weights_i + rest.

    Symbols lie in [-1, 1]; for an L2 ball the first ones, of the input, have length 1 at most.
    Numbers of `rest` lie in [-radius, radius], each by itself.
    """

    weights: Tensor  # (symbols, 1, ...), those that came later are left out where they are zero
    centre: Tensor  # (1, ...)
    rest: Tensor  # (1, ...), at least 0
    inputs: int  # how many symbols belong to an L2 ball; 0 for a box

    def reach(self) -> Tensor:
        """Return how far the numbers can be from the centre."""
        together = self.weights[: self.inputs].square().sum(dim=0).sqrt()
        alone = self.weights[self.inputs :].abs().sum(dim=0)
        return (together + alone) * (1 + 1e-10) + self.rest

    def box(self) -> Interval:
        """Return intervals of the numbers."""
        reach = self.reach()
        whole = Interval(self.centre, self.centre).widened(reach + 4 * OWN * self.centre.abs())
        return whole.widened(4 * OWN * reach).settled(torch.float64)


def zonotope_bounds(
    operations: Sequence[Operation | None],
    boxes: Sequence[Interval],
    inputs: Inputs,
    *,
    symbols: int,
) -> list[Interval]:
    """Return intervals of every step for one input.

    Sums of products keep all that is known of how numbers depend on each other. A curve becomes its
    best straight line and a new symbol per number; where there would be more than `symbols`, those
    that matter least go into the box.

    Parameters
    ----------
    operations : sequence
        The rules of every step, None for the input.
    boxes : sequence of Interval
        From interval bound propagation, (1, ...).
    inputs : Inputs
        The ball around one input.
    symbols : int
        How many there may be; what they cost grows with their number.

    References
    ----------
    Singh et al., 2018, Fast and effective robustness certification (NeurIPS): the lines; Mirman et
    al., 2018, Differentiable abstract interpretation (ICML), section 4.2: the box for the rest.
    """
    forms: list[Zonotope] = []
    found: list[Interval] = []
    used = 0
    for operation, plain in zip(operations, boxes, strict=True):
        if operation is None:
            form, here = _start(inputs), plain
        else:
            parents = operation.step.parents
            read, known = [forms[one] for one in parents], [found[one] for one in parents]
            here = operation.bounded(known).within(plain)
            form = _after(operation, read, known, here, used=used, symbols=symbols)
            here = here.within(form.box())
        used = max(used, len(form.weights))
        forms.append(form)
        found.append(here)
    return found


def _start(inputs: Inputs) -> Zonotope:
    if inputs.norm == "l2":
        radii = torch.full_like(inputs.centre, inputs.epsilon)
        weights = torch.diag(radii.flatten()).view(-1, *radii.shape)
        return Zonotope(weights, inputs.centre, torch.zeros_like(radii), len(weights))
    weights = torch.diag(inputs.box.radius.flatten()).view(-1, *inputs.centre.shape)
    return Zonotope(weights, inputs.box.middle, torch.zeros_like(inputs.centre), 0)


def _after(
    operation: Operation,
    read: Sequence[Zonotope],
    known: Sequence[Interval],
    here: Interval,
    *,
    used: int,
    symbols: int,
) -> Zonotope:
    """Return the form after an operation, from the forms and intervals of what it reads."""
    if isinstance(operation, Affine):
        return _combined(operation, read, known, here)
    if isinstance(operation, Activation) and bool(known[0].size.isfinite().all()):
        return _bent(operation, read[0], known[0], here, used=used, symbols=symbols)
    nothing = read[0].weights.new_zeros(0, *here.low.shape)
    return Zonotope(nothing, here.middle, here.radius, read[0].inputs)


def _combined(
    operation: Affine, read: Sequence[Zonotope], known: Sequence[Interval], here: Interval
) -> Zonotope:
    count = max(len(one.weights) for one in read)
    together = [_filled(one.weights, count) for one in read]
    start = operation.function(*(torch.zeros_like(one.centre) for one in read))
    constant = bool(start.any())
    weights = torch.vmap(
        lambda *one: operation.function(*one) - start if constant else operation.function(*one)
    )(*together)
    rest = operation.gain(*(one.rest for one in read)).expand_as(start)
    if operation.terms:
        sizes = [one.centre.abs() + one.reach() for one in read]
        own = gamma(operation.terms, OWN) * (operation.gain(*sizes) + operation.offset)
        rest = rest * (1 + 1e-10) + own + operation.slack(known, here)
    centre = operation.function(*(one.centre for one in read))
    return Zonotope(weights, centre, rest, read[0].inputs)


def _bent(
    operation: Activation,
    read: Zonotope,
    known: Interval,
    here: Interval,
    *,
    used: int,
    symbols: int,
) -> Zonotope:
    """Return slope * x + middle of what is left, and a new symbol for each radius of it."""
    slope = next(iter(operation.slopes(known)))
    (left,) = operation.differences(known, [slope])
    own = 8 * OWN * slope.abs() * (read.centre.abs() + read.reach())
    rest = read.rest * slope.abs() + own + operation.slack([known], here)
    weights, radius = read.weights * slope, left.radius.flatten()
    (new,) = torch.where(radius > 1e-9)
    if len(new) > symbols - used:
        new = radius.topk(max(0, symbols - used)).indices
    added = torch.zeros(len(new), len(radius), dtype=radius.dtype, device=radius.device)
    added[torch.arange(len(new)), new] = radius[new]
    boxed = radius.clone()
    boxed[new] = 0.0
    if len(new):
        weights = torch.cat([_filled(weights, used), added.view(-1, *slope.shape)])
    return Zonotope(
        weights,
        read.centre * slope + left.middle,
        rest + boxed.view(slope.shape),
        read.inputs,
    )


def _filled(weights: Tensor, count: int) -> Tensor:
    """Return weights of so many symbols; those that came later have not arrived here."""
    missing = weights.new_zeros(count - len(weights), *weights.shape[1:])
    return torch.cat([weights, missing]) if len(missing) else weights
