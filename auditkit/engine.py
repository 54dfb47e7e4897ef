"""Runs the steps of a plan, in this process or in several, with the same result."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias, final

import torch

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, NotApplicable, Records
from auditkit.errors import AuditkitError
from auditkit.plan import Shard
from auditkit.result import Execution
from auditkit.subject import Subject, SubjectSpec, load_subject


@final
@dataclass(frozen=True)
class Failure:
    """An exception of a check, as words: it crosses processes and lands in the report."""

    reason: str
    details: str


ShardOutcome: TypeAlias = Records | NotApplicable | Failure


class Engine(Protocol):
    """Measures one check over all shards."""

    def measure(self, check: Check) -> Iterator[ShardOutcome]:
        """Yield what each shard came to, in the order of the shards."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


def failure_of(error: BaseException) -> Failure:
    """Return an exception as words: the message of ours, type and message of others."""
    reason = str(error) if isinstance(error, AuditkitError) else f"{type(error).__name__}: {error}"
    return Failure(reason, "".join(traceback.format_exception(error)))


@final
class Shards:
    """The shards of one process, each with the facts already computed about it."""

    def __init__(
        self, subject: Subject, shards: tuple[Shard, ...], *, seed: int, execution: Execution
    ) -> None:
        torch.set_num_threads(execution.threads)
        subject.configure(execution)
        self._keep_inputs = subject.fits_in_memory
        self._artifacts: list[Artifacts] = [
            subject.shard(one.start, one.stop, seed=seed, execution=execution) for one in shards
        ]

    def __len__(self) -> int:
        return len(self._artifacts)

    def measure(self, check: Check, i: int) -> ShardOutcome:
        """Measure one shard; an exception becomes a failure that the report shows."""
        shard = self._artifacts[i]
        try:
            return check.measure(shard)
        except Exception as error:  # noqa: BLE001 - whatever a check raises is its own outcome
            return failure_of(error)
        finally:
            if not self._keep_inputs:
                shard.forget_inputs()


@final
class InProcess:
    """All shards one after the other, here."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def measure(self, check: Check) -> Iterator[ShardOutcome]:
        """Yield what each shard came to, in the order of the shards."""
        return (self._shards.measure(check, i) for i in range(len(self._shards)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@final
class Workers:
    """Shards spread over processes; a shard always meets the same one, which keeps its facts."""

    def __init__(
        self,
        spec: SubjectSpec,
        shards: tuple[Shard, ...],
        *,
        seed: int,
        execution: Execution,
        workers: int,
    ) -> None:
        self._count = len(shards)
        self._pools = [
            ProcessPoolExecutor(
                1,
                multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(spec, shards, seed, execution),
            )
            for _ in range(min(workers, len(shards)))
        ]

    def measure(self, check: Check) -> Iterator[ShardOutcome]:
        """Yield what each shard came to, in the order of the shards."""
        futures = [
            self._pools[i % len(self._pools)].submit(_measure_in_worker, check, i)
            for i in range(self._count)
        ]
        return (_outcome_of(future) for future in futures)

    def __enter__(self) -> Self:
        wait([pool.submit(_ready) for pool in self._pools])  # starting is no check's time
        return self

    def __exit__(self, *error: object) -> None:
        interrupted = bool(error) and error[0] is not None
        for pool in self._pools:
            pool.shutdown(wait=not interrupted, cancel_futures=True)
        if interrupted:
            for child in multiprocessing.active_children():
                child.terminate()


def _outcome_of(future: Future[ShardOutcome]) -> ShardOutcome:
    try:
        return future.result()
    except BrokenProcessPool as error:
        return Failure("a worker process ended unexpectedly, perhaps out of memory", str(error))


_shards_here: Shards | None = None  # of a worker process; a pool's initialiser returns nothing


def _start_worker(
    spec: SubjectSpec, shards: tuple[Shard, ...], seed: int, execution: Execution
) -> None:
    global _shards_here  # noqa: PLW0603
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _shards_here = Shards(load_subject(spec), shards, seed=seed, execution=execution)


def _ready() -> None:
    """Do nothing, once the worker has loaded model and data."""


def _measure_in_worker(check: Check, i: int) -> ShardOutcome:
    assert _shards_here is not None  # the initialiser ran first
    return _shards_here.measure(check, i)
