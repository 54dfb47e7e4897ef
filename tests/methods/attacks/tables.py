"""Tables and models of them whose true answers are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from auditkit.data.dataset import InMemory
from auditkit.data.schema import Feature, Schema
from auditkit.models.blackbox import BlackBox
from auditkit.models.tabular import TabularClassifier
from tests.subjects import Subject, plain_data

NAN = float("nan")


@dataclass(frozen=True)
class LinearTable(Subject):
    """Logits [0, w.f + b] of encoded features f: the best change of every column is known."""

    weight: Tensor  # (d,)
    bias: float
    rows: Tensor  # (n, c)
    labels: Tensor  # (n,)
    margins: Tensor  # (n,) float64, score in favour of the label

    @property
    def schema(self) -> Schema:
        assert isinstance(self.model, TabularClassifier)
        return self.model.schema

    def gains(self, spread: float, *, categories: bool = True) -> np.ndarray:
        """What each column can cost at most (n, c), slowly and plainly."""
        gains = np.zeros(self.rows.shape)
        sides = (1 - 2 * self.labels).numpy()  # +1 where a higher score is wrong
        start = 0
        for j, one in enumerate(self.schema.features):
            width = max(1, len(one.categories))
            weights = self.weight[start : start + width].double().numpy()
            start += width + one.missing
            for i, value in enumerate(self.rows[:, j].tolist()):
                if one.immutable or np.isnan(value):
                    continue
                if one.categories and categories:
                    gains[i, j] = max(sides[i] * (weights - weights[int(value)]))
                if not one.categories:
                    ends = whole_or_not(one, value, spread)
                    moved = [(end - value) / one.std * weights[0] for end in ends]
                    gains[i, j] = max(0.0, *(sides[i] * move for move in moved))
        return gains


def whole_or_not(one: Feature, value: float, spread: float) -> tuple[float, float]:
    low = max(value - spread * one.std, -np.inf if one.low is None else one.low)
    high = min(value + spread * one.std, np.inf if one.high is None else one.high)
    low, high = min(low, value), max(high, value)
    return (np.ceil(low), np.floor(high)) if one.integer else (low, high)


def linear_table(seed: int, *, n: int = 24, wrong: int = 0) -> LinearTable:
    """Numbers, whole numbers and categories, one immutable and one with missing values."""
    rng = np.random.default_rng(seed)
    schema = Schema(
        (
            Feature(name="age", integer=True, immutable=True, low=17, high=90, mean=40, std=13),
            Feature(name="hours", integer=True, low=1, high=99, mean=40, std=12.3),
            Feature(name="gain", low=0.0, high=9.0, mean=3.0, std=2.0),
            Feature(name="dose", mean=-1.0, std=0.5, low=-3.0, high=1.0, missing=True),
            Feature(name="work", kind="categorical", categories=("State", "Private", "None")),
            Feature(name="home", kind="categorical", categories=("Own", "Rent")),
        )
    )
    rows = np.stack(
        [
            rng.integers(17, 91, n),
            rng.integers(1, 100, n),
            rng.uniform(0, 9, n),
            np.where(rng.random(n) < 0.2, NAN, rng.uniform(-3, 1, n)),
            rng.integers(0, 3, n),
            rng.integers(0, 2, n),
        ],
        axis=1,
    ).astype(np.float32)
    weight = torch.tensor(rng.normal(size=10), dtype=torch.float32)
    layer = nn.Linear(10, 1)
    with torch.no_grad():
        layer.weight.copy_(weight[None])
        layer.bias.zero_()
    model = TabularClassifier(layer, schema=schema, classes=("0", "1"))
    inputs = torch.from_numpy(rows)
    scores = layer(model.encode(inputs)).detach()[:, 0].double()
    bias = -float(scores.sort().values[n // 2 - 1 : n // 2 + 1].mean())  # between two rows
    with torch.no_grad():
        layer.bias.fill_(bias)
    scores = scores + bias
    labels = (scores > 0).long()
    labels[:wrong] = 1 - labels[:wrong]
    data = plain_data("tabular", InMemory(rows), labels.tolist(), schema)
    return LinearTable(model, data, weight, bias, inputs, labels, scores * (2 * labels - 1))


def black_box(
    answer: Callable[[np.ndarray], np.ndarray], schema: Schema, rows: np.ndarray
) -> Subject:
    """A function of raw rows to probabilities of the second class, right about every row."""
    model = TabularClassifier(
        BlackBox(lambda x: answer(np.asarray(x, dtype=np.float64)), output="probabilities"),
        schema=schema,
        classes=("0", "1"),
    )
    inputs = rows.astype(np.float32)
    labels = model.predict(torch.from_numpy(inputs)).argmax(dim=1).tolist()
    return Subject(model, plain_data("tabular", InMemory(inputs), labels, schema))


def numbers(count: int, *, integer: bool = False) -> Schema:
    """Columns a, b, c, ... of numbers with mean 0 and spread 1, in [-10, 10]."""
    names = "abcdefgh"[:count]
    return Schema(tuple(Feature(name=one, integer=integer, low=-10.0, high=10.0) for one in names))
