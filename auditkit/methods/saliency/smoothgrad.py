"""SmoothGrad: the gradient, averaged over noisy copies of the input.

Smilkov et al., 2017, arXiv:1706.03825, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from auditkit.methods.saliency.gradient import gradient
from auditkit.models.classifier import Logits
from auditkit.types import Floats


def smoothgrad(
    logits: Logits,
    inputs: Tensor,
    target: Tensor,
    *,
    noise: Iterable[Floats],
    spread: float = 0.15,
) -> Tensor:
    """Return the mean slope (1, ...) of the target logit around one input.

    Copies may leave the bounds of an input, as in the paper.

    Parameters
    ----------
    logits : callable
        Maps inputs (m, ...) to (m, k).
    inputs : Tensor
        (1, ...) one input.
    target : Tensor
        (1,) class whose logit is explained.
    noise : iterable of ndarray
        (m, ...) standard normal draws, one per copy, at least one in all. What is yielded at once
        makes a batch, so that memory need not grow with the copies.
    spread : float
        Standard deviation of the noise, in shares of the input's range.

    Examples
    --------
    >>> import numpy as np
    >>> steep = lambda x: x.square()
    >>> one, noise = torch.tensor([[1.0]]), np.array([[-1.0], [1.0]])
    >>> smoothgrad(steep, one, torch.tensor([0]), noise=[noise]).tolist()
    [[2.0]]
    """
    width = spread * (inputs.max() - inputs.min())
    total, count = torch.zeros_like(inputs), 0
    for draws in noise:
        copies = inputs + width * torch.from_numpy(draws).to(inputs)  # (m, ...)
        slopes = gradient(logits, copies, target.expand(len(copies)))
        total, count = total + slopes.sum(dim=0, keepdim=True), count + len(copies)
    return total / count
