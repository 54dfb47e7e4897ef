"""LIME: a linear model of the score around one input, fitted on random sets of its units.

Ribeiro et al., 2016, arXiv:1602.04938, section 3.
"""

from __future__ import annotations

import torch

from auditkit.methods.saliency.captum_adapter import array, drawn, kept
from auditkit.methods.saliency.occlusion import Value
from auditkit.types import Floats


def lime(value: Value, units: int, *, samples: int, seed: int, batch_size: int) -> Floats:
    """Return the weights (u,) of a ridge regression of the score on which units are there.

    Sets are weighted by how much of the input they keep.

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
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime

    with drawn(seed):
        explainer = Lime(kept(value), interpretable_model=SkLearnRidge(alpha=1.0))
        found = explainer.attribute(
            torch.ones(1, units), n_samples=samples, perturbations_per_eval=batch_size
        )
    return array(found)
