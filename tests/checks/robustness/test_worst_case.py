"""Mirrors auditkit/checks/robustness/worst_case.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from auditkit.checks.base import NotApplicable
from auditkit.checks.robustness.pgd_linf import PgdLinf
from auditkit.checks.robustness.worst_case import WorstCase
from auditkit.errors import ConfigError
from auditkit.findings import Curve, ImageExhibit, Table
from auditkit.models.blackbox import BlackBox
from auditkit.result import Execution
from tests.methods.attacks.subjects import (
    Hidden,
    Wrapped,
    clear_subject,
    feature_subject,
    like,
    trained_digits,
    valley_subject,
)
from tests.subjects import Subject, measured, run_check, values

CHECK = WorstCase(linf=(0.02, 0.05), l2=(0.2,), queries=20)
REVEALS = "robust_accuracy"


def broken() -> Subject:
    """A right answer that rests on fifteen pixels, each of them less than epsilon apart."""
    return feature_subject(robust=False)


def sound() -> Subject:
    """A right answer that rests on one pixel, far apart."""
    return feature_subject(robust=True)


@given(seed=st.integers(0, 999), epsilon=st.floats(0.005, 0.1))
@settings(deadline=None, max_examples=15)
def test_equals_the_closed_form_on_a_linear_model(seed: int, epsilon: float) -> None:
    """The worst point of a ball costs epsilon * ||w||_1 of margin in Linf, ||w||_2 in L2."""
    subject = clear_subject(seed)
    costs = {"linf": subject.weight.abs().sum(), "l2": subject.weight.norm()}
    slack = {norm: subject.margins - epsilon * cost for norm, cost in costs.items()}
    assume((subject.margins > 0).any())
    assume(all(one.abs().min() > 1e-3 for one in slack.values()))  # rounding decides ties
    found = values(measured(WorstCase(linf=(epsilon,), l2=(epsilon,), queries=1), subject))
    for norm, one in slack.items():
        kept = int((one > 0).sum()) / len(one)
        assert found[f"robust_accuracy/{norm}={epsilon!r}"] == pytest.approx(kept)
    assert found["black_box_gain"] == 0


def test_no_weaker_than_descent_alone_and_nested_over_radii() -> None:
    subject = trained_digits()
    radii = (0.02, 0.05, 0.1)
    worst = values(measured(WorstCase(linf=radii, queries=20), subject))
    plain = values(measured(PgdLinf(epsilons=radii, steps=40), subject))
    kept = [worst[f"robust_accuracy/linf={one}"] or 0.0 for one in radii]
    assert kept == sorted(kept, reverse=True)
    for radius, share in zip(radii, kept, strict=True):
        assert share <= (plain[f"robust_accuracy/epsilon={radius}"] or 0.0)


def test_an_attack_cannot_repair_a_wrong_answer() -> None:
    found = values(measured(WorstCase(linf=(0.2,), queries=5), valley_subject()))
    assert found["robust_accuracy/linf=0.2"] == 0
    assert found["attack_success_rate/linf=0.2"] == 1


def test_shards_and_a_cheaper_search_change_nothing_that_matters() -> None:
    subject, check = trained_digits(), WorstCase(linf=(0.08,), queries=10)
    whole = values(measured(check, subject))
    assert values(measured(check, subject, shard_size=67)) == whole
    low = Execution(search_dtype="bfloat16")
    for name, value in values(measured(check, subject, execution=low)).items():
        assert value == pytest.approx(whole[name], abs=0.02)


def test_squares_tell_that_gradients_mislead() -> None:
    """Where nothing gets around the mask only squares get anywhere, and the control says so."""
    subject = trained_digits()
    network = subject.model.module
    assert isinstance(network, torch.nn.Sequential)
    check = WorstCase(linf=(0.1,), queries=100)
    plain = values(measured(check, subject))
    blind = values(measured(check, like(subject, Hidden(network))))
    assert plain["black_box_gain"] == 0
    assert (blind["black_box_gain"] or 0) > 0.1
    assert (blind["robust_accuracy/linf=0.1"] or 0) < 0.9


def test_rounding_is_got_around() -> None:
    subject = trained_digits()
    rounded = like(subject, Wrapped(subject.model.module, quantised=True))
    check = WorstCase(linf=(0.05,), queries=5)
    plain, found = values(measured(check, subject)), values(measured(check, rounded))
    assert found["black_box_gain"] == 0
    assert found["robust_accuracy/linf=0.05"] == pytest.approx(
        plain["robust_accuracy/linf=0.05"], abs=0.02
    )


def test_a_black_box_is_attacked_by_its_scores_and_has_no_such_control() -> None:
    subject = trained_digits()
    network = subject.model.module
    box = BlackBox(lambda x: network(torch.from_numpy(x)).numpy(), output="logits")
    found = measured(WorstCase(linf=(0.1,), queries=100), like(subject, box))
    assert "black_box_gain" not in values(found)
    assert (values(found)["robust_accuracy/linf=0.1"] or 1) < 0.9
    table = found.evidence["attacks-linf"]
    assert isinstance(table, Table)
    assert table.columns == ["Linf radius", "square"]
    wide = values(measured(WorstCase(linf=(), l2=(1.0,), queries=100), like(subject, box)))
    assert (wide["robust_accuracy/l2=1"] or 1) < 0.9


def test_evidence_shows_curve_credit_and_images() -> None:
    outcome = measured(WorstCase(linf=(0.05, 0.1), l2=(0.5,), queries=20), trained_digits())
    curve, table = outcome.evidence["curve-l2"], outcome.evidence["attacks-linf"]
    assert isinstance(curve, Curve)
    assert curve.series[0].x == [0, 0.5]
    assert isinstance(table, Table)
    assert table.columns[1:] == ["apgd-log-odds", "apgd-ratio", "apgd-targeted", "square"]
    fallen = sum(count for row in table.rows for count in row[1:] if isinstance(count, int))
    rate = values(outcome)["attack_success_rate/linf=0.1"]
    right = next(one.n for one in outcome.findings if one.metric == "attack_success_rate")
    assert fallen == round((rate or 0) * right)
    assert isinstance(outcome.evidence["worst"], ImageExhibit)
    assert outcome.headline == "worst-case/robust_accuracy/all/linf=0.1"


def test_a_model_that_is_always_wrong_has_nothing_to_attack() -> None:
    subject = trained_digits()

    class Wrong(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(torch.full((len(x),), 9), 10).float() + 0 * x.sum()

    labels = np.where(subject.data.labels == 9, 0, subject.data.labels)

    outcome = run_check(
        CHECK, Subject(like(subject, Wrong()).model, replace(subject.data, labels=labels))
    )
    assert isinstance(outcome, NotApplicable)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"linf": (0.2, 0.1)}, "linf"),
        ({"linf": (0.5, 1.5)}, "linf"),
        ({"l2": (0.0, 1.0)}, "l2"),
        ({"linf": ()}, "all empty"),
        ({"queries": 0}, "queries"),
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        WorstCase(**parameters)  # type: ignore[arg-type]
