"""Mirrors auditkit/methods/attacks/foolbox_adapter.py."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch import Tensor

from auditkit.errors import ConfigError, MissingExtraError
from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.foolbox_adapter import (
    ATTACKS,
    _own_random_state,
    find_attack,
    run_foolbox,
)
from auditkit.models.classifier import Logits
from auditkit.randomness import keys_of
from tests.methods.attacks.subjects import trained_digits
from tests.subjects import linear_subject


def deepfool_l2(
    logits: Logits, inputs: Tensor, labels: Tensor, *, bounds: tuple[float, float]
) -> Tensor:
    keys = keys_of(0, "deepfool-l2", [str(i) for i in range(len(inputs))])
    return run_foolbox("deepfool-l2", logits, inputs, labels, bounds=bounds, keys=keys)


@pytest.mark.parametrize("bounds", [(-9.0, 9.0), (-90.0, 165.0)])
def test_distance_on_a_linear_model(bounds: tuple[float, float]) -> None:
    """The distance is |margin| / ||w||; foolbox adds 1e-4 of the range, then 2 % overshoot."""
    subject = linear_subject(1)
    right = subject.margins > 0
    images, labels = subject.artifacts.images[right], subject.artifacts.labels[right]
    points = deepfool_l2(subject.model.logits, images, labels, bounds=bounds)
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

    points = deepfool_l2(logits, images, labels, bounds=(0.0, 0.1))
    assert points.min() >= 0
    assert points.double().max() <= torch.tensor(0.1).double()


def test_inputs_that_no_gradient_reaches_come_back_unmoved() -> None:
    subject = linear_subject(0)
    images, labels = subject.artifacts.images, subject.artifacts.labels
    model = subject.model
    correct = ~judged(model.logits, images, labels)
    points = deepfool_l2(
        lambda x: model.logits(x.detach()), images[correct], labels[correct], bounds=(0.0, 1.0)
    )
    assert torch.allclose(points, images[correct], atol=1e-6)


def test_nan_is_not_handed_back() -> None:
    images, labels = torch.full((2, 1, 2, 2), 0.5), torch.tensor([0, 0])

    def broken(points: Tensor) -> Tensor:
        total = points.flatten(1).sum(dim=1)  # 2 at the start, where class 0 leads
        good = torch.stack([3 - total, total - 2], dim=1)
        return torch.where((points == 0.5).flatten(1).all(1, keepdim=True), good, torch.nan)

    points = deepfool_l2(broken, images, labels, bounds=(0.0, 1.0))
    assert points.isfinite().all()


# --- any attack -----------------------------------------------------------------------------------

DEAR = {"carlini-wagner", "ead", "hop-skip-jump-linf", "hop-skip-jump-l2", "boundary"}
HERE = [name for name in ATTACKS if not ATTACKS[name].extra]


def attacked(name: str, rows: list[int]) -> tuple[Tensor, Tensor]:
    """Points that an attack makes of some digits that are classified correctly, and verdicts."""
    subject = trained_digits()
    right = subject.model.predict(subject.artifacts.images).argmax(1) == subject.artifacts.labels
    images, labels = subject.artifacts.images[right][rows], subject.artifacts.labels[right][rows]
    keys = keys_of(0, name, [str(i) for i in rows])
    points = run_foolbox(name, subject.model.logits, images, labels, bounds=(0.0, 1.0), keys=keys)
    assert points.min() >= 0
    assert points.max() <= 1
    assert all(p.grad is None for p in subject.model.module.parameters())
    return points, judged(subject.model.logits, points, labels)


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.slow if one in DEAR else ()) for one in HERE]
)
def test_every_attack_works_draws_from_its_keys_and_treats_inputs_apart(name: str) -> None:
    points, fooled = attacked(name, [0, 1, 2, 3, 4, 5])
    assert fooled.float().mean() >= 0.5
    with torch.random.fork_rng(devices=[]):
        torch.rand(3)  # what others draw does not matter
        alone, _ = attacked(name, [4, 2])
    assert torch.allclose(alone, points[[4, 2]], atol=1e-4)


def test_the_global_random_states_are_as_before() -> None:
    def states() -> tuple[list[int], list[int]]:
        numpy = np.random.get_state(legacy=False)["state"]["key"]  # noqa: NPY002
        return torch.random.get_rng_state().tolist(), numpy.tolist()

    before = states()
    attacked("noise", [0, 1])
    attacked("salt-and-pepper", [0, 1])
    with _own_random_state(3, torch.device("cpu")):
        np.random.random()  # noqa: NPY002
    assert states() == before


def test_unknown_names_and_missing_packages_are_told() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'carlini-wagner'") as said:
        find_attack("carlini-wagne")
    assert "boundary" in said.value.hint
    if importlib.util.find_spec("numba") is None:
        with pytest.raises(MissingExtraError, match="numba") as missing:
            find_attack("brendel-bethge-l2")
        assert missing.value.hint == "Install it: pip install numba"


def nan_beyond(images: Tensor) -> Tensor:
    """Class 0 leads at the input itself; everywhere else nothing is a number."""
    same = (images - 0.5).abs().flatten(1).amax(dim=1, keepdim=True) < 1e-6
    return torch.where(same, torch.tensor([[1.0, 0.0]]), torch.nan) + 0 * images.sum()


@pytest.mark.parametrize("name", ["noise", "contrast", "deepfool-l2", "hop-skip-jump-l2", "ddn"])
def test_numbers_that_are_none_are_no_success_and_no_endless_loop(name: str) -> None:
    images, labels = torch.full((2, 1, 4, 4), 0.5), torch.tensor([0, 0])
    keys = np.array([1, 2], dtype=np.uint64)
    points = run_foolbox(name, nan_beyond, images, labels, bounds=(0.0, 1.0), keys=keys)
    assert points.isfinite().all()
    assert not judged(nan_beyond, points, labels).any()


def test_who_asks_too_much_gets_no_more_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditkit.methods.attacks.foolbox_adapter.QUESTIONS", 50)
    points, fooled = attacked("boundary", [0])
    assert not fooled.any()
    assert points.isfinite().all()


def test_bounds_that_are_not_0_and_1_are_kept() -> None:
    subject = trained_digits()
    images, labels = 255 * subject.artifacts.images[:4], subject.artifacts.labels[:4]
    points = run_foolbox(
        "contrast", lambda x: subject.model.logits(x / 255), images, labels,
        bounds=(0.0, 255.0), keys=np.arange(4, dtype=np.uint64),
    )  # fmt: skip
    assert 100 < points.max() <= 255
