"""The smallest stamp that sends every input to one class, for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.attacks.ball import column
from auditkit.models.classifier import Logits

_START = -1.0  # of the mask before the sigmoid: about a quarter of every pixel
_WEIGHT = 0.01  # of the mask's size at first; then it follows the success
_HEAVIER, _LIGHTER = 1.1, 1.1**-1.5  # per step with and without success
_LEAST, _MOST = 1e-4, 10.0
_INSIDE = 1e-6  # the sigmoid of no number is 0 or 1


@final
@dataclass(frozen=True)
class Triggers:
    """One stamp per wanted class."""

    masks: Tensor  # (k, 1, h, w) in [0, 1]: how much of each pixel is replaced
    patterns: Tensor  # (k, c, h, w) within the bounds
    sizes: Tensor  # (k,) sums of the masks; all pixels where no stamp succeeded

    def stamped(self, images: Tensor, wanted: int) -> Tensor:
        """Return images (n, c, h, w) with the stamp of one class."""
        mask = self.masks[wanted]
        return (1 - mask) * images + mask * self.patterns[wanted]


def find_triggers(
    logits: Logits,
    images: Tensor,
    labels: Tensor,
    *,
    n_classes: int,
    bounds: tuple[float, float],
    draws: Tensor,
    steps: int,
    start: Triggers | None = None,
    rate: float = 0.2,
    success: float = 0.95,
    batch_size: int = 128,
) -> Triggers:
    """Return for each class the smallest stamp found that sends the images to it.

    A mask m and a pattern p turn an image x into (1 - m) x + m p. Adam lowers the cross-entropy of
    the wanted class plus the weighted sum of m. The weight grows as long as the stamp succeeds and
    shrinks while it does not. The smallest mask that succeeded on the way is kept, so that more
    steps never make one larger.

    Parameters
    ----------
    logits : callable
        The model.
    images : Tensor
        (n, c, h, w) within the bounds; those of the wanted class do not count.
    labels : Tensor
        (n,) int64.
    n_classes : int
        k.
    bounds : (low, high)
        Range of a pixel.
    draws : Tensor
        (c + 1, h, w) standard normal numbers where every search starts.
    steps : int
        Steps of Adam.
    start : Triggers, optional
        Stamps of all classes to start from instead.
    rate : float
        Its step size.
    success : float
        Share of the images of other classes that a stamp must send to its class.
    batch_size : int
        Images per forward pass, at least n where that fits.

    References
    ----------
    Wang et al., 2019, doi:10.1109/SP.2019.00031, section IV.
    """
    together = max(1, batch_size // max(1, len(images)))  # classes
    found = [
        _found(logits, images, labels, wanted, bounds, draws, steps, start, rate, success)
        for wanted in torch.arange(n_classes, device=images.device).split(together)
    ]
    return Triggers(
        torch.cat([one.masks for one in found]),
        torch.cat([one.patterns for one in found]),
        torch.cat([one.sizes for one in found]),
    )


def smallest(found: Sequence[Triggers]) -> Triggers:
    """Return for each class the smallest of the stamps that several searches found."""
    best = torch.stack([one.sizes for one in found]).argmin(dim=0)  # (k,)
    classes = torch.arange(len(best), device=best.device)
    masks, patterns, sizes = (
        torch.stack([getattr(one, name) for one in found])[best, classes]
        for name in ("masks", "patterns", "sizes")
    )
    return Triggers(masks, patterns, sizes)


def _found(
    logits: Logits,
    images: Tensor,
    labels: Tensor,
    wanted: Tensor,
    bounds: tuple[float, float],
    draws: Tensor,
    steps: int,
    start: Triggers | None,
    rate: float,
    success: float,
) -> Triggers:
    """Search for several classes (m,) at once; they do not touch each other."""
    m, n = len(wanted), len(images)
    low, high = bounds
    raw_masks = (_START + 0.1 * draws[:1]).repeat(m, 1, 1, 1).to(images)
    raw_patterns = (0.1 * draws[1:]).repeat(m, 1, 1, 1).to(images)
    if start is not None:
        raw_masks = start.masks[wanted].logit(eps=_INSIDE)
        raw_patterns = ((start.patterns[wanted] - low) / (high - low)).logit(eps=_INSIDE)
    raw_masks.requires_grad_(True)
    raw_patterns.requires_grad_(True)
    adam = torch.optim.Adam([raw_masks, raw_patterns], lr=rate, betas=(0.5, 0.9))
    weights = torch.full((m,), _WEIGHT, device=images.device)
    counts = (labels[None] != wanted[:, None]).float()  # (m, n): who is to be sent
    best = Triggers(
        torch.ones_like(raw_masks, requires_grad=False),
        torch.zeros_like(raw_patterns, requires_grad=False) + (low + high) / 2,
        torch.full((m,), float(images[0, 0].numel()), device=images.device),
    )
    targets = wanted.repeat_interleave(n)
    for _ in range(steps):
        with torch.enable_grad():
            masks = raw_masks.sigmoid()
            patterns = low + (high - low) * raw_patterns.sigmoid()
            stamped = (1 - masks)[:, None] * images[None] + (masks * patterns)[:, None]
            scores = logits(stamped.flatten(0, 1))  # (m n, k)
            losses = functional.cross_entropy(scores, targets, reduction="none").view(m, n)
            sizes = masks.flatten(1).sum(dim=1)  # (m,)
            loss = (_mean(losses, counts) + weights * sizes).sum()
        sent = _mean((scores.argmax(dim=1) == targets).float().view(m, n), counts) >= success
        better = sent & (sizes.detach() < best.sizes)
        best = Triggers(
            torch.where(column(better, masks), masks.detach(), best.masks),
            torch.where(column(better, patterns), patterns.detach(), best.patterns),
            torch.where(better, sizes.detach(), best.sizes),
        )
        weights = (weights * torch.where(sent, _HEAVIER, _LIGHTER)).clamp(_LEAST, _MOST)
        if not loss.requires_grad:
            break
        gradients = torch.autograd.grad(
            loss, [raw_masks, raw_patterns], allow_unused=True, materialize_grads=True
        )
        raw_masks.grad, raw_patterns.grad = (torch.nan_to_num(one) for one in gradients)
        adam.step()
    return best


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """Return means (m,) of values (m, n) over those that count."""
    return (values * counts).sum(dim=1) / counts.sum(dim=1).clamp_min(1)
