"""Integrated gradients: the change of a class score from a reference, shared out over the input.

Sundararajan et al., 2017, arXiv:1703.01365, section 3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from auditkit.methods.saliency.scores import centred, score_of
from auditkit.models.classifier import Encoded, Logits, TextClassifier


class Attributed(NamedTuple):
    """Scores that promise to add up to a change, and by how much they miss it."""

    scores: Tensor  # of the shape of the inputs
    change: Tensor  # (n,) target logit at the input less that at the reference
    delta: Tensor  # (n,) sum of the scores less the change: 0 for the exact integral


class TokenAttributed(NamedTuple):
    """Scores per token, with the same promise."""

    scores: Tensor  # (n, t), zero at special tokens and padding
    change: Tensor  # (n,)
    delta: Tensor  # (n,)
    encoded: Encoded  # ids, mask and the character span of each token


def integrated_gradients(
    logits: Logits,
    inputs: Tensor,
    target: Tensor,
    *,
    reference: Tensor,
    steps: int = 32,
    batch_size: int = 128,
) -> Attributed:
    """Return scores that add up to the change of the target logit.

    The integral is a sum over Gauss-Legendre nodes, computed by captum. The nodes of one input
    make the batches, so that no input's scores depend on its neighbours.

    Parameters
    ----------
    logits : callable
        Maps inputs (m, ...) to (m, k).
    inputs, reference : Tensor
        (n, ...) where the paths end and where they start, of one shape; n at least 1.
    target : Tensor
        (n,) class whose logit is explained.
    steps : int
        Nodes of the integral, at least 1. More of them lower `delta`.
    batch_size : int
        Inputs per forward pass; memory does not grow with `steps`.

    Examples
    --------
    >>> image = torch.full((1, 1, 1, 2), 2.0)
    >>> product = lambda x: x.flatten(1).prod(dim=1, keepdim=True)
    >>> start = torch.zeros_like(image)
    >>> found = integrated_gradients(product, image, torch.tensor([0]), reference=start)
    >>> [round(x, 4) for x in found.scores.flatten().tolist()], found.change.tolist()
    ([2.0, 2.0], [4.0])
    """
    parts = [
        _one(logits, inputs[i : i + 1], reference[i : i + 1], target[i], steps, batch_size)
        for i in range(len(inputs))
    ]
    return _joined(parts)


def embedding_integrated_gradients(
    model: TextClassifier,
    texts: list[str],
    target: Tensor,
    *,
    steps: int = 32,
    batch_size: int = 128,
) -> TokenAttributed:
    """Return scores per token that add up to the change of the centred target logit.

    The reference is the same text with each of its tokens unknown, `[UNK]`, and special tokens in
    their places. (Padding would not do: it is masked, and a text made of it has no defined score.)
    The scores of the numbers of one embedding are added.

    Parameters
    ----------
    model : TextClassifier
        The model; it is not changed.
    texts : list of str
        n texts, at least 1, encoded together.
    target : Tensor
        (n,) class whose logit, less the mean logit, is explained.
    steps, batch_size : int
        See `integrated_gradients`.
    """
    encoded = model.encode(texts)
    unknown = torch.where(encoded.special, encoded.ids, model.unk_id)
    with torch.no_grad():
        inputs, reference = model.embed(encoded.ids), model.embed(unknown)  # (n, t, d)
    parts: list[Attributed] = []
    for i in range(len(texts)):
        row, logits = slice(i, i + 1), embedding_logits(model, encoded.mask[i])
        parts.append(_one(logits, inputs[row], reference[row], target[i], steps, batch_size))
    found = _joined(parts)
    return TokenAttributed(found.scores.sum(dim=2), found.change, found.delta, encoded)


def embedding_logits(model: TextClassifier, mask: Tensor) -> Logits:
    """Return centred logits as a function of embeddings (m, t, d) that share one mask (t,)."""
    return centred(lambda rows: model.logits_from_embeddings(rows, mask.expand(len(rows), -1)))


def _one(
    logits: Logits, image: Tensor, reference: Tensor, target: Tensor, steps: int, batch_size: int
) -> Attributed:
    """Return the scores (1, ...) of one input."""
    from captum.attr import IntegratedGradients

    def score(points: Tensor) -> Tensor:
        return score_of(logits, points, target.expand(len(points)))

    # On a copy: when a model raises, captum leaves its input requiring a gradient.
    scores = IntegratedGradients(score).attribute(
        image.detach().clone(),
        baselines=reference.detach(),
        n_steps=steps,
        method="gausslegendre",
        internal_batch_size=batch_size,
    )
    with torch.no_grad():
        change = score(image) - score(reference)
    return Attributed(scores, change, scores.sum().to(change) - change)


def _joined(parts: list[Attributed]) -> Attributed:
    scores, change, delta = (torch.cat(column) for column in zip(*parts, strict=True))
    return Attributed(scores, change, delta)
