"""Mirrors auditkit/checks/robustness/transfer.py."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from auditkit.checks.base import NotApplicable
from auditkit.checks.other_model import given
from auditkit.checks.robustness.transfer import Transfer
from auditkit.data.digits import load
from auditkit.errors import ConfigError, ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from tests.methods.attacks.subjects import like
from tests.subjects import Subject, linear_subject, measured, run_check, values

CHECK = Transfer(other="digits-cnn", epsilon=0.15, steps=12)
REVEALS = "transfer_rate"


@cache
def subject(name: str) -> Subject:
    return Subject(
        load_model(ModelSpec(source=name, device="cpu")), load("test").sample(60, seed=0)
    )


def broken() -> Subject:
    """The very model that the images are made for."""
    return subject("digits-cnn")


def sound() -> Subject:
    """Another kind of network."""
    return subject("digits-vit")


def test_everything_transfers_to_the_model_itself() -> None:
    found = values(measured(CHECK, broken()))
    rates = {name.split("/")[0]: value for name, value in found.items()}
    assert rates["transfer_rate"] == rates["other_attack_success_rate"]
    assert rates["transfer_back_rate"] == pytest.approx(rates["transfer_rate"], abs=0.05)
    assert rates["transfer_rate"] > rates["noise_rate"] + 0.3  # type: ignore[operator]


def test_less_transfers_to_another_network_than_fooled_the_first() -> None:
    found = {name.split("/")[0]: one for name, one in values(measured(CHECK, sound())).items()}
    assert found["noise_rate"] <= found["transfer_rate"] < found["other_attack_success_rate"]  # type: ignore[operator]


def test_only_images_that_both_read_correctly_count() -> None:
    both = [
        one.model.predict(one.artifacts.images).argmax(dim=1) == one.artifacts.labels
        for one in (broken(), sound())
    ]
    expected = int((both[0] & both[1]).sum())
    assert {one.n for one in measured(CHECK, sound()).findings} == {expected}
    wrong = Subject(sound().model, replace(sound().data, labels=(sound().data.labels + 1) % 10))
    assert isinstance(run_check(CHECK, wrong), NotApplicable)


def test_a_black_box_is_shown_images_and_none_are_made_for_it() -> None:
    network = sound().model.module
    box = BlackBox(lambda x: network(torch.from_numpy(x)).numpy(), output="logits")
    found = values(measured(CHECK, like(sound(), box)))
    assert not any(name.startswith("transfer_back_rate") for name in found)
    white = values(measured(CHECK, sound()))
    name = "transfer_rate/epsilon=0.15"
    assert found[name] == pytest.approx(white[name], abs=0.02)


def test_without_a_second_model_it_does_not_apply() -> None:
    outcome = Transfer().applies(sound().model, sound().data)
    assert isinstance(outcome, NotApplicable)
    assert "--other-model" in outcome.reason


def test_another_model_without_gradients_cannot_be_attacked_and_says_so() -> None:
    network = sound().model.module
    box = BlackBox(lambda x: network(torch.from_numpy(x)).numpy(), output="logits")
    with given("a function", like(sound(), box).model):
        outcome = Transfer(other="a function").applies(sound().model, sound().data)
    assert outcome == NotApplicable("a function has no gradients, which an attack on it needs")


def test_the_other_model_is_named_with_its_hash() -> None:
    assert CHECK.parameters()["other_sha256"] == broken().model.identity.sha256
    assert "other_sha256" not in Transfer().parameters()


def test_another_model_that_does_not_fit_is_refused_before_anything_runs(tmp_path: Path) -> None:
    tiny = linear_subject(0)
    for other, model, said in (
        ("digits-cnn", tiny.model, "audited model reads images"),
        ("no-such-model", sound().model, "no-such-model"),
        (str(tmp_path / "gone.pt"), sound().model, "gone"),
    ):
        with pytest.raises(ModelError, match=said):
            Transfer(other=other).applies(model, sound().data)
    model = sound().model
    assert isinstance(model, ImageClassifier)
    renamed = ImageClassifier(
        model.module, classes=[f"c{i}" for i in range(10)], input_shape=model.input_shape
    )
    with pytest.raises(ModelError, match="other classes"):
        CHECK.applies(renamed, sound().data)


@pytest.mark.parametrize("parameters", [{"epsilon": 0.0}, {"steps": 0}])
def test_impossible_parameters_are_refused(parameters: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Transfer(**parameters)  # type: ignore[arg-type]
