"""Mirrors auditkit/checks/robustness/universal.py."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import NotApplicable
from auditkit.checks.halves import searched_half, searched_on
from auditkit.checks.robustness.universal import Universal
from auditkit.errors import ConfigError
from auditkit.findings import Curve, ImageExhibit
from tests.methods.attacks.subjects import feature_subject, trained_digits
from tests.subjects import Subject, measured, values

CHECK = Universal(epsilons=(0.02, 0.05), steps=10)
REVEALS = "robust_accuracy"
DIGITS = Universal(epsilons=(0.02, 0.05, 0.1, 0.2), steps=40)


def broken() -> Subject:
    """A right answer that rests on fifteen pixels, each of them less than epsilon apart."""
    return feature_subject(robust=False)


def sound() -> Subject:
    """A right answer that rests on one pixel, far apart."""
    return feature_subject(robust=True)


def test_one_change_pushes_a_linear_model_one_way_alone() -> None:
    """All of one class fall and none of the other, whichever it is."""
    subject = broken()
    records = CHECK.measure(subject.artifacts)
    held_out = records["held_out"]
    fallen = records["flip_epsilon"][held_out] <= 0.05
    labels = subject.data.labels[held_out]
    shares = {float(fallen[labels == one].mean()) for one in (0, 1)}
    assert shares == {0.0, 1.0}


def test_the_images_that_were_searched_on_are_not_measured() -> None:
    subject = trained_digits()
    artifacts = subject.artifacts
    half = searched_half(artifacts, "universal")
    some = searched_on(artifacts, "universal", 30)
    assert half.sum() == 100
    assert len(some) == 30
    assert half[some].all()
    assert (np.diff(some) > 0).all()
    assert some.tolist() != np.flatnonzero(half)[:30].tolist(), "at random"
    records = DIGITS.measure(artifacts)
    assert (records["held_out"] == ~half).all()
    assert (np.isnan(records["flip_epsilon"]) == half).all()
    outcome = measured(DIGITS, subject)
    accuracy = next(one for one in outcome.findings if one.metric == "robust_accuracy")
    assert accuracy.n == 100
    (stored,) = records.adversarial
    assert not {subject.data.ids[i] for i in np.flatnonzero(half)} & set(stored.ids)
    assert len(stored) > 5


def test_halves_do_not_depend_on_the_shard() -> None:
    subject = trained_digits()
    shard = Artifacts(subject.model, subject.data, np.array([3, 150]))
    whole = searched_half(subject.artifacts, "universal")
    assert (searched_half(shard, "universal") == whole).all()
    assert (searched_half(shard, "patch") != whole).any(), "another check, another half"


def test_results_nest_and_beat_random_signs() -> None:
    outcome = measured(DIGITS, trained_digits())
    found = values(outcome)
    names = [f"{one!r}" for one in DIGITS.epsilons]
    kept = [found[f"robust_accuracy/epsilon={one}"] or 0.0 for one in names]
    assert kept == sorted(kept, reverse=True)
    noise = [found[f"noise_success_rate/epsilon={one}"] or 0.0 for one in names]
    assert noise == sorted(noise)
    assert (found["attack_success_rate/epsilon=0.2"] or 0.0) > 2 * noise[-1]
    curve = outcome.evidence["curve"]
    assert isinstance(curve, Curve)
    assert [one.name for one in curve.series] == ["one change for all", "random signs"]
    assert isinstance(outcome.evidence["worst"], ImageExhibit)


def test_a_larger_budget_more_never_raises_what_held() -> None:
    few = values(measured(Universal(epsilons=(0.05,), steps=10), trained_digits()))
    more = values(measured(Universal(epsilons=(0.05, 0.1), steps=10), trained_digits()))
    assert more["robust_accuracy/epsilon=0.05"] == few["robust_accuracy/epsilon=0.05"]


def test_too_few_inputs() -> None:
    subject = broken()
    assert isinstance(CHECK.applies(subject.model, subject.data.take(np.arange(9))), NotApplicable)
    assert CHECK.applies(subject.model, subject.data) is None


@pytest.mark.parametrize("wrong", [{"epsilons": (0.1, 0.05)}, {"steps": 0}, {"inputs": 0}])
def test_wrong_parameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Universal(**wrong)  # type: ignore[arg-type]
