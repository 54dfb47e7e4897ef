"""Attacks of foolbox, with its known faults kept out.

foolbox moves models to a GPU unasked, leaves gradients in parameters, refuses inputs that leave the
bounds by rounding, fails where no gradient reaches the input, and counts NaN as success. Here it
sees a module without parameters on a fixed device, inputs rescaled to [0, 1], and logits that
always depend on the input; its own opinion about success is not read. Callers judge what comes
back.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from auditkit.methods.attacks.active_set import judged
from auditkit.models.classifier import Logits


def deepfool_l2(
    logits: Logits,
    inputs: Tensor,
    labels: Tensor,
    *,
    steps: int,
    bounds: tuple[float, float],
    candidates: int = 10,
    batch_size: int = 128,
) -> Tensor:
    """Return points just across the nearest decision boundary that DeepFool finds.

    A point may still have the right label: DeepFool can fail. Judge before use.

    Parameters
    ----------
    logits : callable
        The model in its own precision.
    inputs : Tensor
        (n, ...) clean inputs, all classified correctly, within the bounds.
    labels : Tensor
        (n,) int64.
    steps : int
        Linearisations per input.
    bounds : (low, high)
        Range of an input value.
    candidates : int
        Most likely classes that are considered, at least 2.
    batch_size : int
        Points per forward pass.

    References
    ----------
    Moosavi-Dezfooli et al., 2016, arXiv:1511.04599, algorithm 2.
    """
    with warnings.catch_warnings():  # it imports a deprecated name of scipy
        warnings.simplefilter("ignore", DeprecationWarning)
        from foolbox.attacks.deepfool import L2DeepFoolAttack
        from foolbox.models.pytorch import PyTorchModel

    low, width = bounds[0], bounds[1] - bounds[0]
    module = _Rescaled(logits, low, width).eval()
    model = PyTorchModel(module, bounds=(0, 1), device=inputs.device)
    points = inputs.clone()
    # An input that resists keeps its whole batch running: most fall early, so the rest start again.
    for limit in (min(10, steps), steps):
        held = ~judged(logits, points, labels, batch_size=batch_size)
        for rows in held.nonzero()[:, 0].split(batch_size):
            if len(rows) == 0:
                continue
            attack = L2DeepFoolAttack(steps=limit, candidates=candidates)
            shares = ((inputs[rows] - low) / width).clamp(0, 1)
            moved = attack.run(model, shares, labels[rows])
            points[rows] = (low + width * torch.nan_to_num(moved)).clamp(*bounds)
    return points


class _Rescaled(nn.Module):
    """The model on inputs in [0, 1], without parameters that foolbox could move or write to."""

    def __init__(self, logits: Logits, low: float, width: float) -> None:
        super().__init__()
        self._logits, self._low, self._width = logits, low, width

    def forward(self, shares: Tensor) -> Tensor:
        scores = self._logits(self._low + self._width * shares)
        return scores + 0.0 * shares.flatten(1).sum(dim=1, keepdim=True)  # keeps a graph
