"""Decoupled direction and norm: steps on a sphere that shrinks while it is misclassified."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import slopes_and_successes
from auditkit.methods.attacks.fmn import marks
from auditkit.methods.attacks.hyperplane import size_of
from auditkit.methods.attacks.nearest import Nearest, scaled
from auditkit.models.classifier import Logits

_AFAR = 4.0  # first radius, in distances of the nearest point known
_GAMMA = 0.05  # share by which the radius changes; as published, like the steps
_TINY = 1e-12


def ddn(
    logits: Logits,
    nearest: Nearest,
    rows: Tensor,
    *,
    steps: int,
    search: Logits | None = None,
    batch_size: int = 128,
) -> None:
    """Bring the L2 points of some rows of `nearest` nearer, coming from afar.

    It starts at the inputs and at four times the distance of the nearest point known, and always
    goes along the sphere, with a first step of that length. So it sees what lies behind the near
    surroundings of an input: of a network that was trained against attacks, where the gradients
    near the input lead nowhere, it meets points at a half of the distance that rounds of `fmn` end
    at.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    nearest : Nearest
        The inputs and the distances known, in L2.
    rows : Tensor
        (m,) which inputs take part.
    steps : int
        Gradient steps per input.
    search : callable, optional
        The model in a cheaper precision, used for gradients and to propose candidates.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Rony et al., 2019, arXiv:1811.09600, algorithm 1; the loss, and sizes in shares of the known
    distance, are ours.
    """
    assert nearest.norm == "l2"
    width = nearest.bounds[1] - nearest.bounds[0]
    diagonal = width * math.sqrt(nearest.inputs[:1].numel())
    first = (_AFAR * nearest.distances).clamp(max=diagonal)  # (n,)
    radii, points = first.clone(), nearest.inputs.clone()
    for mark in marks(steps):
        for batch in rows.split(batch_size):
            here, labels = points[batch], nearest.labels[batch]
            slopes, fooled = slopes_and_successes(logits, here, labels, search=search)
            nearest.offer(batch[fooled], here[fooled])
            radii[batch] *= torch.where(fooled, 1 - _GAMMA, 1 + _GAMMA)
            gradients = torch.nan_to_num(slopes.gradients)
            uphill = mark.stride * first[batch] / size_of("l2", gradients).clamp_min(_TINY)
            inputs = nearest.inputs[batch]
            changes = here - inputs + gradients * scaled(uphill, gradients)
            onto = radii[batch] / size_of("l2", changes).clamp_min(_TINY)
            points[batch] = (inputs + changes * scaled(onto, changes)).clamp(*nearest.bounds)
    nearest.shorten(logits, rows, batch_size=batch_size)
