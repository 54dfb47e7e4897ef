"""Mirrors auditkit/subject.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from auditkit.data.load import DataSpec
from auditkit.errors import AuditkitError
from auditkit.models.load import ModelSpec
from auditkit.result import Execution
from auditkit.subject import (
    Subject,
    SubjectSpec,
    choose_execution,
    examine,
    load_subject,
    settle,
)
from tests.subjects import linear_subject


def spec(**changes: object) -> SubjectSpec:
    settings: dict[str, object] = {
        "model": ModelSpec(source="digits-cnn"),
        "data": None,
        "max_inputs": 50,
        "seed": 0,
    }
    return SubjectSpec(**{**settings, **changes})  # type: ignore[arg-type]


def test_a_built_in_model_knows_its_data() -> None:
    subject = load_subject(spec())
    assert (subject.data.name, subject.data.split, len(subject.data)) == ("digits", "test", 50)
    assert subject.data.available > 50


def test_the_sample_belongs_to_the_seed() -> None:
    assert load_subject(spec()).data.ids == load_subject(spec()).data.ids
    assert load_subject(spec()).data.ids != load_subject(spec(seed=1)).data.ids


def test_data_of_another_modality_or_shape_is_refused() -> None:
    for name in ("phrases", "glyphs"):
        with pytest.raises(AuditkitError):
            load_subject(spec(data=DataSpec(source=name)))


class _Clock:
    """Pretends that passes take so many seconds, one after the other."""

    def __init__(self, *passes: float) -> None:
        self.now, self.calls, self.passes = 0.0, 0, passes

    def __call__(self) -> float:
        if self.calls % 2:
            self.now += self.passes[self.calls // 2]
        self.calls += 1
        return self.now


@pytest.mark.parametrize(
    ("plain", "again", "same"),
    [(1.0, 1.0, True), (1.4, 1.4, True), (1.6, 1.6, False), (1.6, 1.4, True), (1.4, 1.6, True)],
)
def test_another_execution_must_be_clearly_faster_twice(
    plain: float, again: float, same: bool
) -> None:
    made = linear_subject(0)
    subject = Subject(made.model, made.data)
    clock = _Clock(*[plain] * 4, *[1.0] * 4 * 3, *[1.0] * 4, *[again] * 4)  # three others, the best
    chosen = choose_execution(subject, clock=clock)
    settings = (chosen.layout, chosen.search_dtype)
    assert (settings == ("contiguous", "float32")) is same


def test_a_setting_that_is_far_slower_is_tried_once() -> None:
    made, clock = linear_subject(0), _Clock(*[1.0] * 4, *[3.0] * 3)
    choose_execution(Subject(made.model, made.data), clock=clock)
    assert clock.calls == 2 * (4 + 3)  # the plain setting four times, each of the others once


def test_texts_that_are_cut_are_said(tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    long = "the film was good " * 200
    file.write_text(f"text,label\n{long},positive\nthe film was bad,negative\n", encoding="utf-8")
    model = ModelSpec(source="phrases-transformer")
    subject = load_subject(spec(model=model, data=DataSpec(source=str(file))))
    assert any("1 of 2 texts are longer than" in note for note in subject.data.notes)
    plain = load_subject(spec(model=model))
    assert not any("longer than" in note for note in plain.data.notes)


def test_layouts_agree_and_search_precision_never_judges() -> None:
    subject = load_subject(spec())
    images = torch.from_numpy(np.asarray(subject.data.read(slice(0, 20))))
    plain = subject.model.predict(images)
    subject.configure(Execution(layout="channels_last", search_dtype="bfloat16"))
    torch.testing.assert_close(subject.model.predict(images), plain, atol=1e-4, rtol=1e-4)
    searched = subject.model.search_logits(images)  # type: ignore[attr-defined]
    assert not torch.allclose(searched, plain, atol=1e-6), "bfloat16 differs"


def weights_alone(folder: Path, *, shift: float, factor: float) -> Path:
    """The nearest mean of a class, of images that are (images - shift) * factor."""
    data = load_subject(spec(max_inputs=400)).data
    images = (torch.from_numpy(np.asarray(data.read(slice(None)))).flatten(1) - shift) * factor
    means = torch.stack([images[data.labels == i].mean(0) for i in range(10)])
    state = {"fc.weight": means, "fc.bias": -means.square().sum(1) / 2}
    torch.save(state, folder / "w.pt")
    return folder / "w.pt"


def reader() -> torch.nn.Module:
    """The network of these weights."""
    network = torch.nn.Sequential(torch.nn.Flatten())
    network.add_module("fc", torch.nn.Linear(64, 10))
    return network


def test_what_weights_leave_open_is_taken_from_the_data_and_said(tmp_path: Path) -> None:
    model = ModelSpec(
        source=str(weights_alone(tmp_path, shift=0.5, factor=2)), arch="auto", normalise="half"
    )
    settled = settle(spec(model=model, data=DataSpec(source="digits")))
    assert isinstance(settled.model, ModelSpec)
    assert settled.model.input_shape == (1, 8, 8)
    assert settled.model.classes == tuple("0123456789")
    assert settled.model.arch != "auto"
    subject = load_subject(settled)
    said = " ".join(subject.model.identity.notes)
    for part in ("input shape (1, 8, 8)", "Classes are assumed", "--arch auto chose"):
        assert part in said
    assert examine(subject, seed=0).doubt is None


def test_a_missing_normalisation_is_doubted_and_nothing_changes(tmp_path: Path) -> None:
    path = weights_alone(tmp_path, shift=0, factor=255)
    model = ModelSpec(source=str(path), arch="tests.test_subject:reader")
    settled = settle(spec(model=model, data=DataSpec(source="digits"), max_inputs=200))
    subject = load_subject(settled)
    images = torch.from_numpy(np.asarray(subject.data.read(slice(0, 20))))
    before = subject.model.predict(images)
    doubted = examine(subject, seed=0)
    assert doubted.doubt is not None
    assert "did you mean --scale 255" in doubted.doubt
    assert doubted.doubt in doubted.model.identity.notes
    assert torch.equal(doubted.model.predict(images), before)


def test_what_says_itself_is_left_alone() -> None:
    given = spec(data=DataSpec(source="digits"))
    assert settle(given) == given
    subject = load_subject(given)
    assert examine(subject, seed=0) is subject
