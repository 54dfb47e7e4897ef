"""Mirrors auditkit/checks/robustness/certified.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import NotApplicable, Records
from auditkit.checks.robustness.certified import Certified
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Note, Table
from auditkit.methods.certification import certificate
from auditkit.models.blackbox import BlackBox
from tests.methods.attacks.subjects import (
    Wrapped,
    clear_subject,
    feature_subject,
    like,
    trained_digits,
)
from tests.subjects import Subject, measured, table_subject, values

CHECK = Certified(linf=(0.02, 0.05), l2=(0.1,), max_inputs=40)
REVEALS = "certified_accuracy"


def broken() -> Subject:
    """A right answer that rests on fifteen pixels, each of them less than epsilon apart."""
    return feature_subject(robust=False)


def sound() -> Subject:
    """A right answer that rests on one pixel, far apart."""
    return feature_subject(robust=True)


@given(seed=st.integers(0, 999), epsilon=st.floats(0.005, 0.1))
@settings(deadline=None, max_examples=5)
def test_of_a_linear_model_all_that_holds_is_proved(seed: int, epsilon: float) -> None:
    """Both numbers meet at the closed form: epsilon * ||w||_1 in Linf, ||w||_2 in L2."""
    subject = clear_subject(seed)
    costs = {"linf": subject.weight.abs().sum(), "l2": subject.weight.norm()}
    slack = {norm: subject.margins - epsilon * cost for norm, cost in costs.items()}
    assume(all(one.abs().min() > 1e-3 for one in slack.values()))  # rounding decides ties
    found = values(measured(Certified(linf=(epsilon,), l2=(epsilon,), max_inputs=99), subject))
    for norm, one in slack.items():
        kept = int((one > 0).sum()) / len(one)
        assert found[f"certified_accuracy/{norm}={epsilon!r}"] == pytest.approx(kept)
        assert found[f"robust_accuracy/{norm}={epsilon!r}"] == pytest.approx(kept)
        assert found[f"certified_but_attacked/norm={norm}"] == 0


def records_of(check: Certified, subject: Subject) -> Records:
    return check.measure(Artifacts(subject.model, subject.data, np.arange(len(subject.data))))


def test_certified_is_below_attacked_input_by_input_and_both_fall() -> None:
    radii = (0.01, 0.05, 0.1, 0.2, 0.3)
    check = Certified(linf=radii, l2=(0.1, 0.3), max_inputs=12, effort=3e7)
    subject = trained_digits()
    records = records_of(check, subject)
    chosen = records["drawn"]
    assert chosen.sum() == 12
    for norm in ("linf", "l2"):
        proved, flips = records[f"certified_{norm}"], records[f"flip_{norm}"]
        assert np.isnan(proved[~chosen]).all()
        assert (flips[chosen] > proved[chosen]).all()
    found = values(measured(check, subject))
    shares = [found[f"certified_accuracy/linf={one}"] or 0.0 for one in radii]
    upper = [found[f"robust_accuracy/linf={one}"] or 0.0 for one in radii]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.7 > 0.2 > shares[-1]
    assert all(low <= high for low, high in zip(shares, upper, strict=True))


def test_a_proof_that_an_attack_refutes_shows_in_the_control(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def loose(*_: object, **__: object) -> torch.Tensor:
        return torch.ones(10, dtype=torch.float64)

    monkeypatch.setattr(certificate, "lower_bounds", loose)
    found = values(measured(Certified(linf=(0.1, 0.3), max_inputs=12), trained_digits()))
    assert found["certified_accuracy/linf=0.3"] == found["certified_accuracy/linf=0.1"] != 0
    assert (found["certified_but_attacked/norm=linf"] or 0) > 0.3


def test_a_wrong_answer_is_never_certified() -> None:
    """However robustly it is given."""
    subject = clear_subject(3)
    records = records_of(Certified(linf=(0.001,), max_inputs=9), subject)
    wrong = (subject.margins.numpy() < 0) & records["drawn"]
    assert wrong.any()
    assert (records["certified_linf"][wrong] == -1).all()
    assert (records["flip_linf"][wrong] == 0).all()


def test_what_cannot_be_bounded_is_said_by_name() -> None:
    subject = trained_digits()

    class Sorted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1).sort(dim=1).values[:, :10]

    found = CHECK.applies(like(subject, Sorted()).model, subject.data)
    assert isinstance(found, NotApplicable)
    assert "aten.sort" in found.reason
    box = BlackBox(lambda x: np.zeros((len(x), 10), np.float32), output="logits")
    found = CHECK.applies(like(subject, box).model, subject.data)
    assert isinstance(found, NotApplicable)
    assert "gradients" in found.reason
    table = table_subject()
    assert isinstance(CHECK.applies(table.model, table.data), NotApplicable)
    assert CHECK.applies(subject.model, subject.data) is None


def test_scaled_and_rounded_models_are_bounded_like_any_other() -> None:
    """Logits times 1000 change nothing; rounded inputs have no gradient, and yet have bounds."""
    subject = trained_digits()
    check = Certified(linf=(0.002, 0.01), max_inputs=8, effort=1e8)
    plain = values(measured(check, subject))
    scaled = like(subject, Wrapped(subject.model.module, scale=1000.0))
    assert values(measured(check, scaled)) == plain
    rounded = like(subject, Wrapped(subject.model.module, quantised=True))
    found = values(measured(check, rounded))
    name = "certified_accuracy/linf=0.002"
    assert 0 < (found[name] or 0) <= (plain[name] or 0)
    assert found["certified_but_attacked/norm=linf"] == 0


def test_evidence_has_both_curves_the_bounds_and_what_was_left_out() -> None:
    outcome = measured(Certified(linf=(0.005, 0.01), max_inputs=8, effort=0), trained_digits())
    curve, table, note = (outcome.evidence[one] for one in ("curve-linf", "bounds-linf", "effort"))
    assert isinstance(curve, Curve)
    assert [one.name for one in curve.series] == ["certified, at least", "under attack, at most"]
    assert curve.series[0].x == [0, 0.005, 0.01]
    assert curve.series[0].y[0] == curve.series[1].y[0]  # clean accuracy
    assert isinstance(table, Table)
    assert table.columns == ["Linf radius", *certificate.BOUNDS]
    counted = sum(int(count) for row in table.rows for count in row[1:])  # type: ignore[arg-type]
    assert counted == round(8 * (values(outcome)["certified_accuracy/linf=0.005"] or 0))
    assert isinstance(note, Note)
    assert "left out" in note.text
    assert outcome.headline == "certified/certified_accuracy/all/linf=0.01"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"linf": (0.2, 0.1)}, "linf"),
        ({"linf": (0.5, 1.5)}, "linf"),
        ({"l2": (0.0,)}, "l2"),
        ({"linf": ()}, "both empty"),
        ({"max_inputs": 0}, "max_inputs"),
        ({"effort": -1.0}, "effort"),
        ({"effort": float("nan")}, "effort"),
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Certified(**parameters)  # type: ignore[arg-type]
