"""Gradient boosting: each small tree corrects the sum of those before it."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from auditkit.data import adult, breast_cancer, compas
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes


@final
class GradientBoosting(Network):
    """Trees that scikit-learn grew, as arrays in double precision as scikit-learn has them.

    A tree of depth D is stored as a full one: node i has the children 2i + 1 and 2i + 2, nodes 0 to
    2^D - 2 ask, and the others are leaves. Where a tree stops earlier, all leaves below have its
    value.

    Parameters
    ----------
    iterations : int
        Trees per score.
    depth : int
        Questions on the way to a leaf.
    n_classes : int
        Classes. Two of them have one score, the logit of the second.

    References
    ----------
    Friedman, 2001, doi:10.1214/aos/1013203451; Ke et al., 2017, LightGBM, NeurIPS (histograms).
    """

    def __init__(self, *, iterations: int = 100, depth: int = 5, n_classes: int = 2) -> None:
        super().__init__()
        self.config = {"iterations": iterations, "depth": depth, "n_classes": n_classes}
        outputs = 1 if n_classes == 2 else n_classes
        asking, leaves = (iterations, outputs, 2**depth - 1), (iterations, outputs, 2**depth)
        self.register_buffer("column", torch.zeros(asking, dtype=torch.int16))
        self.register_buffer("missing_left", torch.ones(asking, dtype=torch.bool))
        self.threshold = nn.Parameter(torch.zeros(asking, dtype=torch.float64))
        self.value = nn.Parameter(torch.zeros(leaves, dtype=torch.float64))
        self.baseline = nn.Parameter(torch.zeros(outputs, dtype=torch.float64))
        self.column: Tensor
        self.missing_left: Tensor

    def forward(self, rows: Tensor) -> Tensor:
        """Map raw rows (n, c) to logits (n, n_classes), or (n, 1) for two classes.

        A value goes left where it is not above the threshold, a missing one where training sent it.
        """
        asked = rows[:, self.column.long().flatten()].unflatten(1, self.column.shape)
        left = (asked <= self.threshold) | (asked.isnan() & self.missing_left)
        node = torch.zeros_like(left[..., :1], dtype=torch.int64)  # (n, iterations, outputs, 1)
        for _ in range(self.config["depth"]):
            node = 2 * node + 2 - left.gather(3, node).long()
        leaf = node - self.column.shape[2]
        values = self.value.expand(len(rows), *self.value.shape).gather(3, leaf)
        return self.baseline + values.squeeze(3).sum(dim=1)

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        iterations, outputs, leaves = shapes["value"]
        depth = leaves.bit_length() - 1
        return {"iterations": iterations, "depth": depth, "n_classes": max(2, outputs)}


_SOURCE = "Friedman, 2001, doi:10.1214/aos/1013203451 (gradient boosting)"
_LIMITS = (
    "Has no useful gradients: audited as a black box, through its scores alone.",
    "Reads categories as numbers in the order of their schema.",
)


# The epochs are trees; the decay is the penalty on the values of leaves.
CARDS = (
    ModelCard(
        name="adult-gradient-boosting",
        summary="200 boosted trees that say who earned more than 50,000 dollars.",
        build=GradientBoosting,
        config={"iterations": 200, "depth": 5, "n_classes": 2},
        data="adult",
        modality="tabular",
        classes=adult.CLASSES,
        source=_SOURCE,
        recipe=Recipe(seed=0, epochs=200, batch_size=0, learning_rate=0.1, weight_decay=0.0),
        limits=(*_LIMITS, *adult.LIMITS),
        terms=adult.TERMS,
    ),
    ModelCard(
        name="compas-gradient-boosting",
        summary="60 boosted trees that say who is charged again within two years.",
        build=GradientBoosting,
        config={"iterations": 60, "depth": 3, "n_classes": 2},
        data="compas",
        modality="tabular",
        classes=compas.CLASSES,
        source=_SOURCE,
        recipe=Recipe(seed=0, epochs=60, batch_size=0, learning_rate=0.05, weight_decay=1.0),
        limits=(*_LIMITS, *compas.LIMITS),
        terms=compas.TERMS,
    ),
    ModelCard(
        name="breast-cancer-gradient-boosting",
        summary="100 boosted trees that tell malignant from benign tumours.",
        build=GradientBoosting,
        config={"iterations": 100, "depth": 3, "n_classes": 2},
        data="breast-cancer",
        modality="tabular",
        classes=breast_cancer.CLASSES,
        source=_SOURCE,
        recipe=Recipe(seed=0, epochs=100, batch_size=0, learning_rate=0.1, weight_decay=0.0),
        limits=(*_LIMITS, *breast_cancer.LIMITS),
        terms=breast_cancer.TERMS,
    ),
)
