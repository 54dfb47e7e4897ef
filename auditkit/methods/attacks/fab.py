"""Steps across the nearest boundary of the linearised model, drawn back towards the input."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import CLEARLY, judged
from auditkit.methods.attacks.ball import column
from auditkit.methods.attacks.hyperplane import DUAL, Measure, size_of, smallest_change
from auditkit.methods.attacks.losses import likeliest_others
from auditkit.methods.attacks.nearest import Nearest, scaled
from auditkit.models.classifier import Logits

CLASSES = 3  # other classes whose boundaries are linearised
_BIAS = 0.1  # largest share of a step that starts at the input itself
_OVERSHOOT = 1.05
_BACK = 0.9  # share of its change that a misclassified point keeps
_TANGENTS = 3  # linearisations at the nearest point, after the steps
_REACHES = (1.0, 1.00001, 1.001, 1.05)  # of the last ones; the first that is far enough counts
_TINY = 1e-300


def fab(
    logits: Logits,
    nearest: Nearest,
    rows: Tensor,
    *,
    steps: int,
    classes: int = CLASSES,
    search: Logits | None = None,
    batch_size: int = 128,
) -> None:
    """Bring the points of some rows of `nearest` nearer, as if the model were linear.

    Each step projects both the current point and the input on the boundary that looks nearest,
    within the bounds, and goes a little beyond a mixture of the two; a misclassified point is then
    drawn back towards its input. At last the boundary is linearised at the nearest point that was
    found, and the input itself is projected on it: for a linear model that is the nearest point
    there is. What was found is shortened along the segment to the input.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    nearest : Nearest
        The inputs, and where to start: points found before, else the inputs.
    rows : Tensor
        (m,) which inputs take part.
    steps : int
        Linearisations per input, before the last ones.
    classes : int
        Other classes that are considered in each step, the likeliest ones; one gradient each.
    search : callable, optional
        The model in a cheaper precision, used for gradients.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Croce and Hein, 2020, arXiv:1907.02044, algorithm 1; the last projections are ours.
    """
    points = nearest.points.clone()
    for _ in range(steps):
        for batch in rows.split(batch_size):
            labels = nearest.labels[batch]
            plane = _nearest_plane(search or logits, points[batch], labels, nearest.norm, classes)
            tried = _beyond(nearest, batch, points[batch], plane)
            fooled = judged(logits, tried, labels, batch_size=batch_size)
            nearest.offer(batch[fooled], tried[fooled])
            inputs = nearest.inputs[batch]
            back = inputs + _BACK * (tried - inputs)
            points[batch] = torch.where(column(fooled, tried), back, tried)
    for _ in range(_TANGENTS):
        for batch in rows[nearest.found[rows]].split(batch_size):
            _tangent(logits, nearest, batch, search=search or logits, classes=classes)
    nearest.shorten(logits, rows, batch_size=batch_size)


class Plane(NamedTuple):
    """The boundary of a linearised model that is nearest to each of some points."""

    points: Tensor  # (m, ...) where it was linearised
    offsets: Tensor  # (m,) other logit minus that of the label there; float64
    normals: Tensor  # (m, d) float64


def _nearest_plane(
    logits: Logits, points: Tensor, labels: Tensor, norm: Measure, classes: int
) -> Plane:
    """Linearise the model at points; of the likeliest other classes take the nearest one.

    The other logit must exceed that of the label clearly, as it must for whoever judges.
    """
    leaf = points.detach().requires_grad_(True)
    with torch.enable_grad():
        scores = logits(leaf)
        others = likeliest_others(scores.detach(), labels, classes)  # (m, t)
        lead = scores.gather(1, others) - scores.gather(1, labels[:, None])
    clear = 2 * CLEARLY * scores.detach().abs().amax(dim=1, keepdim=True)
    offsets = (lead.detach() - clear).double().nan_to_num()  # (m, t)
    normals = torch.stack([_gradient(lead[:, j], leaf) for j in range(lead.shape[1])], dim=1)
    slopes = torch.stack([size_of(DUAL[norm], one) for one in normals.unbind(1)], dim=1)
    far = torch.where(slopes > 0, offsets.abs() / slopes, torch.inf)
    mine = torch.arange(len(points), device=points.device), far.argmin(dim=1)
    return Plane(points, offsets[mine], normals[mine])


def _gradient(values: Tensor, leaf: Tensor) -> Tensor:
    """Return the gradients of values (m,), (m, d) float64; zero where no graph reaches the leaf."""
    if not values.requires_grad:
        return torch.zeros_like(leaf, dtype=torch.float64).flatten(1)
    (found,) = torch.autograd.grad(
        values.sum(), leaf, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.nan_to_num(found).double().flatten(1)


def _across(nearest: Nearest, origins: Tensor, plane: Plane, *, reach: float = 1.0) -> Tensor:
    """Return the smallest changes (m, ...) that take origins to the plane, within the bounds.

    With a reach above 1 they go beyond it by so much of the way.
    """
    flat = origins.double().flatten(1)
    away = (plane.normals * (flat - plane.points.double().flatten(1))).sum(dim=1)
    low, high = nearest.bounds[0] - flat, nearest.bounds[1] - flat
    needed = -reach * (plane.offsets + away)
    change = smallest_change(nearest.norm, plane.normals, needed, low=low, high=high)
    return change.to(origins.dtype).view_as(origins)


def _beyond(nearest: Nearest, rows: Tensor, points: Tensor, plane: Plane) -> Tensor:
    """Return points a little beyond the plane, between those nearest to the point and the input."""
    inputs = nearest.inputs[rows]
    here, there = _across(nearest, points, plane), _across(nearest, inputs, plane)
    size_here, size_there = size_of(nearest.norm, here), size_of(nearest.norm, there)
    share = (size_here / (size_here + size_there).clamp_min(_TINY)).clamp(max=_BIAS)
    own = scaled(1 - share, points) * (points + _OVERSHOOT * here)
    return (own + scaled(share, points) * (inputs + _OVERSHOOT * there)).clamp(*nearest.bounds)


def _tangent(
    logits: Logits, nearest: Nearest, rows: Tensor, *, search: Logits, classes: int
) -> None:
    """Offer the inputs' projections on the boundary that is linearised at their nearest points."""
    inputs, labels = nearest.inputs[rows], nearest.labels[rows]
    plane = _nearest_plane(search, nearest.points[rows], labels, nearest.norm, classes)
    held = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    for reach in _REACHES:
        tried = (inputs + _across(nearest, inputs, plane, reach=reach)).clamp(*nearest.bounds)
        fooled = held & judged(logits, tried, labels)
        nearest.offer(rows[fooled], tried[fooled])
        held &= ~fooled
