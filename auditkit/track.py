"""A result as a run of MLflow: numbers, settings and verdict to search, the report beside them.

The client of MLflow does the work, so its own variables say where to: `MLFLOW_TRACKING_URI` first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from auditkit.errors import ConfigError
from auditkit.render import format_of, render_text, with_tables, words
from auditkit.render.tracked import numbers, part_of, settings, started, undefined
from auditkit.result import Result

T = TypeVar("T")
LONGEST_NAME = 250  # characters
LONGEST_VALUE = 500
LONGEST_TAG = 5_000
METRICS, PARAMS = 1_000, 100  # of one request

_ILLEGAL = re.compile(r"[^A-Za-z0-9_./-]|(?:^|(?<=/))[./]|/$")
_WRITTEN = re.compile(r":|(?: [0-9A-F]{2})+")


@dataclass(frozen=True)
class Tracked:
    """Where a result was logged.

    Parameters
    ----------
    uri, experiment, run : str
        Server or folder, name of the experiment, id of the run.
    left_out : tuple of str
        Names of numbers that are too long for MLflow; `result.json` has them.
    """

    uri: str
    experiment: str
    run: str
    left_out: tuple[str, ...] = ()


def track(result: Result, *, experiment: str = "auditkit", parent: str | None = None) -> Tracked:
    """Log a result as a run of its own.

    Parameters
    ----------
    result : Result
        What to log.
    experiment : str
        Name of the experiment; made where there is none.
    parent : str, optional
        Id of the run that this one stands below, such as that of the training.

    Raises
    ------
    MissingExtraError
        If MLflow is missing.
    ConfigError
        If the server, or MLflow itself, refuses.
    """
    refusal = part_of("mlflow", "exceptions").MlflowException
    uri = os.environ.get("MLFLOW_TRACKING_URI") or _local_folder()
    try:
        client = part_of("mlflow", "tracking").MlflowClient(tracking_uri=uri)
        known = client.get_experiment_by_name(experiment)
        place = client.create_experiment(experiment) if known is None else known.experiment_id
        run = client.create_run(
            place,
            start_time=int(1000 * started(result)),
            tags=_tags(result, parent),
            run_name=words.line(f"{result.model.name} on {result.data.name}"),
        ).info.run_id
        left_out = tuple(name for name, _ in numbers(result) if len(legal(name)) > LONGEST_NAME)
        try:
            _log(client, run, result)
        except BaseException:
            client.set_terminated(run, status="FAILED")
            raise
        client.set_terminated(run, status="KILLED" if result.provenance.partial else "FINISHED")
    except (refusal, OSError) as error:
        raise ConfigError(
            f"MLflow at {uri} refuses: {words.short(str(error), 300)}",
            hint="Name a server or a folder: MLFLOW_TRACKING_URI=http://localhost:5000",
        ) from error
    return Tracked(uri=uri, experiment=experiment, run=run, left_out=left_out)


def legal(name: str) -> str:
    """Return a name that MLflow takes; `original` returns the name again.

    An equals sign becomes a colon. Every other character that MLflow refuses, and those that would
    make a path mean another one, become a space and two hexadecimal digits per byte of UTF-8.

    Examples
    --------
    >>> legal("pgd-linf/robust_accuracy/all/epsilon=0.1/low")
    'pgd-linf/robust_accuracy/all/epsilon:0.1/low'
    >>> legal("group-gap/accuracy/age=18%2B"), original(legal("age=18%2B"))
    ('group-gap/accuracy/age:18 252B', 'age=18%2B')
    """
    return _ILLEGAL.sub(lambda found: ":" if found[0] == "=" else _bytes(found[0]), name)


def original(name: str) -> str:
    """Return the name that `legal` was given."""
    return _WRITTEN.sub(
        lambda found: (
            "="
            if found[0] == ":"
            else bytes.fromhex(found[0]).decode("utf-8", errors="surrogatepass")
        ),
        name,
    )


def _bytes(character: str) -> str:
    return "".join(f" {one:02X}" for one in character.encode("utf-8", errors="surrogatepass"))


def _log(client: Any, run: str, result: Result) -> None:
    entities = part_of("mlflow", "entities")
    at = int(1000 * started(result))
    metrics = [
        entities.Metric(legal(name), number, at, 0)
        for name, number in numbers(result)
        if len(legal(name)) <= LONGEST_NAME
    ]
    params = [
        entities.Param(legal(name), words.short(value, LONGEST_VALUE))
        for name, value in settings(result).items()
        if len(legal(name)) <= LONGEST_NAME
    ]
    for some in _in_parts(metrics, METRICS):
        client.log_batch(run, metrics=some)
    for some in _in_parts(params, PARAMS):
        client.log_batch(run, params=some)
    for name in with_tables(result, ("json", "html")):
        client.log_text(run, render_text(result, name), format_of(name).file)


def _tags(result: Result, parent: str | None) -> dict[str, str]:
    missing = "; ".join(f"{name}: {why}" for name, why in undefined(result).items())
    tags = {
        "audit.verdict": result.verdict.status,
        "audit.sentence": words.short(result.verdict.sentence, LONGEST_TAG),
        "audit.exit_code": str(result.verdict.exit_code),
        "mlflow.note.content": render_text(result, "md")[:LONGEST_TAG],
    }
    if missing:
        tags["audit.undefined"] = words.short(missing, LONGEST_TAG)
    if parent is not None:
        tags["mlflow.parentRunId"] = parent
    return tags


def _local_folder() -> str:
    """Return where to log without a server: plain files, which MLflow takes only when asked to."""
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return (Path.cwd() / "mlruns").as_uri()


def _in_parts(everything: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(everything), size):
        yield everything[start : start + size]
