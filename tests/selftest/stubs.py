"""Flaws whose twins answer what a test wants, held against one limit."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from auditkit.data.dataset import Dataset, InMemory
from auditkit.errors import ModelError
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.policy import Limit, Policy
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.store import Store

N = 100
NOWHERE = Store(read=())


class Brightness(nn.Module):
    """Answers 1 where the pixel is bright, and is wrong on so many of a hundred."""

    def __init__(self, wrong: int) -> None:
        super().__init__()
        self.wrong = wrong

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, 1, 1) to logits (n, 2)."""
        bright = images[:, 0, 0, 0] * 2 - 1
        place = (images[:, 0, 0, 0] * 1000).round() % 500  # 0 to N / 2 - 1 of each class
        bright = torch.where(place < self.wrong / 2, -bright, bright)
        return torch.stack([-bright, bright], dim=1)


def reader(wrong: int) -> Classifier:
    return ImageClassifier(Brightness(wrong), classes=["dark", "bright"], input_shape=(1, 1, 1))


def data() -> Dataset:
    labels = np.arange(N) % 2
    values = (labels * 500 + np.arange(N) // 2) / 1000
    return Dataset(
        name="pixels",
        split="made",
        modality="image",
        classes=("dark", "bright"),
        ids=tuple(map(str, range(N))),
        labels=labels,
        reader=InMemory(values.astype(np.float32).reshape(N, 1, 1, 1)),
        attributes=pd.DataFrame(index=range(N)),
        sha256="",
        input_shape=(1, 1, 1),
    )


def flaw(
    name: str = "stub", *, flawed: int = 60, sound: int = 0, untrained: Collection[int] = ()
) -> Flaw:
    """Return a flaw whose twins are wrong on so many of a hundred inputs."""

    def plant(seed: int, _store: Store) -> Twins:
        if seed in untrained:
            raise ModelError("was not trained")
        return Twins(seed=seed, flawed=reader(flawed), sound=reader(sound))

    def wrong(model: Classifier, _twins: Twins) -> float:
        assert isinstance(model.module, Brightness)
        return model.module.wrong / N

    return Flaw(
        id=name,
        variant="one",
        modality="image",
        planted="wrong answers",
        twin="right answers",
        must_reveal="somebody",
        revealed_by="accuracy",
        symptom=Symptom(label="wrong answers", measure=wrong),
        plant=plant,
        data=data,
    )


def limits(*names: str, least: float = 0.8) -> dict[str, Policy]:
    """Return a detector: accuracy must reach a share."""
    limit = Limit(finding="clean-accuracy/accuracy/all", min=least)
    policy = Policy(checks=("clean-accuracy",), limits=(limit,))
    return dict.fromkeys((f"{name}.one" for name in names or ("stub",)), policy)
