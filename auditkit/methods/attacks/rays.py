"""A search over corners of the Linf ball that asks for answers alone."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.nearest import Nearest, scaled
from auditkit.models.classifier import Logits

_HALVINGS = 8  # of the radius along a new direction
_NEARER = 0.999  # a new direction has to win a thousandth


def rays(logits: Logits, nearest: Nearest, *, queries: int, batch_size: int = 128) -> None:
    """Bring the points of `nearest` nearer in Linf; only the model's answers are read.

    A direction sets every number up or down. Blocks of signs are turned, all at once, then each
    half, each quarter and so on, down to single numbers and then from the start; a direction that
    is still misclassified at the radius reached so far is followed back by bisection. There is
    nothing random in it. Each query is one answer per input, so that more queries continue the
    same search.

    Parameters
    ----------
    logits : callable
        The model; only which class wins is used.
    nearest : Nearest
        The inputs; points found before are not used.
    queries : int
        Answers per input.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Chen and Gu, 2020, arXiv:2006.12792, algorithm 3.
    """
    n, inputs = len(nearest), nearest.inputs
    d, device = max(1, inputs[:1].numel()), inputs.device
    everything = torch.arange(n, device=device)
    starts, ends = (one.to(device) for one in _blocks(d))
    place = torch.arange(d, device=device)
    signs = torch.ones(n, d, device=device, dtype=inputs.dtype)
    width = nearest.bounds[1] - nearest.bounds[0]
    radii = torch.full((n,), width / _NEARER, dtype=torch.float64, device=device)
    low = torch.zeros_like(radii)
    turn, halving = torch.zeros_like(everything), torch.zeros_like(everything)
    for _ in range(queries):
        asking = halving == 0  # about a new direction
        start, end = starts[turn % len(starts)], ends[turn % len(starts)]
        turned = (place >= start[:, None]) & (place < end[:, None]) & asking[:, None]
        tried = torch.where(turned, -signs, signs)
        radius = torch.where(asking, _NEARER * radii, (low + radii) / 2)
        moved = inputs + scaled(radius, inputs) * tried.view_as(inputs)
        moved = moved.clamp(*nearest.bounds)
        fooled = judged(logits, moved, nearest.labels, batch_size=batch_size)
        nearest.offer(everything[fooled], moved[fooled])
        signs = torch.where((asking & fooled)[:, None], tried, signs)
        low = torch.where(asking, 0.0, torch.where(fooled, low, radius))
        radii = torch.where(fooled, radius, radii)
        halving = torch.where(asking & ~fooled, 0, halving + 1)
        over = (asking & ~fooled) | (halving > _HALVINGS)
        turn, halving = turn + over, torch.where(over, 0, halving)


def _blocks(d: int) -> tuple[Tensor, Tensor]:
    """Return where the blocks start and end: none, all, then ever smaller parts of d numbers."""
    spans, count = [(0, 0)], 1
    while True:
        spans += [(i * d // count, (i + 1) * d // count) for i in range(count)]
        if count == d:
            break
        count = min(2 * count, d)
    found = torch.tensor(spans)
    return found[:, 0], found[:, 1]
