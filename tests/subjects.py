"""Small models and data whose true answers are known, and short ways to run a check on them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, Measured, NotApplicable, Records
from auditkit.checks.catalogue import make_check
from auditkit.data.dataset import Dataset, InMemory, Reader
from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.data.schema import Feature, Schema
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import TabularClassifier
from auditkit.result import Execution
from auditkit.types import Modality


@dataclass(frozen=True)
class Subject:
    """A model and the data it is audited on."""

    model: Classifier
    data: Dataset

    @property
    def artifacts(self) -> Artifacts:
        return Artifacts(self.model, self.data, np.arange(len(self.data)))


def image_data(
    images: Tensor,
    labels: Sequence[int] | Tensor,
    *,
    classes: Sequence[str] = ("0", "1"),
    attributes: dict[str, Sequence[str]] | None = None,
    sensitive: Sequence[str] = (),
    masks: np.ndarray | None = None,
) -> Dataset:
    """Images (n, c, h, w) float32 with labels (n,) as a data set."""
    n = len(images)
    return Dataset(
        name="made-up",
        split="test",
        modality="image",
        classes=tuple(classes),
        ids=tuple(f"{i:05d}" for i in range(n)),
        labels=np.asarray(labels, dtype=np.int64),
        attributes=pd.DataFrame(attributes) if attributes else pd.DataFrame(index=range(n)),
        sensitive=tuple(sensitive),
        reader=InMemory(images.numpy().astype(np.float32), masks),
        input_shape=tuple(images.shape[1:]),  # type: ignore[arg-type]
        sha256="0" * 64,
    )


@dataclass(frozen=True)
class LinearSubject(Subject):
    """Two classes, logits [0, w.x + b]: every distance to the boundary has a closed form."""

    weight: Tensor  # (d,)
    bias: float
    margins: Tensor  # (n,) signed score in favour of the true label


def linear_subject(
    seed: int, *, n: int = 40, shape: tuple[int, int, int] = (1, 4, 4), wrong: int = 3
) -> LinearSubject:
    """Inputs well inside the box [0, 1], `wrong` of them labelled against the model."""
    rng = torch.Generator().manual_seed(seed)
    d = int(np.prod(shape))
    weight = torch.randn(d, generator=rng)
    images = 0.3 + 0.4 * torch.rand(n, *shape, generator=rng)
    scores = images.flatten(1) @ weight
    middle = scores.sort().values[n // 2 - 1 : n // 2 + 1]  # the boundary runs between two inputs
    bias = -float(middle.mean())
    labels = (scores + bias > 0).long()
    labels[:wrong] = 1 - labels[:wrong]
    layer = nn.Linear(d, 1)
    with torch.no_grad():
        layer.weight.copy_(weight[None])
        layer.bias.fill_(bias)
    model = ImageClassifier(
        nn.Sequential(nn.Flatten(), layer), classes=("0", "1"), input_shape=shape
    )
    data = image_data(images, labels)
    margins = (scores + bias) * (2 * labels - 1)
    return LinearSubject(model, data, weight, bias, margins)


def run_check(
    check: Check,
    subject: Subject,
    *,
    seed: int = 0,
    shard_size: int | None = None,
    execution: Execution | None = None,
) -> Measured | NotApplicable:
    """Run a check as an audit does: measure every shard, merge, summarise."""
    found = recorded(check, subject, seed=seed, shard_size=shard_size, execution=execution)
    return found if isinstance(found, NotApplicable) else check.summarise(*found)


def recorded(
    check: Check,
    subject: Subject,
    *,
    seed: int = 0,
    shard_size: int | None = None,
    execution: Execution | None = None,
) -> tuple[Records, Context] | NotApplicable:
    """Return the merged records of a check, and what it summarises them with."""
    n = len(subject.data)
    parts: list[Records] = []
    shared: dict[Hashable, object] = {}
    for start in range(0, n, shard_size or n):
        positions = np.arange(start, min(n, start + (shard_size or n)))
        artifacts = Artifacts(
            subject.model, subject.data, positions, seed=seed, execution=execution, shared=shared
        )
        part = check.measure(artifacts)
        if isinstance(part, NotApplicable):
            return part
        parts.append(part)
    others: dict[str, Records] = {}
    for name in check.meta.reads:
        other = make_check(name, {})
        if other.applies(subject.model, subject.data) is None:
            found = other.measure(Artifacts(subject.model, subject.data, np.arange(n), seed=seed))
            assert isinstance(found, Records)
            others[name] = found
    return Records.merged(parts), Context(data=subject.data, seed=seed, others=others)


def measured(check: Check, subject: Subject, **kwargs: object) -> Measured:
    """Run a check that must apply."""
    outcome = run_check(check, subject, **kwargs)  # type: ignore[arg-type]
    assert isinstance(outcome, Measured), outcome
    return outcome


def values(outcome: Measured) -> dict[str, float | None]:
    """Map finding ids to values: without the check, and without the slice when it is `all`.

    `pgd-linf/robust_accuracy/all/epsilon=0.1` becomes `robust_accuracy/epsilon=0.1`.
    """
    found: dict[str, float | None] = {}
    for finding in outcome.findings:
        parts = finding.id.split("/")[1:]
        found["/".join(part for i, part in enumerate(parts) if i != 1 or part != "all")] = (
            finding.value
        )
    return found


def table_subject() -> Subject:
    """Four rows whose class is whether the age is above 40; the last one is labelled wrongly."""
    schema = Schema(
        (
            Feature(name="age", mean=40.0),
            Feature(name="work", kind="categorical", categories=("State", "Private")),
            Feature(name="wage", missing=True),
        )
    )
    layer = nn.Linear(5, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.1, 0, 0, 0, 0]]))
        layer.bias.zero_()
    nan = float("nan")
    rows = [[20.0, 0.0, 1.0], [30.0, 1.0, nan], [70.0, 1.0, nan], [70.0, 1.0, nan]]
    return Subject(
        TabularClassifier(layer, schema=schema, classes=("0", "1")),
        plain_data("tabular", InMemory(np.array(rows, dtype=np.float32)), [0, 0, 1, 0], schema),
    )


def graph_subject() -> Subject:
    """Four chains whose class is whether they hold an N; the last one is labelled wrongly."""

    class HasNitrogen(nn.Module):
        def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
            return features[:, :, 1].sum(dim=1, keepdim=True) - 0.5

    graphs = [
        Graph(np.array(tags), np.array([[0, 1], [1, 2]]))
        for tags in ([0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1])
    ]
    return Subject(
        GraphClassifier(HasNitrogen(), tags=("C", "N"), classes=("0", "1")),
        plain_data("graph", StoredGraphs(graphs, 2, 4), [0, 0, 1, 0]),
    )


def plain_data(
    modality: Modality,
    reader: Reader,
    labels: list[int],
    schema: Schema | None = None,
    *,
    tags: tuple[str, ...] = ("C", "N"),
) -> Dataset:
    """Rows of a table or graphs as a data set, half of them in either slice."""
    return Dataset(
        name="made-up",
        split="test",
        modality=modality,
        classes=("0", "1"),
        ids=tuple(f"{i:05d}" for i in range(len(labels))),
        labels=np.array(labels),
        attributes=pd.DataFrame({"half": ["a", "b"] * (len(labels) // 2)}),
        reader=reader,
        schema=schema,
        tags=tags if modality == "graph" else (),
        sha256="0" * 64,
    )
