"""What a result says of the model, the data and the surroundings of an audit."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib import metadata, util

import numpy as np
from pydantic import TypeAdapter

from auditkit.data.load import DataSpec
from auditkit.models.classifier import Classifier
from auditkit.models.endpoint import Endpoint, shown
from auditkit.models.graphs import GraphClassifier
from auditkit.models.load import ModelSpec
from auditkit.models.tabular import TabularClassifier
from auditkit.policy import Policy
from auditkit.result import DataFacts, Execution, ModelFacts, Provenance, SliceFacts
from auditkit.subject import Subject

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "captum", "foolbox", "pandas", "Pillow")
EXTRAS = ("onnx", "onnxruntime", "skops", "transformers")  # named where they are installed


def model_facts(subject: Subject, *, instability: str) -> ModelFacts:
    """Return what a report says of the model.

    Parameters
    ----------
    subject : Subject
        Model and data.
    instability : str
        A sentence where the model answers differently each time, else nothing.
    """
    model = subject.model
    shape = getattr(model, "input_shape", None)
    bounds = getattr(model, "bounds", None)
    return ModelFacts(
        name=model.identity.name,
        sha256=model.identity.sha256,
        modality=model.modality,
        architecture=model.identity.architecture,
        parameters=model.parameters,
        classes=list(model.classes),
        input_shape=list(shape) if shape else None,
        bounds=list(bounds) if bounds else None,
        features=_features(model),
        card=model.identity.card,
        notes=[*model.identity.notes, *([instability] if instability else [])],
    )


def _features(model: Classifier) -> list[str]:
    if isinstance(model, TabularClassifier):
        return list(model.schema.names)
    return list(model.tags) if isinstance(model, GraphClassifier) else []


def data_facts(subject: Subject) -> DataFacts:
    """Return what a report says of the data."""
    data = subject.data
    counts = np.bincount(data.labels, minlength=len(data.classes))
    slices = [
        SliceFacts(
            name=str(name),
            sensitive=name in data.sensitive,
            derived=name in data.derived,
            groups={
                str(group): int(count)
                for group, count in data.attributes[name].value_counts().sort_index().items()
            },
        )
        for name in data.attributes.columns
    ]
    return DataFacts(
        name=data.name,
        split=data.split,
        sha256=data.sha256,
        n=len(data),
        available=data.available,
        classes={name: int(count) for name, count in zip(data.classes, counts, strict=True)},
        slices=slices,
        attributes_sha256=data.attributes_sha256,
        notes=list(data.notes),
    )


def provenance_of(
    subject: Subject,
    policy: Policy,
    *,
    command: str,
    model_options: dict[str, object] | None,
    data_options: dict[str, object] | None,
    workers: int,
    memory: int | None,
    looks: Sequence[int] = (),
    started: datetime,
) -> Provenance:
    """Return everything that is known at the start; the rest is filled in with the result.

    Parameters
    ----------
    subject : Subject
        Model and data.
    policy : Policy
        As it applies, defaults included.
    command : str
        How the user called the audit.
    model_options, data_options : dict, optional
        What `typed` returns of the two specifications.
    workers : int
        Processes.
    memory : int, optional
        Bytes to stay below.
    looks : sequence of int
        Inputs of each look that is planned.
    started : datetime
        When.
    """
    return Provenance(
        command=command,
        model_options=model_options,
        data_options=data_options,
        policy=policy.model_dump(mode="json"),
        suite=policy.suite,
        seed=policy.seed,
        started=started.isoformat(timespec="seconds"),
        seconds=0.0,
        python=platform.python_version(),
        platform=platform.system(),
        packages=packages(),
        device=str(subject.model.device),
        dtype=str(subject.model.dtype).removeprefix("torch."),
        workers=workers,
        memory=memory,
        looks=list(looks) if len(looks) > 1 else [],
        execution=Execution(),
        git=_git_commit(),
    )


def typed(spec: ModelSpec | Classifier | DataSpec | None) -> dict[str, object] | None:
    """Return what was typed about a model or data, defaults and what may be secret left out.

    None says that nothing was: the model is in memory, or the data are the model's own.
    """
    if isinstance(spec, ModelSpec):
        plain = replace(spec, hints=None, notes=(), endpoint=_unsigned(spec.endpoint), memory=None)
        return MODEL_OPTIONS.dump_python(plain, mode="json", exclude_defaults=True)
    if isinstance(spec, DataSpec):
        return DATA_OPTIONS.dump_python(spec, mode="json", exclude_defaults=True)
    return None


def _unsigned(endpoint: Endpoint | None) -> Endpoint | None:
    """Return an endpoint without what may be secret in its address."""
    return None if endpoint is None else replace(endpoint, url=shown(endpoint.url))


MODEL_OPTIONS: TypeAdapter[ModelSpec] = TypeAdapter(ModelSpec)
DATA_OPTIONS: TypeAdapter[DataSpec] = TypeAdapter(DataSpec)


def packages() -> dict[str, str]:
    """Return the versions of what numbers depend on, by package."""
    extras = [name for name in EXTRAS if util.find_spec(name)]
    return {name: metadata.version(name) for name in (*PACKAGES, *extras)}


def _git_commit() -> str | None:
    """Return the commit of the current folder, for people who audit from a repository."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
