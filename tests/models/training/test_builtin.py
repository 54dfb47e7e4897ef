"""Mirrors auditkit/models/training/builtin.py."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from auditkit.data import digits
from auditkit.errors import ConfigError
from auditkit.models import card as card_module
from auditkit.models.bundle import file_sha256
from auditkit.models.card import measurements
from auditkit.models.catalogue import CARDS, MODELS
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.training import builtin
from auditkit.models.training.builtin import install, train
from auditkit.models.training.report import TrainingReport, accuracy
from tests.models.training.toys import SHORT
from tests.published import needs


def test_an_unknown_model_names_the_near_miss() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'digits-cnn'"):
        train("digits-cn")


def test_train_writes_a_bundle_and_reports_every_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = dataclasses.replace(MODELS["digits-cnn"], recipe=SHORT, config={"width": 4})
    monkeypatch.setitem(CARDS, "digits-cnn", short)
    reports: list[TrainingReport] = []
    for name in ("a", "b"):
        torch.rand(3)  # the global generator moves on
        reports.append(train("digits-cnn", out=tmp_path / name))
    assert reports[0].sha256 == reports[1].sha256 == file_sha256(tmp_path / "a")
    assert reports[0].validation is not None
    assert reports[0].validation.n == 269
    assert reports[0].test.n == 450
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]  # no checkpoint is left
    model = load_model(ModelSpec(source=str(tmp_path / "a")))
    assert accuracy(model, digits.load("test")) == reports[0].test
    assert "seed 0" in reports[0].as_text()
    other = train("digits-cnn", seed=1)
    assert (other.recipe.seed, other.path) == (1, None)


def test_installed_weights_are_the_ones_that_a_name_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (card_module, builtin):
        monkeypatch.setattr(module, "MEASUREMENTS", tmp_path / "measured.json")
    monkeypatch.setattr(card_module, "WEIGHTS", tmp_path)
    (tmp_path / "measured.json").write_text("{}", encoding="utf-8")
    short = dataclasses.replace(MODELS["digits-cnn"], recipe=SHORT)
    for catalogue in (CARDS, MODELS):
        monkeypatch.setitem(catalogue, "digits-cnn", short)
    measurements.cache_clear()
    try:
        report = train("digits-cnn", out=tmp_path / "fresh.safetensors")
        install(report)
        row = json.loads((tmp_path / "measured.json").read_text())["digits-cnn"]
        assert (row["correct"], row["n"]) == (report.test.correct, 450)
        assert row["parameters"] == 112_106
        assert row["recipe"] == short.recipe_text
        model = load_model(ModelSpec(source="digits-cnn"))
        assert model.identity.sha256 == report.sha256
    finally:
        measurements.cache_clear()


def test_flops_of_a_linear_layer_are_two_for_each_weight() -> None:
    from torch import nn

    from auditkit.models.classifier import ImageClassifier

    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 5, bias=False))
    model = ImageClassifier(module, classes="abcde", input_shape=(3, 2, 2))
    assert builtin._flops(model) == 2 * 12 * 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits-cnn", "digits-vit", "phrases-transformer"])
def test_the_recipe_gives_the_shipped_accuracy_again(name: str) -> None:
    measured = MODELS[name].measured
    report = train(name)
    assert report.test.n == measured.n
    assert abs(report.test.correct - measured.correct) <= 0.01 * measured.n


@pytest.mark.slow
@needs("fashion-mnist")
def test_training_lenet_again_gives_an_accuracy_within_the_interval_of_its_card() -> None:
    low, high = MODELS["fashion-lenet5"].interval
    assert low <= train("fashion-lenet5").test.share <= high
