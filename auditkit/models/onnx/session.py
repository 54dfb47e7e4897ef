"""Scores of an ONNX model through onnxruntime, whatever number of inputs it was written for."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias, final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from auditkit.errors import ModelError
from auditkit.models.onnx.oddities import REPEATING

Array: TypeAlias = "NDArray[np.number[Any]]"
PATIENCE, PER_INPUT = 60.0, 10.0  # seconds for one answer of a model with loops, and each input


@final
class Session:
    """A model in onnxruntime: one thread, the CPU, nothing sent, nothing written.

    Parameters
    ----------
    model : bytes
        An ONNX model with all numbers inside.
    batch : int, optional
        How many inputs it takes at a time; None takes any number.

    Raises
    ------
    ModelError
        If onnxruntime cannot read it.
    """

    def __init__(self, model: bytes, *, batch: int | None) -> None:
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        options.log_severity_level = 4  # what goes wrong is raised, too
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            self._session = onnxruntime.InferenceSession(
                model, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has a class for each code, all plain exceptions
            raise ModelError(
                f"onnxruntime cannot run this model: {_reason(error)}.",
                hint="Export it anew with operators that your onnxruntime knows, or update it:"
                " pip install -U onnxruntime",
            ) from error
        self.batch = batch
        self._input = self._session.get_inputs()[0].name
        # Names of operators stand in the file as they are; found in a text of it, they do no harm.
        self._may_repeat = any(name.encode() in model for name in REPEATING)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all outputs."""
        return tuple(one.name for one in self._session.get_outputs())

    def answers(self, inputs: Array | Mapping[str, Array]) -> dict[str, object]:
        """Return every output for exactly as many inputs as the model takes, by name if several.

        Raises
        ------
        ModelError
            If it fails.
        TimeoutError
            If it has loops, and they run for too long.
        """
        quiet = onnxruntime.RunOptions()
        quiet.log_severity_level = 4
        given = inputs if isinstance(inputs, Mapping) else {self._input: inputs}
        n = len(next(iter(given.values())))
        seconds = PATIENCE + PER_INPUT * n if self._may_repeat else None
        try:
            with _stopped_after(seconds, quiet):
                found = self._session.run(None, dict(given), quiet)
        except Exception as error:
            if quiet.terminate:
                raise TimeoutError(
                    f"its loops did not end within {seconds:.3g} s on {n} inputs"
                ) from error
            raise ModelError(f"onnxruntime failed: {_reason(error)}.") from error
        return dict(zip(self.output_names, found, strict=True))

    def scores(self, inputs: Array) -> Array:
        """Return the first output for n inputs, as (n, k).

        Raises
        ------
        ModelError
            If it fails, or answers with another number of rows.
        """
        name, n = self.output_names[0], len(inputs)
        size = self.batch or max(n, 1)
        rows: list[Array] = []
        for start in range(0, n, size):
            part = filled(inputs[start : start + size], size if self.batch else 0)
            answer = np.asarray(self.answers(part)[name])
            rows.append(as_rows(answer, len(part))[: n - start])
        return np.concatenate(rows) if rows else np.empty((0, 1), np.float32)


@contextmanager
def _stopped_after(seconds: float | None, options: onnxruntime.RunOptions) -> Generator[None]:
    """Let what runs within the block end after its next operation once its time is up."""
    if seconds is None:
        yield
        return

    def stop() -> None:
        options.terminate = True

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def filled(inputs: Array, size: int) -> Array:
    """Return inputs with the last one repeated up to a number."""
    lacking = size - len(inputs)
    if lacking <= 0:
        return inputs
    return np.concatenate([inputs, np.repeat(inputs[-1:], lacking, axis=0)])


def as_rows(answer: Array, n: int) -> Array:
    """Return scores as (n, k): axes of size 1 behind are left out, (n,) becomes (n, 1).

    Raises
    ------
    ModelError
        If the answer has another shape.
    """
    while answer.ndim > 2 and answer.shape[-1] == 1:
        answer = answer[..., 0]
    if answer.ndim == 1:
        answer = answer[:, None]
    if answer.ndim != 2 or len(answer) != n:
        raise ModelError(f"The ONNX model answers {n} inputs with the shape {answer.shape}.")
    return answer


def _reason(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    return text.rpartition("] : ")[2].rstrip(". ")[:300] or type(error).__name__
