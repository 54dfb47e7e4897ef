"""The audit as a Python function."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from auditkit.data.load import DataSpec
from auditkit.models.load import ModelSpec
from auditkit.policy import load_policy
from auditkit.result import Execution, Result
from auditkit.run import Request, run


def audit(
    model: str | Path | ModelSpec,
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
) -> Result:
    """Audit a model and write the report, as `audit run` does.

    Parameters
    ----------
    model : str, Path or ModelSpec
        Name of a built-in model, or a model file.
    data : str, Path or DataSpec, optional
        An embedded data set, a folder of images, or a file; what the model names by default.
    suite : {"quick", "standard", "deep"}, optional
        Preset of checks, inputs and recommended limits.
    checks : iterable of str
        Run only these.
    policy : str or Path, optional
        A policy file, or "none" to judge nothing.
    out : str or Path, optional
        Report folder, `reports/<model>` by default.
    formats : sequence of str
        Files to write: html, json, junit, md.
    max_inputs, seed : int, optional
        Override the policy.
    workers : int
        Processes; more than one needs a script guarded by `if __name__ == "__main__"`.
    execution : Execution, optional
        Settings of an earlier result to reuse.

    Returns
    -------
    Result
        The same as `result.json`.

    Raises
    ------
    AuditkitError
        If model, data or policy are wrong.
    """
    rules = load_policy(policy, suite=suite, checks=checks)
    update = {"max_inputs": max_inputs, "seed": seed}
    rules = rules.model_copy(update={k: v for k, v in update.items() if v is not None})
    request = Request(
        model=model if isinstance(model, ModelSpec) else ModelSpec(source=os.fspath(model)),
        data=DataSpec(source=os.fspath(data)) if isinstance(data, str | Path) else data,
        policy=rules,
        out=Path(out) if out is not None else None,
        formats=tuple(formats),
        workers=workers,
        execution=execution,
        command="auditkit.audit(...)",
    )
    return run(request).result
