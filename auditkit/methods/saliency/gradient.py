"""Gradient: how fast the score of a class changes with each number of the input.

Simonyan et al., 2014, arXiv:1312.6034, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.saliency.scores import score_of
from auditkit.models.classifier import Logits


def gradient(logits: Logits, inputs: Tensor, target: Tensor) -> Tensor:
    """Return the slope of the target logit, of the shape of the inputs.

    It says nothing about how much a feature contributes, only how the score reacts to an
    infinitely small change; where the score is saturated it is zero.

    Parameters
    ----------
    logits : callable
        Maps inputs (n, ...) to (n, k).
    inputs : Tensor
        (n, ...): images in raw units, or embeddings (n, t, d).
    target : Tensor
        (n,) class whose logit is explained.

    Examples
    --------
    >>> images = torch.rand(2, 1, 2, 2)
    >>> gradient(lambda x: 3 * x.flatten(1), images, torch.tensor([0, 3]))[1, 0].tolist()
    [[0.0, 0.0], [0.0, 3.0]]
    """
    leaf = inputs.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        total = score_of(logits, leaf, target).sum()
    (slope,) = torch.autograd.grad(total, leaf)
    return slope
