"""Data that a user names beside the audited ones, read in the terms of the model."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from auditkit.data.catalogue import DATA
from auditkit.data.dataset import Dataset
from auditkit.data.load import DataSpec, load_data
from auditkit.errors import DataError
from auditkit.models.bundle import file_sha256
from auditkit.models.classifier import Classifier, ImageClassifier


@lru_cache(maxsize=8)
def named_data(
    option: str,
    source: str,
    columns: tuple[str, ...],
    model: Classifier,
    *,
    split: str = "test",
    unlabelled: bool = False,
) -> Dataset:
    """Return the data that an option names; a process loads them once.

    Parameters
    ----------
    option : str
        Such as "--shift", for messages.
    source : str
        A known data set or a path.
    columns : tuple of str
        As `--columns`, for tables; empty for the usual ones.
    model : Classifier
        Reads them.
    split : str
        Which part, where there are several.
    unlabelled : bool
        Whether there may be no labels.

    Raises
    ------
    DataError
        If they cannot be read, or do not fit the model.
    """
    table = source not in DATA and Path(source).is_file() and not source.endswith(".npz")
    spec = DataSpec(source=source, columns=(columns or None) if table else None, split=split)
    try:
        data = load_data(spec, model, unlabelled=unlabelled)
    except DataError as error:
        hint = (error.hint or "").replace("--data", option)
        raise DataError(f"{option} {source}: {error.message}", hint=hint) from error
    if isinstance(model, ImageClassifier) and data.input_shape != model.input_shape:
        raise DataError(
            f"{option} {source}: {data.name} holds images of shape {data.input_shape}, and"
            f" {model.identity.name} reads {model.input_shape}.",
            hint=f"Name images of the model's size: {option} DATA",
        )
    return data


@lru_cache(maxsize=8)
def content_hash(source: str) -> str:
    """Return the SHA-256 of a file, or of the names and contents of the files in a folder.

    A known data set has its name for a hash.
    """
    if source in DATA:
        return source
    path = Path(source)
    if not path.is_dir():
        return file_sha256(path)
    state = hashlib.sha256()
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        state.update(f"{file.relative_to(path).as_posix()}\0{file_sha256(file)}\0".encode())
    return state.hexdigest()
