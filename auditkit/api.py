"""The audit as a Python function."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from auditkit.data.load import DataSpec
from auditkit.errors import ConfigError
from auditkit.models.classifier import Classifier
from auditkit.models.load import ModelSpec
from auditkit.policy import load_policy
from auditkit.progress import ConsoleProgress, NotebookProgress, QuietableConsole, notebook_display
from auditkit.result import Execution, Result
from auditkit.run import Progress, Request, Silent, run


def audit(
    model: str | Path | ModelSpec | Classifier,
    data: str | Path | DataSpec | None = None,
    *,
    suite: str | None = None,
    checks: Iterable[str] = (),
    policy: str | Path | None = None,
    out: str | Path | None = None,
    formats: Sequence[str] = ("html", "json", "junit", "md"),
    max_inputs: int | None = None,
    seed: int | None = None,
    workers: int = 1,
    execution: Execution | None = None,
    against: str | Path | None = None,
    progress: bool | None = None,
) -> Result:
    """Audit a model and write the report, as `audit run` does.

    Parameters
    ----------
    model : str, Path, ModelSpec or Classifier
        Name of a built-in model, a model file, or a classifier that is in memory already, which is
        audited in this process.
    data : str, Path or DataSpec, optional
        A known data set, a folder of images, or a file; what the model names by default.
    suite : {"quick", "standard", "deep"}, optional
        Preset of checks, inputs and recommended limits.
    checks : iterable of str
        Run only these.
    policy : str or Path, optional
        A policy file, or "none" to judge nothing.
    out : str or Path, optional
        Report folder, `reports/<model>` by default.
    formats : sequence of str
        Files to write: html, json, junit, md, sarif, gitlab, github, csv, parquet, card, badge.
    max_inputs, seed : int, optional
        Override the policy.
    workers : int
        Processes; more than one needs a script guarded by `if __name__ == "__main__"`.
    execution : Execution, optional
        Settings of an earlier result to reuse.
    against : str or Path, optional
        An earlier result on the same data: the reference for limits with `max_drop_against` and for
        the changes that the report tells.
    progress : bool, optional
        Whether to show how far it is: live under a notebook's cell, elsewhere on standard error. By
        default in a notebook.

    Returns
    -------
    Result
        The same as `result.json`.

    Raises
    ------
    AuditkitError
        If model, data or policy are wrong, or several workers are to share a classifier in memory.
    """
    if isinstance(model, Classifier) and workers != 1:
        raise ConfigError(
            f"workers is {workers}, and a classifier in memory is audited in one process.",
            hint="Leave workers out, or save the classifier and pass the file.",
        )
    rules = load_policy(policy, suite=suite, checks=checks)
    update = {"max_inputs": max_inputs, "seed": seed}
    rules = rules.model_copy(update={k: v for k, v in update.items() if v is not None})
    request = Request(
        model=ModelSpec(source=os.fspath(model)) if isinstance(model, str | Path) else model,
        data=DataSpec(source=os.fspath(data)) if isinstance(data, str | Path) else data,
        policy=rules,
        out=Path(out) if out is not None else None,
        formats=tuple(formats),
        workers=workers,
        execution=execution,
        against=Path(against) if against is not None else None,
        command="auditkit.audit(...)",
    )
    with _progress(progress) as told:
        return run(request, progress=told).result


@contextmanager
def _progress(wanted: bool | None) -> Generator[Progress]:
    show = None if wanted is False else notebook_display()
    if show is not None:
        with NotebookProgress(show) as told:
            yield told
    elif wanted:
        with ConsoleProgress(QuietableConsole(stderr=True)) as told:
            yield told
    else:
        yield Silent()
