"""The whole flow of an audit, in the order of its steps."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol, final

import auditkit
from auditkit.behaviour import KeptState, difference_between_two_answers
from auditkit.checks.adversarial import Adversarial, merged
from auditkit.checks.base import Check, Context, Measured, NotApplicable, Records
from auditkit.data.load import DataSpec
from auditkit.diff.against import judge_result
from auditkit.diff.compare import require_comparable
from auditkit.diff.sides import load
from auditkit.engine import Engine, Failure, InProcess, Setup, Workers, failure_of
from auditkit.errors import AuditkitError, ConfigError, ModelError
from auditkit.exhibits import Names, private, record_names
from auditkit.findings import Outcome
from auditkit.limits import resident
from auditkit.lock import cannot_write, locked
from auditkit.looks import level_of_each, planned_looks
from auditkit.memory import bytes_per_input, fitting_batch, is_out_of_memory
from auditkit.models.classifier import Classifier
from auditkit.models.load import ModelSpec
from auditkit.plan import Plan, make_plan, outcome_of
from auditkit.plurals import count
from auditkit.policy import Policy
from auditkit.privacy import suppressed
from auditkit.processes import over_time
from auditkit.provenance import data_facts, model_facts, provenance_of, typed
from auditkit.records import write_records
from auditkit.render import DEFAULT, format_of, render, require_formats, with_tables
from auditkit.result import (
    AdversarialFile,
    Execution,
    RecordsFile,
    Result,
    Verdict,
    remove_temporary_files,
    result_file,
    write_atomically,
)
from auditkit.spread import enough_processes
from auditkit.state import Finished, State
from auditkit.stored import write_inputs
from auditkit.subject import (
    Subject,
    SubjectSpec,
    as_inputs,
    choose_execution,
    examine,
    load_subject,
    plain_execution,
    settle,
    subject_of,
)
from auditkit.supervisor import Handover
from auditkit.timelimit import TimeIsUp, limited
from auditkit.verdict import undecided_checks

SELDOM = 10  # times as long as writing a partial result takes, until it is written again
STABILITY_SAMPLE = 32  # inputs that are asked twice
MIB = 1 << 20
NOT_YET = Verdict(status="not_judged", exit_code=0, sentence="", decided_by=[])


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
    against : Path, optional
        An earlier result on the same data: the reference for limits with `max_drop_against` and for
        the changes that the report tells.
    workers : int, optional
        Processes; any number gives the same findings. None chooses by the amount of work.
    execution : Execution, optional
        Settings to reuse; chosen by a short measurement otherwise.
    resume : bool
        Take over checks that an interrupted run into the same folder had finished.
    memory : int, optional
        Bytes of memory to stay below: it caps the batch size and, on Linux, limits the processes.
    keep_inputs : bool
        Whether the inputs that fooled the model are stored beside the result; they can be private.
    left : Handover
        What a process that died while it ran this audit left.
    command : str
        How the user called it, for the report.
    """

    model: ModelSpec | Classifier
    data: DataSpec | None = None
    policy: Policy
    out: Path | None = None
    formats: tuple[str, ...] = DEFAULT
    against: Path | None = None
    workers: int | None = 1
    execution: Execution | None = None
    resume: bool = False
    memory: int | None = None
    keep_inputs: bool = True
    left: Handover = field(default_factory=Handover)
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

    def noted(self, incident: str, *, again: bool) -> None:
        """Say what was survived, and whether all checks run again because of it."""

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

    def noted(self, incident: str, *, again: bool) -> None:
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

    A classifier in memory is left as it was found.

    Raises
    ------
    AuditkitError
        If model, data or policy are wrong. What a check raises is its outcome instead.
    """
    kept = KeptState(request.model.module) if isinstance(request.model, Classifier) else None
    try:
        return _Run(request, progress or Silent()).finish()
    finally:
        if kept is not None:
            kept.put_back()


@final
class _Run:
    """One audit on its way: what it is about, what is done, what was survived."""

    def __init__(self, request: Request, progress: Progress) -> None:
        self.request, self.progress, self.policy = request, progress, request.policy
        self.started, self._start = datetime.now(UTC), time.perf_counter()
        require_formats(request.formats)
        self.reference = None if request.against is None else load(request.against)
        self.spec, self.subject = _loaded(  # 1 load the model, 2 load the data
            SubjectSpec(
                model=request.model,
                data=request.data,
                max_inputs=self.policy.max_inputs,
                seed=self.policy.seed,
                min_cell=self.policy.min_cell,
            )
        )
        if self.subject.doubt is not None:
            progress.warned(self.subject.doubt)
        self.folder = request.out or Path("reports") / self.subject.model.identity.name
        if request.against is not None:
            _require_elsewhere(request.against, self.folder)
        self.incidents = list(request.left.incidents)
        self.looks = _looks(self.policy, self.subject)
        self.level = level_of_each(self.policy.level, len(self.looks))
        self.names = Names.of(self.subject.data.ids)
        self.earlier: dict[str, Finished] = {}  # by check, what earlier looks came to
        self.done: dict[str, Finished] = {}  # by check, what this look came to

    def finish(self) -> Audit:
        """Run what is left, and write the report."""
        with locked(self.folder):
            remove_temporary_files(self.folder)
            execution = self._execution()
            self.subject.configure(execution)
            self._model_facts = model_facts(self.subject, instability=self._instability(execution))
            if self.reference is not None:
                facts = data_facts(self.subject)
                require_comparable(self.reference.result, self._model_facts, facts)
            self.plan = self.first = self._planned(self.policy, execution)  # 3
            self.workers = self._workers()
            self.provenance = provenance_of(
                self.subject,
                self.policy,
                command=self.request.command,
                model_options=typed(self.request.model),
                data_options=typed(self.request.data),
                workers=self.workers,
                memory=self.request.memory,
                looks=self.looks,
                started=self.started,
            )
            return self._audited(execution)

    def _planned(self, policy: Policy, execution: Execution) -> Plan:
        model, data = self.subject.model, self.subject.data
        return make_plan(policy, model, data, shard_size=execution.shard_size)

    def _workers(self) -> int:
        """Return how many processes ask; an endpoint is asked by one, which keeps the pace."""
        asked, model = self.request.workers, self.request.model
        if not (isinstance(model, ModelSpec) and model.endpoint is not None):
            return asked or enough_processes(self.plan, self.subject, clock=time.perf_counter)
        if asked is not None and asked > 1:
            raise ConfigError(
                f"--workers is {asked}, and an endpoint is asked by one process, so that"
                " --rate-limit holds.",
                hint="Leave out --workers.",
            )
        return 1

    def seconds(self) -> float:
        """Return how long the audit has taken, the time of processes that died included."""
        return max(0.0, time.perf_counter() - self._start) + self.request.left.spent

    def _audited(self, execution: Execution) -> Audit:
        interrupted = False
        state = self._state(execution)
        if not (self.request.resume or self.request.left.resume):
            state.clear()
        undecided: tuple[str, ...] = ()
        try:
            for inputs in self.looks:
                self._look_at(inputs, undecided, execution)
                execution = self._measure(execution)
                if inputs == self.looks[-1] or self._budget_is_spent():
                    break
                undecided = self._undecided(execution)
                if not undecided:
                    break
        except KeyboardInterrupt:
            interrupted = True
        result = self._result(execution, partial=interrupted, with_records=True)
        older = None if self.reference is None else self.reference.result
        _write(result, self.folder, self.request.formats, older)  # 7 render
        if all(one.status in ("measured", "not_applicable") for one in result.outcomes):
            state.clear()  # nothing is left to resume
        return Audit(result, self.folder)

    def _look_at(self, inputs: int, undecided: tuple[str, ...], execution: Execution) -> None:
        """Plan a look at so many inputs: all checks at the first one, then those not decided."""
        if len(self.looks) > 1:
            self.spec = replace(self.spec, max_inputs=inputs)
            self.subject = subject_of(self.subject.model, self.spec)
            chosen = {"checks": undecided} if undecided else {}
            self.plan = self._planned(self.policy.model_copy(update=chosen), execution)
        if undecided:
            self.earlier, self.done = self._finished(), {}
            checks = count(len(undecided), "check is", "checks are")
            self.progress.noted(f"Look at {inputs:,} inputs: {checks} not decided.", again=False)
        else:
            self.first = self.plan
        self.progress.planned(self.plan)

    def _measure(self, execution: Execution) -> Execution:
        """Run the checks of the plan; return the settings with which memory sufficed."""
        state = self._state(execution)
        with self._engine(execution) as engine:
            while True:  # 4 run the checks
                self._begin(state, execution)
                smaller = self._run_checks(engine, state, execution)
                if smaller is None:
                    return execution
                execution = smaller
                engine.use(execution)
                state = self._state(execution)

    def _undecided(self, execution: Execution) -> tuple[str, ...]:
        """Return the checks that more inputs may decide."""
        result = self._result(execution, partial=False, with_records=True)
        waiting = undecided_checks(result.verdict)
        return tuple(
            one.check
            for one in result.outcomes
            if one.check in waiting and one.status in ("measured", "not_applicable")
        )

    def _finished(self) -> dict[str, Finished]:
        """Return what every check came to when it was last looked at, by id."""
        return {**self.earlier, **self.done}

    def _begin(self, state: State, execution: Execution) -> None:
        """Make sure, before anything is measured, that the folder takes files."""
        self.done.clear()
        self._written = 0.0
        try:
            state.begin(self.incidents)
            self._write_partial(execution)
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    def _run_checks(self, engine: Engine, state: State, execution: Execution) -> Execution | None:
        """Run every check that is left; return smaller settings if memory did not suffice."""
        for check in self.plan.checks:
            if check.meta.id in self.earlier and self._budget_is_spent():
                continue  # what an earlier look came to stands
            engine.prepare()
            self.progress.checking(check)
            finished = self._known(check, state)
            if finished is None:
                finished = self._checked(check, engine)
                if isinstance(finished, _OutOfMemory):
                    smaller = self._smaller(check, finished, engine, execution)
                    if smaller is not None:
                        return smaller
                    reason = f"out of memory, even one input at a time: {finished.failure.reason}"
                    finished = _errored(check, replace(finished.failure, reason=reason), 0.0)
                    engine.use(execution)
                self._keep(check, finished, state)
            if len(self.looks) > 1:
                finished = finished.given(len(self.subject.data))
            self.done[check.meta.id] = finished
            self.progress.finished(finished.outcome)
            self._write_now_and_then(execution)
        return None

    def _known(self, check: Check, state: State) -> Finished | None:
        """Return what a check came to without measuring it."""
        if check.meta.id in self.request.left.abandoned:
            return _errored(check, Failure(self.request.left.abandoned[check.meta.id]), 0.0)
        earlier = None if check.meta.reads else state.load(check)  # what it reads may differ now
        return earlier or (self._skipped(check) if self._budget_is_spent() else None)

    def _budget_is_spent(self) -> bool:
        return self.policy.budget is not None and self.seconds() >= self.policy.budget

    def _skipped(self, check: Check) -> Finished:
        reason = f"the budget of {self.policy.budget:.0f} s was spent"
        return Finished(outcome_of(check, status="skipped", reason=reason), None)

    def _checked(self, check: Check, engine: Engine) -> Finished | _OutOfMemory:
        """Measure every shard, merge, summarise."""
        start = time.perf_counter()

        def seconds() -> float:
            return round(max(0.0, time.perf_counter() - start), 3)

        parts: list[Records] = []
        inputs: list[Adversarial] = []
        for i, step in enumerate(engine.measure(check)):
            for incident in step.incidents:
                self._note(incident)
            part = step.outcome
            if isinstance(part, Failure) and part.out_of_memory:
                return _OutOfMemory(i, part)
            if isinstance(part, Failure):
                return _errored(check, part, seconds())
            if isinstance(part, NotApplicable):
                return _inapplicable(check, part, seconds())
            parts.append(part.with_inputs(()))  # they take far more room than the rest
            if self.request.keep_inputs and self.policy.exhibits == "shown":
                inputs = merged([*inputs, *part.adversarial])  # bounded at once
            self.progress.stepped()
        limit = self.policy.check_timeout
        try:
            context = Context(
                data=self.subject.data,
                seed=self.policy.seed,
                level=self.level,
                others=_records_of(self.done),  # at this look
            )
            with limited(None if limit is None else limit - seconds()):
                records = Records.merged(parts)
                summary = check.summarise(records, context)
        except TimeIsUp:
            return _errored(check, Failure(over_time(limit or 0.0)), seconds())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - what it raises is its outcome
            return _errored(check, failure_of(error), seconds())
        if isinstance(summary, NotApplicable):
            return _inapplicable(check, summary, seconds())
        finished = _measured(check, summary, records, seconds(), inputs)
        return replace(finished, outcome=suppressed(finished.outcome, self.policy.min_cell))

    def _smaller(
        self, check: Check, what: _OutOfMemory, engine: Engine, execution: Execution
    ) -> Execution | None:
        """Return the first halved batch size with which the step that failed fits."""
        smaller = execution
        while smaller.batch_size > 1:
            smaller = smaller.model_copy(update={"batch_size": smaller.batch_size // 2})
            engine.use(smaller)
            outcome = engine.measure_one(check, what.shard).outcome
            if not (isinstance(outcome, Failure) and outcome.out_of_memory):
                self._note(
                    f"Batch size halved from {execution.batch_size} to {smaller.batch_size}: out of"
                    f" memory in {check.meta.id}; every check is measured with the smaller one.",
                    again=True,
                )
                return smaller
        return None

    def _note(self, incident: str, *, again: bool = False) -> None:
        if incident not in self.incidents:
            self.incidents.append(incident)
            self.progress.noted(incident, again=again)

    def _keep(self, check: Check, finished: Finished, state: State) -> None:
        """Write down a finished check; a full disk ends the audit only at its end.

        Where inputs are private nothing is kept: what is needed to go on would hold some.
        """
        if self.policy.exhibits != "shown":
            return
        try:
            state.save(check, finished)
        except OSError as error:
            self._note(f"A finished check could not be kept for --resume: {error.strerror}.")

    def _write_now_and_then(self, execution: Execution) -> None:
        """Write the partial result, as long as that takes a small part of the time."""
        before = self.seconds()
        if before < self._written:
            return
        with suppress(OSError):  # the finished checks are on disk; the last attempt is the report
            self._write_partial(execution)
        now = self.seconds()
        self._written = now + SELDOM * (now - before)

    def _write_partial(self, execution: Execution) -> None:
        # Without records: two files cannot be replaced at once, and one names the other's hash.
        result = self._result(execution, partial=True, with_records=False)
        write_atomically(self.folder / "result.json", render(result, "json"))

    def _result(self, execution: Execution, *, partial: bool, with_records: bool) -> Result:
        finished = self._finished()
        columns = _records_of(finished)
        inputs = {check: one.adversarial for check, one in finished.items() if one.adversarial}
        update: dict[str, object] = {
            "seconds": round(self.seconds(), 1),
            "partial": partial,
            "execution": execution,
            "incidents": list(self.incidents),
        }
        unjudged = Result(
            schema=1,
            auditkit=auditkit.__version__,
            model=self._model_facts,
            data=data_facts(self.subject),
            outcomes=self._outcomes(partial=partial),
            records=self._written_records(columns) if with_records else None,
            adversarial=_written_inputs(self.folder, inputs) if with_records else None,
            verdict=NOT_YET,
            provenance=self.provenance.model_copy(update=update),
        )
        return judge_result(  # 6
            unjudged,
            self.folder,
            self.policy,
            today=self.started.date(),
            reference=self.reference,
        )

    def _outcomes(self, *, partial: bool) -> list[Outcome]:
        """Return the outcome of every check, in the order of the first plan."""
        finished = self._finished()
        measured = [finished.pop(c.meta.id) for c in self.first.checks if c.meta.id in finished]
        outcomes = [self._shown(one.outcome) for one in measured]
        for one in self.first.not_run:  # what few inputs were too few for may have run since
            later = finished.get(one.check)
            outcomes.append(one if later is None else self._shown(later.outcome))
        if partial:
            known = {one.check for one in outcomes}
            left = [check for check in self.first.checks if check.meta.id not in known]
            outcomes += [outcome_of(c, status="skipped", reason="interrupted") for c in left]
        return outcomes

    def _shown(self, outcome: Outcome) -> Outcome:
        """Return an outcome as the report may show it."""
        return private(outcome, self.policy.exhibits, self.names)

    def _written_records(self, columns: Mapping[str, Records]) -> RecordsFile:
        is_private = self.policy.exhibits != "shown"
        names = record_names(self.subject.data.ids) if is_private else None
        try:
            return write_records(self.folder, self.subject.data, columns, names=names)
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    def _state(self, execution: Execution) -> State:
        seed = self.policy.seed
        return State(self.folder, self.subject, seed=seed, level=self.level, execution=execution)

    def _execution(self) -> Execution:
        """Return the settings asked for, those of the interrupted run, or what is measured best."""
        again = self.request.resume or self.request.left.resume
        earlier = State.earlier(self.folder) if again else None
        if earlier is not None and (changes := earlier.changes(self.subject)):
            self._note(changes)
            earlier = None
        if self.request.execution is not None:
            return self.request.execution
        if earlier is not None:
            for one in earlier.incidents:
                self._note(one)
            return earlier.execution
        try:
            with limited(self.policy.check_timeout):
                chosen = choose_execution(self.subject, clock=time.perf_counter)
        except (Exception, SystemExit, TimeIsUp):  # noqa: BLE001 - the checks will meet it again
            chosen = plain_execution(self.subject)
        return self._within_memory(chosen)

    def _within_memory(self, execution: Execution) -> Execution:
        """Return the settings with the largest batch that stays within `--memory`."""
        limit = self.request.memory
        if limit is None:
            return execution
        used, most = resident(), execution.batch_size
        if used == 0:
            self._note("--memory only caps the batch size: this system does not enforce a limit.")
        some = as_inputs(self.subject.data.read(slice(0, 2)))
        per_input = bytes_per_input(self.subject.model, some)
        batch = fitting_batch(limit, per_input, used=used, most=most)
        if batch < most:
            self._note(
                f"Batch size {batch} instead of {most}, to stay within --memory: about"
                f" {per_input / MIB:.1f} MiB for each input, {used / MIB:.0f} MiB for the rest."
            )
        return execution.model_copy(update={"batch_size": batch})

    def _instability(self, execution: Execution) -> str:
        """Return that the model answers differently each time, as a sentence, or nothing."""
        count = min(STABILITY_SAMPLE, execution.batch_size, len(self.subject.data))
        try:
            inputs = as_inputs(self.subject.data.read(slice(0, count)))
            with limited(self.policy.check_timeout):
                gap = difference_between_two_answers(self.subject.model, inputs)
        except (Exception, SystemExit, TimeIsUp):  # noqa: BLE001 - the checks will meet it again
            return ""
        if gap == 0:
            return ""
        return (
            f"The model answers differently each time it is asked (logits differ by up to {gap:.2g}"
            " on the same batch): its numbers cannot be repeated exactly."
        )

    def _engine(self, execution: Execution) -> Engine:
        setup = Setup(
            shards=self.plan.shards,
            seed=self.policy.seed,
            time_limit=self.policy.check_timeout,
            memory=self.request.memory,
            clock=time.perf_counter,
        )
        if self.workers > 1 and len(self.plan.shards) > 1:
            return Workers(self.spec, setup, execution, workers=self.workers)
        return InProcess(self.subject, setup, execution)


@final
@dataclass(frozen=True)
class _OutOfMemory:
    """The step of a check for which memory did not suffice."""

    shard: int
    failure: Failure


def _loaded(spec: SubjectSpec) -> tuple[SubjectSpec, Subject]:
    try:
        spec = settle(spec)
        return spec, examine(load_subject(spec), seed=spec.seed)
    except SystemExit as error:
        raise ModelError(
            f"The code of the model called exit({error.code!r}) while it was loaded or tried.",
            hint="Take that call out of the module that builds the model.",
        ) from error
    except Exception as error:
        if isinstance(error, AuditkitError) or not is_out_of_memory(error):
            raise
        raise ModelError(
            "There is not enough memory to load the model and its data.",
            hint="Close other programs, or take fewer inputs: --max-inputs 100",
        ) from error


def _written_inputs(
    folder: Path, inputs: Mapping[str, Sequence[Adversarial]]
) -> AdversarialFile | None:
    try:
        return write_inputs(folder, inputs)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _looks(policy: Policy, subject: Subject) -> tuple[int, ...]:
    """Return the inputs of each look; one at all of them where nobody asks for more."""
    everything = len(subject.data)
    about, sensitive = subject.model.modality, bool(subject.data.sensitive)
    judged = any(one.is_about(about, sensitive=sensitive) for one in policy.limits)
    if policy.until_decided and not judged:
        raise ConfigError(
            "--until-decided stops where all limits are decided, and no limits are set.",
            hint="Name a policy with limits, --policy FILE, or leave out --until-decided.",
        )
    repeatedly = judged and policy.looks_repeatedly
    return planned_looks(everything) if repeatedly else (everything,)


def _records_of(finished: Mapping[str, Finished]) -> dict[str, Records]:
    return {check: one.records for check, one in finished.items() if one.records is not None}


def _measured(
    check: Check,
    summary: Measured,
    records: Records,
    seconds: float,
    inputs: Sequence[Adversarial],
) -> Finished:
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
    return Finished(outcome, records, tuple(inputs))


def _inapplicable(check: Check, why: NotApplicable, seconds: float) -> Finished:
    outcome = outcome_of(check, status="not_applicable", reason=why.reason, seconds=seconds)
    return Finished(outcome, None)


def _errored(check: Check, failure: Failure, seconds: float) -> Finished:
    note = {"kind": "note", "title": "What went wrong", "text": failure.details}
    outcome = outcome_of(
        check,
        status="errored",
        reason=failure.reason,
        seconds=seconds,
        evidence={"traceback": note} if failure.details else {},
    )
    return Finished(outcome, None)


def _require_elsewhere(reference: Path, folder: Path) -> None:
    """Refuse to write over the reference: an audit that goes on after a crash reads it again."""
    if result_file(reference).resolve() == (folder / "result.json").resolve():
        raise ConfigError(
            f"The reference lies where this audit is written: {folder}.",
            hint="Write to another folder: --out FOLDER",
        )


def _write(result: Result, folder: Path, formats: Sequence[str], older: Result | None) -> None:
    try:
        # The others can be made from the JSON.
        for name in dict.fromkeys(("json", *with_tables(result, formats))):
            write_atomically(folder / format_of(name).file, render(result, name, older=older))
    except OSError as error:
        raise cannot_write(folder, error) from error
