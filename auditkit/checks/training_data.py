"""The data that a model was trained on, which checks compare with the audited ones."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from auditkit.data.catalogue import DATA
from auditkit.data.dataset import Dataset
from auditkit.data.load import DataSpec, load_data
from auditkit.errors import ConfigError, DataError
from auditkit.models.bundle import file_sha256
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.types import Params

MISSING = "no training data were given; name them with --train-data DATA"

_GIVEN: dict[str, Dataset] = {}


def own_training(model: Classifier, data: Dataset) -> str:
    """Return the data set whose training split taught a model, or nothing where nobody knows.

    A built-in model says so on its card; what it is audited on must be of the same data set.
    """
    said = model.identity.card.get("trained on", "")
    known = data.name in DATA and "train" in DATA[data.name].sizes
    return data.name if known and said.startswith(f"{data.name}, split train") else ""


def training_data(
    check: str, source: str, model: Classifier, data: Dataset, *, columns: Sequence[str] = ()
) -> Dataset:
    """Return the training data in the terms of the model; a process loads them once.

    Parameters
    ----------
    check : str
        Who asks, for messages.
    source : str
        A known data set, whose split `train` is taken, or a path.
    model : Classifier
        Was trained on them.
    data : Dataset
        The audited data, which must be others.
    columns : sequence of str
        As `--columns`, for tables.

    Raises
    ------
    DataError
        If they cannot be read, or do not fit the model.
    ConfigError
        If they are the audited data.
    """
    found = _GIVEN[source] if source in _GIVEN else _loaded(source, tuple(columns), model)
    if found.sha256 == data.sha256:
        raise ConfigError(
            f"{check}: the training data {source} are the audited data themselves.",
            hint="Audit inputs that the model has not seen: --data DATA",
        )
    return found


@lru_cache(maxsize=2)
def _loaded(source: str, columns: tuple[str, ...], model: Classifier) -> Dataset:
    table = source not in DATA and Path(source).is_file() and not source.endswith(".npz")
    spec = DataSpec(source=source, columns=(columns or None) if table else None, split="train")
    try:
        data = load_data(spec, model)
    except DataError as error:
        hint = (error.hint or "").replace("--data", "--train-data")
        raise DataError(f"--train-data {source}: {error.message}", hint=hint) from error
    if isinstance(model, ImageClassifier) and data.input_shape != model.input_shape:
        raise DataError(
            f"--train-data {source}: {data.name} holds images of shape {data.input_shape}, and"
            f" {model.identity.name} reads {model.input_shape}.",
            hint="Name images of the model's size: --train-data DATA",
        )
    return data


@contextmanager
def given(source: str, data: Dataset) -> Generator[None]:
    """Within the block, let a name mean data in memory, in this process."""
    _GIVEN[source] = data
    try:
        yield
    finally:
        del _GIVEN[source]


def hash_of(source: str) -> Params:
    """Return the hash of the training data as a parameter, nothing where none are named.

    A known data set has its name for a hash.
    """
    if not source:
        return {}
    known = source in DATA or source in _GIVEN
    return {"train_sha256": source if known else _content(source)}


@lru_cache(maxsize=2)
def _content(source: str) -> str:
    """Return the SHA-256 of a file, or of the names and contents of the files in a folder."""
    path = Path(source)
    if not path.is_dir():
        return file_sha256(path)
    state = hashlib.sha256()
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        state.update(f"{file.relative_to(path).as_posix()}\0{file_sha256(file)}\0".encode())
    return state.hexdigest()
