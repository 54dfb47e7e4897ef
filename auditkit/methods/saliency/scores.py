"""What is explained: the score of one class, joined to the inputs so that its slope exists."""

from __future__ import annotations

from torch import Tensor

from auditkit.models.classifier import Logits


def centred(logits: Logits) -> Logits:
    """Return logits less their mean over the classes.

    A softmax does not change when one number is added to all logits, so a logit alone has no
    meaning: the first of a two-class model with one output is always zero. Centred logits do not
    depend on that number, and stay linear where the logits are.
    """
    return lambda inputs: centred_rows(logits(inputs))


def centred_rows(values: Tensor) -> Tensor:
    """Return logits (n, k), each row less its mean."""
    return values - values.mean(dim=1, keepdim=True)


def score_of(logits: Logits, inputs: Tensor, target: Tensor) -> Tensor:
    """Return the logit of class `target` (n,) for each input (n, ...), shape (n,).

    The model gets a copy: its first layer may work in place, which is not allowed on a leaf that
    requires a gradient. A model that ignores its inputs gets the slope zero instead of an error.
    """
    values = logits(inputs.clone())
    picked = values.gather(1, target.to(values.device)[:, None])[:, 0]  # (n,)
    if inputs.requires_grad and not picked.requires_grad:
        picked = picked + 0 * inputs.flatten(1).sum(dim=1).to(picked)
    return picked
