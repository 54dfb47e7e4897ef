"""One split of a published data set, from what its file holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from auditkit.data.dataset import Dataset, Reader
from auditkit.data.derived import derived_slices
from auditkit.data.digest import batches, dataset_hash, digests
from auditkit.data.schema import Schema
from auditkit.types import Ints, Modality


def published(
    *,
    name: str,
    split: str,
    modality: Modality,
    classes: Sequence[str],
    ids: Sequence[str],
    labels: Ints,
    reader: Reader,
    input_shape: tuple[int, int, int] | None = None,
    schema: Schema | None = None,
    tags: Sequence[str] = (),
    attributes: pd.DataFrame | None = None,
    sensitive: Sequence[str] = (),
    training: Iterable[str] | None = None,
) -> Dataset:
    """Return a data set; where it names no groups, slices are derived from the inputs.

    Parameters
    ----------
    name, split, modality, classes, ids, labels, reader, input_shape, schema, tags
        See `Dataset`.
    attributes, sensitive
        See `Dataset`.
    training : iterable of str, optional
        Digest of every training input, where known.
    """
    given = pd.DataFrame(index=range(len(ids))) if attributes is None else attributes
    derived = (
        pd.DataFrame() if sensitive else derived_slices(batches(reader, len(ids)), schema=schema)
    )
    return Dataset(
        name=name,
        split=split,
        modality=modality,
        classes=tuple(classes),
        ids=tuple(ids),
        labels=labels,
        attributes=given.join(derived),
        sensitive=tuple(sensitive),
        derived=tuple(map(str, derived.columns)),
        reader=reader,
        sha256=dataset_hash(
            ids=ids,
            labels=labels,
            classes=classes,
            attributes=given,
            contents=digests(reader, len(ids)),
        ),
        input_shape=input_shape,
        schema=schema,
        tags=tuple(tags),
        training_digests=None if training is None else frozenset(training),
    )
