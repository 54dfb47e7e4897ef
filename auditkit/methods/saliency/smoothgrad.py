"""SmoothGrad: the gradient, averaged over noisy copies of the input.

Smilkov et al., 2017, arXiv:1706.03825, section 3.
"""

from __future__ import annotations

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
    noise: Floats,
    spread: float = 0.15,
    batch_size: int = 128,
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
    noise : ndarray
        (s, ...) standard normal draws, one per copy; s at least 1.
    spread : float
        Standard deviation of the noise, in shares of the input's range.
    batch_size : int
        Copies per forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> steep = lambda x: x.square()
    >>> one, noise = torch.tensor([[1.0]]), np.array([[-1.0], [1.0]])
    >>> smoothgrad(steep, one, torch.tensor([0]), noise=noise).tolist()
    [[2.0]]
    """
    width = spread * (inputs.max() - inputs.min())
    copies = inputs + width * torch.from_numpy(noise).to(inputs)  # (s, ...)
    total = torch.zeros_like(inputs)
    for some in copies.split(batch_size):
        slopes = gradient(logits, some, target.expand(len(some)))
        total = total + slopes.sum(dim=0, keepdim=True)
    return total / len(copies)
