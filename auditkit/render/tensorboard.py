"""Result to a TensorBoard event file: a scalar per number, the verdict and the summary as texts.

A tag is the finding's id and which of its numbers it is: `clean-accuracy/accuracy/all/low`. A
finding without a value has no scalar, since there is no number to draw. torch and TensorFlow are
not needed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from auditkit.render import words
from auditkit.render.markdown import escape, render_markdown
from auditkit.render.tracked import numbers, part_of, settings, started, undefined
from auditkit.result import Result


def render_tensorboard(result: Result, step: int = 0) -> bytes:
    """Return the event file; the same result always gives the same bytes.

    Parameters
    ----------
    result : Result
        What to write.
    step : int
        Where the points stand on the axis: the epoch, where audits follow a training.

    Raises
    ------
    MissingExtraError
        If the package tensorboard is missing.
    """
    event = part_of("tensorboard", "compat.proto.event_pb2").Event
    writer = part_of("tensorboard", "summary.writer.record_writer").RecordWriter
    summary = part_of("tensorboard", "compat.proto.summary_pb2").Summary
    made = started(result)
    file = io.BytesIO()
    records = writer(file)
    records.write(event(wall_time=made, file_version="brain.Event:2").SerializeToString())
    for value in _values(result):
        said = event(wall_time=made, step=step, summary=summary(value=[value]))
        records.write(said.SerializeToString())
    return file.getvalue()


def _values(result: Result) -> Iterator[Any]:
    for name, number in numbers(result):
        yield _value(words.line(name), "scalar", np.array(number, dtype=np.float32))
    for name, text in _texts(result):
        yield _value(name, "text", np.array(text.encode(), dtype=object))


def _value(tag: str, plugin: str, content: np.ndarray) -> Any:
    metadata = part_of("tensorboard", f"plugins.{plugin}.metadata").create_summary_metadata("", "")
    tensor = part_of("tensorboard", "util.tensor_util").make_tensor_proto(content)
    return part_of("tensorboard", "compat.proto.summary_pb2").Summary.Value(
        tag=tag, metadata=metadata, tensor=tensor
    )


def _texts(result: Result) -> Iterator[tuple[str, str]]:
    yield "audit/verdict", escape(result.verdict.sentence)
    yield "audit/summary", render_markdown(result)
    rows = [f"| {escape(name)} | {escape(value)} |" for name, value in settings(result).items()]
    yield "audit/settings", "\n".join(["| setting | value |", "|---|---|", *rows])
    missing = [f"- {escape(name)}: {escape(why)}" for name, why in undefined(result).items()]
    if missing:
        yield "audit/undefined", "\n".join(missing)
