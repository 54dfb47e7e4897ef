"""What the checks that search one change for all images share: who falls on the other half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.robustness._flips import robustness_curve
from auditkit.checks.robustness._images import attackable
from auditkit.findings import Curve
from auditkit.methods.attacks.escalation import Attack, escalate
from auditkit.types import Bools, Floats


def fallen_outside(
    artifacts: Artifacts, held_out: Bools, change: Attack, budgets: Sequence[float]
) -> tuple[Floats, Tensor]:
    """Return the smallest budget at which each image falls (n,), NaN if it was searched on.

    Also the points (n, ...): changed where an image fell.

    Parameters
    ----------
    artifacts : Artifacts
        The shard.
    held_out : ndarray
        (n,) bool, images that were not searched on.
    change : callable
        Maps rows (m,) and a budget to the changed images.
    budgets : sequence of float
        Increasing.
    """
    images, clean = attackable(artifacts), artifacts[Predictions]
    found = escalate(
        artifacts.image_model.logits,
        images,
        artifacts.labels.to(images.device),
        (clean.correct & torch.from_numpy(held_out)).to(images.device),
        attacks=(change,),
        budgets=budgets,
        batch_size=artifacts.execution.batch_size,
    )
    return np.where(held_out, found.budget.cpu().numpy(), np.nan), found.points


def beside_chance(
    flips: Mapping[str, Floats], budgets: Sequence[float], *, title: str, x_label: str, level: float
) -> Curve:
    """Return one curve of robust accuracy for what was searched and one for chance, by name."""
    curves = {
        name: robustness_curve(values, budgets, title=title, x_label=x_label, level=level)
        for name, values in flips.items()
    }
    series = [one.series[0].model_copy(update={"name": name}) for name, one in curves.items()]
    return next(iter(curves.values())).model_copy(update={"series": series})
