"""Mirrors auditkit/methods/attacks/bisection.py."""

from __future__ import annotations

import torch

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.bisection import shortened
from tests.subjects import linear_subject


def test_stops_at_the_boundary_on_the_wrong_side() -> None:
    subject = linear_subject(3)
    right = subject.margins > 0
    images, labels = subject.artifacts.images[right], subject.artifacts.labels[right]
    margins, unit = subject.margins[right], subject.weight / subject.weight.norm()
    side = (2 * labels - 1)[:, None]
    distance = margins[:, None] / subject.weight.norm()
    far = images - 3 * (side * distance * unit).view_as(images)
    near = shortened(subject.model.logits, images, far, labels)
    assert judged(subject.model.logits, near, labels).all()
    found = (near - images).flatten(1).norm(dim=1)
    assert torch.allclose(found, distance[:, 0], atol=1e-4)
