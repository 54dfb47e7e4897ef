"""One step of full size along the sign of the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.ball import linf_ball


def fgsm_linf(
    inputs: Tensor, gradients: Tensor, *, epsilon: float, bounds: tuple[float, float]
) -> Tensor:
    """Return the corner of the Linf ball that a linear model would fear most.

    Parameters
    ----------
    inputs : Tensor
        (n, ...) clean inputs within the bounds.
    gradients : Tensor
        (n, ...) gradients of the loss at the inputs; NaN counts as zero.
    epsilon : float
        Radius in input units.
    bounds : (low, high)
        Range of an input value.

    References
    ----------
    Goodfellow et al., 2015, arXiv:1412.6572, section 4.

    Examples
    --------
    >>> x, g = torch.tensor([[0.5, 0.95]]), torch.tensor([[-2.0, 0.3]])
    >>> [round(v, 4) for v in fgsm_linf(x, g, epsilon=0.1, bounds=(0.0, 1.0))[0].tolist()]
    [0.4, 1.0]
    """
    signs = torch.nan_to_num(gradients).sign()
    return linf_ball(inputs, epsilon=epsilon, bounds=bounds).clamp(inputs + epsilon * signs)
