"""A generated table of loans: who pays back is known, and where people live tells their group."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import torch
from torch import nn

from auditkit.data.dataset import Dataset, InMemory
from auditkit.data.digest import dataset_hash, digests
from auditkit.data.schema import Schema
from auditkit.models.card import Recipe
from auditkit.models.classifier import Classifier, Identity
from auditkit.models.tabular import TabularClassifier
from auditkit.models.training.fit import repeatable
from auditkit.models.training.images import fit_image
from auditkit.types import Ints

CLASSES = ("bad", "good")
TRAINING = 4000  # rows per network
AUDITED = 2000
_SEED = 7002  # of the audited rows
DISTRICTS = ("dock", "harbour", "hill", "market", "mill", "park")
_LIVES = {
    "north": (0.30, 0.28, 0.02, 0.10, 0.25, 0.05),
    "south": (0.03, 0.05, 0.30, 0.10, 0.05, 0.47),
}


def table(n: int, *, seed: int) -> Dataset:
    """Return n loans; the groups pay back equally often, and for the same reasons.

    Parameters
    ----------
    n : int
        Rows.
    seed : int
        Another seed gives other loans.

    Returns
    -------
    Dataset
        The sensitive column `group` is no column that a model reads, but the district tells it in
        nine of ten cases.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    group = np.where(rng.random(n) < 0.5, "north", "south")
    districts = [str(rng.choice(DISTRICTS, p=_LIVES[str(one)])) for one in group]
    income, debt = rng.lognormal(0, 0.5, n), rng.beta(2, 3, n)
    years, late = rng.gamma(2, 3, n), rng.poisson(1.0, n)
    score = 1.6 * np.log(income) - 3 * (debt - 0.4) + 0.12 * (years - 6) - 0.9 * (late - 1)
    labels = (score + 0.5 * rng.standard_normal(n) > 0).astype(np.int64)
    frame = pd.DataFrame(
        {
            "income": np.round(30_000 * income),
            "debt share": np.round(debt, 3),
            "years employed": np.round(years, 1),
            "late payments": late,
            "district": pd.Categorical(districts, categories=DISTRICTS),
        }
    )
    return _dataset(frame, labels, pd.DataFrame({"group": group.tolist()}), seed)


def _dataset(frame: pd.DataFrame, labels: Ints, attributes: pd.DataFrame, seed: int) -> Dataset:
    schema = Schema.of(frame)
    reader = InMemory(schema.rows(frame))
    ids = tuple("loan-" + str(seed) + "-" + str(i) for i in range(len(frame)))
    return Dataset(
        name="credit",
        split="made",
        modality="tabular",
        classes=CLASSES,
        ids=ids,
        labels=labels,
        reader=reader,
        attributes=attributes,
        sensitive=("group",),
        schema=schema,
        sha256=dataset_hash(
            ids=ids,
            labels=labels,
            classes=CLASSES,
            attributes=attributes,
            contents=digests(reader, len(ids)),
        ),
    )


@cache
def audited() -> Dataset:
    """Return the loans that models are audited on."""
    return table(AUDITED, seed=_SEED)


def reader(seed: int, data: Dataset, labels: Ints) -> Classifier:
    """Return a perceptron trained on the rows of a table."""
    assert data.schema is not None
    blank = TabularClassifier(nn.Identity(), schema=data.schema, classes=CLASSES)
    rows = data.read(slice(0, len(data)))
    assert not isinstance(rows, list)
    with repeatable(seed):
        module = nn.Sequential(
            nn.Linear(blank.n_features, 24),
            nn.ReLU(),
            nn.Linear(24, 24),
            nn.ReLU(),
            nn.Linear(24, 2),
        )
    recipe = Recipe(seed=seed, epochs=15, batch_size=64, learning_rate=3e-3, weight_decay=0.01)
    features = blank.encode(torch.from_numpy(rows.copy()))
    fit_image(module, features, torch.from_numpy(labels.copy()), recipe)
    return TabularClassifier(
        module,
        schema=data.schema,
        classes=CLASSES,
        identity=Identity(name="taught", architecture=""),
    )
