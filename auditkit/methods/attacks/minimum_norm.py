"""The nearest misclassified points that gradients lead to, in each norm."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.ddn import ddn
from auditkit.methods.attacks.fab import fab
from auditkit.methods.attacks.fmn import fmn
from auditkit.methods.attacks.hyperplane import Measure
from auditkit.methods.attacks.nearest import Nearest
from auditkit.models.classifier import Logits

STEPS = 40  # of the fast attack in each round
_FROM_AFAR = 100  # steps of a round that starts far from the input
_FIRST = 10  # steps across linearised boundaries before the rounds
_LINEARISED = 5  # and in each of them
_SETTLED = 1e-3  # a smaller share won by starting anew ends an input's search


def minimum_norm(
    logits: Logits,
    inputs: Tensor,
    labels: Tensor,
    *,
    norm: Measure,
    bounds: tuple[float, float],
    rounds: int,
    search: Logits | None = None,
    batch_size: int = 128,
) -> Nearest:
    """Return the nearest misclassified points found; where none was, the input at infinity.

    First steps across the boundaries that look nearest from the input, because ascent may end at
    that of a farther class; then rounds of 40 steps of a fast minimum-norm attack, each followed by
    a few steps across linearised boundaries, which get the last per cent. Every other round starts
    at the inputs again, since the way out may lead elsewhere; in L2 it comes from afar. A round
    starts from the best points so far and knows nothing else, so that more rounds never give a
    larger distance. An input that a new start brought less than a thousandth nearer is settled, and
    costs nothing any more.

    Parameters
    ----------
    logits : callable
        The model in its own precision; it alone judges.
    inputs : Tensor
        (n, ...) inputs within the bounds, all classified correctly.
    labels : Tensor
        (n,) int64.
    norm : {"linf", "l2", "l1", "l0"}
        What is to be small.
    bounds : (low, high)
        Range of an input value.
    rounds : int
        At least 1.
    search : callable, optional
        The model in a cheaper precision, used for gradients and to propose candidates.
    batch_size : int
        Points per forward pass.

    Examples
    --------
    >>> model = torch.nn.Linear(3, 2)
    >>> with torch.no_grad():
    ...     _ = model.weight.copy_(torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]]))
    ...     _ = model.bias.copy_(torch.tensor([0.0, -3.0]))
    >>> inputs, labels = torch.full((1, 3), 0.5), torch.tensor([0])
    >>> found = minimum_norm(model, inputs, labels, norm="l2", bounds=(0.0, 1.0), rounds=1)
    >>> round(float(found.distances), 3)  # 0.5 of margin, 3 is the length of the gradient
    0.167
    """
    nearest = Nearest(inputs, labels, norm=norm, bounds=bounds)
    rows = torch.arange(len(inputs), device=inputs.device)
    fab(logits, nearest, rows, steps=_FIRST, search=search, batch_size=batch_size)
    before = nearest.distances.clone()
    for i in range(rounds):
        anew = i % 2 == 1
        if anew and norm == "l2":
            ddn(logits, nearest, rows, steps=_FROM_AFAR, search=search, batch_size=batch_size)
        else:
            fmn(logits, nearest, rows, steps=STEPS, anew=anew, search=search, batch_size=batch_size)
        fab(logits, nearest, rows, steps=_LINEARISED, search=search, batch_size=batch_size)
        if anew:
            won = nearest.distances[rows] < (1 - _SETTLED) * before[rows]
            rows = rows[won | ~nearest.found[rows]]
        before = nearest.distances.clone()
    return nearest
