"""Mirrors auditkit/models/training/tables.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression as Estimator
from torch import Tensor

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.schema import Feature, Schema
from auditkit.errors import ConfigError
from auditkit.models.builtin.gradient_boosting import GradientBoosting
from auditkit.models.builtin.logistic_regression import LogisticRegression
from auditkit.models.builtin.mlp import Mlp
from auditkit.models.card import Config, ModelCard, Network, Recipe
from auditkit.models.training.fit import Epoch
from auditkit.models.training.report import accuracy
from auditkit.models.training.tables import train_table

SCHEMA = Schema(
    (
        Feature(name="x"),
        Feature(name="c", kind="categorical", categories=("a", "b")),
        Feature(name="y"),
    )
)
RECIPE = Recipe(seed=0, epochs=300, batch_size=64, learning_rate=0.02, weight_decay=0.01)
NETWORKS: dict[type[Network], Config] = {
    Mlp: {"inputs": 5, "width": 16, "depth": 1, "n_classes": 2},
    LogisticRegression: {"inputs": 5, "n_classes": 2},
    GradientBoosting: {"iterations": 20, "depth": 3, "n_classes": 2},
}
EACH = pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)


def people(seed: int, n: int = 300) -> Dataset:
    """The label says whether x is above 100 in category a, or y is known in category b."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.normal(100, 20, n), rng.integers(0, 2, n), rng.normal(0, 0.01, n)], axis=1)
    rows[rng.random(n) < 0.5, 2] = np.nan
    labels = np.where(rows[:, 1] == 0, rows[:, 0] > 100, ~np.isnan(rows[:, 2])).astype(np.int64)
    return Dataset(
        name="made-up",
        split="train",
        modality="tabular",
        classes=("no", "yes"),
        ids=tuple(map(str, range(n))),
        labels=labels,
        attributes=pd.DataFrame(index=range(n)),
        reader=InMemory(rows.astype(np.float32)),
        schema=SCHEMA,
        sha256="0" * 64,
    )


def card(build: type[Network], **changes: object) -> ModelCard:
    made = ModelCard(
        name="made-up",
        summary="",
        build=build,
        config=NETWORKS[build],
        data="made-up",
        modality="tabular",
        classes=("no", "yes"),
        source="",
        recipe=RECIPE,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@EACH
def test_what_can_be_learnt_is_learnt(build: type[Network]) -> None:
    seen: list[Epoch] = []
    model, epochs = train_table(
        card(build), RECIPE, people(0), validation=people(1), progress=seen.append
    )
    assert epochs == seen
    assert epochs[-1].validation == pytest.approx(accuracy(model, people(1)).share)
    # A line cannot join the two rules; a network and trees can.
    assert accuracy(model, people(2)).share > (0.65 if build is LogisticRegression else 0.85)
    assert model.differentiable == (build is Mlp)
    assert model.encoding == ("raw" if build is GradientBoosting else "one-hot")


@EACH
def test_columns_carry_what_training_held(build: type[Network]) -> None:
    model, _ = train_table(card(build), RECIPE, people(0))
    rows = torch.as_tensor(people(0).read(slice(None)))
    x, c, y = model.schema.features
    assert (x.low, x.high) == (rows[:, 0].min(), rows[:, 0].max())
    assert x.mean == pytest.approx(rows[:, 0].mean().item())
    assert (x.missing, c.missing, y.missing) == (False, False, True)


@EACH
def test_the_same_seed_gives_the_same_bits(build: type[Network]) -> None:
    def state(seed: int) -> list[Tensor]:
        model, _ = train_table(card(build), replace(RECIPE, seed=seed, epochs=50), people(0))
        return list(model.module.state_dict().values())

    assert all(torch.equal(*pair) for pair in zip(state(1), state(1), strict=True))
    same = all(torch.equal(*pair) for pair in zip(state(1), state(2), strict=True))
    assert same == (build is not Mlp), "what scikit-learn finds has nothing random"


def test_coefficients_are_scikit_learns() -> None:
    data = people(0)
    model, _ = train_table(card(LogisticRegression), replace(RECIPE, weight_decay=0.5), data)
    rows = torch.as_tensor(data.read(slice(None)))
    features = model.encode(rows).numpy().astype(np.float64)
    peer = Estimator(C=2.0, max_iter=500, tol=1e-8).fit(features, data.labels)
    found = model.module(torch.from_numpy(features))[:, 0].numpy()
    np.testing.assert_allclose(found, peer.decision_function(features), atol=1e-4)


def test_a_card_of_another_width_is_refused() -> None:
    wrong = card(Mlp, config={**NETWORKS[Mlp], "inputs": 4})
    with pytest.raises(ConfigError, match="reads 4 features, and the columns of made-up give 5"):
        train_table(wrong, RECIPE, people(0))
