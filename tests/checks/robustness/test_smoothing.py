"""Mirrors auditkit/checks/robustness/smoothing.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.checks.robustness.smoothing import Smoothing
from auditkit.errors import ConfigError
from auditkit.findings import Curve, Note
from auditkit.methods.certification import smoothing
from auditkit.models.blackbox import BlackBox
from tests.methods.attacks.subjects import feature_subject, like, trained_digits
from tests.subjects import Subject, linear_subject, measured, values

CHECK = Smoothing(sigmas=(0.12,), radii=(0.05, 0.1), max_inputs=16, selection=50, samples=200)
REVEALS = "certified_accuracy"


def broken() -> Subject:
    """A right answer that rests on fifteen pixels, each of them close to the boundary."""
    return feature_subject(robust=False)


def sound() -> Subject:
    """A right answer that rests on one pixel, far apart."""
    return feature_subject(robust=True)


def test_of_a_linear_model_nothing_is_proved_that_does_not_hold() -> None:
    """Smoothing does not move a linear boundary: the true radius is margin / ||w||_2."""
    subject = linear_subject(4, n=30)
    records = CHECK.measure(Artifacts(subject.model, subject.data, np.arange(30)))
    true = (subject.margins / subject.weight.norm()).numpy()
    proved, flips = records["certified_0.12"], records["flip_0.12"]
    chosen = records["drawn"]
    assert chosen.sum() == 16
    assert (proved[chosen] <= np.maximum(true[chosen], 0)).all()
    assert (proved[chosen] > 0).sum() >= 5
    assert (flips[chosen] > proved[chosen]).all()
    assert (flips[chosen & (true > 0.1)] == np.inf).all()
    assert (flips[chosen & (true < -0.05)] == 0).all()


def test_findings_stand_for_every_sigma_and_radius() -> None:
    check = Smoothing(sigmas=(0.05, 0.12), radii=(0.05, 0.2), max_inputs=10, samples=200, steps=4)
    outcome = measured(check, trained_digits())
    found = values(outcome)
    for sigma in (0.05, 0.12):
        shares = [
            found[f"{metric}/radius={radius},sigma={sigma}"] or 0.0
            for metric in ("certified_accuracy", "robust_accuracy")
            for radius in (0.05, 0.2)
        ]
        assert shares[0] >= shares[1]
        assert shares[2] >= shares[3]
        assert shares[0] <= shares[2]
        assert (found[f"smoothed_accuracy/sigma={sigma}"] or 0) >= shares[0] > 0
        assert found[f"certified_but_attacked/sigma={sigma}"] == 0
        curve = outcome.evidence[f"curve-{sigma}"]
        assert isinstance(curve, Curve)
        assert len(curve.series) == 2
    assert found["abstention_share/sigma=0.05"] is not None
    note = outcome.evidence["meaning"]
    assert isinstance(note, Note)
    assert "of 10 images at most 0.01 on average" in note.text
    assert outcome.headline == "smoothing/certified_accuracy/all/radius=0.05,sigma=0.12"


def test_a_black_box_gets_certificates_and_no_attack() -> None:
    subject = trained_digits()
    network = subject.model.module
    box = BlackBox(lambda x: network(torch.from_numpy(x)).numpy(), output="logits")
    outcome = measured(CHECK, like(subject, box))
    found, white = values(outcome), values(measured(CHECK, subject))
    name = "certified_accuracy/radius=0.05,sigma=0.12"
    assert found[name] == white[name]
    assert not any(one.startswith("robust_accuracy") for one in found)
    note, curve = outcome.evidence["meaning"], outcome.evidence["curve-0.12"]
    assert isinstance(note, Note)
    assert "no attack stands beside" in note.text
    assert isinstance(curve, Curve)
    assert len(curve.series) == 1


def test_a_certificate_that_is_refuted_shows_in_the_control(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smoothing, "certified_radius", lambda *_, **__: 9.0)
    check = Smoothing(sigmas=(0.05,), radii=(0.5, 1.5), max_inputs=8, samples=200)
    found = values(measured(check, trained_digits()))
    assert (found["certified_but_attacked/sigma=0.05"] or 0) > 0.5


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"sigmas": (0.2, 0.1)}, "sigmas"),
        ({"radii": ()}, "radii"),
        ({"samples": 0}, "samples"),
        ({"alpha": 0.5}, "alpha"),
        ({"draws": 0}, "draws"),
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Smoothing(**parameters)  # type: ignore[arg-type]
