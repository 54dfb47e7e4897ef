"""Mirrors auditkit/models/skops/load.py: an estimator answers as it does alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from auditkit.data.adult import load as load_adult
from auditkit.data.digits import load as load_digits
from auditkit.data.hints import as_read
from auditkit.data.load import DataSpec
from auditkit.errors import MissingExtraError, ModelError
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.tabular import TabularClassifier
from auditkit.policy import load_policy
from auditkit.run import Request, run
from auditkit.subject import Subject, SubjectSpec, as_inputs, load_subject, settle
from tests.models.skops.files import with_schema, written
from tests.published import needs

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 3))
NAMED = pd.DataFrame(ROWS, columns=["age", "wage", "rent"])
WORDS = ["yes" if one > 0 else "no" for one in ROWS[:, 0]]


def subject(path: Path, data: str, *, split: str = "test", **options: Any) -> Subject:
    spec = SubjectSpec(
        model=ModelSpec(source=str(path), **options),
        data=DataSpec(source=data, split=split),
        max_inputs=None,
        seed=0,
    )
    return load_subject(settle(spec))


def tumours() -> tuple[pd.DataFrame, pd.Series]:
    """Tumours in double precision, in the order of their ids."""
    data: Any = load_breast_cancer(as_frame=True)
    return data.data, data.target


def answers(found: Subject) -> np.ndarray:
    return found.model.predict(as_inputs(found.data.read(slice(0, None)))).softmax(dim=1).numpy()


def loaded(estimator: Any, folder: Path, **options: Any) -> Classifier:
    path = written(estimator, folder / "model.skops")
    return load_model(ModelSpec(source=str(path), **options))


def refused(estimator: Any, folder: Path, **options: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        loaded(estimator, folder, **options)
    return caught.value


def notes(model: Classifier) -> str:
    return " ".join(model.identity.notes)


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(10, random_state=0),
        HistGradientBoostingClassifier(max_iter=5, random_state=0),
        make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=400, random_state=0)),
        CalibratedClassifierCV(LogisticRegression(max_iter=3000), cv=2),
    ],
    ids=["logistic", "forest", "histograms", "perceptron", "calibrated"],
)
def test_an_estimator_answers_as_it_does_alone(tmp_path: Path, estimator: Any) -> None:
    rows, labels = tumours()
    estimator.fit(rows, labels)
    found = subject(written(estimator, tmp_path / "m.skops"), "breast-cancer")
    assert isinstance(found.model, TabularClassifier)
    positions = [int(one.removeprefix("tumour-")) for one in found.data.ids]
    expected = estimator.predict_proba(rows.iloc[positions])  # in double precision
    assert np.abs(answers(found) - expected).max() < 1e-5
    assert not found.model.differentiable
    assert found.model.classes == ("malignant", "benign"), "0 and 1 are named by the data"
    assert "Classes are assumed in the order of breast-cancer" in notes(found.model)


@needs("adult")
def test_a_pipeline_reads_words_by_the_names_of_the_columns(tmp_path: Path) -> None:
    train, test = load_adult("train"), load_adult("test")
    schema = train.schema
    assert schema is not None
    tables = []
    for data in (train, test):
        held = data.reader.read(np.arange(3000))
        assert not isinstance(held, list)
        tables.append(as_read(schema, held))
    words = [one.name for one in schema.features if one.kind == "categorical"]
    numbers = [one for one in schema.names if one not in words]
    known = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore")
    )
    estimator = make_pipeline(
        make_column_transformer((StandardScaler(), numbers), (known, words)),
        LogisticRegression(max_iter=500),
    )
    shuffled = [*reversed(tables[0].columns)]  # not the order of the data
    estimator.fit(tables[0][shuffled], [train.classes[i] for i in train.labels[:3000]])
    found = subject(written(estimator, tmp_path / "m.skops"), "adult")
    expected = estimator.predict_proba(tables[1][shuffled])
    assert np.abs(answers(found)[:3000] - expected).max() < 1e-6
    assert found.model.classes == tuple(estimator.classes_)
    assert "Columns of words, handed over as they stand: native-country" in notes(found.model)


def test_rows_of_a_file_reach_it_as_they_stand(tmp_path: Path) -> None:
    """A category that is a number, a truth value and a missing word change nothing on the way."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "code": rng.choice([0.1, 0.7, 1.3], 80),
            "ok": rng.random(80) > 0.5,
            "job": [("cook", "smith", None)[i] for i in rng.integers(0, 3, 80)],
        }
    )
    frame["label"] = np.where((frame["code"] > 0.5) ^ frame["ok"], "up", "down")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    read = pd.read_csv(tmp_path / "rows.csv")
    encoder = OneHotEncoder(handle_unknown="ignore")
    estimator = make_pipeline(
        make_column_transformer(
            (encoder, ["code", "ok"]),
            (make_pipeline(SimpleImputer(strategy="most_frequent"), encoder), ["job"]),
        ),
        LogisticRegression(),
    ).fit(read.drop(columns="label"), read["label"])
    found = subject(written(estimator, tmp_path / "m.skops"), str(tmp_path / "rows.csv"))
    expected = estimator.predict_proba(read.drop(columns="label"))
    assert np.abs(answers(found) - expected).max() < 1e-6
    assert np.ptp(expected[:, 0]) > 0.3, "the columns matter"


def test_an_estimator_of_pixels_reads_images(tmp_path: Path) -> None:
    data = load_digits("train")
    images = data.reader.read(np.arange(len(data)))
    assert not isinstance(images, list)
    flat = images.reshape(len(images), -1)
    estimator = LogisticRegression(max_iter=300).fit(flat * 16, data.labels)
    found = subject(written(estimator, tmp_path / "m.skops"), "digits", scale=16)
    assert isinstance(found.model, ImageClassifier)
    held = found.data.read(slice(0, None))
    assert not isinstance(held, list)
    expected = estimator.predict_proba(held.reshape(len(held), -1) * 16)
    assert np.abs(answers(found) - expected).max() < 1e-5


def test_scores_of_a_margin_are_logits_and_said(tmp_path: Path) -> None:
    estimator = SVC().fit(NAMED, WORDS)
    model = loaded(estimator, tmp_path)
    rows = torch.tensor(ROWS, dtype=torch.float32)
    logits = model.predict(rows)
    assert torch.equal(logits[:, 0], torch.zeros(len(rows)))
    expected = estimator.decision_function(NAMED)
    assert np.abs(logits[:, 1].numpy() - expected).max() < 1e-5
    assert "decision_function answers was taken for logits" in notes(model)


def test_columns_without_names_are_those_of_the_option(tmp_path: Path) -> None:
    estimator = LogisticRegression().fit(ROWS, WORDS)
    model = loaded(estimator, tmp_path, features=("rent", "age", "wage"))
    assert isinstance(model, TabularClassifier)
    assert model.schema.names == ("rent", "age", "wage")
    assert model.classes == ("no", "yes")
    rows = torch.tensor(ROWS, dtype=torch.float32)
    expected = estimator.predict_proba(ROWS)
    assert np.abs(model.predict(rows).exp().numpy() - expected).max() < 1e-6


# --- what is said --------------------------------------------------------------------------------


def test_another_version_of_scikit_learn_is_noted(tmp_path: Path) -> None:
    import sklearn

    path = written(LogisticRegression().fit(NAMED, WORDS), tmp_path / "now.skops")

    def older(schema: dict[str, Any]) -> dict[str, Any]:
        version = schema["content"]["content"]["_sklearn_version"]
        version["content"], version["__id__"] = '"1.4.2"', 1
        return schema

    model = load_model(ModelSpec(source=str(with_schema(path, tmp_path / "then.skops", older))))
    assert f"written with scikit-learn 1.4.2, and {sklearn.__version__} reads it" in notes(model)
    assert "written with" not in notes(load_model(ModelSpec(source=str(path))))


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (LinearRegression().fit(ROWS, ROWS[:, 0]), "holds a LinearRegression, which is no class"),
        (KMeans(2).fit(ROWS), "holds a KMeans, which is no classifier"),
        ({"a": 1}, "holds a dict, which is no classifier"),
        (LogisticRegression(), "was not fitted"),
        (
            make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(WORDS, WORDS),
            "texts cannot be audited",
        ),
        (
            RandomForestClassifier(2).fit(ROWS, np.stack([ROWS[:, 0] > 0, ROWS[:, 1] > 0], axis=1)),
            "gives several labels to one input",
        ),
    ],
    ids=["regression", "clusters", "dict", "unfitted", "texts", "several"],
)
def test_what_is_no_classifier_of_rows_is_refused(
    tmp_path: Path, estimator: object, said: str
) -> None:
    assert said in refused(estimator, tmp_path).message


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ({"features": ("a", "b")}, "fitted on the columns age, wage, rent", "Leave out --features"),
        ({"scores": "logits"}, "says itself what its scores are", "Leave out --scores"),
        ({"arch": "a:b"}, "--arch builds", "Leave out --arch"),
        ({"input_shape": (1, 2, 2)}, "reads 3 numbers for each input", "--input-shape"),
        ({"classes": ("a", "b", "c")}, "2 scores for each input, and there are 3", "--classes"),
    ],
)
def test_options_that_do_not_fit_are_told(
    tmp_path: Path, options: dict[str, Any], said: str, hint: str
) -> None:
    error = refused(LogisticRegression().fit(NAMED, WORDS), tmp_path, **options)
    assert said in error.message
    assert hint in error.hint


def test_a_wrong_number_of_columns_is_told(tmp_path: Path) -> None:
    estimator = LogisticRegression().fit(ROWS, WORDS)
    error = refused(estimator, tmp_path, features=("age", "wage"))
    assert "reads 3 numbers for each input, and the data have 2" in error.message
    assert "--features A,B,..." in error.hint
    assert "Nothing says what" in refused(estimator, tmp_path).message


def test_types_that_are_not_trusted_are_named_with_what_to_type(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), RidgeClassifier()).fit(ROWS, WORDS)
    estimator.steps[0] = ("own", Own())
    error = refused(estimator, tmp_path)
    assert "test_load.Own, which skops does not trust" in error.message
    assert "audit run mine:predict" in error.hint


class Own(StandardScaler):
    """A user's class."""


def test_without_skops_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(LogisticRegression().fit(NAMED, WORDS), tmp_path / "m.skops")
    monkeypatch.setattr("auditkit.models.load.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as caught:
        load_model(ModelSpec(source=str(path)))
    assert caught.value.hint == 'Type: pip install "auditkit-ml[skops]"'


def test_an_audit_from_the_command_line(tmp_path: Path) -> None:
    rows, labels = tumours()
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    written(estimator, tmp_path / "tumours.skops")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "auditkit", "run", "tumours.skops", "--data", "breast-cancer"),
            *("--check", "clean-accuracy", "--check", "pgd-linf", "--policy", "none"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "it is about image models" in done.stdout
    report = (tmp_path / "reports" / "tumours" / "report.html").read_text()
    assert "Pipeline of StandardScaler, LogisticRegression" in report


def test_several_processes_find_the_same(tmp_path: Path) -> None:
    rows, labels = tumours()
    path = written(
        RandomForestClassifier(5, random_state=0).fit(rows, labels), tmp_path / "m.skops"
    )
    request = Request(
        model=ModelSpec(source=str(path)),
        data=DataSpec(source="breast-cancer", split="train"),
        policy=load_policy("none", suite="deep", checks=["clean-accuracy", "group-gap"]),
        out=tmp_path / "one",
    )
    one = run(request).result
    two = run(replace(request, workers=2, out=tmp_path / "two")).result
    assert [o.findings for o in one.outcomes] == [o.findings for o in two.outcomes]
