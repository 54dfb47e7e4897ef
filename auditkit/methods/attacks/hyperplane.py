"""The smallest change that reaches a hyperplane without leaving the bounds, in each norm."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

Measure: TypeAlias = Literal["linf", "l2", "l1", "l0"]
"""How far a change is: largest, Euclidean, absolute sum, or how many numbers differ."""

MEASURES: tuple[Measure, ...] = ("linf", "l2", "l1", "l0")
DUAL: dict[Measure, Measure] = {"linf": "l1", "l2": "l2", "l1": "linf", "l0": "linf"}
"""What measures a gradient: how much a unit of change can gain."""


def size_of(norm: Measure, changes: Tensor) -> Tensor:
    """Return how large changes (m, ...) are, (m,) float64.

    Examples
    --------
    >>> [float(size_of(norm, torch.tensor([[3.0, 0.0, -4.0]]))) for norm in MEASURES]
    [4.0, 5.0, 7.0, 2.0]
    """
    flat = changes.double().flatten(1)
    match norm:
        case "linf":
            return flat.abs().amax(dim=1)
        case "l2":
            return flat.norm(dim=1)
        case "l1":
            return flat.abs().sum(dim=1)
        case "l0":
            return (flat != 0).sum(dim=1).double()


def smallest_change(
    norm: Measure, weights: Tensor, needed: Tensor, *, low: Tensor, high: Tensor
) -> Tensor:
    """Return the smallest changes (m, d) with weights . change = needed and low <= change <= high.

    Exact: numbers reach their bounds one after the other in an order known beforehand, so that one
    sort finds where the sum is met. Where the bounds do not let it be met, the change that comes
    nearest to it. In L0 the sum is met too, by the last number that changes.

    Parameters
    ----------
    norm : Measure
        What is to be small.
    weights : Tensor
        (m, d) normals of the hyperplanes.
    needed : Tensor
        (m,) what the change must add, of any sign.
    low, high : Tensor
        (m, d) bounds of the change: low <= 0 <= high.

    References
    ----------
    Croce and Hein, 2020, arXiv:1907.02044, section 2.1 (Linf, L2 and L1).
    """
    towards = torch.where(needed < 0, -1.0, 1.0)[:, None] * weights.double()  # (m, d)
    steep, wanted = towards.abs(), needed.double().abs()
    room = torch.where(towards > 0, high, -low).double().clamp_min(0)
    room = torch.where(steep > 0, room, 0.0)
    match norm:
        case "linf":
            amount = _grown_together(torch.ones_like(steep), steep, room, wanted)
        case "l2":
            amount = _grown_together(steep, steep, room, wanted)
        case "l1":
            amount = _filled_in_turn(steep, steep, room, wanted)
        case "l0":
            amount = _filled_in_turn(steep * room, steep, room, wanted)
    return torch.where(towards > 0, amount, -amount)


def _grown_together(speed: Tensor, steep: Tensor, room: Tensor, wanted: Tensor) -> Tensor:
    """Return min(t * speed, room), (m, d), with t such that `steep` times it adds to `wanted`."""
    slope = steep * speed
    until = torch.where(slope > 0, room / speed.clamp_min(_TINY), 0.0)  # t at which each one stops
    until, order = until.sort(dim=1)
    slope, gain = slope.gather(1, order), (steep * room).gather(1, order)
    left = slope.flip(1).cumsum(1).flip(1)  # of those that have not stopped before
    done = gain.cumsum(1)
    place = (done + until * (left - slope) < wanted[:, None]).sum(dim=1, keepdim=True)  # (m, 1)
    beyond = place == room.shape[1]
    place = place.clamp(max=room.shape[1] - 1)
    before = (done - gain).gather(1, place)
    time = (wanted[:, None] - before) / left.gather(1, place).clamp_min(_TINY)
    return torch.where(beyond, room, torch.minimum(time * speed, room))


def _filled_in_turn(first: Tensor, steep: Tensor, room: Tensor, wanted: Tensor) -> Tensor:
    """Return changes (m, d) that use up `room`, by falling `first`, until enough is added."""
    order = first.argsort(dim=1, descending=True, stable=True)
    gain, space = (steep * room).gather(1, order), room.gather(1, order)
    missing = wanted[:, None] - (gain.cumsum(1) - gain)  # when each one's turn comes
    share = (missing / gain.clamp_min(_TINY)).clamp(0, 1)
    return torch.zeros_like(room).scatter(1, order, share * space)


_TINY = 1e-300
