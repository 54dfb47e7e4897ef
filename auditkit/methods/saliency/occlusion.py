"""Occlusion: how far the score of a class falls when a part of the input is hidden.

Zeiler and Fergus, 2014, arXiv:1311.2901, section 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.saliency.scores import centred, score_of
from auditkit.models.classifier import Logits, TextClassifier


def cells(height: int, width: int, side: int) -> Tensor:
    """Return which square cell each pixel belongs to, (h, w) int64, numbered row by row.

    Cells at the right and lower edge are cut off where `side` does not divide the image.

    Examples
    --------
    >>> cells(2, 3, 2).tolist()
    [[0, 0, 1], [0, 0, 1]]
    """
    per_row = -(-width // side)
    rows = torch.arange(height)[:, None] // side
    return rows * per_row + torch.arange(width)[None, :] // side


def occlusion(
    logits: Logits,
    images: Tensor,
    target: Tensor,
    *,
    reference: Tensor,
    side: int,
    batch_size: int = 128,
) -> Tensor:
    """Return how much the target logit falls when a square cell shows the reference instead.

    Parameters
    ----------
    logits : callable
        Maps images (m, c, h, w) to (m, k).
    images, reference : Tensor
        (n, c, h, w), the images and what hides a part of them; n at least 1.
    target : Tensor
        (n,) class whose logit is explained.
    side : int
        Side of a cell in pixels, at least 1. Cells do not overlap.
    batch_size : int
        Inputs per forward pass. The cells of one image make the batches.

    Returns
    -------
    Tensor
        (n, c, h, w): the fall, shared out evenly over the numbers of its cell, so that a map adds
        up to the sum of all falls.

    Examples
    --------
    >>> image = torch.tensor([[[[1.0, 2.0]]]])
    >>> zero = torch.zeros_like(image)
    >>> occlusion(lambda x: x.flatten(1), image, torch.tensor([1]), reference=zero, side=1)
    tensor([[[[0., 2.]]]])
    """
    _, channels, height, width = images.shape
    where = cells(height, width, side).to(images.device)
    sizes = torch.bincount(where.flatten()) * channels  # numbers per cell
    maps: list[Tensor] = []
    for i in range(len(images)):
        falls = _falls(logits, images[i], reference[i], target[i], where, batch_size)
        maps.append((falls.to(images.device) / sizes)[where].expand(images.shape[1:]))
    return torch.stack(maps)


@torch.no_grad()
def _falls(
    logits: Logits,
    image: Tensor,
    reference: Tensor,
    target: Tensor,
    where: Tensor,
    batch_size: int,
) -> Tensor:
    whole = score_of(logits, image[None], target[None])
    falls: list[Tensor] = []
    for some in torch.arange(int(where.max()) + 1, device=image.device).split(batch_size):
        hidden = where == some[:, None, None]  # (m, h, w)
        shown = torch.where(hidden[:, None], reference, image)  # (m, c, h, w)
        falls.append(whole - score_of(logits, shown, target.expand(len(some))))
    return torch.cat(falls)  # (cells,)


def token_occlusion(
    model: TextClassifier, texts: list[str], target: Tensor, *, batch_size: int = 128
) -> Tensor:
    """Return how much the centred target logit falls when one token becomes `[UNK]`.

    Parameters
    ----------
    model : TextClassifier
        The model; it is not changed.
    texts : list of str
        n texts, at least 1, encoded together as `model.encode` does.
    target : Tensor
        (n,) class whose logit, less the mean logit, is explained.
    batch_size : int
        Inputs per forward pass. The tokens of one text make the batches.

    Returns
    -------
    Tensor
        (n, t), zero at special tokens and padding.
    """
    encoded = model.encode(texts)
    scores = torch.zeros(encoded.ids.shape)
    for i in range(len(texts)):
        places = (~encoded.special[i]).nonzero()[:, 0]  # (tokens,)
        scores[i, places.cpu()] = _token_falls(
            model, encoded.ids[i], encoded.mask[i], target[i], places, batch_size
        )
    return scores


@torch.no_grad()
def _token_falls(
    model: TextClassifier,
    ids: Tensor,
    mask: Tensor,
    target: Tensor,
    places: Tensor,
    batch_size: int,
) -> Tensor:
    scores = centred(lambda rows: model.logits_from_ids(rows, mask.expand(len(rows), -1)))
    whole = score_of(scores, ids[None], target[None])
    falls: list[Tensor] = []
    for some in places.split(batch_size):
        hidden = ids.repeat(len(some), 1)  # (m, t)
        hidden[torch.arange(len(some)), some] = model.unk_id
        falls.append((whole - score_of(scores, hidden, target.expand(len(some)))).cpu())
    return torch.cat(falls) if falls else torch.zeros(0)
