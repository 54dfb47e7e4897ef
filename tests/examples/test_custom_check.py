"""Mirrors examples/custom_check/: found through its entry point, and right where one can count."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import auditkit
from auditkit.errors import ConfigError
from auditkit.models.classifier import ImageClassifier
from tests.examples.scripts import EXAMPLES, ran
from tests.subjects import Subject, image_data, measured, values

PACKAGE = EXAMPLES / "custom_check"


@pytest.fixture(scope="module")
def pixel_shift() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pixel_shift", PACKAGE / "pixel_shift.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up annotations
    spec.loader.exec_module(module)
    return module


class Watches(nn.Module):
    """Class 1 where the given column of the image is bright."""

    def __init__(self, column: int) -> None:
        super().__init__()
        self.column = column
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        return (images[:, 0, :, self.column].mean(dim=1) - 0.5) * self.scale


def subject() -> Subject:
    """Ten bright stripes in column 2 or columns 1 to 3, ten dark images."""
    images = torch.zeros(20, 1, 5, 5)
    images[:4, :, :, 2] = 1  # gone after a shift to either side
    images[4:10, :, :, 1:4] = 1  # still there
    labels = [1] * 10 + [0] * 10
    model = ImageClassifier(Watches(2), classes=["dark", "bright"], input_shape=(1, 5, 5))
    return Subject(model, image_data(images, labels))


def test_counts_the_images_that_survive_every_shift(pixel_shift: ModuleType) -> None:
    found = values(measured(pixel_shift.PixelShift(), subject()))
    assert found == {"shift_accuracy": 16 / 20}


def test_shards_change_nothing(pixel_shift: ModuleType) -> None:
    check = pixel_shift.PixelShift()
    assert measured(check, subject(), shard_size=3) == measured(check, subject())


@pytest.mark.parametrize(("right", "down"), [(1, 0), (-2, 0), (0, 1), (0, -2)])
def test_shifts_as_numpy_rolls_away_from_the_rim(
    pixel_shift: ModuleType, right: int, down: int
) -> None:
    images = torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    moved = pixel_shift.shifted(images, right, down)
    rolled = np.roll(images.numpy(), (down, right), axis=(2, 3))
    inner = np.s_[:, :, 2:-2, 2:-2]
    np.testing.assert_array_equal(moved.numpy()[inner], rolled[inner])
    assert moved.shape == images.shape


def test_the_rim_is_repeated(pixel_shift: ModuleType) -> None:
    images = torch.arange(4.0).view(1, 1, 1, 4)
    assert pixel_shift.shifted(images, 1, 0).flatten().tolist() == [0, 0, 1, 2]
    assert pixel_shift.shifted(images, -1, 0).flatten().tolist() == [1, 2, 3, 3]


def test_refuses_no_shift(pixel_shift: ModuleType) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        pixel_shift.PixelShift(pixels=0)


def test_an_installed_package_is_found_and_run(tmp_path: Path) -> None:
    """Installed by hand, as pip would: the module and its metadata on the path."""
    about = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
    [(name, points)] = about["project"]["entry-points"].items()
    module = f"{about['tool']['setuptools']['py-modules'][0]}.py"
    (tmp_path / module).write_bytes((PACKAGE / module).read_bytes())
    metadata = tmp_path / "auditkit_pixel_shift-0.1.0.dist-info"
    metadata.mkdir()
    project = f"Name: {about['project']['name']}\nVersion: {about['project']['version']}\n"
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\n{project}")
    lines = [f"{key} = {value}" for key, value in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{name}]", *lines, ""]))

    command = "audit run digits-cnn --check pixel-shift --max-inputs 20 --workers 1 --policy none"
    ran(*command.split(), "--out", "report", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    [outcome] = auditkit.read_result(tmp_path / "report").outcomes
    assert (outcome.check, outcome.status) == ("pixel-shift", "measured")
    assert outcome.headline == "pixel-shift/shift_accuracy/all"
    assert outcome.findings[0].n == 20
