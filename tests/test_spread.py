"""Mirrors auditkit/spread.py: an audit takes as many processes as repay their start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from auditkit.checks.catalogue import make_check
from auditkit.plan import Plan, Shard
from auditkit.spread import enough_processes
from auditkit.subject import Subject
from tests.subjects import linear_subject

BREAKS = "it breaks"


def plan(*checks: str, shards: int = 2) -> Plan:
    cut = tuple(Shard(i * 20, i * 20 + 20) for i in range(shards))
    return Plan(tuple(make_check(one, {}) for one in checks), cut, ())


def clock(*, answer: float) -> Callable[[], float]:
    """Return a clock by which 32 inputs take 32 times `answer` seconds."""
    ticks: Iterator[float] = count(0, 32 * answer)
    return lambda: next(ticks)


def processes(about: Plan, subject: Subject, *, answer: float = 0.0) -> int:
    return enough_processes(about, subject, clock=clock(answer=answer))


@pytest.fixture
def subject() -> Subject:
    made = linear_subject(0)
    return Subject(made.model, made.data)


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)


@pytest.mark.parametrize(("shards", "expected"), [(1, 1), (2, 1), (4, 2), (7, 3), (8, 4), (90, 4)])
def test_two_shards_repay_a_process(subject: Subject, shards: int, expected: int) -> None:
    assert processes(plan("clean-accuracy", shards=shards), subject) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(1e-5, 1), (1.0e-3, 1), (1.5e-3, 2), (1.0, 2)],  # 40 inputs, 600 answers each: 24 and 36 s
)
def test_hard_work_on_few_inputs_repays_one_too(
    subject: Subject, answer: float, expected: int
) -> None:
    assert processes(plan("attribution-trust"), subject, answer=answer) == expected


def test_there_are_never_more_than_cores_or_shards(subject: Subject) -> None:
    assert processes(plan("attribution-trust", shards=3), subject, answer=1.0) == 3
    assert processes(plan("attribution-trust", shards=7), subject, answer=1.0) == 4


def test_a_model_that_nobody_asks_often_is_not_timed(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(subject.model), "predict", broken)
    assert processes(plan("clean-accuracy"), subject, answer=1.0) == 1


def test_a_model_that_cannot_answer_takes_one_process(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(subject.model), "predict", broken)
    assert processes(plan("attribution-trust"), subject, answer=1.0) == 1


@pytest.mark.parametrize(
    "name", ["attribution-trust", "attribution-drift", "counterfactual-patch", "smoothing"]
)
def test_long_checks_ask_in_proportion_to_the_inputs_they_draw(name: str) -> None:
    check = make_check(name, {"max_inputs": 30})
    assert check.answers(20) == 20 * check.answers(1) > 10_000
    assert check.answers(40) == check.answers(30)


def broken(*_: object, **__: object) -> None:
    raise RuntimeError(BREAKS)
