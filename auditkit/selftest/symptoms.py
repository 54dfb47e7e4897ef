"""What the symptoms of several flaws share: accuracies of models, and data with other inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from torch import Tensor

from auditkit.data.dataset import Batch, Dataset, InMemory
from auditkit.data.digest import dataset_hash, digests
from auditkit.models.classifier import Classifier, Inputs
from auditkit.models.training.report import share_correct
from auditkit.selftest.teach import images_of, labels_of, texts_of
from auditkit.types import Bools


def inputs_of(data: Dataset) -> Inputs:
    """Return all inputs as a classifier reads them."""
    return texts_of(data) if data.modality == "text" else images_of(data)


def accuracy_on(model: Classifier, inputs: Inputs, labels: Tensor) -> float:
    """Return the share of correct answers."""
    return share_correct(model.predict(inputs), labels)


def accuracy_of(model: Classifier, data: Dataset) -> float:
    """Return the share of correct answers on a data set."""
    return accuracy_on(model, inputs_of(data), labels_of(data))


def accuracy_gap(model: Classifier, data: Dataset, column: str, high: str, low: str) -> float:
    """Return the accuracy on one group of a column minus that on another."""
    of = data.attributes[column].to_numpy(dtype=object)
    both = (data.take(np.flatnonzero(of == group)) for group in (high, low))
    first, second = (accuracy_of(model, part) for part in both)
    return first - second


def share_changed(model: Classifier, before: Inputs, after: Inputs) -> float:
    """Return the share of inputs that get another answer."""
    changed = model.predict(before).argmax(dim=1) != model.predict(after).argmax(dim=1)
    return float(changed.float().mean())


def rewritten(
    data: Dataset, texts: Sequence[str], columns: Mapping[str, Bools | Sequence[str]]
) -> Dataset:
    """Return a data set with other texts that keep the places of the old words, and new columns.

    The new columns are the sensitive ones.
    """
    inputs: Batch = list(texts)
    reader = InMemory(inputs, data.relevance(slice(0, len(data))))
    attributes = pd.DataFrame({name: list(column) for name, column in columns.items()})
    return replace(
        data,
        reader=reader,
        attributes=attributes,
        sensitive=tuple(columns),
        derived=(),
        training_digests=None,
        rows=np.arange(len(data), dtype=np.int64),
        sha256=dataset_hash(
            ids=data.ids,
            labels=data.labels,
            classes=data.classes,
            attributes=attributes,
            contents=digests(reader, len(data)),
        ),
    )
