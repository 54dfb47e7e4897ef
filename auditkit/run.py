"""The whole flow of an audit, in the order of its steps."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from typing import Protocol, final

import numpy as np

import auditkit
from auditkit.checks.base import Check, Context, NotApplicable, Records
from auditkit.data.load import DataSpec
from auditkit.engine import Engine, Failure, InProcess, Shards, Workers, failure_of
from auditkit.findings import Outcome
from auditkit.models.classifier import Classifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.load import ModelSpec
from auditkit.models.tabular import TabularClassifier
from auditkit.plan import Plan, make_plan, outcome_of
from auditkit.policy import Policy
from auditkit.records import write_records
from auditkit.render import FORMATS, render
from auditkit.result import (
    DataFacts,
    Execution,
    ModelFacts,
    Provenance,
    Result,
    SliceFacts,
    write_atomically,
)
from auditkit.state import Finished, State
from auditkit.subject import (
    Subject,
    SubjectSpec,
    choose_execution,
    examine,
    load_subject,
    settle,
)
from auditkit.verdict import judge

MOST_WORKERS = 8  # by choice of the program; more when asked for
SHARDS_PER_WORKER = 4
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "captum", "foolbox", "pandas", "Pillow")


@final
@dataclass(frozen=True, kw_only=True)
class Request:
    """Everything that decides what an audit does.

    Parameters
    ----------
    model : ModelSpec or Classifier
        What to audit; a classifier that is in memory needs `workers` = 1.
    data : DataSpec, optional
        What to audit it on; without it, the data set the model names.
    policy : Policy
        Checks, limits, sample size, seed.
    out : Path, optional
        Folder of the report; `reports/<model>` by default.
    formats : tuple of str
        Which of `render.FORMATS` to write.
    workers : int, optional
        Processes; any number gives the same findings. None chooses by the amount of work.
    execution : Execution, optional
        Settings to reuse; chosen by a short measurement otherwise.
    resume : bool
        Take over checks that an interrupted run into the same folder had finished.
    command : str
        How the user called it, for the report.
    """

    model: ModelSpec | Classifier
    data: DataSpec | None = None
    policy: Policy
    out: Path | None = None
    formats: tuple[str, ...] = tuple(FORMATS)
    workers: int | None = 1
    execution: Execution | None = None
    resume: bool = False
    command: str = ""


class Progress(Protocol):
    """Who is told how far the audit is."""

    def warned(self, doubt: str) -> None:
        """Say what speaks against the way the model is read."""

    def planned(self, plan: Plan) -> None:
        """Say what will run."""

    def checking(self, check: Check) -> None:
        """Say that a check starts."""

    def stepped(self) -> None:
        """Say that one shard of the running check is done."""

    def finished(self, outcome: Outcome) -> None:
        """Say what a check came to."""


@final
class Silent:
    """Tells nobody."""

    def warned(self, doubt: str) -> None:
        """Say nothing."""

    def planned(self, plan: Plan) -> None:
        """Say nothing."""

    def checking(self, check: Check) -> None:
        """Say nothing."""

    def stepped(self) -> None:
        """Say nothing."""

    def finished(self, outcome: Outcome) -> None:
        """Say nothing."""


@final
@dataclass(frozen=True)
class Audit:
    """A finished audit: its result and where the files are."""

    result: Result
    folder: Path


def run(request: Request, *, progress: Progress | None = None) -> Audit:
    """Audit a model and write the report.

    Raises
    ------
    AuditkitError
        If model, data or policy are wrong. What a check raises is its outcome instead.
    """
    progress = progress or Silent()
    clock = time.perf_counter
    started, start = datetime.now(UTC), clock()
    policy = request.policy
    spec = SubjectSpec(
        model=request.model, data=request.data, max_inputs=policy.max_inputs, seed=policy.seed
    )
    spec = settle(spec)
    subject = examine(load_subject(spec), seed=policy.seed)  # 1 load the model, 2 load the data
    if subject.doubt is not None:
        progress.warned(subject.doubt)
    execution = request.execution or choose_execution(subject, clock=clock)
    subject.configure(execution)
    plan = make_plan(policy, subject.model, subject.data, shard_size=execution.shard_size)  # 3
    progress.planned(plan)
    workers = request.workers or _enough_workers(plan)
    folder = request.out or Path("reports") / subject.model.identity.name
    state = State(folder, subject, seed=policy.seed, level=policy.level, execution=execution)
    if not request.resume:
        state.clear()
    model_facts, data_facts = _model_facts(subject), _data_facts(subject)
    provenance = _provenance(request, subject, execution, workers, started)
    done: list[Finished] = []
    interrupted = False

    def result(partial: bool) -> Result:
        outcomes = [one.outcome for one in done] + list(plan.not_run)
        if partial:
            left = plan.checks[len(done) :]
            outcomes += [outcome_of(c, status="skipped", reason="interrupted") for c in left]
        today = started.date()
        verdict = judge(  # 6
            outcomes, policy, modality=subject.model.modality, today=today, interrupted=partial
        )
        columns = {one.outcome.check: one.records for one in done if one.records is not None}
        return Result(
            schema=1,
            auditkit=auditkit.__version__,
            model=model_facts,
            data=data_facts,
            outcomes=outcomes,
            records=write_records(folder, subject.data, columns),
            verdict=verdict,
            provenance=provenance.model_copy(
                update={"seconds": round(clock() - start, 1), "partial": partial}
            ),
        )

    try:
        with _engine(workers, spec, subject, plan, execution) as engine:
            for check in plan.checks:  # 4 run the checks
                progress.checking(check)
                finished = state.load(check) or _skipped(check, policy, clock() - start)
                if finished is None:
                    finished = _checked(check, engine, subject, policy, progress)
                    state.save(check, finished)
                done.append(finished)
                progress.finished(finished.outcome)
                write_atomically(folder / "result.json", render(result(partial=True), "json"))
    except KeyboardInterrupt:
        interrupted = True
    final_result = result(partial=interrupted)
    _write(final_result, folder, request.formats)  # 7 render
    if all(one.status in ("measured", "not_applicable") for one in final_result.outcomes):
        state.clear()  # nothing is left to resume
    return Audit(final_result, folder)


def _enough_workers(plan: Plan) -> int:
    """Return one process per core, but only as many as repay the seconds each takes to start."""
    return max(1, min(os.cpu_count() or 1, MOST_WORKERS, len(plan.shards) // SHARDS_PER_WORKER))


def _engine(
    workers: int, spec: SubjectSpec, subject: Subject, plan: Plan, execution: Execution
) -> Engine:
    if workers > 1 and len(plan.shards) > 1:
        return Workers(spec, plan.shards, seed=spec.seed, execution=execution, workers=workers)
    return InProcess(Shards(subject, plan.shards, seed=spec.seed, execution=execution))


def _skipped(check: Check, policy: Policy, spent: float) -> Finished | None:
    if policy.budget is None or spent < policy.budget:
        return None
    reason = f"the budget of {policy.budget:.0f} s was spent"
    return Finished(outcome_of(check, status="skipped", reason=reason), None)


def _checked(
    check: Check, engine: Engine, subject: Subject, policy: Policy, progress: Progress
) -> Finished:
    """Measure every shard, merge, summarise."""
    start = time.perf_counter()
    parts: list[Records] = []
    for part in engine.measure(check):
        if isinstance(part, Failure):
            return Finished(_errored(check, part, time.perf_counter() - start), None)
        if isinstance(part, NotApplicable):
            return Finished(_inapplicable(check, part, time.perf_counter() - start), None)
        parts.append(part)
        progress.stepped()
    try:
        records = Records.merged(parts)
        context = Context(data=subject.data, seed=policy.seed, level=policy.level)
        summary = check.summarise(records, context)
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its own outcome
        return Finished(_errored(check, failure_of(error), time.perf_counter() - start), None)
    seconds = round(time.perf_counter() - start, 3)
    if isinstance(summary, NotApplicable):
        return Finished(_inapplicable(check, summary, seconds), None)
    pattern = check.meta.headline
    first = next((f.id for f in summary.findings if fnmatchcase(f.id, pattern)), None)
    outcome = outcome_of(
        check,
        status="measured",
        seconds=seconds,
        findings=summary.findings,
        evidence=summary.evidence,
        headline=summary.headline or first,
    )
    return Finished(outcome, records)


def _inapplicable(check: Check, why: NotApplicable, seconds: float) -> Outcome:
    return outcome_of(check, status="not_applicable", reason=why.reason, seconds=round(seconds, 3))


def _errored(check: Check, failure: Failure, seconds: float) -> Outcome:
    evidence = {"traceback": {"kind": "note", "title": "What went wrong", "text": failure.details}}
    return outcome_of(
        check,
        status="errored",
        reason=failure.reason,
        seconds=round(seconds, 3),
        evidence=evidence,
    )


def _write(result: Result, folder: Path, formats: Sequence[str]) -> None:
    for name in dict.fromkeys(("json", *formats)):  # every other format can be made from the JSON
        write_atomically(folder / FORMATS[name].file, render(result, name))


def _model_facts(subject: Subject) -> ModelFacts:
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
        notes=list(model.identity.notes),
    )


def _features(model: Classifier) -> list[str]:
    if isinstance(model, TabularClassifier):
        return list(model.schema.names)
    return list(model.tags) if isinstance(model, GraphClassifier) else []


def _data_facts(subject: Subject) -> DataFacts:
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
        notes=list(data.notes),
    )


def _provenance(
    request: Request,
    subject: Subject,
    execution: Execution,
    workers: int,
    started: datetime,
) -> Provenance:
    """Return everything but how long it took, which is known at the end."""
    policy = request.policy
    return Provenance(
        command=request.command,
        policy=policy.model_dump(mode="json"),
        suite=policy.suite,
        seed=policy.seed,
        started=started.isoformat(timespec="seconds"),
        seconds=0.0,
        python=platform.python_version(),
        platform=platform.system(),
        packages={name: metadata.version(name) for name in PACKAGES},
        device=str(subject.model.device),
        dtype=str(subject.model.dtype).removeprefix("torch."),
        workers=workers,
        execution=execution,
        git=_git_commit(),
    )


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
