"""The data that a model was trained on, which checks compare with the audited ones."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from auditkit.checks.named_data import content_hash, named_data
from auditkit.data.catalogue import DATA
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.models.classifier import Classifier
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
    found = (
        _GIVEN[source]
        if source in _GIVEN
        else named_data("--train-data", source, tuple(columns), model, split="train")
    )
    if found.sha256 == data.sha256:
        raise ConfigError(
            f"{check}: the training data {source} are the audited data themselves.",
            hint="Audit inputs that the model has not seen: --data DATA",
        )
    return found


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
    return {"train_sha256": source if source in _GIVEN else content_hash(source)}
