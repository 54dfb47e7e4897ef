"""The smallest change of token embeddings that makes a text's answer wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from auditkit.methods.attacks.minimum_norm import minimum_norm
from auditkit.models.classifier import Encoded, Logits, TextClassifier

_FREE, _FIXED = 2.0, 1.0  # marks of tokens that may change and of special ones; padding has 0
_REACH = 1e3  # times the largest number of an embedding: as good as no bounds


@final
@dataclass(frozen=True)
class EmbeddingChanges:
    """What was found for n texts; lengths are Euclidean, over all tokens that may change."""

    distances: Tensor  # (n,) float64, lengths of the changes; inf where none was found
    lengths: Tensor  # (n,) float64, lengths of the embeddings themselves; 0 without such tokens
    logits: Tensor  # (n, k) of the changed embeddings, or of the text where none was found
    moves: tuple[Tensor, ...]  # per text, how far each of its tokens that may change moved (u,)


def smallest_embedding_changes(
    model: TextClassifier,
    texts: Sequence[str],
    labels: Tensor,
    *,
    rounds: int,
    batch_size: int = 128,
) -> EmbeddingChanges:
    """Return the smallest changes of the embeddings found that make the answers wrong.

    The minimum-norm searches in L2 over the embeddings of all tokens of a text together; special
    tokens and padding stay as they are. More rounds never give a larger distance.

    Parameters
    ----------
    model : TextClassifier
        The model; it is not changed.
    texts : sequence of str
        n texts that are classified correctly.
    labels : Tensor
        (n,) int64.
    rounds : int
        At least 1, see `minimum_norm`.
    batch_size : int
        Texts per forward pass; those of similar length go together.

    References
    ----------
    Miyato et al., 2017, arXiv:1605.07725, section 3 (perturbed embeddings). Pintor et al., 2021,
    arXiv:2102.12827, and Croce and Hein, 2020, arXiv:1907.02044 (the searches).
    """
    n = len(texts)
    distances, lengths = torch.zeros(2, n, dtype=torch.float64)
    logits = torch.zeros(n, len(model.classes))
    moves: list[Tensor] = [torch.zeros(0)] * n
    order = torch.tensor([len(one) for one in texts], dtype=torch.int64).argsort(stable=True)
    for rows in order.split(batch_size) if n else ():
        mine = [texts[int(i)] for i in rows]
        found = _of_batch(model, model.encode(mine), labels[rows], rounds, batch_size)
        distances[rows], lengths[rows], logits[rows] = found.distances, found.lengths, found.logits
        for i, one in zip(rows.tolist(), found.moves, strict=True):
            moves[i] = one
    return EmbeddingChanges(distances, lengths, logits, tuple(moves))


def _of_batch(
    model: TextClassifier, encoded: Encoded, labels: Tensor, rounds: int, batch_size: int
) -> EmbeddingChanges:
    free = encoded.mask & ~encoded.special  # (n, t)
    with torch.no_grad():
        embeddings = model.embed(encoded.ids)  # (n, t, d)
    marks = torch.where(free, _FREE, torch.where(encoded.mask, _FIXED, 0.0))
    inputs = torch.cat([embeddings.float(), marks[:, :, None]], dim=2)
    logits = _marked(model, embeddings.dtype)
    reach = _REACH * max(1.0, float(embeddings.abs().max()))
    nearest = minimum_norm(
        logits,
        inputs,
        labels.to(inputs.device),
        norm="l2",
        bounds=(-reach, reach),
        rounds=rounds,
        batch_size=batch_size,
    )
    changes = (nearest.points - inputs)[:, :, :-1].double().norm(dim=2)  # (n, t)
    own = embeddings.double().norm(dim=2)  # (n, t)
    with torch.no_grad():
        after = logits(nearest.points)
    return EmbeddingChanges(
        nearest.distances.cpu(),
        torch.where(free, own, 0.0).norm(dim=1).cpu(),
        after.cpu(),
        tuple(one[which].cpu() for one, which in zip(changes, free, strict=True)),
    )


def _marked(model: TextClassifier, dtype: torch.dtype) -> Logits:
    """Return the model on marked embeddings (n, t, d + 1): the last number is the token's mark.

    An attack packs its points anew all the time, so that each has to bring its mask along. Where a
    token may not change nothing depends on its embedding, as far as gradients tell.
    """

    def logits(points: Tensor) -> Tensor:
        embeddings, marks = points[:, :, :-1], points[:, :, -1].detach()
        free = (marks > (_FREE + _FIXED) / 2)[:, :, None]
        held = torch.where(free, embeddings, embeddings.detach())
        return model.logits_from_embeddings(held.to(dtype), marks > _FIXED / 2)

    return logits
