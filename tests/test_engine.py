"""Mirrors auditkit/engine.py: what processes and their deaths come to."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from auditkit.checks.base import Records
from auditkit.checks.performance.clean_accuracy import CleanAccuracy
from auditkit.data.load import DataSpec
from auditkit.engine import (
    Engine,
    Failure,
    InProcess,
    Setup,
    Shards,
    Step,
    Workers,
    failure_of,
)
from auditkit.errors import ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.load import ModelSpec
from auditkit.plan import Shard
from auditkit.result import Execution
from auditkit.subject import SubjectSpec, load_subject, settle
from tests.faults.commands import of_network

SHARDS = (Shard(0, 10), Shard(10, 20), Shard(20, 30))
CANCER = SubjectSpec(
    model=ModelSpec(source="breast-cancer-logistic-regression"),
    data=DataSpec(source="breast-cancer"),
    max_inputs=20,
    seed=0,
)


def spec(folder: Path, network: str) -> SubjectSpec:
    of_network(folder, network)  # writes the file
    source = ModelSpec(
        source=str(folder / "net.pt"),
        arch=f"tests.faults.networks:{network}",
        input_shape=(1, 8, 8),
        classes=tuple("0123456789"),
    )
    return SubjectSpec(model=source, data=DataSpec(source="digits"), max_inputs=30, seed=0)


def setup(*, limit: float | None = None, ticks: list[float] | None = None) -> Setup:
    def clock() -> float:
        return ticks.pop(0) if ticks else 0.0

    return Setup(shards=SHARDS, seed=0, time_limit=limit, memory=None, clock=clock)


def here(folder: Path, network: str, about: Setup) -> InProcess:
    return InProcess(load_subject(spec(folder, network)), about, Execution())


def reasons(engine: Engine) -> list[str]:
    steps = list(engine.measure(CleanAccuracy()))
    return [one.outcome.reason for one in steps if isinstance(one.outcome, Failure)]


def test_failures_in_words() -> None:
    assert failure_of(SystemExit(3)).reason == "the model or the check called exit(3)"
    assert failure_of(ModelError("It is wrong.", hint="Mend it.")).reason == "It is wrong. Mend it."
    assert failure_of(ValueError("x")).reason == "ValueError: x"
    assert failure_of(MemoryError()).out_of_memory
    assert not failure_of(ValueError("x")).out_of_memory


def test_shards_share_what_is_about_the_whole_sample(tmp_path: Path) -> None:
    about = setup()
    shards = Shards(
        load_subject(spec(tmp_path, "Fine")), about.shards, seed=0, execution=Execution()
    )
    found = [one.once("fact", lambda: object()) for one in shards._artifacts]
    assert len(found) == 3
    assert len({id(one) for one in found}) == 1


def test_shards_come_in_order(tmp_path: Path) -> None:
    steps = list(here(tmp_path, "Fine", setup()).measure(CleanAccuracy()))
    assert [len(one.outcome) for one in steps if isinstance(one.outcome, Records)] == [10] * 3


def test_a_check_is_over_when_its_time_is_up_between_shards(tmp_path: Path) -> None:
    """The clock shows 0 at the start, 1 before and 2 after the first shard, then 11."""
    about = setup(limit=10.0, ticks=[0.0, 1.0, 2.0, 11.0, 11.0])
    engine = here(tmp_path, "Fine", about)
    first, second = (next(steps) for steps in [engine.measure(CleanAccuracy())] for _ in range(2))
    assert isinstance(first.outcome, Records)
    assert second == Step(Failure("it took longer than the time limit of 10 s"))


def test_other_settings_forget_all_facts(tmp_path: Path) -> None:
    engine = here(tmp_path, "Greedy", setup())
    assert not reasons(engine)
    engine.use(Execution(batch_size=1))
    assert not reasons(engine)


def test_a_worker_that_dies_is_replaced_and_its_step_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDITKIT_TEST_MARK", str(tmp_path / "mark"))
    expected = list(here(tmp_path, "Fine", setup()).measure(CleanAccuracy()))
    asked = spec(tmp_path, "DiesOnce")
    with Workers(asked, setup(), Execution(), workers=1) as engine:
        steps = list(engine.measure(CleanAccuracy()))
        again = list(engine.measure(CleanAccuracy()))
    for one, other, third in zip(steps, expected, again, strict=True):
        assert isinstance(one.outcome, Records)
        assert isinstance(other.outcome, Records)
        assert isinstance(third.outcome, Records)
        assert one.outcome.ids == other.outcome.ids
        assert (one.outcome["correct"] == other.outcome["correct"]).all()
    said = [incident for step in steps for incident in step.incidents]
    assert said == [
        "A process that ran clean-accuracy was killed by signal 11 (SIGSEGV); another took over."
    ]


def test_workers_that_die_together_lose_no_step(tmp_path: Path) -> None:
    with Workers(spec(tmp_path, "Dies"), setup(), Execution(), workers=2) as engine:
        assert reasons(engine) == ["its process ended with exit code 0, 2 times"] * 3


def test_what_a_function_survived_is_said_once_with_its_step(tmp_path: Path) -> None:
    """A black box says that it had to ask again; the step that follows tells it, and no other."""
    said: list[str] = ["asked again", "asked again"]
    subject = load_subject(settle(CANCER))
    box = BlackBox(lambda rows: np.full((len(rows), 2), 0.5), incidents=said)
    subject.model.module = box
    shards = (Shard(0, 10), Shard(10, 20))
    setup = Setup(shards=shards, seed=0, time_limit=None, memory=None, clock=time.monotonic)
    steps = list(InProcess(subject, setup, Execution()).measure(CleanAccuracy()))
    assert [one.incidents for one in steps] == [("asked again",), ()]
