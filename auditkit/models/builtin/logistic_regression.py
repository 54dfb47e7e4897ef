"""Logistic regression: one weight per feature and class."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from auditkit.data import adult, breast_cancer, compas
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes


@final
class LogisticRegression(Network):
    """Coefficients that scikit-learn found, in double precision as scikit-learn has them.

    Parameters
    ----------
    inputs : int
        Features.
    n_classes : int
        Classes. Two of them have one score, the logit of the second.

    References
    ----------
    Cox, 1958, The regression analysis of binary sequences, doi:10.1111/j.2517-6161.1958.tb00292.x.
    """

    def __init__(self, *, inputs: int = 10, n_classes: int = 2) -> None:
        super().__init__()
        self.config = {"inputs": inputs, "n_classes": n_classes}
        outputs = 1 if n_classes == 2 else n_classes
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(outputs, dtype=torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        """Map features (n, inputs) to logits (n, n_classes), or (n, 1) for two classes."""
        return features.to(self.weight.dtype) @ self.weight.T + self.bias

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        outputs, inputs = shapes["weight"]
        return {"inputs": inputs, "n_classes": max(2, outputs)}


_SOURCE = "Cox, 1958, doi:10.1111/j.2517-6161.1958.tb00292.x (logistic regression)"
_LIMITS = (
    "Audited as a black box, through its scores alone.",
    "Sees no interactions between columns.",
)
# The sum of the losses plus weight_decay / 2 times that of the squared weights, minimised.
_RECIPE = Recipe(seed=0, epochs=1000, batch_size=0, learning_rate=0.0, weight_decay=1.0)

CARDS = (
    ModelCard(
        name="adult-logistic-regression",
        summary="A logistic regression that says who earned more than 50,000 dollars.",
        build=LogisticRegression,
        config={"inputs": 99, "n_classes": 2},
        data="adult",
        modality="tabular",
        classes=adult.CLASSES,
        source=_SOURCE,
        recipe=_RECIPE,
        limits=(*_LIMITS, *adult.LIMITS),
        terms=adult.TERMS,
    ),
    ModelCard(
        name="compas-logistic-regression",
        summary="A logistic regression that says who is charged again within two years.",
        build=LogisticRegression,
        config={"inputs": 7, "n_classes": 2},
        data="compas",
        modality="tabular",
        classes=compas.CLASSES,
        source=_SOURCE,
        recipe=_RECIPE,
        limits=(*_LIMITS, *compas.LIMITS),
        terms=compas.TERMS,
    ),
    ModelCard(
        name="breast-cancer-logistic-regression",
        summary="A logistic regression that tells malignant from benign tumours.",
        build=LogisticRegression,
        config={"inputs": 30, "n_classes": 2},
        data="breast-cancer",
        modality="tabular",
        classes=breast_cancer.CLASSES,
        source=_SOURCE,
        recipe=_RECIPE,
        limits=(*_LIMITS, *breast_cancer.LIMITS),
        terms=breast_cancer.TERMS,
    ),
)
