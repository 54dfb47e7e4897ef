"""A model that draws lots, turned into one that hardly does: the mean of many answers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from auditkit.models.classifier import Logits


def averaged(logits: Logits, *, draws: int) -> Logits:
    """Return the logarithm of the mean probabilities over so many answers to the same batch.

    Its gradient is that of the mean (expectation over transformation), and what it answers is the
    answer of another model, the averaged one: say so where its numbers are shown.

    Parameters
    ----------
    logits : callable
        The model; called `draws` times for every batch.
    draws : int
        At least 1.

    References
    ----------
    Athalye et al., 2018, arXiv:1707.07397.
    """

    def mean(inputs: Tensor) -> Tensor:
        answers = [logits(inputs).log_softmax(dim=1) for _ in range(draws)]
        return torch.stack(answers).logsumexp(dim=0) - math.log(draws)

    return mean
