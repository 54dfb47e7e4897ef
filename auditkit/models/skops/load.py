"""A scikit-learn estimator in a skops file becomes the classifier under audit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from auditkit.errors import ModelError
from auditkit.models.asked import Asked, Questions, classifier_around
from auditkit.models.blackbox import Output
from auditkit.models.classifier import Classifier, Identity, ImageClassifier
from auditkit.models.skops.facts import HARMLESS
from auditkit.models.skops.trees import check_trees
from auditkit.models.tabular import TabularClassifier

if TYPE_CHECKING:
    from auditkit.models.load import ModelSpec

_SHOWN = 12  # columns in a sentence


def load_skops(path: Path, spec: ModelSpec, *, sha256: str) -> Classifier:
    """Return the classifier of a skops file that was inspected and found safe.

    Parameters
    ----------
    path : Path
        The file.
    spec : ModelSpec
        What the file does not say itself, and what the data tell.
    sha256 : str
        Hash of the file.

    Raises
    ------
    ModelError
        If it is no fitted classifier, or does not read what the data hold.
    """
    if spec.scores is not None:
        raise ModelError(f"{path} says itself what its scores are.", hint="Leave out --scores.")
    estimator, notes = _read(path)
    _refuse_others(estimator, path)
    method, output = _method(estimator, path)
    if output == "logits":
        notes.append(
            "The estimator gives no probabilities: what its decision_function answers was taken for"
            " logits, so calibration-error judges a reading that it never promised."
        )
    asked = Asked(
        name=str(path),
        ask=lambda questions: _answer(method, questions, str(path), named=names is not None),
        identity=Identity(
            name=path.stem,
            architecture=_in_words(estimator),
            sha256=sha256,
            notes=(*notes, *spec.notes),
        ),
        output=output,
        classes=_classes(estimator),
        columns=(names := _names(estimator)),
    )
    if names is not None and spec.features not in (None, names):
        raise ModelError(
            f"{path} was fitted on the columns {_listed(names)}, and finds them by name.",
            hint="Leave out --features.",
        )
    classifier = classifier_around(asked, spec)
    _check_width(classifier, int(estimator.n_features_in_), path)
    return classifier


def _read(path: Path) -> tuple[Any, list[str]]:
    """Return what the file holds, and what to say about the version that wrote it."""
    from sklearn.exceptions import InconsistentVersionWarning
    from skops.io import load

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = load(path, trusted=sorted(HARMLESS))
        except Exception as error:  # another version of scikit-learn may lack anything
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise ModelError(
                f"skops cannot load {path}: {type(error).__name__}: {reason}.",
                hint="audit inspect says which versions wrote it; install those, or write it anew.",
            ) from error
    check_trees(estimator)
    versions = {
        (one.message.original_sklearn_version, one.message.current_sklearn_version)
        for one in caught
        if isinstance(one.message, InconsistentVersionWarning)
    }
    return estimator, [
        f"It was written with scikit-learn {then}, and {now} reads it here: answers may differ."
        for then, now in sorted(versions)
    ]


def _refuse_others(estimator: Any, path: Path) -> None:
    """Refuse whatever is no fitted classifier of rows that chooses one class."""
    from sklearn.base import BaseEstimator, is_classifier

    kind = type(estimator).__name__
    if not (isinstance(estimator, BaseEstimator) and is_classifier(estimator)):
        raise ModelError(
            f"{path} holds a {kind}, which is no classifier.",
            hint="auditkit audits models that choose one class of several.",
        )
    if not hasattr(estimator, "classes_"):
        raise ModelError(
            f"The {kind} in {path} was not fitted.", hint="Fit it, then write it again."
        )
    if isinstance(cast("Any", estimator).classes_, list):
        raise ModelError(
            f"The {kind} in {path} gives several labels to one input, which auditkit does not"
            " audit.",
            hint="auditkit audits models that choose one class.",
        )
    if not hasattr(estimator, "n_features_in_"):
        raise ModelError(
            f"The {kind} in {path} reads no table of numbers and words; texts cannot be audited"
            " this way.",
            hint="Audit a model of texts as a bundle: auditkit.save(TextClassifier(...), path).",
        )


def _method(estimator: object, path: Path) -> tuple[Callable[..., object], Output]:
    for name, output in (("predict_proba", "probabilities"), ("decision_function", "logits")):
        if hasattr(estimator, name):
            return getattr(estimator, name), cast("Output", output)
    raise ModelError(
        f"The {type(estimator).__name__} in {path} gives classes alone, without scores.",
        hint="Wrap it before fitting: sklearn.calibration.CalibratedClassifierCV(estimator)",
    )


def _classes(estimator: Any) -> tuple[str, ...] | None:
    """Return the names of the classes; None where they are only numbers from 0."""
    names = tuple(_name(one) for one in np.asarray(estimator.classes_).tolist())
    return None if names == tuple(map(str, range(len(names)))) else names


def _name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _names(estimator: object) -> tuple[str, ...] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _in_words(estimator: Any) -> str:
    steps = [type(one).__name__ for _, one in getattr(estimator, "steps", ())]
    return type(estimator).__name__ + (f" of {', '.join(steps)}" if steps else "")


def _check_width(classifier: Classifier, wanted: int, path: Path) -> None:
    if isinstance(classifier, ImageClassifier):
        width, what = math.prod(classifier.input_shape), f"{classifier.input_shape} images have"
    else:
        assert isinstance(classifier, TabularClassifier)
        width, what = len(classifier.schema), "the data have"
    if width != wanted:
        raise ModelError(
            f"{path} reads {wanted} numbers for each input, and {what} {width}.",
            hint="Check --input-shape."
            if isinstance(classifier, ImageClassifier)
            else "Name the columns that it was fitted on, in their order: --features A,B,...",
        )


def _answer(
    method: Callable[..., object], questions: Questions, name: str, *, named: bool
) -> object:
    """Ask an estimator: with a table where it knows names, else with an array (n, d)."""
    if not isinstance(questions, pd.DataFrame):
        rows: object = questions.reshape(len(questions), -1).astype(np.float64)
    else:
        rows = questions if named else questions.to_numpy()
    try:
        return method(rows)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".:")
        raise ModelError(
            f"{name} failed on {len(questions)} inputs: {type(error).__name__}: {reason}.",
            hint="The data may hold words or missing values in columns that were complete numbers"
            " in training.",
        ) from error
