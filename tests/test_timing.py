"""Mirrors auditkit/timing.py."""

from __future__ import annotations

from itertools import count

import pytest

from auditkit.errors import ConfigError
from auditkit.subject import SubjectSpec
from auditkit.timing import WATTS, time_model
from tests.subjects import linear_subject


class Ticks:
    """A clock by which the n-th call takes n seconds."""

    def __init__(self) -> None:
        self._now, self._calls = 0.0, count()

    def __call__(self) -> float:
        call = next(self._calls)
        self._now += (call // 2 + 1) * (call % 2)
        return self._now


def spec() -> SubjectSpec:
    from auditkit.data.load import DataSpec
    from auditkit.models.load import ModelSpec

    return SubjectSpec(
        model=ModelSpec(source="digits-cnn", device="cpu"),
        data=DataSpec(source="digits"),
        max_inputs=3,
        seed=0,
    )


def test_medians_by_a_clock_that_is_known() -> None:
    """After 2 calls, 11 take 3 to 13 seconds: the median is 8, between the 2nd and the 10th."""
    timing = time_model(spec(), batch_sizes=(4,), repeats=11, warm_up=2, watts=3.0, clock=Ticks())
    (one,) = timing.timed
    assert (one.latency_ms, one.latency_low, one.latency_high) == (8000, 4000, 12000)
    assert (one.throughput, one.throughput_low) == (0.5, pytest.approx(4 / 12))
    assert one.energy_mj == pytest.approx(1e3 * 3 * 8 / 4)
    assert timing.threads >= 1
    assert "(given)" in timing.assumption
    assert "8000.000 (4000.000 to 12000.000)" in timing.as_text()


def test_what_is_assumed_is_said_to_be() -> None:
    timing = time_model(spec(), batch_sizes=(1,), repeats=6, warm_up=0, clock=Ticks())
    assert timing.watts == WATTS
    assert "assumed" in timing.assumption


@pytest.mark.parametrize(
    "wrong",
    [{"batch_sizes": (1, 1)}, {"batch_sizes": ()}, {"repeats": 5}, {"warm_up": -1}, {"watts": 0.0}],
)
def test_impossible_numbers_are_refused(wrong: dict[str, object]) -> None:
    subject = SubjectSpec(model=linear_subject(0).model, data=None, max_inputs=None, seed=0)
    with pytest.raises(ConfigError):
        time_model(subject, **wrong)  # type: ignore[arg-type]
