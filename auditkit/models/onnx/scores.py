"""The scores of an ONNX model: which output holds them, what they are, how many come at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, final

import numpy as np
import onnx
import torch
from torch import Tensor

from auditkit.errors import ModelError
from auditkit.models.blackbox import Output
from auditkit.models.onnx.graph import compare
from auditkit.models.onnx.reading import Reading
from auditkit.models.onnx.rewrite import (
    to_bytes,
    with_free_batch,
    with_output,
    without_last_squashing,
)
from auditkit.models.onnx.session import Array, Session, as_rows

SIZES = (1, 2, 5)  # batches on which two ways of computing are compared
_SUM = 1e-3  # by which probabilities may miss 1, in half precision too
Raw: TypeAlias = Callable[[int, int], Tensor]  # (n, seed) -> n inputs of the network


@final
@dataclass(frozen=True)
class Chosen:
    """The output that holds the scores."""

    model: onnx.ModelProto
    name: str
    k: int
    output: Output
    notes: tuple[str, ...]


def array(reading: Reading, inputs: Tensor) -> Array:
    """Return inputs as onnxruntime takes them."""
    return reading.prepare(inputs).to(reading.dtype).numpy()


def choose_scores(
    model: onnx.ModelProto, reading: Reading, probe: Raw, *, classes: Sequence[str] | None
) -> Chosen:
    """Return the output that holds one score per class, and what its scores are.

    Parameters
    ----------
    model : ModelProto
        Whole.
    reading : Reading
        How inputs are handed over.
    probe : callable
        Makes random inputs.
    classes : sequence of str, optional
        Their number tells among several outputs.

    Raises
    ------
    ModelError
        If no output, or more than one, could hold the scores.
    """
    n = reading.batch or 2
    inputs = array(reading, probe(n, 0))
    answers = Session(to_bytes(model), batch=reading.batch).answers(inputs)
    widths = {name: width for name, one in answers.items() if (width := _width(one, n))}
    name = _named(answers, widths, classes)
    notes: list[str] = []
    if len(answers) > 1:
        notes.append(f"Of the outputs {', '.join(answers)}, {name!r} was taken for the scores.")
    plain = with_output(model, name)
    changed, ending = without_last_squashing(plain)
    k = widths[name]
    if ending == "sigmoid" and k > 1:
        raise ModelError(
            f"The ONNX model ends in a Sigmoid of {k} scores: it gives several labels to one"
            " input, which auditkit does not audit.",
            hint="auditkit audits models that choose one class.",
        )
    scores = np.concatenate(
        [
            Session(to_bytes(plain), batch=reading.batch).scores(array(reading, probe(n, seed)))
            for seed in range(3)
        ]
    ).astype(np.float64)
    finite = np.isfinite(scores).all(axis=1)
    if not finite.any():
        raise ModelError(f"The output {name!r} is not finite on random inputs.")
    if ending != "scores" and finite.all() and _undone(changed, ending, scores, reading, probe):
        notes.append(
            "It ends in a Softmax, so its scores are probabilities; their logarithms are the"
            " logits."
            if ending == "softmax"
            else "It ends in a Sigmoid, which was left out: what enters it is the logit of the"
            " second class."
        )
        return Chosen(changed, name, k, "logits", tuple(notes))
    if _probabilities(scores[finite]):
        notes.append("Its scores are probabilities; their logarithms are the logits.")
        return Chosen(plain, name, k, "probabilities", tuple(notes))
    notes.append("Its scores do not sum to 1, so they were taken for logits.")
    return Chosen(plain, name, k, "logits", tuple(notes))


def _width(answer: object, n: int) -> int:
    """Return k where an answer is of shape (n, k) and of floating numbers, else 0."""
    if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f":
        return 0
    try:
        return as_rows(answer, n).shape[1]
    except ModelError:
        return 0


def _named(
    answers: dict[str, object], widths: dict[str, int], classes: Sequence[str] | None
) -> str:
    fitting = list(widths)
    if len(fitting) > 1 and classes is not None:
        fitting = [name for name, k in widths.items() if max(k, 2) == len(classes)]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{name} {_shape_of(one)}" for name, one in answers.items())
    what = "several outputs" if fitting else "no output"
    raise ModelError(
        f"The ONNX model has {what} of shape (n, k); it gives {listed}.",
        hint="Name as many --classes as the right one has scores, or keep it alone:"
        " onnx.utils.extract_model"
        if fitting
        else "auditkit audits classifiers: one score per class and input.",
    )


def _shape_of(answer: object) -> str:
    return str(answer.shape) if isinstance(answer, np.ndarray) else type(answer).__name__


def _probabilities(scores: Array) -> bool:
    numbers = np.asarray(scores, np.float64)
    if numbers.shape[1] == 1:
        return False
    return bool((numbers >= 0).all() and (np.abs(numbers.sum(axis=1) - 1) < _SUM).all())


def _undone(
    changed: onnx.ModelProto, ending: str, scores: Array, reading: Reading, probe: Raw
) -> bool:
    """Say whether the changed model gives the logits of the same probabilities."""
    n = reading.batch or 2
    session = Session(to_bytes(changed), batch=reading.batch)
    logits = np.concatenate(
        [session.scores(array(reading, probe(n, seed))) for seed in range(3)]
    ).astype(np.float64)
    if ending == "softmax":
        return _probabilities(scores) and np.allclose(np.exp(logits), scores, atol=_SUM)
    return np.allclose(1 / (1 + np.exp(-logits)), scores, atol=_SUM)


# --- batches -------------------------------------------------------------------------------------

_MOST = 64  # inputs at a time that are tried where a file breaks its promise of any number


def settled(model: onnx.ModelProto, reading: Reading, probe: Raw) -> tuple[Reading, str]:
    """Return the reading with the batches that the model really takes, and what was found.

    Some exporters write "any number of inputs" above a graph that takes only as many as its
    example had.

    Raises
    ------
    ModelError
        If onnxruntime cannot run it.
    """
    session = Session(to_bytes(model), batch=None)
    if reading.batch is not None:
        return reading, ""
    problem = _failure(session, reading, probe, (2, 1, 5))
    if problem is None:
        return reading, ""
    for size in range(1, _MOST + 1):
        if _failure(session, reading, probe, (size,)) is None:
            note = f"The file promises any number of inputs, but takes {size} at a time."
            return replace(reading, batch=size), note
    raise problem


def _failure(
    session: Session, reading: Reading, probe: Raw, sizes: tuple[int, ...]
) -> ModelError | None:
    """Return why the model cannot answer batches of some sizes; None where it can."""
    for n in sizes:
        try:
            answers = session.answers(array(reading, probe(n, 0)))
        except ModelError as error:
            return error
        if not any(_width(one, n) for one in answers.values()) and n > 1:
            listed = ", ".join(f"{name} {_shape_of(one)}" for name, one in answers.items())
            return ModelError(
                f"The ONNX model has no output of shape (n, k); for n = {n} it gives {listed}.",
                hint="auditkit audits classifiers: one score per class and input.",
            )
    return None


@final
@dataclass(frozen=True)
class Scorer:
    """onnxruntime, asked in batches that change no score.

    `model` is what it runs, and `reading.batch` what that takes at a time.
    """

    session: Session
    model: onnx.ModelProto
    reading: Reading
    note: str


def choose_batches(model: onnx.ModelProto, reading: Reading, probe: Raw) -> Scorer:
    """Return onnxruntime, asked in batches of which it was seen that they change no score.

    Raises
    ------
    ModelError
        If the model cannot be run, or mixes the inputs of a batch.
    """
    data = to_bytes(model)
    if reading.batch is not None and reading.batch > 1:
        fixed = Session(data, batch=reading.batch)
        _require_independence(fixed, reading, probe)
        note = f"The file is for {reading.batch} inputs at a time; the last batch is filled up."
        return Scorer(fixed, model, reading, note)
    single = Session(data, batch=1)
    if reading.batch is None:
        many, free, note = Session(data, batch=None), model, ""
    else:
        many, free = _freed(model) or (single, model)
        note = "The file is for 1 input at a time; freed of that, it answers batches alike."
    if many is not single and _alike(many, single, reading, probe):
        return Scorer(many, free, replace(reading, batch=None), note)
    note = "The file is for 1 input at a time, and is asked so."
    return Scorer(single, model, replace(reading, batch=1), note)


def _freed(model: onnx.ModelProto) -> tuple[Session, onnx.ModelProto] | None:
    """Return the model for any number of inputs, if there is one that onnxruntime reads."""
    try:
        free = with_free_batch(model)
        return Session(to_bytes(free), batch=None), free
    except (ModelError, IndexError, ValueError):
        return None


def _alike(one: Session, other: Session, reading: Reading, probe: Raw) -> bool:
    """Say whether two sessions give the same scores in batches of several sizes."""
    try:
        for n in SIZES:
            inputs = array(reading, probe(n, n))
            a, b = torch.from_numpy(one.scores(inputs)), torch.from_numpy(other.scores(inputs))
            if a.shape != b.shape or not compare(a, b, b.dtype).equal:
                return False
    except ModelError:
        return False
    return True


def _require_independence(session: Session, reading: Reading, probe: Raw) -> None:
    """Refuse a model in which inputs of one batch change each other's scores."""
    inputs = array(reading, probe(reading.batch or 1, 0))
    first = torch.from_numpy(session.scores(inputs)[:1])
    alone = torch.from_numpy(session.scores(inputs[:1]))
    if not compare(alone, first, first.dtype).equal:
        raise ModelError(
            "In this ONNX model the scores of an input depend on the others in its batch.",
            hint="Export it in evaluation mode: model.eval()",
        )
