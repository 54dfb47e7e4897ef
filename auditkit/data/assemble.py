"""From what a loader found to a data set: one pass over the inputs for hash and derived slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from auditkit.data.columns import Groups
from auditkit.data.dataset import Batch, Dataset, Reader
from auditkit.data.derived import derived_slices
from auditkit.data.digest import BATCH, dataset_hash, input_digest
from auditkit.data.labels import Matched
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import TabularClassifier
from auditkit.types import Ints


def assemble(
    model: Classifier,
    *,
    name: str,
    split: str,
    ids: Sequence[str],
    labels: Matched,
    groups: Groups,
    sensitive: Sequence[str],
    reader: Reader,
    digest: Callable[[int], str] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Return the data set in the model's classes; without a sensitive column, slices are derived.

    Parameters
    ----------
    model : Classifier
        Gives classes, bounds and the shape of an image.
    name, split : str
        See `Dataset`.
    ids : sequence of str
        n ids.
    labels : Matched
        n class numbers.
    groups : Groups
        Columns of n rows.
    sensitive : sequence of str
        Columns of `groups` that compare people.
    reader : Reader
        Reads the n inputs; every one is read once here, in batches.
    digest : callable, optional
        Hash of the content of input i; by default of what the reader gives.
    notes : sequence of str
        What was assumed or left out.
    """
    contents: list[str] = []

    def one_pass() -> Iterator[Batch]:
        for start in range(0, len(ids), BATCH):
            rows: Ints = np.arange(start, min(len(ids), start + BATCH), dtype=np.int64)
            batch = reader.read(rows)
            contents.extend(map(digest, rows.tolist()) if digest else map(input_digest, batch))
            yield batch

    image = model if isinstance(model, ImageClassifier) else None
    given = groups.attributes
    schema = model.schema if isinstance(model, TabularClassifier) else None
    derived = derived_slices(
        one_pass(), bounds=image.bounds if image else (0.0, 1.0), schema=schema
    )
    new = [] if sensitive else [column for column in derived if column not in given]
    return Dataset(
        name=name,
        split=split,
        modality=model.modality,
        classes=model.classes,
        ids=tuple(ids),
        labels=labels.labels,
        attributes=given.join(derived[new]),
        sensitive=tuple(sensitive),
        derived=tuple(map(str, new)),
        reader=reader,
        sha256=dataset_hash(
            ids=ids,
            labels=labels.labels,
            classes=model.classes,
            attributes=given,
            contents=contents,
        ),
        input_shape=image.input_shape if image else None,
        schema=schema,
        tags=model.tags if isinstance(model, GraphClassifier) else (),
        notes=(*notes, *labels.notes, *groups.notes),
    )
