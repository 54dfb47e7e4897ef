"""Runs the steps of a plan, in this process or in several, with the same result."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol, Self, TypeAlias, final

import torch

from auditkit.artifacts.base import Artifacts
from auditkit.behaviour import KeptState
from auditkit.checks.base import Check, NotApplicable, Records
from auditkit.errors import AuditkitError, ModelError
from auditkit.limits import keep_freed_memory, lift_limit, limit_memory
from auditkit.memory import free_memory, is_out_of_memory
from auditkit.models.blackbox import BlackBox
from auditkit.plan import Shard
from auditkit.processes import end_with, how_it_ended, over_time
from auditkit.result import Execution
from auditkit.subject import Subject, SubjectSpec, load_subject
from auditkit.timelimit import TimeIsUp, limited

TRIES = 2  # of a step whose worker died
_SHOWN = 3  # names in a sentence


@final
@dataclass(frozen=True)
class Failure:
    """An exception of a check, as words: it crosses processes and lands in the report."""

    reason: str
    details: str = ""
    out_of_memory: bool = False


ShardOutcome: TypeAlias = Records | NotApplicable | Failure


@final
@dataclass(frozen=True)
class Step:
    """What one shard came to, and what was survived meanwhile, as sentences."""

    outcome: ShardOutcome
    incidents: tuple[str, ...] = ()


class Engine(Protocol):
    """Measures one check over all shards."""

    def measure(self, check: Check) -> Iterator[Step]:
        """Yield what each shard came to, in the order of the shards."""
        ...

    def measure_one(self, check: Check, i: int) -> Step:
        """Return what one shard came to."""
        ...

    def prepare(self) -> None:
        """Make sure that every process is there, before the time of a check starts."""
        ...

    def use(self, execution: Execution) -> None:
        """Forget all facts, and compute with other settings from now on."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


def failure_of(error: BaseException) -> Failure:
    """Return an exception as words: the message of ours, type and message of others."""
    ours = isinstance(error, AuditkitError)
    if isinstance(error, SystemExit):
        reason = f"the model or the check called exit({error.code!r})"
    else:
        reason = str(error) if ours else f"{type(error).__name__}: {error}"
    details = "".join(traceback.format_exception(error))
    return Failure(reason, details, out_of_memory=is_out_of_memory(error))


@final
@dataclass(frozen=True)
class Setup:
    """What every process needs to know to run steps.

    Parameters
    ----------
    shards : tuple of Shard
        Parts of the sample.
    seed : int
        The run's seed.
    time_limit : float, optional
        Seconds that one check may take over all its shards.
    memory : int, optional
        Bytes that one process may use.
    clock : callable
        Seconds that never run backwards.
    """

    shards: tuple[Shard, ...]
    seed: int
    time_limit: float | None
    memory: int | None
    clock: Callable[[], float]


@final
class Shards:
    """The shards of one process, each with the facts already computed about it."""

    def __init__(
        self, subject: Subject, shards: tuple[Shard, ...], *, seed: int, execution: Execution
    ) -> None:
        torch.set_num_threads(execution.threads)
        subject.configure(execution)
        self._keep_inputs = subject.fits_in_memory
        self._module = subject.model.module
        self._kept = KeptState(subject.model.module)
        shared: dict[Hashable, Any] = {}
        self._artifacts: list[Artifacts] = [
            subject.shard(one.start, one.stop, seed=seed, execution=execution, shared=shared)
            for one in shards
        ]

    def __len__(self) -> int:
        return len(self._artifacts)

    def measure(self, check: Check, i: int, *, seconds: float | None = None) -> Step:
        """Measure one shard; whatever goes wrong becomes a failure that the report shows.

        The model is then as it was before, so that no step depends on the steps before it.
        """
        outcome = self._outcome(check, i, seconds)
        if isinstance(outcome, Failure) and outcome.out_of_memory:
            free_memory()
        changed = self._kept.put_back()
        incidents = ([_changed(changed)] if changed else []) + self._survived()
        return Step(outcome, tuple(incidents))

    def _survived(self) -> list[str]:
        """Take what a function that is asked in place of a network survived."""
        if not isinstance(self._module, BlackBox):
            return []
        said = list(dict.fromkeys(self._module.incidents))
        self._module.incidents.clear()
        return said

    def _outcome(self, check: Check, i: int, seconds: float | None) -> ShardOutcome:
        shard = self._artifacts[i]
        try:
            with limited(seconds):
                return check.measure(shard)
        except TimeIsUp:
            return Failure("its time was up")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is its outcome
            return failure_of(error)
        finally:
            if not self._keep_inputs:
                shard.forget_inputs()


def _changed(names: list[str]) -> str:
    """Return one sentence, the same for every step in which the same tensors changed."""
    shown = ", ".join(sorted(names)[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"The model changes its own state while it is asked ({shown}{more}); it was put back after"
        " every step, but answers within a step may depend on what was asked before."
    )


@final
class InProcess:
    """All shards one after the other, here."""

    def __init__(self, subject: Subject, setup: Setup, execution: Execution) -> None:
        self._subject, self._setup = subject, setup
        self._shards = self._computed(execution)

    def measure(self, check: Check) -> Iterator[Step]:
        """Yield what each shard came to, in the order of the shards."""
        clock, limit = self._setup.clock, self._setup.time_limit
        start = clock()
        for i in range(len(self._shards)):
            if limit is None:
                yield self._shards.measure(check, i)
                continue
            left = limit - (clock() - start)
            step = self._shards.measure(check, i, seconds=left) if left > 0 else None
            late = clock() - start >= limit
            yield Step(Failure(over_time(limit))) if step is None or late else step

    def measure_one(self, check: Check, i: int) -> Step:
        """Return what one shard came to."""
        return self._shards.measure(check, i, seconds=self._setup.time_limit)

    def prepare(self) -> None:
        """Do nothing: this process is there."""

    def use(self, execution: Execution) -> None:
        """Forget all facts, and compute with other settings from now on."""
        self._shards = self._computed(execution)
        free_memory()

    def _computed(self, execution: Execution) -> Shards:
        shards, seed = self._setup.shards, self._setup.seed
        return Shards(self._subject, shards, seed=seed, execution=execution)

    def __enter__(self) -> Self:
        if self._setup.memory is not None:
            limit_memory(self._setup.memory)
        return self

    def __exit__(self, *error: object) -> None:
        if self._setup.memory is not None:
            lift_limit()  # drawing charts reserves far more than it uses


_Ticket: TypeAlias = tuple[int, int]  # which call of `measure`, which shard
_LOADING: _Ticket = (-1, -1)


@final
class _Worker:
    """One process that loads the subject and then runs steps, one at a time."""

    def __init__(self, spec: SubjectSpec, setup: Setup, execution: Execution) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, there = context.Pipe()
        about = (setup.shards, setup.seed, setup.memory)
        self.process = context.Process(
            target=_work, args=(there, spec, *about, execution), name="auditkit-worker"
        )
        self.process.start()
        there.close()
        self.busy: _Ticket | None = _LOADING

    def send(self, ticket: _Ticket, task: object) -> None:
        """Start a step; a process that has died is noticed when its answer is awaited."""
        self.busy = ticket
        with suppress(OSError):
            self.connection.send((ticket, task))

    def answer(self) -> Step | None:
        """Return the answer to what it is busy with, or None if it has died."""
        try:
            ticket, step = self.connection.recv()
        except (EOFError, OSError):
            return None
        assert ticket == self.busy
        self.busy = None
        return step

    def stop(self, *, kill: bool = False) -> None:
        """End the process."""
        self.connection.close()  # an idle worker leaves when it sees that
        if kill:
            self.process.kill()
        self.process.join()


@final
class _Call:
    """One call of `measure`: what waits for which worker, and what is done."""

    def __init__(self, number: int, check: Check, shards: range, workers: int) -> None:
        self.number, self.check = number, check
        self.waiting = [[i for i in shards if i % workers == w] for w in range(workers)]
        self.done: dict[int, Step] = {}
        self.survived: dict[int, tuple[str, ...]] = {}  # by shard
        self._deaths: Counter[int] = Counter()

    def died(self, w: int, i: int, why: str) -> None:
        """Try the step of a dead worker again, or give it up."""
        self._deaths[i] += 1
        if self._deaths[i] == TRIES:
            self.done[i] = Step(Failure(f"its process {why}, {TRIES} times"))
            return
        self.waiting[w].insert(0, i)
        name = self.check.meta.id
        self.survived[i] = (f"A process that ran {name} {why}; another took over.",)


@final
class Workers:
    """Shards spread over processes; a shard always meets the same one, which keeps its facts.

    A worker that dies is replaced and its step tried once more; when the time of a check is up,
    busy workers are stopped and replaced, whatever they are doing.
    """

    def __init__(
        self, spec: SubjectSpec, setup: Setup, execution: Execution, *, workers: int
    ) -> None:
        self._spec, self._setup, self._execution = spec, setup, execution
        self._calls = 0
        self._workers = [self._started() for _ in range(min(workers, len(setup.shards)))]

    def measure(self, check: Check) -> Iterator[Step]:
        """Yield what each shard came to, in the order of the shards."""
        return self._measured(check, range(len(self._setup.shards)))

    def measure_one(self, check: Check, i: int) -> Step:
        """Return what one shard came to."""
        return next(self._measured(check, range(i, i + 1)))

    def _measured(self, check: Check, shards: range) -> Generator[Step]:
        self._calls += 1
        call, start = _Call(self._calls, check, shards, len(self._workers)), self._setup.clock()
        for wanted in shards:
            while wanted not in call.done:
                self._hand_out(call)
                left = self._left(start)
                if left is not None and left <= 0:
                    self._stop_busy()
                    yield Step(Failure(over_time(self._setup.time_limit or 0)))
                    return
                for w in self._answering(left):
                    self._take_in(call, w)
            yield call.done.pop(wanted)

    def _hand_out(self, call: _Call) -> None:
        for w, queue in enumerate(call.waiting):
            if self._workers[w].busy is None and queue:
                i = queue.pop(0)
                self._workers[w].send((call.number, i), (call.check, i))

    def _take_in(self, call: _Call, w: int) -> None:
        """Take the answer of a worker, which may be that it died, or one to an earlier call."""
        ticket = self._workers[w].busy
        assert ticket is not None
        step = self._workers[w].answer()
        why = self._replaced(w) if step is None else ""
        number, i = ticket
        if number != call.number:
            return
        if step is None:
            call.died(w, i, why)
        else:
            call.done[i] = Step(step.outcome, (*step.incidents, *call.survived.pop(i, ())))

    def _left(self, start: float) -> float | None:
        limit = self._setup.time_limit
        return None if limit is None else limit - (self._setup.clock() - start)

    def _answering(self, seconds: float | None) -> list[int]:
        """Return which busy workers have an answer, or have died."""
        busy = {w.connection: i for i, w in enumerate(self._workers) if w.busy is not None}
        assert busy  # or it would wait for ever
        ready = wait(list(busy), seconds)
        return [i for connection, i in busy.items() if connection in ready]

    def prepare(self) -> None:
        """Replace the processes that were stopped or have died, and wait until they are ready."""
        for w, worker in enumerate(self._workers):
            if not worker.process.is_alive():
                worker.stop()
                self._workers[w] = self._started()
        self._await_all()

    def use(self, execution: Execution) -> None:
        """Forget all facts, and compute with other settings from now on."""
        self._execution = execution
        self._stop_busy()
        self.prepare()
        for worker in self._workers:
            worker.send(_LOADING, execution)
        self._await_all()

    def _started(self) -> _Worker:
        return _Worker(self._spec, self._setup, self._execution)

    def _replaced(self, w: int) -> str:
        """Put a new worker in the place of one that died; return how it ended."""
        dead = self._workers[w]
        dead.stop()
        self._workers[w] = (
            self._started()
        )  # it alone: others that died have steps to be tried again
        self._await_all()
        return how_it_ended(dead.process.exitcode)

    def _stop_busy(self) -> None:
        for worker in self._workers:
            if worker.busy is not None:
                worker.stop(kill=True)

    def _await_all(self) -> None:
        """Wait for those that load; that they cannot is no check's fault."""
        for worker in self._workers:
            if worker.busy == _LOADING and worker.answer() is None:
                worker.process.join()
                raise ModelError(
                    "A worker process that loads the model and the data"
                    f" {how_it_ended(worker.process.exitcode)}.",
                    hint="Try it in one process: --workers 1",
                )

    def __enter__(self) -> Self:
        self._await_all()  # starting is no check's time
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.stop(kill=worker.busy is not None)


def _work(
    connection: Connection,
    spec: SubjectSpec,
    shards: tuple[Shard, ...],
    seed: int,
    memory: int | None,
    execution: Execution,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None
    end_with(parent.sentinel)
    keep_freed_memory()
    try:
        subject = load_subject(spec)
        if memory is not None:
            limit_memory(memory)
        here = Shards(subject, shards, seed=seed, execution=execution)
        connection.send((_LOADING, Step(Failure("loaded"))))
        while True:
            ticket, task = connection.recv()
            if isinstance(task, Execution):
                here = Shards(subject, shards, seed=seed, execution=task)
                free_memory()
                connection.send((ticket, Step(Failure("ready"))))
            else:
                connection.send((ticket, here.measure(*task)))
    except EOFError:
        return  # the audit is over
    except (BrokenPipeError, ConnectionResetError):
        os._exit(1)
