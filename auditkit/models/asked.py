"""A classifier around something that is only asked for scores: a function, an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, final

import numpy as np
import pandas as pd
from torch import Tensor

from auditkit.data.hints import Hints, as_read
from auditkit.data.schema import Feature, Schema
from auditkit.errors import ModelError, near_miss
from auditkit.models.blackbox import BlackBox, Output
from auditkit.models.classifier import Classifier, Identity, ImageClassifier
from auditkit.models.normalisations import Normalisation
from auditkit.models.tabular import TabularClassifier
from auditkit.types import INPUTS, Floats

if TYPE_CHECKING:
    from auditkit.models.load import ModelSpec

# Images (n, c, h, w) as float32, or n rows of a table as pandas would read them.
Questions: TypeAlias = Floats | pd.DataFrame
_EXACT = 1e-4  # by which a sum of probabilities may miss 1 in single precision
_ROUNDED = 0.02  # and by how much where they were rounded to two or three digits
_SHOWN = 12  # names in a sentence


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked.

    Parameters
    ----------
    name : str
        In messages.
    ask : callable
        Maps n images (n, c, h, w), or a table of n rows, to scores.
    identity : Identity
        Of the classifier.
    output : {"probabilities", "logits"}, optional
        What the scores are; told by the first answer by default.
    classes : tuple of str, optional
        That it names itself.
    columns : tuple of str, optional
        Of a table, that it names itself.
    incidents : list of str
        Where it says what it survived.
    """

    name: str
    ask: Callable[[Questions], object]
    identity: Identity
    output: Output | None = None
    classes: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    incidents: list[str] = field(default_factory=list[str])


def classifier_around(asked: Asked, spec: ModelSpec) -> Classifier:
    """Return the classifier of images or of rows that asks.

    What the options leave open is taken from the data, and noted.

    Parameters
    ----------
    asked : Asked
        What is asked.
    spec : ModelSpec
        The options, and what the data tell.

    Raises
    ------
    ModelError
        If neither says what it reads, or the data hold something else than images or rows.
    """
    _refuse_options(asked, spec)
    hints = spec.hints or Hints(source="the data")
    kind = _modality(asked, spec, hints)
    if spec.classes is not None or asked.classes is not None:
        classes, notes = spec.classes or asked.classes or (), []
    elif hints.classes is not None:
        classes, notes = hints.classes, [_on_order(hints.classes, hints.source)]
    else:
        raise ModelError(
            f"{asked.name} does not say its classes, and the data do not name them.",
            hint="Name them in the order of the scores: --classes a,b,c",
        )
    asked = replace(asked, identity=_noted(asked.identity, notes))
    return (_of_images if kind == "image" else _of_rows)(asked, spec, hints, classes)


def _refuse_options(asked: Asked, spec: ModelSpec) -> None:
    if spec.arch is not None:
        raise ModelError(
            f"{asked.name} is asked for answers; --arch builds the network of a state dict.",
            hint="Leave out --arch.",
        )
    if spec.features is not None and spec.input_shape is not None:
        raise ModelError(
            "--features is about rows of a table and --input-shape about images.",
            hint="Leave out one of them.",
        )


_Kind: TypeAlias = Literal["image", "tabular"]


def _modality(asked: Asked, spec: ModelSpec, hints: Hints) -> _Kind:
    """Return what it reads: what an option says, or what it says itself, or what the data hold."""
    if spec.input_shape is not None:
        return "image"
    if spec.features is not None or asked.columns is not None:
        return "tabular"
    if hints.modality is None:
        raise ModelError(
            f"Nothing says what {asked.name} reads.",
            hint="Pass data: --data DATA; or say it: --input-shape C,H,W for images, --features"
            " A,B,... for rows of a table.",
        )
    if hints.modality in ("text", "graph"):
        raise ModelError(
            f"{asked.name} would be asked about {INPUTS[hints.modality]}, which {hints.source}"
            " holds; only models of images and of rows of a table can be audited by their answers"
            " alone.",
            hint="Audit a model of texts as a bundle: auditkit.save(TextClassifier(...), path)."
            if hints.modality == "text"
            else "Audit a model of graphs as a bundle: auditkit.save(GraphClassifier(...), path).",
        )
    return "image" if hints.modality == "image" else "tabular"


def _on_order(classes: tuple[str, ...], source: str) -> str:
    return f"Classes are assumed in the order of {source}: {_listed(classes)}."


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _noted(identity: Identity, notes: Iterable[str]) -> Identity:
    return replace(identity, notes=(*identity.notes, *notes))


# --- images --------------------------------------------------------------------------------------


def _of_images(
    asked: Asked, spec: ModelSpec, hints: Hints, classes: tuple[str, ...]
) -> ImageClassifier:
    notes: list[str] = []
    shape = spec.input_shape or hints.input_shape
    assert shape is not None  # or its modality would not be known
    if spec.input_shape is None:
        notes.append(f"The input shape {shape} was taken from {hints.source}.")
    bounds = spec.bounds or (0.0, 1.0)
    if spec.bounds is None:
        notes.append("Pixels are assumed to lie in [0, 1]; --bounds says otherwise.")
    how = spec.normalisation(bounds, shape[0]) or Normalisation()
    return ImageClassifier(
        _box(asked, spec, lambda images: images, classes),
        classes=classes,
        input_shape=shape,
        bounds=bounds,
        mean=how.mean,
        std=how.std,
        layout=spec.layout or "nchw",
        identity=_noted(asked.identity, notes),
    )


# --- rows of a table -----------------------------------------------------------------------------


def _of_rows(
    asked: Asked, spec: ModelSpec, hints: Hints, classes: tuple[str, ...]
) -> TabularClassifier:
    names = asked.columns or spec.features or hints.inputs
    notes: list[str] = []
    if asked.columns is None and spec.features is None:
        notes.append(
            f"The columns of {hints.source} were taken for the inputs, in this order:"
            f" {', '.join(names)}."
        )
    schema = _schema(asked, names, hints)
    words = [one.name for one in schema.features if one.kind == "categorical"]
    if words:
        notes.append(f"Columns of words, handed over as they stand: {', '.join(words)}.")
    return TabularClassifier(
        _box(asked, spec, lambda rows: as_read(schema, rows), classes),
        schema=schema,
        classes=classes,
        identity=_noted(asked.identity, notes),
    )


def _schema(asked: Asked, names: tuple[str, ...], hints: Hints) -> Schema:
    """Return the columns as the data hold them; without data, all are numbers."""
    if hints.columns is None:
        return Schema(tuple(Feature(name=name) for name in names))
    there = {one.name: one for one in hints.columns.features}
    absent = [name for name in names if name not in there]
    if absent:
        raise ModelError(
            f"{asked.name} reads the column {absent[0]!r}, which {hints.source} lacks; it has"
            f" {_listed(hints.columns.names)}.{near_miss(absent[0], there)}",
            hint="Rename the column in the data"
            + (", or name the right ones with --features." if asked.columns is None else "."),
        )
    return Schema(tuple(there[name] for name in names))


# --- answers -------------------------------------------------------------------------------------


def _box(
    asked: Asked,
    spec: ModelSpec,
    handed_over: Callable[[Floats], Questions],
    classes: tuple[str, ...],
) -> BlackBox:
    def predict(inputs: Floats) -> Floats:
        answer = asked.ask(handed_over(inputs))
        scores = scores_of(answer, len(inputs), name=asked.name, output=box.output)
        _require_width(scores.shape[1], classes, asked.name)
        return scores

    box = BlackBox(predict, output=spec.scores or asked.output, incidents=asked.incidents)
    return box


def _require_width(width: int, classes: tuple[str, ...], name: str) -> None:
    k = len(classes)
    if width != k and (width, k) != (1, 2):
        example = ",".join(map(str, range(width))) if 2 <= width <= _SHOWN else "a,b,c"
        raise ModelError(
            f"{name} answered with {width} scores for each input, and there are {k} classes:"
            f" {_listed(classes)}.",
            hint=f"Name the classes in the order of the scores: --classes {example}",
        )


def scores_of(answer: object, n: int, *, name: str, output: Output | None) -> Floats:
    """Return an answer as scores (n, k), or say what is wrong with it.

    Parameters
    ----------
    answer : object
        Anything.
    n : int
        How many inputs were asked about.
    name : str
        Who answered.
    output : {"probabilities", "logits"}, optional
        What the scores are, where that was said.

    Raises
    ------
    ModelError
        If they are no scores, are not finite, or can be read in two ways.
    """
    numbers = _numbers(answer, name)
    if numbers.shape[:1] != (n,) or numbers.ndim > 2:
        raise ModelError(
            f"{name} answered with numbers of shape {numbers.shape} about {n} inputs, expected"
            f" ({n}, k): one score per class.",
            hint="Answer with one row of scores for each input, in the order of the inputs.",
        )
    scores = numbers.astype(np.float64).reshape(n, -1)
    lost = int((~np.isfinite(scores)).any(axis=1).sum())
    if lost:
        raise ModelError(
            f"{name} answered with NaN or infinite scores about {lost} of {n} inputs.",
            hint="Look at the inputs that it cannot read, such as missing values.",
        )
    if output is None:
        _refuse_ambiguity(numbers, scores, name)
    return scores


def _numbers(answer: object, name: str) -> np.ndarray:
    """Return an answer as an array of numbers of any shape."""
    if isinstance(answer, Tensor):
        answer = answer.detach().cpu().numpy()
    try:
        found = np.asarray(answer)
    except (TypeError, ValueError) as error:  # rows of different lengths
        raise ModelError(
            f"{name} answered with rows of different lengths.",
            hint="Answer with one score per class for each input.",
        ) from error
    if found.dtype == object:
        with suppress(TypeError, ValueError):  # None stands for a missing number
            found = found.astype(np.float64)
    if found.dtype.kind not in "fiu":
        seen = _first(found)
        raise ModelError(
            f"{name} answered with {seen}, expected numbers (n, k): one score per class.",
            hint="Answer with probabilities, as predict_proba does, or with logits; not with class"
            " names.",
        )
    return found


def _first(found: np.ndarray) -> str:
    if found.size == 0 or found.ndim == 0:
        return type(found.item() if found.ndim == 0 else found).__name__
    one = found.reshape(-1)[0]
    return f"{str(one)[:40]!r}" if isinstance(one, str) else type(one).__name__


def _refuse_ambiguity(numbers: np.ndarray, scores: Floats, name: str) -> None:
    """Ask what the scores are where a guess could be wrong."""
    if scores.shape[1] == 1 and numbers.dtype.kind in "iu":
        raise ModelError(
            f"{name} answered with one whole number for each input, probably its class.",
            hint="Answer with one score per class, as predict_proba does; or say what the number"
            " is: --scores probabilities, or --scores logits",
        )
    if scores.shape[1] == 1:
        raise ModelError(
            f"{name} answered with one score for each input, which may be a probability or a"
            " logit of the second class.",
            hint="Say which: --scores probabilities, or --scores logits",
        )
    gaps = np.abs(scores.sum(axis=1) - 1)
    shares = bool(((scores >= 0) & (scores <= 1)).all())
    if shares and gaps.max(initial=0) > _EXACT and gaps.max(initial=0) < _ROUNDED:
        raise ModelError(
            f"{name} answered with scores between 0 and 1 whose sum is {1 + gaps.max():.4g} or"
            " so, which may be rounded probabilities or logits.",
            hint="Say which: --scores probabilities, or --scores logits",
        )
