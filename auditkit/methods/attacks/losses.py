"""What an attack tries to raise: numbers that tell how near the label is to losing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, final

import torch
from torch import Tensor

Loss: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps logits (m, k), labels (m,) and the rows they belong to (m,) to losses (m,)."""


def log_odds_against(logits: Tensor, labels: Tensor, _rows: Tensor | None = None) -> Tensor:
    """Return the log odds against the label, log((1 - p) / p), shape (n,).

    Per input its gradient is that of cross-entropy divided by 1 - p: the same direction, which does
    not vanish where the model is certain, however large its logits are.

    Parameters
    ----------
    logits : Tensor
        (n, k) with k at least 2.
    labels : Tensor
        (n,) int64.
    """
    own = labels[:, None]
    others = logits.scatter(1, own, -torch.inf).logsumexp(dim=1)
    return others - logits.gather(1, own)[:, 0]


def capped_log_odds(logits: Tensor, labels: Tensor, _rows: Tensor | None = None) -> Tensor:
    """Return the log odds against the labels (n,), at most `CAP`: what is lost pulls no more."""
    return log_odds_against(logits, labels).clamp(max=CAP)


CAP = 2.0  # log odds above which an input is lost for good


def margin_against(logits: Tensor, labels: Tensor, _rows: Tensor | None = None) -> Tensor:
    """Return the largest other logit minus that of the label, shape (n,): above 0 it has lost."""
    own = labels[:, None]
    return logits.scatter(1, own, -torch.inf).amax(dim=1) - logits.gather(1, own)[:, 0]


def logits_ratio(logits: Tensor, labels: Tensor, _rows: Tensor | None = None) -> Tensor:
    """Return the difference of logits ratio, (max other - own) / (first - third), shape (n,).

    It does not change when all logits are multiplied or shifted. With two classes it would be
    constant, so that there the plain margin is returned.

    References
    ----------
    Croce and Hein, 2020, arXiv:2003.01690, equation 6.
    """
    margin = margin_against(logits, labels)
    if logits.shape[1] < 3:
        return margin
    first, _, third = logits.topk(3, dim=1).values.unbind(dim=1)
    return margin / (first - third).clamp_min(_LEAST)


@final
class TargetedRatio:
    """The difference of logits ratio for a wanted class, (wanted - own) / (first - mean of 3, 4).

    With fewer than four classes it would be constant, so that there the plain margin is returned.

    Parameters
    ----------
    targets : Tensor
        (n,) int64, the wanted class of every input that an attack is given.

    References
    ----------
    Croce and Hein, 2020, arXiv:2003.01690, equation 7.
    """

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets

    def __call__(self, logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        """Return the losses (m,)."""
        wanted = logits.gather(1, self.targets[rows][:, None])[:, 0]
        margin = wanted - logits.gather(1, labels[:, None])[:, 0]
        if logits.shape[1] < 4:
            return margin
        top = logits.topk(4, dim=1).values
        return margin / (top[:, 0] - top[:, 2:].mean(dim=1)).clamp_min(_LEAST)


_LEAST = 1e-12  # of a difference that is divided by


def likeliest_others(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """Return the other classes by falling logit, (n, min(count, k - 1)) int64."""
    count = min(count, logits.shape[1] - 1)
    return logits.scatter(1, labels[:, None], -torch.inf).topk(count, dim=1).indices
