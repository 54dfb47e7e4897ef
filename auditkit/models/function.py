"""A Python function that the user names becomes the classifier under audit."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pandas as pd
import torch
from torch import nn

from auditkit.errors import AuditkitError, ModelError
from auditkit.models.asked import Asked, Questions, classifier_around
from auditkit.models.classifier import Classifier, Identity
from auditkit.models.importing import current_folder_importable, imported

if TYPE_CHECKING:
    from auditkit.models.load import ModelSpec

_NOTE = (
    "The model is a Python function, which has no hash: that its code or its weights have changed"
    " is not noticed by --resume, and answers cannot be replayed by hash."
)


def load_function(spec: ModelSpec) -> Classifier:
    """Import what the user named as "package.module:function", and return a classifier that asks.

    Parameters
    ----------
    spec : ModelSpec
        Its source is the name.

    Raises
    ------
    ModelError
        If it cannot be imported, is not a function, or nothing says what it reads.
    """
    name = spec.source
    with current_folder_importable(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        function = _callable(imported(name), name)
    return classifier_around(
        Asked(
            name=name,
            ask=lambda questions: _answer(function, questions, name),
            identity=Identity(
                name=name.replace(":", "."),
                architecture="Python function",
                notes=(_NOTE, *spec.notes),
            ),
        ),
        spec,
    )


def _callable(found: object, name: str) -> Callable[[Questions], object]:
    if isinstance(found, nn.Module):
        raise ModelError(
            f"{name} is a torch network ({type(found).__name__}), not a function.",
            hint="Audit it with gradients: write it with auditkit.save(classifier, path), then"
            " type: audit run path",
        )
    if inspect.isclass(found):
        raise ModelError(
            f"{name} is a class, expected a function from inputs to scores.",
            hint="Name a function, or a method of an object: module:object.predict_proba",
        )
    if not callable(found):
        methods = [one for one in ("predict_proba", "decision_function") if hasattr(found, one)]
        raise ModelError(
            f"{name} is {type(found).__name__}, expected a function from inputs to scores.",
            hint=f"Name its method: {name}.{methods[0]}"
            if methods
            else "Name a function: package.module:predict",
        )
    return cast("Callable[[Questions], object]", found)


def _answer(function: Callable[[Questions], object], questions: Questions, name: str) -> object:
    try:
        with current_folder_importable():  # it may import when it is called
            return function(questions)
    except AuditkitError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".:")
        raise ModelError(
            f"{name} failed on {len(questions)} inputs: {type(error).__name__}: {reason}.",
            hint=f"It is called with {_described(questions)}.",
        ) from error


def _described(questions: Questions) -> str:
    if isinstance(questions, pd.DataFrame):
        names = ", ".join(map(str, questions.columns[:12]))
        more = ", ..." if len(questions.columns) > 12 else ""
        return (
            f"a pandas DataFrame with {len(questions)} rows and the columns {names}{more};"
            " --features names other columns"
        )
    return f"images as a float32 array of shape {questions.shape}; --input-shape changes it"
