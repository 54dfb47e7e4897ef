"""Mirrors auditkit/methods/attacks/foolbox_adapter.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.foolbox_adapter import deepfool_l2
from tests.methods.attacks.subjects import trained_digits
from tests.subjects import linear_subject


@pytest.mark.parametrize("bounds", [(-9.0, 9.0), (-90.0, 165.0)])
def test_distance_on_a_linear_model(bounds: tuple[float, float]) -> None:
    """The distance is |margin| / ||w||; foolbox adds 1e-4 of the range, then 2 % overshoot."""
    subject = linear_subject(1)
    right = subject.margins > 0
    images, labels = subject.artifacts.images[right], subject.artifacts.labels[right]
    points = deepfool_l2(subject.model.logits, images, labels, steps=50, bounds=bounds)
    assert judged(subject.model.logits, points, labels).all()
    expected = subject.margins[right] / subject.weight.norm() + 1e-4 * (bounds[1] - bounds[0])
    found = (points - images).flatten(1).norm(dim=1)
    assert found.tolist() == pytest.approx((1.02 * expected).tolist(), abs=1e-4)


def test_what_comes_back_is_within_the_bounds() -> None:
    """Bounds that float32 cannot hold exactly make foolbox itself refuse its inputs."""
    subject = linear_subject(2)
    images, labels = 0.1 * subject.artifacts.images, subject.artifacts.labels
    images[0] = 0.1  # 0.1 as float32 is above 0.1

    def logits(points: Tensor) -> Tensor:
        return subject.model.logits(10 * points)

    points = deepfool_l2(logits, images, labels, steps=20, bounds=(0.0, 0.1))
    assert points.min() >= 0
    assert points.double().max() <= torch.tensor(0.1).double()


def test_inputs_that_no_gradient_reaches_come_back_unmoved() -> None:
    subject = linear_subject(0)
    images, labels = subject.artifacts.images, subject.artifacts.labels
    model = subject.model
    correct = ~judged(model.logits, images, labels)
    points = deepfool_l2(
        lambda x: model.logits(x.detach()), images[correct], labels[correct], steps=5,
        bounds=(0.0, 1.0),
    )  # fmt: skip
    assert torch.allclose(points, images[correct], atol=1e-6)


def test_nan_is_not_handed_back() -> None:
    images, labels = torch.full((2, 1, 2, 2), 0.5), torch.tensor([0, 0])

    def broken(points: Tensor) -> Tensor:
        total = points.flatten(1).sum(dim=1)  # 2 at the start, where class 0 leads
        good = torch.stack([3 - total, total - 2], dim=1)
        return torch.where((points == 0.5).flatten(1).all(1, keepdim=True), good, torch.nan)

    points = deepfool_l2(broken, images, labels, steps=3, bounds=(0.0, 1.0))
    assert points.isfinite().all()


def test_batches_change_nothing_and_no_gradients_are_left_behind() -> None:
    subject = trained_digits()
    images, labels = subject.artifacts.images[:40], subject.artifacts.labels[:40]
    options = {"steps": 30, "bounds": (0.0, 1.0)}
    one = deepfool_l2(subject.model.logits, images, labels, **options)  # type: ignore[arg-type]
    two = deepfool_l2(subject.model.logits, images, labels, batch_size=7, **options)  # type: ignore[arg-type]
    assert torch.allclose(one, two, atol=1e-4)
    assert all(p.grad is None for p in subject.model.module.parameters())
