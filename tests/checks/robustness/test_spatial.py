"""Mirrors auditkit/checks/robustness/spatial.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.robustness.spatial import Spatial
from auditkit.errors import ConfigError
from auditkit.findings import Curve, ImageExhibit
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import ImageClassifier
from tests.methods.attacks.subjects import trained_digits
from tests.subjects import Subject, image_data, measured, values

CHECK = Spatial(degrees=(5.0, 20.0), shift=0.1, tries=2)
REVEALS = "robust_accuracy"


class OnePixel(nn.Module):
    """Class 1 where one pixel beside the centre is bright."""

    def forward(self, images: Tensor) -> Tensor:
        score = images[:, 0, 4, 6] - 0.5
        return torch.stack([torch.zeros_like(score), score], dim=1)


class Brightness(nn.Module):
    """Class 1 where the whole image is bright, wherever the light is."""

    def forward(self, images: Tensor) -> Tensor:
        score = images.flatten(1).sum(dim=1) - 0.5
        return torch.stack([torch.zeros_like(score), score], dim=1)


def subject(module: nn.Module) -> Subject:
    """Forty black images, of which every second one has one white pixel."""
    images = torch.zeros(40, 1, 9, 9)
    images[1::2, 0, 4, 6] = 1.0
    model = ImageClassifier(module, classes=("0", "1"), input_shape=(1, 9, 9))
    return Subject(model, image_data(images, torch.arange(40) % 2))


def broken() -> Subject:
    """An answer that rests on where one pixel is."""
    return subject(OnePixel())


def sound() -> Subject:
    """An answer that rests on how bright the image is."""
    return subject(Brightness())


def test_a_place_is_lost_and_a_sum_is_not() -> None:
    """A shift of 0.9 pixels moves a white pixel away; a black image has nothing to lose."""
    lost = values(measured(CHECK, broken()))
    assert lost["robust_accuracy/degrees=20"] == 0.5
    assert lost["attack_success_rate/degrees=20"] == 0.5
    assert values(measured(CHECK, sound()))["robust_accuracy/degrees=20"] == 1.0


def test_results_nest_and_the_worst_is_worse_than_one_draw() -> None:
    check = Spatial(degrees=(5.0, 15.0, 40.0), shift=0.1, tries=2)
    outcome = measured(check, trained_digits())
    found = values(outcome)
    kept = [found[f"robust_accuracy/degrees={one:g}"] or 0.0 for one in check.degrees]
    assert kept == sorted(kept, reverse=True)
    for one in check.degrees:
        worst = found[f"attack_success_rate/degrees={one:g}"] or 0.0
        drawn = found[f"random_success_rate/degrees={one:g}"] or 0.0
        assert worst > drawn
    curve = outcome.evidence["curve"]
    assert isinstance(curve, Curve)
    assert [one.name for one in curve.series] == ["worst move", "one random move"]
    assert isinstance(outcome.evidence["worst"], ImageExhibit)


def test_without_shift_the_rotation_is_alone() -> None:
    """The pixel lies two pixels off the centre: 5 degrees move it by less than a fifth of one."""
    still = values(measured(Spatial(degrees=(5.0,), shift=0.0), broken()))
    assert still["robust_accuracy/degrees=5"] == 1.0


def test_black_boxes_are_asked_too() -> None:
    box = BlackBox(lambda images: OnePixel()(torch.from_numpy(images)).numpy(), output="logits")
    found = values(measured(CHECK, subject(box)))
    assert found["robust_accuracy/degrees=20"] == 0.5


@pytest.mark.parametrize("wrong", [{"degrees": (200.0,)}, {"shift": 0.6}, {"tries": -1}])
def test_wrong_parameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Spatial(**wrong)  # type: ignore[arg-type]
