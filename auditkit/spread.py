"""Over how many processes an audit is spread."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise

from auditkit.behaviour import KeptState
from auditkit.plan import Plan
from auditkit.subject import Subject, as_inputs
from auditkit.timelimit import TimeIsUp, limited

MOST = 8  # by choice of the program; more when asked for
SHARDS_PER_PROCESS = 2
REPAID = 15.0  # seconds of work for each process: twice those that it takes to start
_SAMPLE = 32  # inputs that are timed
_PATIENCE = 60.0  # seconds


def enough_processes(plan: Plan, subject: Subject, *, clock: Callable[[], float]) -> int:
    """Return one process per core, but only as many as repay the seconds each takes to start.

    Two shards each do where shards are many. Where they are few, checks that ask a model thousands
    of times about every input do too, if the model is not small.
    """
    shards = len(plan.shards)
    by_shards, most = shards // SHARDS_PER_PROCESS, min(os.cpu_count() or 1, MOST, shards)
    if by_shards >= most:
        return max(1, most)
    answers = sum(check.answers(len(subject.data)) for check in plan.checks)
    work = answers * _seconds_of_an_answer(subject, clock) if answers else 0
    return max(1, min(most, max(by_shards, int(work / REPAID))))


def _seconds_of_an_answer(subject: Subject, clock: Callable[[], float]) -> float:
    count, model = min(_SAMPLE, len(subject.data)), subject.model
    kept = KeptState(model.module)
    try:
        inputs = as_inputs(subject.data.read(slice(0, count)))
        with limited(_PATIENCE):
            ticks = [clock()]
            for _ in range(2):  # the first one may be slower
                model.predict(inputs, batch_size=count)
                ticks.append(clock())
        return min(b - a for a, b in pairwise(ticks)) / count
    except (Exception, SystemExit, TimeIsUp):  # noqa: BLE001 - the checks will meet it again
        return 0
    finally:
        kept.put_back()
