"""Mirrors auditkit/models/blackbox.py."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from auditkit.data.schema import Schema
from auditkit.errors import ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import rehearse
from auditkit.models.tabular import TabularClassifier

ROWS = torch.tensor([[0.2, 0.8], [0.6, 0.4]])


@given(
    scores=st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=5)
)
def test_probabilities_come_back_from_the_logits(scores: list[list[float]]) -> None:
    shares = np.array(scores) / np.sum(scores, axis=1, keepdims=True)
    box = BlackBox(lambda rows: shares)
    assert torch.allclose(box(ROWS).softmax(dim=1), torch.from_numpy(shares))
    assert "sum to 1" in box.note


def test_scores_that_do_not_sum_to_one_are_logits() -> None:
    box = BlackBox(lambda rows: rows * 3)
    assert torch.allclose(box(ROWS), ROWS.double() * 3)
    assert "do not sum to 1" in box.note
    assert BlackBox(lambda rows: rows - 0.1)(ROWS).min() < 0.2


def test_what_was_seen_first_holds() -> None:
    """Later batches never change how scores are read."""
    answers = iter([[[0.5, 0.5]], [[2.0, 0.0]]])
    box = BlackBox(lambda rows: next(answers))
    box(ROWS)
    with pytest.raises(ModelError, match=r"outside \[0, 1\]") as caught:
        box(ROWS)
    assert 'output="logits"' in caught.value.hint


def test_what_was_said_is_not_guessed() -> None:
    box = BlackBox(lambda rows: rows, output="logits")
    assert torch.allclose(box(ROWS), ROWS.double())
    assert box.note == ""


def test_an_impossible_class_keeps_a_finite_logit() -> None:
    logits = BlackBox(lambda rows: [[0.0, 1.0]])(ROWS)
    assert torch.isfinite(logits).all()
    assert logits.softmax(dim=1)[0].tolist() == [pytest.approx(0, abs=1e-30), 1]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_one_column_is_the_second_class(shape: tuple[int, ...]) -> None:
    share = np.array([0.2, 0.9]).reshape(shape)
    box = BlackBox(lambda rows: share, output="probabilities")
    assert box(ROWS).softmax(dim=1)[:, 1].tolist() == pytest.approx([0.2, 0.9])
    assert BlackBox(lambda rows: share)(ROWS).shape == (2, 1), "one column may be a logit"


def test_functions_that_fail_are_said() -> None:
    with pytest.raises(ModelError, match="failed on 2 inputs: ZeroDivisionError"):
        BlackBox(lambda rows: 1 / 0)(ROWS)
    with pytest.raises(ModelError, match="returned list, expected numbers"):
        BlackBox(lambda rows: ["yes", "no"])(ROWS)


def test_a_forest_answers_as_it_does_alone() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 3)).astype(np.float32)
    labels = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    forest = RandomForestClassifier(10, random_state=0).fit(rows, labels)
    schema = Schema.of(pd.DataFrame(rows, columns=["a", "b", "c"]))
    model = TabularClassifier(BlackBox(forest.predict_proba), schema=schema, classes=["no", "yes"])
    rehearse(model)
    rehearse(model)
    assert len(model.identity.notes) == 1, "said once"
    assert (model.parameters, model.device.type, model.dtype) == (None, "cpu", torch.float32)
    found = model.predict(torch.from_numpy(rows)).softmax(dim=1)
    assert torch.allclose(found, torch.from_numpy(forest.predict_proba(rows)).float(), atol=1e-6)


def test_images_too() -> None:
    def brighter(images: np.ndarray) -> np.ndarray:
        share = images.mean(axis=(1, 2, 3))
        return np.stack([1 - share, share], axis=1)

    model = ImageClassifier(BlackBox(brighter), classes=["dark", "light"], input_shape=(1, 2, 2))
    assert not model.differentiable
    share = model.predict(torch.full((1, 1, 2, 2), 0.75)).softmax(dim=1)[0, 1]
    assert share.item() == pytest.approx(0.75)
