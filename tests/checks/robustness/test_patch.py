"""Mirrors auditkit/checks/robustness/patch.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.checks.base import NotApplicable
from auditkit.checks.halves import searched_half
from auditkit.checks.robustness.patch import Patch
from auditkit.errors import ConfigError
from auditkit.findings import Curve, ImageExhibit, ImageRow
from auditkit.methods.attacks.patch import CELLS, DRAWS, patched, printable
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import uniform
from auditkit.statistics import newcombe_paired
from tests.methods.attacks.subjects import Wrapped, like, trained_digits
from tests.subjects import Subject, image_data, measured, run_check, values

CHECK = Patch(areas=(0.05, 0.1), steps=8)
REVEALS = "robust_accuracy"
DIGITS = Patch(areas=(0.05, 0.1, 0.2), steps=20)


def reader(weight: torch.Tensor, images: torch.Tensor, labels: torch.Tensor) -> Subject:
    """Logits [0, w.(x - 0.5)]."""
    layer = nn.Linear(144, 1)
    with torch.no_grad():
        layer.weight.copy_(weight.view(1, 144))
        layer.bias.copy_(-0.5 * weight.sum())
    network = nn.Sequential(nn.Flatten(), layer)
    model = ImageClassifier(network, classes=("0", "1"), input_shape=(1, 12, 12))
    return Subject(model, image_data(images, labels))


def broken() -> Subject:
    """A right answer that rests on the mean pixel, 0.485 or 0.515."""
    labels = torch.arange(40) % 2
    images = (0.485 + 0.03 * labels)[:, None, None, None].expand(40, 1, 12, 12)
    return reader(torch.ones(144), images, labels)


def sound(pixel: int = 0) -> Subject:
    """A right answer that rests on one pixel."""
    labels = torch.arange(40) % 2
    images = torch.full((40, 1, 12, 12), 0.5)
    images.view(40, 144)[:, pixel] = 0.2 + 0.6 * labels
    weight = torch.zeros(144)
    weight[pixel] = 1.0
    return reader(weight, images, labels)


def covered(area: float) -> np.ndarray:
    """Return which pixels of each held-out image are covered (n, 144)."""
    artifacts = sound().artifacts
    draws = torch.from_numpy(uniform(artifacts.keys("patch/place"), (DRAWS,)))
    white = torch.ones(1, 1, CELLS, CELLS)
    seen = patched(torch.zeros(40, 1, 12, 12), white, draws, area=area, bounds=(0.0, 1.0))
    return (seen > 0).flatten(1).numpy()[~searched_half(artifacts, "patch")]


def test_on_the_mean_pixel_all_of_one_class_fall_and_under_random_colours_few() -> None:
    """Random colours leave the mean near to where it was."""
    subject = broken()
    records = CHECK.measure(subject.artifacts)
    held_out = records["held_out"]
    for name in ("flip_area", "occlusion_area"):
        assert (np.isnan(records[name]) == ~held_out).all()
    fallen = records["flip_area"][held_out] <= 0.1
    labels = subject.data.labels[held_out]
    assert {float(fallen[labels == one].mean()) for one in (0, 1)} == {0.0, 1.0}
    found = values(measured(CHECK, subject))
    share = float(fallen.mean())
    assert found["robust_accuracy/area=0.1"] == pytest.approx(1 - share)
    beside = found["occlusion_accuracy/area=0.1"] or 0.0
    assert beside >= 0.9
    assert found["gain_over_occlusion/area=0.1"] == pytest.approx(beside - (1 - share))


def test_what_no_patch_covers_does_not_fall() -> None:
    never = np.flatnonzero(~covered(0.1).any(axis=0))
    assert len(never) > 0
    found = values(measured(CHECK, sound(int(never[0]))))
    assert found["robust_accuracy/area=0.1"] == found["occlusion_accuracy/area=0.1"] == 1.0
    assert found["gain_over_occlusion/area=0.1"] == 0.0
    assert found["attack_success_rate/area=0.1"] == 0.0


def test_one_pixel_falls_only_where_it_is_covered() -> None:
    pixel = int(covered(0.1).sum(axis=0).argmax())
    subject = sound(pixel)
    records = CHECK.measure(subject.artifacts)
    held_out = records["held_out"]
    reached = covered(0.05)[:, pixel] | covered(0.1)[:, pixel]
    fallen = records["flip_area"][held_out] <= 0.1
    assert not (fallen & ~reached).any()
    assert fallen.sum() >= reached.sum() / 3


def test_equals_a_plain_recomputation_at_the_same_places() -> None:
    subject = trained_digits()
    artifacts = subject.artifacts
    rows = np.flatnonzero(~searched_half(artifacts, "patch"))
    patterns, _ = DIGITS._searched(artifacts)
    low, high = printable((0.0, 1.0))
    draws = torch.from_numpy(uniform(artifacts.keys("patch/place")[rows], (DRAWS,)))
    mixed = uniform(artifacts.keys("patch/colours")[rows], (1, CELLS, CELLS))
    colours = torch.from_numpy(low + (high - low) * mixed).float()
    images, labels = artifacts.images[rows], artifacts.labels[rows]
    kept = beside = subject.model.predict(images).argmax(dim=1) == labels
    outcome = measured(DIGITS, subject)
    found = values(outcome)
    for area in DIGITS.areas:
        for_all = patched(images, patterns[area], draws, area=area, bounds=(0.0, 1.0))
        by_chance = patched(images, colours, draws, area=area, bounds=(0.0, 1.0))
        kept = kept & (subject.model.predict(for_all).argmax(dim=1) == labels)
        beside = beside & (subject.model.predict(by_chance).argmax(dim=1) == labels)
        assert found[f"robust_accuracy/area={area}"] == pytest.approx(float(kept.float().mean()))
        share = found[f"occlusion_accuracy/area={area}"]
        assert share == pytest.approx(float(beside.float().mean()))
        gain = next(
            one for one in outcome.findings if f"gain_over_occlusion/all/area={area}" in one.id
        )
        cells = [int((a & b).sum()) for a in (beside, ~beside) for b in (kept, ~kept)]
        assert gain.value == pytest.approx((cells[1] - cells[2]) / len(rows))
        assert (gain.low, gain.high) == newcombe_paired(*cells)
        assert gain.n == len(rows) == 100


def test_results_nest_and_beat_random_colours() -> None:
    outcome = measured(DIGITS, trained_digits())
    found = values(outcome)
    for metric in ("robust_accuracy", "occlusion_accuracy"):
        kept = [found[f"{metric}/area={one}"] or 0.0 for one in DIGITS.areas]
        assert kept == sorted(kept, reverse=True)
    assert (found["gain_over_occlusion/area=0.2"] or 0.0) > 0.05
    few = values(measured(Patch(areas=(0.05, 0.1), steps=20), trained_digits()))
    assert few["robust_accuracy/area=0.1"] == found["robust_accuracy/area=0.1"]


def test_gets_around_pixels_that_are_rounded() -> None:
    """Rounding has no gradient: the search would stand still where it starts."""
    subject = trained_digits()
    rounded = like(subject, Wrapped(subject.model.module, quantised=True))
    masked = values(measured(DIGITS, rounded))
    plain = values(measured(DIGITS, subject))
    name = "robust_accuracy/area=0.2"
    assert masked[name] == pytest.approx(plain[name], abs=0.05)
    assert (masked["gain_over_occlusion/area=0.2"] or 0.0) > 0.05


def test_shows_the_patch_of_each_size_and_images_with_it() -> None:
    outcome = measured(DIGITS, trained_digits(), shard_size=50)
    patches, curve = outcome.evidence["patches"], outcome.evidence["curve"]
    assert isinstance(patches, ImageExhibit)
    assert [one.id for one in patches.rows] == ["area 0.05", "area 0.1", "area 0.2"]
    assert isinstance(curve, Curve)
    assert [one.name for one in curve.series] == ["one patch for all", "random colours"]
    worst = outcome.evidence["worst"]
    assert isinstance(worst, ImageExhibit)
    held_out = ~searched_half(trained_digits().artifacts, "patch")
    names = {trained_digits().data.ids[i] for i in np.flatnonzero(held_out)}
    for row in worst.rows:
        assert isinstance(row, ImageRow)
        assert row.id in names
        assert [one.label for one in row.panels] == ["clean", "with the patch", "patch"]


def test_nothing_right_before() -> None:
    subject = sound()
    wrong = Subject(
        subject.model, image_data(subject.artifacts.images, 1 - subject.artifacts.labels)
    )
    records = CHECK.measure(wrong.artifacts)
    assert not records["correct"].any()
    assert (records["flip_area"][records["held_out"]] == 0).all()
    assert isinstance(run_check(CHECK, wrong), NotApplicable)


def test_where_it_does_not_apply() -> None:
    subject = broken()
    assert isinstance(CHECK.applies(subject.model, subject.data.take(np.arange(9))), NotApplicable)
    assert CHECK.applies(subject.model, subject.data) is None


@pytest.mark.parametrize(
    "wrong", [{"areas": (0.1, 0.05)}, {"areas": (0.6,)}, {"steps": 0}, {"inputs": 0}]
)
def test_wrong_parameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Patch(**wrong)  # type: ignore[arg-type]
