"""KernelSHAP: Shapley values by weighted least squares over random sets of units.

Lundberg and Lee, 2017, arXiv:1705.07874, section 4.1.
"""

from __future__ import annotations

import torch

from auditkit.methods.saliency.captum_adapter import array, drawn, kept
from auditkit.methods.saliency.occlusion import Value
from auditkit.types import Floats


def kernel_shap(value: Value, units: int, *, samples: int, seed: int, batch_size: int) -> Floats:
    """Return Shapley values (u,) estimated by weighted least squares over random sets of units.

    Parameters
    ----------
    value : callable
        Maps units removed (m, u) to scores (m,).
    units : int
        Number of units u, at least 2.
    samples : int
        Sets that are asked for.
    seed : int
        Of the draws.
    batch_size : int
        Sets per question.
    """
    from captum.attr import KernelShap

    with drawn(seed):
        found = KernelShap(kept(value)).attribute(
            torch.ones(1, units), n_samples=samples, perturbations_per_eval=batch_size
        )
    return array(found)
