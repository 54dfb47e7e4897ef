"""Mirrors auditkit/checks/shift/natural_variation.py."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.shift.natural_variation import NaturalVariation
from auditkit.data import digits
from auditkit.errors import ConfigError
from auditkit.findings import Matrix, Note
from auditkit.methods.variation.catalogue import VARIATIONS
from auditkit.models.classifier import ImageClassifier
from auditkit.randomness import keys_of
from auditkit.statistics import newcombe_paired
from tests.subjects import Subject, image_data, measured, values

CHECK = NaturalVariation(severities=(1, 4), kinds=("rotation", "translation", "resolution"))
REVEALS = "mean_variation_error"


class OnePlace(nn.Module):
    """Says 1 where one pixel near the middle is light; a shift moves it away."""

    def forward(self, images: Tensor) -> Tensor:
        light = images[:, 0, 7, 8]
        return torch.stack([torch.zeros_like(light), 10 * (light - 0.5)], dim=1)


class Anywhere(nn.Module):
    """Says 1 where there is more light than ground, wherever it is."""

    def forward(self, images: Tensor) -> Tensor:
        light = images.mean(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(light), 500 * (light - 0.11)], dim=1)


def subject(module: nn.Module, *, wrong: int = 0) -> Subject:
    """A spot near the middle of half of the images."""
    labels = torch.arange(60) % 2
    images = torch.full((60, 1, 16, 16), 0.1) - 0.01 * torch.rand(
        60, 1, 1, 1, generator=torch.Generator().manual_seed(0)
    )
    images[labels == 1, :, 6:9, 7:10] = 1.0
    labels[:wrong] = 1 - labels[:wrong]
    model = ImageClassifier(module, classes=("0", "1"), input_shape=(1, 16, 16))
    return Subject(model, image_data(images, labels))


def broken() -> Subject:
    return subject(OnePlace())


def sound() -> Subject:
    return subject(Anywhere())


def test_the_flaw_is_revealed_where_it_is() -> None:
    flawed, fine = values(measured(CHECK, broken())), values(measured(CHECK, sound()))
    assert fine["mean_variation_error"] == 0
    assert cast("float", flawed["accuracy_drop/kind=translation,severity=4"]) > 0.3


def test_equals_a_loop_by_hand() -> None:
    one = subject(OnePlace(), wrong=7)
    outcome = measured(CHECK, one, seed=3)
    found = values(outcome)
    images = torch.from_numpy(np.asarray(one.data.read(np.arange(60))))
    clean = one.model.predict(images).argmax(1).numpy() == one.data.labels
    errors: list[float] = []
    for kind in CHECK.kinds:
        keys = keys_of(3, f"natural-variation/{kind}", one.data.ids)
        for severity in CHECK.severities:
            changed = one.model.predict(VARIATIONS[kind](images, severity, keys)).argmax(1)
            right = changed.numpy() == one.data.labels
            where = f"kind={kind},severity={severity}"
            assert found[f"accuracy/{where}"] == right.mean()
            drop = next(f for f in outcome.findings if f.id.endswith(f"accuracy_drop/all/{where}"))
            cells = [clean & right, clean & ~right, ~clean & right, ~clean & ~right]
            expected = newcombe_paired(*(int(cell.sum()) for cell in cells))
            assert (drop.low, drop.high) == pytest.approx(expected)
            errors.append(1 - right.mean())
    assert found["mean_variation_error"] == pytest.approx(np.mean(errors))


def test_each_kind_has_keys_of_its_own() -> None:
    class Fickle(nn.Module):
        """Turns with the last digits of what it sees."""

        def forward(self, images: Tensor) -> Tensor:
            return torch.stack([(1e3 * images.sum(dim=(1, 2, 3))).sin(), images[:, 0, 0, 0] * 0], 1)

    one = subject(Fickle())
    records = NaturalVariation(severities=(5,), kinds=("noise-mix",)).measure(one.artifacts)
    images = torch.from_numpy(np.asarray(one.data.read(np.arange(60))))
    keys = keys_of(0, "natural-variation/noise-mix", one.data.ids)
    answers = one.model.predict(VARIATIONS["noise-mix"](images, 5, keys)).argmax(1).numpy()
    np.testing.assert_array_equal(records["noise-mix-5"], answers == one.data.labels)


def test_without_a_fitting_network_made_images_are_not_applicable() -> None:
    outcome = measured(CHECK, sound())
    for kind in ("vae-walk", "gan-made"):
        finding = next(f for f in outcome.findings if f.params.get("kind") == kind)
        assert "not applicable: no built-in" in str(finding.undefined)
    without = NaturalVariation(severities=(1,), kinds=("crop",), on_manifold=False)
    assert all(f.value is not None for f in measured(without, sound()).findings)


def test_networks_of_the_same_data_change_and_make_images() -> None:
    class Sum(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, 20:30]

    data = digits.load("test").take(np.arange(30))
    model = ImageClassifier(Sum(), classes=digits.CLASSES, input_shape=(1, 8, 8))
    check = NaturalVariation(severities=(2,), kinds=("crop",))
    outcome = measured(check, Subject(model, data))
    found = values(outcome)
    matrix, note = outcome.evidence["matrix"], outcome.evidence["reading"]
    assert isinstance(matrix, Matrix)
    assert isinstance(note, Note)
    assert matrix.rows == ["crop", "vae-walk", "gan-made"]
    assert "vae-walk" in note.text
    assert found["mean_variation_error"] == found["variation_error/kind=crop"]
    other = ImageClassifier(Sum(), classes=digits.CLASSES[::-1], input_shape=(1, 8, 8))
    turned = image_data(
        torch.from_numpy(np.asarray(data.read(np.arange(30)))),
        torch.from_numpy(data.labels),
        classes=other.classes,
    )
    assert values(measured(check, Subject(other, turned)))["variation_error/kind=gan-made"] is None


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 1), (4, 9, 13)])
def test_small_and_odd_images_get_an_outcome(shape: tuple[int, int, int]) -> None:
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    model = ImageClassifier(Anywhere(), classes=("0", "1"), input_shape=shape)
    outcome = measured(
        NaturalVariation(severities=(5,)), Subject(model, image_data(images, [0, 1]))
    )
    assert all(
        one.value is not None
        for one in outcome.findings
        if "made" not in one.id and "walk" not in one.id
    )


@pytest.mark.parametrize(
    "parameters", [{"severities": (6,)}, {"kinds": ("rotations",)}, {"kinds": ()}]
)
def test_bad_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        NaturalVariation(**parameters)  # type: ignore[arg-type]
