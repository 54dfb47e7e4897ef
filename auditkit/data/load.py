"""From what a user names, a known data set, a folder or a file, to a data set."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from auditkit.data import images, rows, tables, tu
from auditkit.data.arrays import load_arrays
from auditkit.data.catalogue import DATA
from auditkit.data.columns import require_sensitive
from auditkit.data.dataset import Dataset, InMemory, Reader, Relevance
from auditkit.data.files import looking_in
from auditkit.data.joined import read_attributes, with_attributes
from auditkit.data.labels import match_labels, no_labels
from auditkit.errors import ConfigError, DataError, near_miss
from auditkit.models.classifier import Classifier, ImageClassifier, TextClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import TabularClassifier
from auditkit.paths import special
from auditkit.types import INPUTS, Floats, Ints, Modality

_FORMATS = "a folder of images per class or of graphs, .npz, .csv, .tsv or .parquet"
_OWN: dict[Modality, str] = {  # what holds the inputs of a model
    "image": "a folder of images per class, or an .npz file,",
    "text": "a .csv, .tsv or .parquet file with texts",
    "tabular": "a .csv, .tsv or .parquet file with the model's columns",
    "graph": "a folder of graphs in the text format of the TU collection",
}


@final
@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Plain words that say which data.

    Parameters
    ----------
    source : str
        Name of a known data set, or path of a folder or file. A name wins; write ./digits for
        a folder of that name.
    columns : tuple of str, optional
        Text and label column of a table of texts; label column of any other table.
    sensitive : tuple of str
        Columns that compare people.
    split : str
        Of a known data set, or of an .npz file with several.
    attributes : str, optional
        Path of a .csv, .tsv or .parquet file whose columns are joined to the inputs by its column
        `id`.
    """

    source: str
    columns: tuple[str, ...] | None = None
    sensitive: tuple[str, ...] = ()
    split: str = "test"
    attributes: str | None = None


def load_data(
    spec: DataSpec, model: Classifier, *, unlabelled: bool = False, min_cell: int | None = None
) -> Dataset:
    """Return the data in the terms of a model: its classes, channels and bounds.

    Parameters
    ----------
    spec : DataSpec
        Which data.
    model : Classifier
        Will be audited on them.
    unlabelled : bool
        Whether labels may be absent: a folder without class folders, a table or an .npz file
        without labels. The labels of known data whose classes the model does not know count as
        absent too.
    min_cell : int, optional
        Small groups are to be pooled: notes say nothing of how large they are.

    Raises
    ------
    DataError
        If the data cannot be read or do not fit the model.
    ConfigError
        If `columns` is given for data that are no table, or names too few columns.
    """
    if spec.attributes is None:
        return _loaded(spec, model, unlabelled=unlabelled)
    file = Path(spec.attributes)
    table = read_attributes(file)
    theirs = tuple(name for name in spec.sensitive if name in table)
    own = tuple(name for name in spec.sensitive if name not in table)
    own_spec = replace(spec, sensitive=own, attributes=None)
    data = _loaded(own_spec, model, unlabelled=unlabelled)
    return with_attributes(data, table, file=file, sensitive=theirs, min_cell=min_cell)


def _loaded(spec: DataSpec, model: Classifier, *, unlabelled: bool) -> Dataset:
    """Return the data alone."""
    if spec.source in DATA:
        _refuse_columns(spec)
        return _embedded(spec, model, unlabelled=unlabelled)
    path = Path(spec.source)
    if not path.exists():
        raise DataError(
            f"There is no file, folder or known data set {spec.source!r}."
            f"{near_miss(spec.source, DATA)}",
            hint=f"Pass {_FORMATS}, or one of {', '.join(DATA)}.",
        )
    if kind := special(path):
        raise DataError(
            f"{path} is {kind} rather than a file.",
            hint="Write it into a file first, and name that.",
        )
    if path.is_dir() and (name := published_in(path)):
        with looking_in(path):
            return _loaded(replace(spec, source=name), model, unlabelled=unlabelled)
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == ".npz":
        _refuse_columns(spec)
        return _folder_or_arrays(path, model, spec, unlabelled=unlabelled)
    if suffix in tables.SUFFIXES:
        return _table(path, model, spec, unlabelled=unlabelled)
    raise DataError(
        f"{path} is of no known format ({suffix or 'no suffix'}); expected {_FORMATS}.",
        hint="Convert it, or write it with numpy.savez_compressed(FILE, x=images, y=labels).",
    )


def published_in(folder: Path) -> str | None:
    """Return the data set whose published files lie in a folder, told by their content."""
    for name, known in DATA.items():
        for file in known.files:
            path = folder / file.name
            if path.is_file() and file.problem(path) is None:
                return name
    return None


def _refuse_columns(spec: DataSpec) -> None:
    if spec.columns is not None:
        raise ConfigError(
            f"--columns names {', '.join(spec.columns)}, but {spec.source} is no table.",
            hint="Leave --columns out.",
        )


def _folder_or_arrays(
    path: Path, model: Classifier, spec: DataSpec, *, unlabelled: bool
) -> Dataset:
    split, sensitive = spec.split, spec.sensitive
    if isinstance(model, GraphClassifier) and path.is_dir():
        return tu.load_tu(path, model, split=split, sensitive=sensitive, unlabelled=unlabelled)
    if not isinstance(model, ImageClassifier):
        raise _unfit(path, "a folder" if path.is_dir() else "an array file", model)
    load = images.load_folder if path.is_dir() else load_arrays
    return load(path, model, split=split, sensitive=sensitive, unlabelled=unlabelled)


def _table(path: Path, model: Classifier, spec: DataSpec, *, unlabelled: bool) -> Dataset:
    def loaded(load: Callable[..., Dataset]) -> Dataset:
        return load(
            path,
            model,
            split=spec.split,
            columns=spec.columns,
            sensitive=spec.sensitive,
            unlabelled=unlabelled,
        )

    if isinstance(model, TextClassifier):
        return loaded(tables.load_table)
    if isinstance(model, TabularClassifier):
        return loaded(rows.load_rows)
    raise _unfit(path, "a table", model)


def _unfit(path: Path, what: str, model: Classifier) -> DataError:
    return DataError(
        f"{path} is {what}, and {model.identity.name} reads {INPUTS[model.modality]}.",
        hint=f"Pass {_OWN[model.modality]} with --data.",
    )


def _embedded(spec: DataSpec, model: Classifier, *, unlabelled: bool) -> Dataset:
    known = DATA[spec.source]
    if known.modality != model.modality:
        fitting = [name for name, one in DATA.items() if one.modality == model.modality]
        raise DataError(
            f"{known.name} holds {INPUTS[known.modality]}, and {model.identity.name} reads"
            f" {INPUTS[model.modality]}.",
            hint=f"Pass your own data with --data, or {' or '.join(fitting)}.",
        )
    data = known.load(spec.split)
    require_sensitive(spec.sensitive, list(map(str, data.attributes.columns)), where=known.name)
    try:
        data = _in_classes(data, model.classes)
    except DataError:
        if not unlabelled:
            raise
        absent = no_labels(len(data))
        data = replace(data, labels=absent.labels, classes=model.classes, notes=absent.notes)
    if isinstance(model, TabularClassifier):
        data = _in_columns(data, model)
    if isinstance(model, GraphClassifier) and data.tags != model.tags:
        raise DataError(
            f"{known.name} tags its nodes {', '.join(data.tags)}; {model.identity.name} reads the"
            f" tags {', '.join(model.tags)}."
        )
    if isinstance(model, ImageClassifier) and model.bounds != (0.0, 1.0):
        # Digests of the training inputs are those of unscaled images and would never match.
        scaled = _Scaled(data.reader, model.bounds)
        data = replace(data, reader=scaled, training_digests=None)
    return replace(data, sensitive=_united(data.sensitive, spec.sensitive))


def _in_classes(data: Dataset, classes: Sequence[str]) -> Dataset:
    matched = match_labels(
        [data.classes[label] for label in data.labels],
        classes,
        where=lambda i: f"{data.name}: {data.ids[i]}",
        hint="Name the model's classes in logit order: --classes"
        f" {shlex.quote(','.join(data.classes))}",
    )
    return replace(data, labels=matched.labels, classes=tuple(classes), notes=matched.notes)


def _in_columns(data: Dataset, model: TabularClassifier) -> Dataset:
    """Return the rows in the columns and categories of the model."""
    schema = data.schema
    assert schema is not None
    if model.schema.same_values(schema):
        return replace(data, schema=model.schema)
    held = data.reader.read(np.arange(len(data.rows), dtype=np.int64))
    assert not isinstance(held, list)
    changed = model.schema.rows(schema.frame(held), where=data.name)
    # Digests of the training inputs are those of whole rows and would never match.
    return replace(data, reader=InMemory(changed), schema=model.schema, training_digests=None)


def _united(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))


@final
@dataclass(frozen=True)
class _Scaled:
    """Images in [0, 1], scaled to other bounds when they are read."""

    reader: Reader
    bounds: tuple[float, float]

    def read(self, rows: Ints) -> Floats:
        images_ = self.reader.read(rows)
        assert not isinstance(images_, list)
        low, high = self.bounds
        return (low + images_.astype("float64") * (high - low)).astype("float32")

    def relevance(self, rows: Ints) -> Relevance | None:
        return self.reader.relevance(rows)
