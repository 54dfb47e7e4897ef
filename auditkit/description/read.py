"""Data without a model: labels, groups, and the columns in which a trait may hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from auditkit.data import images, tables
from auditkit.data.catalogue import DATA
from auditkit.data.columns import MISSING, groups_of, require_sensitive
from auditkit.data.dataset import Dataset, InMemory, require_columns
from auditkit.data.files import looking_in
from auditkit.data.joined import read_attributes, with_attributes
from auditkit.data.load import DataSpec, published_in
from auditkit.data.rows import label_column
from auditkit.errors import DataError, near_miss
from auditkit.paths import special

_EMPTY = ("?", "NA", "NaN", "nan", "")  # cells of a text file that say nothing


class Sample(NamedTuple):
    """Labels and groups of n inputs, and further columns (n, c) where inputs have any."""

    data: Dataset
    features: pd.DataFrame


def read_sample(spec: DataSpec, *, min_cell: int | None = None) -> Sample:
    """Read labels, groups and columns; of a table every column, since no model says which it reads.

    Parameters
    ----------
    spec : DataSpec
        Which data.
    min_cell : int, optional
        Small groups are to be pooled: notes say nothing of how large they are.

    Raises
    ------
    DataError
        If there are no such data, or they have no labels.
    """
    if spec.attributes is None:
        return _read(spec)
    file = Path(spec.attributes)
    table = read_attributes(file)
    theirs = tuple(name for name in spec.sensitive if name in table)
    own = tuple(name for name in spec.sensitive if name not in table)
    one = _read(DataSpec(source=spec.source, columns=spec.columns, sensitive=own, split=spec.split))
    data = with_attributes(one.data, table, file=file, sensitive=theirs, min_cell=min_cell)
    return one._replace(data=data)


def _read(spec: DataSpec) -> Sample:
    if spec.source in DATA:
        return _known(spec)
    path = Path(spec.source)
    if not path.exists():
        raise DataError(
            f"There is no file, folder or known data set {spec.source!r}."
            f"{near_miss(spec.source, DATA)}",
            hint=f"Pass a table, a folder of images per class, or one of {', '.join(DATA)}.",
        )
    if path.is_dir() and (name := published_in(path)):
        with looking_in(path):
            return _known(DataSpec(source=name, sensitive=spec.sensitive, split=spec.split))
    if path.is_dir():
        return _folder(path, spec)
    if special(path) or path.suffix.lower() not in tables.SUFFIXES:
        raise DataError(
            f"{path} is no table; what can be described without a model are"
            f" {', '.join(tables.SUFFIXES)} files, folders of images and known data sets.",
            hint="Write labels and columns as a table, with one row per input.",
        )
    return _table(path, spec)


def _known(spec: DataSpec) -> Sample:
    data = DATA[spec.source].load(spec.split)
    require_sensitive(spec.sensitive, list(map(str, data.attributes.columns)), where=spec.source)
    sensitive = tuple(dict.fromkeys([*data.sensitive, *spec.sensitive]))
    features = pd.DataFrame(index=range(len(data)))
    if data.schema is not None:
        rows = data.read(np.arange(len(data)))
        assert not isinstance(rows, list)
        features = data.schema.frame(rows)
    return Sample(replace(data, sensitive=sensitive), features)


def _folder(folder: Path, spec: DataSpec) -> Sample:
    require_sensitive(spec.sensitive, (), where=f"{folder} (a folder of images)")
    files, notes = images.files_in(folder)
    ids = [file.relative_to(folder).as_posix() for file in files]
    nothing = pd.DataFrame(index=range(len(ids)))
    labels = [one.split("/")[0] for one in ids]
    return Sample(_dataset(folder.resolve().name, spec, ids, labels, nothing, notes), nothing)


def _table(file: Path, spec: DataSpec) -> Sample:
    text = None
    if spec.columns is not None and len(spec.columns) > 1:
        table = tables.read_table(file, spec.columns)
        frame, label, text = table.frame, table.label, table.text
    else:
        frame = tables.read_frame(file)
        label = spec.columns[0] if spec.columns else label_column(frame.columns.tolist(), file)
        require_columns(frame, [label], where=str(file))
        text = next((name for name in tables.TEXT if name in frame and name != label), None)
    if len(frame) == 0:
        raise DataError(f"{file} holds no rows.")
    frame.columns = list(map(str, frame.columns))
    others = frame.drop(columns=[one for one in (label, text) if one is not None])
    named = "id" in others
    ids = tables.ids_of(others.pop("id"), file) if named else map(str, range(1, len(frame) + 1))
    others = others.reset_index(drop=True)
    others = others.where(~others.isin(_EMPTY), None)
    groups = groups_of(others, sensitive=spec.sensitive, where=str(file))
    labels = [MISSING if pd.isna(one) else str(one).strip() for one in frame[label].tolist()]
    data = _dataset(
        file.name, spec, list(ids), labels, groups.attributes, list(groups.notes), spec.sensitive
    )
    return Sample(data, others.drop(columns=list(spec.sensitive)))


def _dataset(
    name: str,
    spec: DataSpec,
    ids: Sequence[str],
    labels: Sequence[str],
    attributes: pd.DataFrame,
    notes: Sequence[str],
    sensitive: Sequence[str] = (),
) -> Dataset:
    classes = sorted(set(labels))
    if all(one.isdecimal() for one in classes):
        classes.sort(key=int)
    number = {one: i for i, one in enumerate(classes)}
    return Dataset(
        name=name,
        split=spec.split,
        modality="tabular",
        classes=tuple(classes),
        ids=tuple(ids),
        labels=np.array([number[one] for one in labels], dtype=np.int64),
        attributes=attributes,
        sensitive=tuple(sensitive),
        reader=InMemory([]),  # nobody asks for the inputs themselves
        sha256="",
        notes=tuple(notes),
    )
