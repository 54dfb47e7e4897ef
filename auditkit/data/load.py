"""From what a user names, an embedded data set, a folder or a file, to a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from auditkit.data import images, tables
from auditkit.data.arrays import load_arrays
from auditkit.data.catalogue import EMBEDDED
from auditkit.data.columns import require_sensitive
from auditkit.data.dataset import Dataset, Reader, Relevance
from auditkit.data.labels import match_labels
from auditkit.errors import ConfigError, DataError, near_miss
from auditkit.models.classifier import Classifier, ImageClassifier, TextClassifier
from auditkit.types import Floats, Ints

_FORMATS = "a folder of images per class, .npz, .csv, .tsv or .parquet"


@final
@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Plain words that say which data.

    Parameters
    ----------
    source : str
        Name of an embedded data set, or path of a folder or file. A name wins; write ./digits for
        a folder of that name.
    columns : tuple of str, optional
        Text and label column of a table.
    sensitive : tuple of str
        Columns that compare people.
    split : str
        Of an embedded data set, or of an .npz file with several.
    """

    source: str
    columns: tuple[str, ...] | None = None
    sensitive: tuple[str, ...] = ()
    split: str = "test"


def load_data(spec: DataSpec, model: Classifier) -> Dataset:
    """Return the data in the terms of a model: its classes, channels and bounds.

    Parameters
    ----------
    spec : DataSpec
        Which data.
    model : Classifier
        Will be audited on them.

    Raises
    ------
    DataError
        If the data cannot be read or do not fit the model.
    ConfigError
        If `columns` is given for data that are no table, or names too few columns.
    """
    if spec.source in EMBEDDED:
        _refuse_columns(spec)
        return _embedded(spec, model)
    path = Path(spec.source)
    if not path.exists():
        raise DataError(
            f"There is no file, folder or embedded data set {spec.source!r}."
            f"{near_miss(spec.source, EMBEDDED)}",
            hint=f"Pass {_FORMATS}, or one of {', '.join(EMBEDDED)}.",
        )
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == ".npz":
        _refuse_columns(spec)
        load = images.load_folder if path.is_dir() else load_arrays
        return load(path, _image_model(model, path), split=spec.split, sensitive=spec.sensitive)
    if suffix in tables.SUFFIXES:
        return tables.load_table(
            path,
            _text_model(model, path),
            split=spec.split,
            columns=spec.columns,
            sensitive=spec.sensitive,
        )
    raise DataError(
        f"{path} is of no known format ({suffix or 'no suffix'}); expected {_FORMATS}.",
        hint="Convert it, or write it with numpy.savez_compressed(FILE, x=images, y=labels).",
    )


def _refuse_columns(spec: DataSpec) -> None:
    if spec.columns is not None:
        raise ConfigError(
            f"--columns names {', '.join(spec.columns)}, but {spec.source} is no table.",
            hint="Leave --columns out.",
        )


def _image_model(model: Classifier, path: Path) -> ImageClassifier:
    if isinstance(model, ImageClassifier):
        return model
    raise DataError(
        f"{path} holds images, and {model.identity.name} reads texts.",
        hint="Pass a .csv, .tsv or .parquet file with --data.",
    )


def _text_model(model: Classifier, path: Path) -> TextClassifier:
    if isinstance(model, TextClassifier):
        return model
    raise DataError(
        f"{path} holds texts, and {model.identity.name} reads images.",
        hint="Pass a folder of images per class, or an .npz file, with --data.",
    )


def _embedded(spec: DataSpec, model: Classifier) -> Dataset:
    known = EMBEDDED[spec.source]
    if known.modality != model.modality:
        fitting = [name for name, one in EMBEDDED.items() if one.modality == model.modality]
        raise DataError(
            f"{known.name} holds {known.modality}s, and {model.identity.name} reads"
            f" {model.modality}s.",
            hint=f"Pass your own data with --data, or {' or '.join(fitting)}.",
        )
    data = known.load(spec.split)
    require_sensitive(spec.sensitive, list(map(str, data.attributes.columns)), where=known.name)
    data = _in_classes(data, model.classes)
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
        hint=f"Name the model's classes in logit order: --classes {','.join(data.classes)}",
    )
    return replace(data, labels=matched.labels, classes=tuple(classes), notes=matched.notes)


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
