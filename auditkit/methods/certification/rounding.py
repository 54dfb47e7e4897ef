"""How far numbers that a machine computes can be from exact ones."""

from __future__ import annotations

import torch
from torch import Tensor

OWN = 2.0**-50  # of the bounds' own float64 arithmetic, per term: 8 times its unit roundoff
_SAFETY = 2.0  # for products that add in an order, or by a transform, that nobody wrote down


def unit_of(dtype: torch.dtype, device: torch.device) -> float:
    """Return the unit roundoff of a model's numbers, and that of the bounds' own beside it.

    A GPU may be allowed to compute float32 products from 11 bits (TF32).
    """
    exact = torch.finfo(dtype).eps / 2
    tf32 = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    coarse = device.type != "cpu" and (tf32 or device.type != "cuda")
    return (max(exact, 2.0**-11) if coarse else exact) + OWN


def gamma(terms: int, unit: float) -> float:
    """Return the relative error of a sum of products of so many terms, added in any order.

    It multiplies the sum of the *absolute* products.

    References
    ----------
    Higham, 2002, Accuracy and Stability of Numerical Algorithms, section 3.1.

    Examples
    --------
    >>> round(gamma(100, 2**-24) * 2**24 / 100, 3)
    2.04
    """
    n = (terms + 2) * unit
    return _SAFETY * n / (1 - n) if n < 0.5 else torch.inf


def product_error(terms: int, size: Tensor, *, unit: float, tiny: float) -> Tensor:
    """Return a bound on the error of sums of products.

    Parameters
    ----------
    terms : int
        Products per sum.
    size : Tensor
        Sums of their absolute values.
    unit : float
        Unit roundoff.
    tiny : float
        What may become zero.
    """
    return gamma(terms, unit) * size + (terms + 1) * tiny
