"""A second model that checks compare with the audited one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache

from auditkit.errors import ModelError
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.tabular import TabularClassifier
from auditkit.types import Params

MISSING = "no second model was given; name one with --other-model MODEL"

_GIVEN: dict[str, Classifier] = {}


def other_model(source: str) -> Classifier:
    """Return the other model, on the CPU; a process loads it once."""
    return _GIVEN[source] if source in _GIVEN else _loaded(source)


@lru_cache(maxsize=1)
def _loaded(source: str) -> Classifier:
    return load_model(ModelSpec(source=source, device="cpu"))


@contextmanager
def given(source: str, model: Classifier) -> Generator[None]:
    """Within the block, let a name mean a model in memory, in this process."""
    _GIVEN[source] = model
    try:
        yield
    finally:
        del _GIVEN[source]


def hash_of(source: str) -> Params:
    """Return the hash of the other model as a parameter, nothing where none is named."""
    return {"other_sha256": other_model(source).identity.sha256} if source else {}


def comparable(check: str, source: str, model: Classifier) -> Classifier:
    """Return the other model, which reads what the audited one reads and has its classes.

    Raises
    ------
    ModelError
        If it cannot be loaded, or reads or answers something else.
    """
    other = other_model(source)
    mine, theirs = _reads(model), _reads(other)
    if mine != theirs:
        raise ModelError(
            f"{check}: {source} reads {theirs}, the audited model reads {mine}.",
            hint="Name a model of the same inputs: --other-model MODEL",
        )
    bounds = [one.bounds for one in (model, other) if isinstance(one, ImageClassifier)]
    if other.classes != model.classes or len(set(bounds)) > 1:
        raise ModelError(
            f"{check}: {source} has other classes or bounds than the audited model.",
            hint="Name a model that was trained for the same classes: --other-model MODEL",
        )
    return other


def _reads(model: Classifier) -> str:
    """Return what a model reads, in words; two models that read alike say the same."""
    if isinstance(model, ImageClassifier):
        return f"images {model.input_shape}"
    if isinstance(model, TabularClassifier):
        return f"rows of {', '.join(one.name for one in model.schema.features)}"
    if isinstance(model, GraphClassifier):
        return f"graphs of {', '.join(model.tags)}"
    return f"{model.modality}s"
