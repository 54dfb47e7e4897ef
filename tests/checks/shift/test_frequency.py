"""Mirrors auditkit/checks/shift/frequency.py."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch

from auditkit.checks.base import NotApplicable
from auditkit.checks.shift.frequency import Frequency
from auditkit.errors import ConfigError
from auditkit.findings import Bars, Curve, ImageExhibit
from auditkit.methods.variation.frequencies import high_pass, low_pass, wave_noise
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import keys_of
from auditkit.statistics import newcombe_paired
from tests.checks.shift.test_corruptions import FineTexture, Light, subject
from tests.subjects import Subject, image_data, measured, values

CHECK = Frequency()
REVEALS = "mean_low_pass_error"


def broken() -> Subject:
    return subject(FineTexture())


def sound() -> Subject:
    return subject(Light())


def test_fine_texture_is_lost_below_a_cut_off_and_light_is_not() -> None:
    flawed, fine = values(measured(CHECK, broken())), values(measured(CHECK, sound()))
    assert fine["mean_low_pass_error"] == 0
    assert flawed["mean_low_pass_error"] == 0.5  # the checkerboard is beyond every cut-off
    assert flawed["mean_high_pass_error"] == 0
    assert cast("float", flawed["noise_drop/from=0.75,to=1"]) > 0.3
    assert fine["noise_drop/from=0.75,to=1"] == 0


def test_equals_a_loop_by_hand() -> None:
    one = subject(FineTexture(), wrong=7)
    check = Frequency(low_pass=(0.4, 0.9), high_pass=(0.3,), noise=0.1)
    outcome = measured(check, one, seed=3)
    found = values(outcome)
    images = torch.from_numpy(np.asarray(one.data.read(np.arange(60))))
    labels = one.data.labels

    def right(changed: torch.Tensor) -> np.ndarray:
        return one.model.predict(changed).argmax(1).numpy() == labels

    low = {cutoff: right(low_pass(images, cutoff)) for cutoff in (0.4, 0.9)}
    for cutoff, correct in low.items():
        assert found[f"accuracy/cutoff={cutoff},frequencies=low-pass"] == correct.mean()
    assert found["mean_low_pass_error"] == pytest.approx(1 - np.mean(list(low.values())))
    high = right(high_pass(images, 0.3))
    assert found["accuracy/cutoff=0.3,frequencies=high-pass"] == high.mean()
    keys = keys_of(3, "frequency/noise", one.data.ids)
    noisy = right(wave_noise(images, keys, low=0.5, high=0.75, size=0.1))
    assert found["noise_accuracy/from=0.5,to=0.75"] == noisy.mean()
    clean = right(images)
    cells = [clean & noisy, clean & ~noisy, ~clean & noisy, ~clean & ~noisy]
    drop = next(f for f in outcome.findings if f.id.endswith("noise_drop/all/from=0.5,to=0.75"))
    assert (drop.low, drop.high) == pytest.approx(newcombe_paired(*(int(c.sum()) for c in cells)))


def test_evidence_says_what_the_findings_say() -> None:
    outcome = measured(CHECK, broken())
    found = values(outcome)
    curve, noise = outcome.evidence["curve"], outcome.evidence["noise"]
    assert isinstance(curve, Curve)
    assert isinstance(noise, Bars)
    low, high, clean = curve.series
    assert low.x == [0.25, 0.5, 0.75]
    assert low.y == [found[f"accuracy/cutoff={c},frequencies=low-pass"] for c in low.x]
    assert high.y == [found[f"accuracy/cutoff={c},frequencies=high-pass"] for c in high.x]
    assert clean.y == [1.0, 1.0]
    assert [bar.label for bar in noise.bars][1:] == [
        "0 to 0.25", "0.25 to 0.5", "0.5 to 0.75", "0.75 to 1",
    ]  # fmt: skip
    gallery = outcome.evidence["worst"]
    assert isinstance(gallery, ImageExhibit)
    assert {one.label for one in gallery.rows[0].panels} > {"clean"}


def test_small_images() -> None:
    for side, applies in ((3, False), (4, True)):
        images = torch.rand(4, 2, side, 9, generator=torch.Generator().manual_seed(0))
        model = ImageClassifier(Light(), classes=("0", "1"), input_shape=(2, side, 9))
        one = Subject(model, image_data(images, [0, 1, 0, 1]))
        assert isinstance(CHECK.applies(one.model, one.data), NotApplicable) != applies
        if applies:
            assert len(measured(CHECK, one).findings) > 10


@pytest.mark.parametrize(
    "parameters",
    [{"low_pass": ()}, {"low_pass": (1.0,)}, {"high_pass": (0.2, 0.2)}, {"noise": 0.0}],
)
def test_bad_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Frequency(**parameters)  # type: ignore[arg-type]
