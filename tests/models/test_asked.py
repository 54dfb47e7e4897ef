"""Mirrors auditkit/models/asked.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from auditkit.data.hints import Hints
from auditkit.data.schema import Feature, Schema
from auditkit.errors import ModelError
from auditkit.models.asked import Asked, Questions, classifier_around, scores_of
from auditkit.models.blackbox import Output
from auditkit.models.classifier import Classifier, Identity, ImageClassifier
from auditkit.models.load import ModelSpec
from auditkit.models.tabular import TabularClassifier

COLUMNS = Schema(
    (
        Feature(name="age", integer=True),
        Feature(name="job", kind="categorical", categories=("cook", "smith")),
        Feature(name="wage"),
    )
)
TABLE = Hints(
    source="rows.csv", modality="tabular", classes=("no", "yes"), columns=COLUMNS,
    inputs=("age", "wage"),
)  # fmt: skip


class Asking:
    """Remembers what it was asked, and finds both classes alike."""

    def __init__(self) -> None:
        self.asked: list[Questions] = []

    def __call__(self, questions: Questions) -> object:
        self.asked.append(questions)
        return np.full((len(questions), 2), 0.5)


def around(ask: Any, *, columns: tuple[str, ...] | None = None, **options: Any) -> Classifier:
    identity = Identity(name="it", architecture="function")
    asked = Asked(name="it", ask=ask, identity=identity, columns=columns)
    return classifier_around(asked, ModelSpec(source="it", **options))


def test_images_are_handed_over_normalised_and_in_the_layout_asked_for() -> None:
    ask = Asking()
    model = around(
        ask, input_shape=(1, 2, 3), classes=("a", "b"), bounds=(0, 255), mean=(1.0,), std=(2.0,),
        layout="nhwc",
    )  # fmt: skip
    images = torch.arange(12.0).reshape(2, 1, 2, 3)
    model.logits(images)
    assert isinstance(model, ImageClassifier)
    assert not model.differentiable
    expected = ((images - 1) / 2).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(np.asarray(ask.asked[0]), expected)


def test_rows_are_handed_over_as_a_table_of_the_columns_named() -> None:
    ask = Asking()
    model = around(ask, hints=TABLE, features=("job", "age"))
    assert isinstance(model, TabularClassifier)
    model.logits(torch.tensor([[1.0, 30.0], [float("nan"), 40.0]]))
    expected = pd.DataFrame({"job": ["smith", None], "age": [30, 40]})
    pd.testing.assert_frame_equal(pd.DataFrame(ask.asked[0]), expected, check_dtype=False)


def test_columns_of_the_data_are_the_inputs_where_nobody_names_any() -> None:
    model = around(Asking(), hints=TABLE)
    assert isinstance(model, TabularClassifier)
    assert model.schema.names == ("age", "wage")
    assert model.classes == ("no", "yes")
    notes = " ".join(model.identity.notes)
    assert "columns of rows.csv were taken for the inputs, in this order: age, wage" in notes
    assert "Classes are assumed in the order of rows.csv: no, yes." in notes


def test_its_own_columns_win_over_those_of_the_data() -> None:
    model = around(Asking(), hints=TABLE, columns=("job",))
    assert isinstance(model, TabularClassifier)
    assert model.schema.names == ("job",)


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ({}, "Nothing says what it reads", "--input-shape C,H,W"),
        ({"input_shape": (1, 2, 2)}, "does not say its classes", "--classes a,b,c"),
        ({"arch": "a:b"}, "--arch builds", "Leave out --arch"),
        ({"features": ("a",), "input_shape": (1, 2, 2)}, "--features is about rows", "Leave out"),
        ({"hints": Hints(source="sst2", modality="text")}, "about texts, which sst2", "bundle"),
        ({"hints": Hints(source="mutag", modality="graph")}, "about graphs, which", "bundle"),
        (
            {"hints": TABLE, "features": ("wgae",)},
            "reads the column 'wgae', which rows.csv lacks; it has age, job, wage. Did you mean"
            " 'wage'?",
            "--features",
        ),
    ],
)
def test_what_nobody_says_is_asked_for(options: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        around(Asking(), **options)
    assert said in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "said", "hint"),
    [
        ([[0.1, 0.9]], r"shape \(1, 2\) about 2 inputs", "each input"),
        (0.5, r"shape \(\) about 2 inputs", "each input"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)", "each input"),
        ([[0.1], [0.2, 0.3]], "rows of different lengths", "one score per class"),
        ([0, 1], "one whole number for each input, probably its class", "predict_proba"),
        ([0.2, 0.7], "may be a probability or a logit", "--scores"),
        (["cat", "dog"], "answered with 'cat'", "class names"),
        ([{"a": 1}, {"a": 2}], "answered with dict", "class names"),
        ([True, False], "answered with bool", "class names"),
        ([[0.1, np.nan], [0.5, 0.5]], "NaN or infinite scores about 1 of 2", "missing"),
        ([[0.1, None], [0.5, 0.5]], "NaN or infinite scores about 1 of 2", "missing"),
        ([[0.33, 0.33, 0.33], [0.5, 0.25, 0.25]], "may be rounded probabilities", "--scores"),
    ],
)
def test_answers_that_are_no_scores_are_told(answer: object, said: str, hint: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        scores_of(answer, 2, name="it", output=None)
    assert hint in caught.value.hint
    assert caught.value.message.startswith("it ")


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ([[0.1, 0.9], [0.5, 0.5]], None),
        ([[3.0, -1.0], [0.0, 0.0]], None),
        (torch.tensor([[0.1, 0.9], [0.5, 0.5]]), None),
        ([0.2, 0.7], "logits"),
        ([[0.33, 0.33, 0.33], [0.5, 0.25, 0.25]], "probabilities"),
    ],
)
def test_scores_are_taken_as_they_are(answer: object, output: Output | None) -> None:
    scores = scores_of(answer, 2, name="it", output=output)
    assert scores.shape[0] == 2
    assert np.allclose(scores, np.asarray(answer).reshape(2, -1))


def test_a_wrong_number_of_classes_is_told() -> None:
    model = around(lambda _: [[0.2, 0.3, 0.5]], hints=TABLE)
    with pytest.raises(ModelError, match="3 scores for each input, and there are 2 classes") as one:
        model.logits(torch.zeros(1, 2))
    assert "--classes 0,1,2" in one.value.hint


def test_what_the_first_answer_shows_holds_for_later_ones() -> None:
    """Rounded probabilities whose first sum is exact are probabilities all the same."""
    answers = iter([[[0.5, 0.5]], [[0.49, 0.5]]])
    model = around(lambda _: next(answers), hints=TABLE)
    model.logits(torch.zeros(1, 2))
    assert model.logits(torch.zeros(1, 2)).exp().tolist()[0] == pytest.approx([0.49, 0.5])


def test_scores_that_the_user_names_are_not_guessed() -> None:
    model = around(lambda _: [0.25], hints=TABLE, scores="probabilities")
    assert model.logits(torch.zeros(1, 2)).exp().tolist()[0] == pytest.approx([0.75, 0.25])
