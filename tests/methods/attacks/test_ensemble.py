"""Mirrors auditkit/methods/attacks/ensemble.py."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ball import BALLS, Norm
from auditkit.methods.attacks.ensemble import MINIMUM, SQUARE, Ensemble
from auditkit.methods.attacks.narrowing import narrow
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import keys_of
from tests.methods.attacks.subjects import trained_digits
from tests.subjects import Subject


def ensemble_of(subject: Subject, norm: Norm = "linf", **options: object) -> Ensemble:
    model = subject.model
    assert isinstance(model, ImageClassifier)
    return Ensemble(
        logits=model.logits,
        images=subject.artifacts.images,
        labels=subject.artifacts.labels,
        norm=norm,
        bounds=model.bounds,
        keys=lambda name: keys_of(0, name, subject.data.ids),
        **({"queries": 50} | options),  # type: ignore[arg-type]
    )


def held(subject: Subject, norm: Norm, radii: tuple[float, ...]) -> dict[float, Tensor]:
    labels = subject.artifacts.labels
    correct = subject.model.predict(subject.artifacts.images).argmax(1) == labels
    found = narrow(
        subject.model.logits,
        subject.artifacts.images,
        labels,
        correct,
        attacks=tuple(ensemble_of(subject, norm).attacks().values()),
        radii=radii,
    )
    fell = found.radius.isfinite() & (found.radius > 0)
    distance = BALLS[norm](subject.artifacts.images, epsilon=1.0, bounds=(0.0, 1.0)).distance
    assert (distance(found.points)[fell] <= found.radius[fell]).all()
    assert judged(subject.model.logits, found.points[fell], labels[fell]).all()
    return {radius: found.radius > radius for radius in radii}


QUARTER = {"steps": 100, "rel_stepsize": 0.25}
FOOLBOX: dict[Norm, list[tuple[str, dict[str, float]]]] = {
    "linf": [
        ("FGSM", {}),
        ("LinfBasicIterativeAttack", {"steps": 50}),
        ("LinfPGD", {"steps": 100}),
        ("LinfPGD", QUARTER),
        ("LinfAdamPGD", {"steps": 100}),
    ],
    "l2": [("FGM", {}), ("L2PGD", {"steps": 100}), ("L2PGD", QUARTER), ("DDNAttack", {})],
}


@pytest.mark.parametrize(("norm", "radii"), [("linf", (0.03, 0.08)), ("l2", (0.2, 0.5))])
def test_no_attack_of_foolbox_alone_is_stronger(norm: Norm, radii: tuple[float, ...]) -> None:
    subject = trained_digits()
    ours = held(subject, norm, radii)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import foolbox.attacks
        from foolbox.models.pytorch import PyTorchModel
    images, labels = subject.artifacts.images, subject.artifacts.labels
    model = PyTorchModel(subject.model.module, bounds=(0, 1), device="cpu")
    for name, options in FOOLBOX[norm]:
        attack = getattr(foolbox.attacks, name)(**options)
        for radius in radii:
            torch.manual_seed(0)
            points = attack(model, images, labels, epsilons=radius)[1]
            theirs = ~judged(subject.model.logits, points, labels)
            assert int((ours[radius] & ~theirs).sum()) == 0, (name, radius)


def test_models_without_gradients_meet_squares_alone() -> None:
    subject = trained_digits()
    assert list(ensemble_of(subject, gradients=False).attacks()) == [SQUARE]
    assert list(ensemble_of(subject, "l2", gradients=False).attacks()) == [SQUARE]
    assert list(ensemble_of(subject, "l1").attacks())[-2:] == [MINIMUM, SQUARE]
    assert MINIMUM not in ensemble_of(subject).attacks()


def test_a_known_point_is_where_ascent_starts() -> None:
    subject = trained_digits()
    ensemble = ensemble_of(subject)
    rows = torch.tensor([3, 7])
    known = subject.artifacts.images[rows].clone()
    known[0] = (known[0] + 0.3).clamp(0, 1)
    ball = ensemble._ball(rows, 0.1)
    start = ensemble._start("a", ball, rows, known)
    assert torch.equal(start[0], ball.project(known)[0])
    assert not torch.equal(start[1], known[1])
    again = ensemble._start("a", ball.of(torch.tensor([1])), rows[1:], known[1:])
    assert torch.equal(again[0], start[1])
