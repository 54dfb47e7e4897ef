"""Multilayer perceptron: whatever the input is, it is read as one flat vector."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from auditkit.data import adult, breast_cancer, compas
from auditkit.data.fashion_mnist import CLASSES, MEAN, STD, TERMS
from auditkit.models.card import Config, ModelCard, Network, Recipe, Shapes


@final
class Mlp(Network):
    """Dense layers with ReLU between them; nothing tells it which pixels are neighbours.

    Parameters
    ----------
    inputs : int
        Numbers per input: pixels times channels, or columns of a table.
    width : int
        Units of each hidden layer.
    depth : int
        Hidden layers.
    n_classes : int
        Number of logits.

    References
    ----------
    Rumelhart, Hinton and Williams, 1986, doi:10.1038/323533a0; Glorot, Bordes and Bengio, 2011,
    Deep sparse rectifier neural networks (ReLU).
    """

    def __init__(
        self, *, inputs: int = 784, width: int = 256, depth: int = 2, n_classes: int = 10
    ) -> None:
        super().__init__()
        self.config = {"inputs": inputs, "width": width, "depth": depth, "n_classes": n_classes}
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [nn.Linear(width if i else inputs, width), nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(width if depth else inputs, n_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (n, c, h, w) or vectors (n, d) to logits (n, n_classes)."""
        return self.head(self.hidden(inputs.flatten(1)))

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        n_classes, width = shapes["head.weight"]
        depth = sum(name.startswith("hidden.") and name.endswith(".weight") for name in shapes)
        inputs = shapes["hidden.0.weight"][1] if depth else width
        return {"inputs": inputs, "width": width, "depth": depth, "n_classes": n_classes}


_SOURCE = "Rumelhart, Hinton and Williams, 1986, doi:10.1038/323533a0 (multilayer perceptron)"

CARDS = (
    ModelCard(
        name="fashion-mlp",
        summary="A perceptron with two hidden layers that names pieces of clothing.",
        build=Mlp,
        config={"inputs": 784, "width": 256, "depth": 2, "n_classes": 10},
        data="fashion-mnist",
        modality="image",
        classes=CLASSES,
        input_shape=(1, 28, 28),
        bounds=(0.0, 1.0),
        mean=MEAN,
        std=STD,
        source=_SOURCE,
        recipe=Recipe(
            seed=0,
            epochs=30,
            batch_size=128,
            learning_rate=2e-3,
            weight_decay=0.05,
            label_smoothing=0.05,
            flip=True,
        ),
        limits=(
            "Not trained against adversaries: small worst-case changes fool it.",
            "Reads pixels at fixed places: a piece moved by a few pixels is often misread.",
            "Answers with a piece of clothing whatever it is shown.",
        ),
        terms=TERMS,
    ),
    ModelCard(
        name="adult-mlp",
        summary="A perceptron with two hidden layers that says who earned over 50,000 dollars.",
        build=Mlp,
        config={"inputs": 99, "width": 256, "depth": 2, "n_classes": 2},
        data="adult",
        modality="tabular",
        classes=adult.CLASSES,
        source=_SOURCE,
        recipe=Recipe(seed=0, epochs=12, batch_size=256, learning_rate=2e-3, weight_decay=2.0),
        limits=adult.LIMITS,
        terms=adult.TERMS,
    ),
    ModelCard(
        name="compas-mlp",
        summary="A perceptron with two hidden layers that says who is charged again in two years.",
        build=Mlp,
        config={"inputs": 7, "width": 64, "depth": 2, "n_classes": 2},
        data="compas",
        modality="tabular",
        classes=compas.CLASSES,
        source=_SOURCE,
        recipe=Recipe(seed=0, epochs=15, batch_size=64, learning_rate=1e-3, weight_decay=0.3),
        limits=compas.LIMITS,
        terms=compas.TERMS,
    ),
    ModelCard(
        name="breast-cancer-mlp",
        summary="A perceptron with two hidden layers that tells malignant from benign tumours.",
        build=Mlp,
        config={"inputs": 30, "width": 64, "depth": 2, "n_classes": 2},
        data="breast-cancer",
        modality="tabular",
        classes=breast_cancer.CLASSES,
        source=_SOURCE,
        recipe=Recipe(seed=0, epochs=40, batch_size=32, learning_rate=1e-3, weight_decay=0.3),
        limits=breast_cancer.LIMITS,
        terms=breast_cancer.TERMS,
    ),
)
