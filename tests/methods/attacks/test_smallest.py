"""Mirrors auditkit/methods/attacks/smallest.py."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from auditkit.methods.attacks import smallest
from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.ball import Ball
from auditkit.methods.attacks.hyperplane import MEASURES, Measure
from auditkit.methods.attacks.smallest import Smallest, SmallestChange
from auditkit.models.classifier import Logits
from auditkit.randomness import keys_of
from tests.methods.attacks.subjects import Wrapped, clear_subject, trained_digits
from tests.subjects import Subject

N = 16


def found(
    subject: Subject, norm: Measure, *, logits: Logits | None = None, **options: object
) -> tuple[SmallestChange, Smallest]:
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    (rows,) = torch.where(right)
    rows = rows[:N]
    search = SmallestChange(
        logits=logits or subject.model.logits,
        images=subject.artifacts.images[rows],
        labels=subject.artifacts.labels[rows],
        norm=norm,
        bounds=(0.0, 1.0),
        keys=lambda name: keys_of(0, name, [subject.data.ids[i] for i in rows.tolist()]),
        **({"rounds": 1, "queries": 20} | options),  # type: ignore[arg-type]
    )
    return search, search.run()


@pytest.mark.parametrize("norm", MEASURES)
def test_every_distance_has_a_point_and_an_attack(norm: Measure) -> None:
    search, result = found(trained_digits(), norm, radii=(0.05, 0.5) if norm != "l0" else (2.0,))
    assert result.distances.isfinite().all()
    assert judged(search.logits, result.points, search.labels).all()
    size = smallest.Nearest(search.images, search.labels, norm=norm, bounds=(0.0, 1.0))
    size.offer(torch.arange(N), result.points)
    assert (size.distances <= result.distances + 1e-9).all()
    assert (result.distances <= result.before).all()
    assert set(result.attacks) <= {
        *("minimum-norm", "rays", "surfree", "apgd-log-odds", "apgd-ratio", "momentum")
    }


def test_a_larger_effort_never_gives_a_larger_distance() -> None:
    subject, radii = trained_digits(), (0.05, 0.08)
    less = found(subject, "linf", radii=radii)[1].distances
    names = ("deepfool-linf", "contrast")
    for _, more in (
        found(subject, "linf", radii=radii, rounds=2),
        found(subject, "linf", radii=radii, queries=60, foolbox=names),
    ):
        assert (more.distances <= less).all()


def test_what_a_fixed_radius_finds_counts_as_found_at_the_radius(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With no search for small changes the radii alone give distances, from a step function."""
    monkeypatch.setattr(SmallestChange, "_minimal", lambda _: {})
    subject = clear_subject(1)
    radii = (0.01, 0.03, 0.05)
    search, result = found(subject, "linf", radii=radii)
    right = subject.margins > 0
    exact = subject.margins[right][:N] / subject.weight.abs().sum()
    expected = [next((r for r in radii if r >= one), torch.inf) for one in exact.tolist()]
    assert result.distances.tolist() == expected
    assert torch.isinf(result.before).all()
    for distance, attack in zip(expected, result.attacks, strict=True):
        assert (attack == "") == (distance == torch.inf)
    assert not judged(search.logits, result.points, search.labels)[result.distances.isinf()].any()


def test_what_holds_at_a_radius_is_left_alone_at_smaller_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, float]] = []

    def vain(self: SmallestChange, rows: torch.Tensor, ball: Ball) -> torch.Tensor:
        asked.append((len(rows), ball.epsilon))
        return self.images[rows]

    monkeypatch.setattr(SmallestChange, "_minimal", lambda _: {})
    monkeypatch.setattr(SmallestChange, "_within", lambda self: {"vain": partial(vain, self)})
    assert found(trained_digits(), "l2", radii=(0.1, 0.2, 0.4))[1].distances.isinf().all()
    assert asked == [(N, 0.4)]


def test_without_gradients_scores_and_answers_are_used_and_foolbox_where_it_can() -> None:
    subject = trained_digits()
    options = {"gradients": False, "radii": (0.1,), "foolbox": ("deepfool-l2", "contrast")}
    search, result = found(subject, "linf", **options)
    assert list(search._minimal()) == ["rays", "contrast"]
    assert list(search._within()) == ["square"]
    assert set(result.attacks) <= {"rays", "square", "contrast"}
    assert list(found(subject, "l2", **options)[0]._minimal()) == ["surfree", "contrast"]
    nothing = found(subject, "l2", gradients=False, queries=0)[1]
    assert nothing.distances.isinf().all()


def test_hidden_gradients_leave_answers_to_find_the_distance() -> None:
    subject = trained_digits()
    plain = found(subject, "linf", queries=150)[1]
    rounded = Wrapped(subject.model.module, quantised=True)
    masked: Smallest = found(subject, "linf", logits=rounded, queries=150)[1]
    assert set(masked.attacks) == {"rays"}
    assert float((masked.distances / plain.distances).median()) < 1.3
