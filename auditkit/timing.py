"""How long a model takes on this machine: latency, throughput and an estimate of energy."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import torch

from auditkit.errors import ConfigError
from auditkit.findings import Frozen
from auditkit.models.classifier import Inputs
from auditkit.statistics import LEVEL, median_interval
from auditkit.subject import Subject, SubjectSpec, as_inputs, load_subject

WATTS = 15.0  # assumed where nobody measured
_FEWEST = 6  # repeats: fewer order statistics bound no median at 95 %


@final
class Timed(Frozen):
    """What one batch size takes: medians over the repeats, with 95 % intervals."""

    batch_size: int
    repeats: int
    latency_ms: float  # of a whole batch
    latency_low: float
    latency_high: float
    throughput: float  # inputs per second
    throughput_low: float
    throughput_high: float
    energy_mj: float  # millijoules for one input


@final
class Timing(Frozen):
    """Times of one model on one machine; never the same twice, so no part of any result."""

    model: str
    data: str
    machine: str
    device: str
    threads: int
    warm_up: int
    watts: float
    assumption: str
    timed: list[Timed]

    def as_text(self) -> str:
        """Return a table for people."""
        head = (
            f"{self.model} on {self.data}; {self.machine}, {self.device}, {self.threads} threads;"
            f" medians of {self.timed[0].repeats} calls after {self.warm_up}, 95 % intervals"
        )
        rows = [
            f"{one.batch_size:>6}  {one.latency_ms:>9.3f} ({one.latency_low:.3f} to"
            f" {one.latency_high:.3f})  {one.throughput:>9.0f} ({one.throughput_low:.0f} to"
            f" {one.throughput_high:.0f})  {one.energy_mj:>9.3f}"
            for one in self.timed
        ]
        columns = "batch  latency in ms  inputs per second  millijoules per input"
        return "\n".join([head, columns, *rows, f"Energy: {self.assumption}"])


def time_model(
    spec: SubjectSpec,
    *,
    batch_sizes: Sequence[int] = (1, 8, 32, 128),
    repeats: int = 30,
    warm_up: int = 5,
    watts: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Return how long the model takes for batches of its data.

    Parameters
    ----------
    spec : SubjectSpec
        Model and data; where the data hold fewer inputs than a batch, they are repeated.
    batch_sizes : sequence of int
        Distinct, at least 1.
    repeats : int
        Timed calls per batch size, at least 6.
    warm_up : int
        Calls before, which are not timed.
    watts : float, optional
        Power drawn while the model computes; assumed where it was not measured.
    clock : callable
        Seconds.

    Raises
    ------
    ConfigError
        If a number is outside its range.
    ModelError, DataError
        If model or data cannot be loaded.
    """
    _require(batch_sizes, repeats, warm_up, watts)
    subject = load_subject(spec)
    power = WATTS if watts is None else watts
    said = "assumed" if watts is None else "given"
    return Timing(
        model=subject.model.identity.name,
        data=f"{subject.data.name}, {subject.data.split}",
        machine=platform.processor() or platform.machine(),
        device=str(subject.model.device),
        threads=torch.get_num_threads(),
        warm_up=warm_up,
        watts=power,
        assumption=f"{power:g} watts ({said}) are drawn for as long as a batch takes, and nothing"
        " else is counted.",
        timed=[_timed(subject, size, repeats, warm_up, power, clock) for size in batch_sizes],
    )


def _require(batch_sizes: Sequence[int], repeats: int, warm_up: int, watts: float | None) -> None:
    if not batch_sizes or min(batch_sizes) < 1 or len(set(batch_sizes)) < len(batch_sizes):
        raise ConfigError(f"Batch sizes are {list(batch_sizes)}, expected distinct ones above 0.")
    if repeats < _FEWEST:
        raise ConfigError(
            f"There are {repeats} repeats, expected at least {_FEWEST}.",
            hint="Fewer give no interval of the median: --repeats 30",
        )
    if warm_up < 0 or (watts is not None and not 0 < watts < np.inf):
        raise ConfigError(f"Warm-up is {warm_up} and watts are {watts}, expected them above 0.")


def _timed(
    subject: Subject,
    size: int,
    repeats: int,
    warm_up: int,
    watts: float,
    clock: Callable[[], float],
) -> Timed:
    inputs = _batch(subject, size)
    seconds = np.array(
        [_seconds(subject, inputs, size, clock) for _ in range(warm_up + repeats)][warm_up:]
    )
    middle, (low, high) = float(np.median(seconds)), median_interval(seconds, level=LEVEL)
    return Timed(
        batch_size=size,
        repeats=repeats,
        latency_ms=1e3 * middle,
        latency_low=1e3 * low,
        latency_high=1e3 * high,
        throughput=size / middle,
        throughput_low=size / high,
        throughput_high=size / low,
        energy_mj=1e3 * watts * middle / size,
    )


def _batch(subject: Subject, size: int) -> Inputs:
    return as_inputs(subject.data.read(np.arange(size) % len(subject.data)))


def _seconds(subject: Subject, inputs: Inputs, size: int, clock: Callable[[], float]) -> float:
    """Return the time from raw inputs to logits on the CPU, so that a device has finished."""
    start = clock()
    subject.model.predict(inputs, batch_size=size)
    return clock() - start
