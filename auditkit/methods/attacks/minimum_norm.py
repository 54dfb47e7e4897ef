"""The nearest misclassified points that gradients lead to, in each norm."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.fab import fab
from auditkit.methods.attacks.fmn import fmn
from auditkit.methods.attacks.hyperplane import Measure
from auditkit.methods.attacks.nearest import Nearest
from auditkit.models.classifier import Logits

FIRST_ROUND = 20  # steps; every further round has twice as many as the one before
_LINEARISED = 5  # steps of the second attack, after the first round
_SETTLED = 1e-3  # a smaller share won in a round is the last


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

    Rounds of 20, 40, 80, ... steps of a fast minimum-norm attack, each followed by a few steps
    across linearised boundaries, which get the last per cent. A round starts from the best points
    so far and knows nothing else, so that more rounds never give a larger distance. An input that
    a round brought less than a thousandth nearer is settled, and costs nothing any more.

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
    for i in range(rounds):
        before = nearest.distances[rows]
        for attack, steps in ((fmn, FIRST_ROUND), (fab, _LINEARISED)):
            attack(logits, nearest, rows, steps=steps * 2**i, search=search, batch_size=batch_size)
        after = nearest.distances[rows]
        rows = rows[~(after >= (1 - _SETTLED) * before) | after.isinf()]
        if len(rows) == 0:
            break
    return nearest
