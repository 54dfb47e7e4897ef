"""Mirrors auditkit/checks/shift/user_shift.py."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

from auditkit.checks.base import NotApplicable
from auditkit.checks.shift.user_shift import UserShift
from auditkit.errors import ConfigError
from auditkit.statistics import clopper_pearson, newcombe
from tests.subjects import LinearSubject, linear_subject, measured, values

FOLDER = Path(mkdtemp())
REVEALS = "accuracy"
SUBJECT = linear_subject(1, n=60, wrong=3)


def saved(name: str, wrong: int, *, n: int = 50, labelled: bool = True) -> str:
    """Inputs like those of the subject, so many of them labelled against its model."""
    subject = linear_subject(1, n=60, wrong=0)
    arrays = {"x": np.asarray(subject.data.read(np.arange(n)))}
    labels = subject.data.labels[:n].copy()
    labels[:wrong] = 1 - labels[:wrong]
    if labelled:
        arrays["y"] = labels
    np.savez(FOLDER / f"{name}.npz", **arrays)  # type: ignore[arg-type]
    return f"{name}={FOLDER / name}.npz"


GOOD = saved("spring", 0)
BAD = saved("autumn", 20)
UNLABELLED = saved("winter", 0, labelled=False)
CHECK = UserShift(shift=(GOOD,))


def broken() -> LinearSubject:
    """Another model, which reads the deployment data no better than chance."""
    return linear_subject(2, n=60)


def sound() -> LinearSubject:
    """The model that the deployment data are labelled for."""
    return SUBJECT


@pytest.mark.parametrize("shard_size", [None, 7])
def test_accuracy_there_and_the_difference_to_here(shard_size: int | None) -> None:
    outcome = measured(UserShift(shift=(GOOD, BAD)), SUBJECT, shard_size=shard_size)
    found = {one.id.removeprefix("user-shift/"): one for one in outcome.findings}
    assert found["accuracy/shift=spring"].value == 1.0
    one = found["accuracy/shift=autumn"]
    assert (one.value, one.n) == (0.6, 50)
    assert (one.low, one.high) == clopper_pearson(30, 50)
    change = found["accuracy_change/shift=autumn"]
    assert change.value == pytest.approx(0.6 - 57 / 60)
    assert (change.low, change.high) == newcombe(30, 50, 57, 60)
    assert outcome.headline == "user-shift/accuracy/shift=spring"


def test_without_labels_accuracy_is_undefined_and_never_zero() -> None:
    outcome = measured(UserShift(shift=(UNLABELLED, GOOD)), SUBJECT)
    of = values(outcome)
    assert of["accuracy/shift=winter"] is None
    assert of["accuracy_change/shift=winter"] is None
    assert of["accuracy/shift=spring"] == 1.0
    assert outcome.headline == "user-shift/accuracy/shift=spring"
    why = UserShift(shift=(UNLABELLED,)).applies(SUBJECT.model, SUBJECT.data)
    assert isinstance(why, NotApplicable)
    assert "no labels" in why.reason


def test_without_deployment_data_it_says_what_to_type() -> None:
    why = UserShift().applies(SUBJECT.model, SUBJECT.data)
    assert isinstance(why, NotApplicable)
    assert "--shift DATA" in why.reason
    assert UserShift(shift=(GOOD,)).applies(SUBJECT.model, SUBJECT.data) is None


def test_what_was_named_is_recorded_with_its_hash() -> None:
    parameters = UserShift(shift=(GOOD,)).parameters()
    assert parameters["shift"] == GOOD
    assert len(str(parameters["shift_sha256"])) == 64
    assert "shift" not in UserShift().parameters()


def test_no_inputs_are_refused() -> None:
    with pytest.raises(ConfigError, match="most is 0"):
        UserShift(shift=(GOOD,), most=0).applies(SUBJECT.model, SUBJECT.data)
