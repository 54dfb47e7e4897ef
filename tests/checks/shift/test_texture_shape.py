"""Mirrors auditkit/checks/shift/texture_shape.py."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.shift.texture_shape import TextureShape
from auditkit.errors import ConfigError, ModelError
from auditkit.findings import ImageExhibit
from auditkit.models.classifier import ImageClassifier
from tests.subjects import Subject, image_data, measured, run_check, values

CHECK = TextureShape(donors=30)
REVEALS = "cue_share"


class Surface(nn.Module):
    """Says 1 where the brightest pixel is not that bright."""

    def forward(self, images: Tensor) -> Tensor:
        light = images.amax(dim=(1, 2, 3))
        return torch.stack([20 * (light - 0.85), torch.zeros_like(light)], dim=1)


class Outline(nn.Module):
    """Says 1 where the object is wide."""

    def forward(self, images: Tensor) -> Tensor:
        wide = (images.amax(dim=(1, 2)) > 0.5).sum(dim=1).float()
        return torch.stack([torch.zeros_like(wide), wide - 6], dim=1)


class Ground(nn.Module):
    """Says 1 where the last corner is light: the background."""

    def forward(self, images: Tensor) -> Tensor:
        light = images[:, 0, -1, -1]
        return torch.stack([torch.zeros_like(light), 50 * (light - 0.2)], dim=1)


def subject(module: nn.Module, *, wrong: int = 0) -> Subject:
    """Bright squares on dark ground are 0, dimmer bars on lighter ground are 1."""
    rng = np.random.default_rng(0)
    images, masks = np.zeros((60, 1, 12, 12), dtype=np.float32), np.zeros((60, 12, 12), dtype=bool)
    labels = np.arange(60) % 2
    for i, label in enumerate(labels):
        top, left = rng.integers(1, 4, size=2)
        height, width = (4, 4) if label == 0 else (2, 8)
        masks[i, top : top + height, left : left + width] = True
        images[i, 0] = np.where(masks[i], (0.95, 0.7)[label], (0.1, 0.3)[label])
    labels[:wrong] = 1 - labels[:wrong]
    model = ImageClassifier(module, classes=("square", "bar"), input_shape=(1, 12, 12))
    data = image_data(
        torch.from_numpy(images), torch.from_numpy(labels), classes=model.classes, masks=masks
    )
    return Subject(model, data)


def broken() -> Subject:
    return subject(Surface())


def sound() -> Subject:
    return subject(Outline())


@pytest.mark.parametrize(
    ("module", "texture", "background"),
    [(Surface, 0.0, 1.0), (Outline, 1.0, 1.0), (Ground, 1.0, 0.0)],
)
def test_the_cue_that_a_model_reads_is_named(
    module: type[nn.Module], texture: float, background: float
) -> None:
    found = values(measured(CHECK, subject(module())))
    for name, own in (("texture", texture), ("background", background)):
        assert found[f"cue_share/composite={name}"] == own
        assert found[f"conflict_accuracy/composite={name}"] == own
        assert found[f"donor_effect/composite={name}"] == 1 - own
        assert found[f"control_accuracy/composite={name}"] == 1


def test_only_inputs_read_rightly_when_whole_count() -> None:
    outcome = measured(CHECK, subject(Outline(), wrong=8))
    assert {one.n for one in outcome.findings} == {52}


def test_what_pasting_itself_does_is_taken_off() -> None:
    class SeesSeams(nn.Module):
        """Reads the outline, but says bar where surface and ground are not of one image."""

        def forward(self, images: Tensor) -> Tensor:
            lightest, ground = images.amax(dim=(1, 2, 3)), images[:, 0, -1, -1]
            square = (images.amax(dim=(1, 2)) > 0.5).sum(dim=1) < 6
            whole = (lightest - ground - torch.where(square, 0.85, 0.4)).abs() < 1e-5
            return torch.stack([(square & whole).float(), torch.full_like(ground, 0.5)], dim=1)

    one = subject(SeesSeams())
    images = torch.from_numpy(np.asarray(one.data.read(np.arange(60))))
    images += 0.0005 * torch.arange(60)[:, None, None, None]  # surface and ground alike
    masks = one.data.relevance(np.arange(60))
    assert isinstance(masks, np.ndarray)
    data = image_data(
        images, torch.from_numpy(one.data.labels), classes=one.data.classes, masks=masks
    )
    found = values(measured(TextureShape(donors=60), Subject(one.model, data)))
    assert found["conflict_accuracy/composite=texture"] == 0.5  # bars stay, squares do not
    assert found["donor_effect/composite=texture"] == pytest.approx(0, abs=0.05)


def test_the_fooled_are_shown_with_both_parts() -> None:
    gallery = measured(CHECK, broken()).evidence["worst"]
    assert isinstance(gallery, ImageExhibit)
    assert len(gallery.rows[0].panels) == 3
    assert "with the texture of" in gallery.rows[0].caption
    assert "worst" not in measured(CHECK, sound()).evidence


def test_without_masks_or_other_classes_it_does_not_apply() -> None:
    one = sound()
    bare = image_data(torch.rand(4, 1, 12, 12), [0, 1, 0, 1])
    assert isinstance(CHECK.applies(one.model, bare), NotApplicable)
    assert CHECK.applies(one.model, one.data) is None
    same = one.data.take(np.arange(0, 60, 2))
    assert isinstance(run_check(CHECK, Subject(one.model, same)), NotApplicable)
    data = dataclasses.replace(
        one.data,
        reader=type(one.data.reader)(one.data.read(np.arange(60)), np.zeros((60, 12, 12), bool)),  # type: ignore[call-arg]
    )
    assert isinstance(run_check(CHECK, Subject(one.model, data)), NotApplicable)


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        TextureShape(donors=1)


class Unsure(nn.Module):
    """Has no answer to a bright object on light ground, which only composites show."""

    def forward(self, images: Tensor) -> Tensor:
        strange = (images.amax(dim=(1, 2, 3)) > 0.9) & (images[:, 0, -1, -1] > 0.2)
        one = torch.where(strange, torch.nan, 0.5 - images[:, 0, -1, -1])
        return torch.stack([one, torch.zeros_like(one)], dim=1)


def test_nan_for_a_composite_is_an_error_not_a_class() -> None:
    with pytest.raises(ModelError, match="infinite logits under composites"):
        run_check(CHECK, subject(Unsure()))
