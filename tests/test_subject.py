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
from auditkit.subject import Subject, SubjectSpec, choose_execution, load_subject
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
    """Pretends that every stretch of the plain setting takes `plain` seconds, any other one 1 s."""

    def __init__(self, plain: float) -> None:
        self.now, self.calls, self.plain = 0.0, 0, plain

    def __call__(self) -> float:
        if self.calls % 2:
            self.now += self.plain if self.calls < 8 else 1.0
        self.calls += 1
        return self.now


@pytest.mark.parametrize(("plain", "same"), [(1.0, True), (1.4, True), (1.6, False)])
def test_another_execution_must_be_clearly_faster(plain: float, same: bool) -> None:
    made = linear_subject(0)
    subject = Subject(made.model, made.data)
    chosen = choose_execution(subject, clock=_Clock(plain))
    settings = (chosen.layout, chosen.search_dtype)
    assert (settings == ("contiguous", "float32")) is same


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
