"""The inputs of a shard under a change, and what the model says to them."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.errors import ModelError
from auditkit.methods.corruptions.catalogue import CORRUPTIONS
from auditkit.models.classifier import Inputs
from auditkit.types import Ints

_ALL = slice(None)


def corrupted(
    artifacts: Artifacts, images: Tensor, kind: str, severity: int, *, rows: slice | Ints = _ALL
) -> Tensor:
    """Return images of a shard under a corruption: the same for all checks of one seed.

    Parameters
    ----------
    artifacts : Artifacts
        A shard of n images.
    images : Tensor
        (m, c, h, w) in raw units.
    kind : str
        One of the corruptions.
    severity : int
        From 1 to 5.
    rows : slice or ndarray
        Which m of the shard they are; all by default.
    """
    low, high = artifacts.image_model.bounds
    unit = (images - low) / (high - low)  # (m, c, h, w) in [0, 1]
    keys = artifacts.keys(f"corruptions/{kind}")[rows]
    return low + CORRUPTIONS[kind](unit, severity, keys) * (high - low)


def logits_of(artifacts: Artifacts, inputs: Inputs, change: str, *, hint: str) -> Tensor:
    """Return the logits (m, k) of changed inputs.

    Parameters
    ----------
    artifacts : Artifacts
        Holds the model.
    inputs : Inputs
        m of them.
    change : str
        What was done to them, for the message.
    hint : str
        How to leave it out.

    Raises
    ------
    ModelError
        If a logit is NaN or infinite.
    """
    logits = artifacts.classifier.predict(inputs, batch_size=artifacts.execution.batch_size)
    if not torch.isfinite(logits).all():
        raise ModelError(
            f"The model returned NaN or infinite logits under {change}.",
            hint=f"Find the operation that overflows, or {hint}.",
        )
    return logits
