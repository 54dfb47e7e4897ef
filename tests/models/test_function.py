"""Mirrors auditkit/models/function.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from auditkit.data.load import DataSpec
from auditkit.errors import ModelError
from auditkit.models.classifier import ImageClassifier
from auditkit.models.load import ModelSpec, load_model, names_function
from auditkit.models.tabular import TabularClassifier
from auditkit.policy import load_policy
from auditkit.run import Request, run
from auditkit.subject import SubjectSpec, settle

MODULE = """
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

def bright(images):
    share = images.mean(axis=(1, 2, 3))
    return np.stack([1 - share, share], axis=1)

def fails(images):
    raise KeyError("boom\\nand more")

class Kind:
    pass

network = nn.Flatten()
number = 3
seen = []

def later(images):
    import helper_of_this_test
    return helper_of_this_test.answer(images)

data = load_breast_cancer(as_frame=True)
tumours = make_pipeline(StandardScaler(), LogisticRegression()).fit(data.data, data.target)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_of_this_test.py").write_text(MODULE)
    (tmp_path / "helper_of_this_test.py").write_text("def answer(x): return [[0.5, 0.5]] * len(x)")
    yield tmp_path
    for name in [one for one in sys.modules if one.endswith("_of_this_test")]:
        del sys.modules[name]


def named(attribute: str) -> ModelSpec:
    source = f"mine_of_this_test:{attribute}"
    return ModelSpec(source=source, input_shape=(1, 2, 2), classes=("dark", "light"))


def test_a_function_answers_as_it_does_alone() -> None:
    model = load_model(named("bright"))
    assert isinstance(model, ImageClassifier)
    images = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    share = images.mean(dim=(1, 2, 3))
    assert torch.allclose(model.predict(images).exp()[:, 1], share)
    assert model.identity.name == "mine_of_this_test.bright"
    assert model.identity.sha256 == ""
    assert any("has no hash" in note for note in model.identity.notes)


def test_a_function_may_import_its_neighbours_when_it_is_called() -> None:
    assert load_model(named("later")).predict(torch.zeros(1, 1, 2, 2)).shape == (1, 2)


def test_a_file_of_that_name_wins(folder: Path) -> None:
    assert names_function(ModelSpec(source="net:build"))
    (folder / "net:build").write_bytes(b"")
    assert not names_function(ModelSpec(source="net:build"))
    assert not names_function(ModelSpec(source="digits-cnn"))


@pytest.mark.parametrize(
    ("attribute", "said", "hint"),
    [
        ("birght", "has no birght. Did you mean 'bright'?", "has "),
        ("fails", "failed on 1 inputs: KeyError: 'boom", "float32 array of shape (1, 1, 2, 2)"),
        ("Kind", "is a class", "Name a function"),
        ("network", "is a torch network (Flatten)", "auditkit.save"),
        ("number", "is int, expected a function", "package.module:predict"),
        ("tumours", "is Pipeline, expected a function", "mine_of_this_test:tumours.predict_proba"),
    ],
)
def test_what_cannot_be_asked_says_why(attribute: str, said: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(named(attribute))
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_method_reads_the_columns_of_the_data_by_name() -> None:
    spec = settle(
        SubjectSpec(
            model=ModelSpec(source="mine_of_this_test:tumours.predict_proba"),
            data=DataSpec(source="breast-cancer"),
            max_inputs=None,
            seed=0,
        )
    )
    assert isinstance(spec.model, ModelSpec)
    model = load_model(spec.model)
    assert isinstance(model, TabularClassifier)
    assert model.classes == ("malignant", "benign")
    data = sys.modules["mine_of_this_test"]
    rows = torch.tensor(data.data.data.to_numpy(np.float32))
    expected = data.tumours.predict_proba(data.data.data)
    assert np.abs(model.predict(rows).exp().numpy() - expected).max() < 1e-6


@pytest.mark.parametrize(("workers", "checks"), [(1, ()), (2, ("clean-accuracy", "pgd-linf"))])
def test_an_audit_of_a_function_says_what_does_not_apply(
    folder: Path, workers: int, checks: tuple[str, ...]
) -> None:
    audit = run(
        Request(
            model=ModelSpec(source="mine_of_this_test:tumours.predict_proba"),
            data=DataSpec(source="breast-cancer"),
            policy=load_policy("none", suite="quick", checks=checks),
            out=folder / "out",
            workers=workers,
        )
    )
    statuses = {one.check: (one.status, one.reason) for one in audit.result.outcomes}
    assert statuses["clean-accuracy"] == ("measured", None)
    assert statuses["pgd-linf"] == ("not_applicable", "it is about image models")
    report = (folder / "out" / "report.html").read_text()
    assert "has no hash" in report
    assert audit.result.model.name == "mine_of_this_test.tumours.predict_proba"


def test_gradients_are_missed_where_a_check_needs_them(folder: Path) -> None:
    (folder / "digits_of_this_test.py").write_text(
        "import numpy as np\n"
        "def predict(images):\n"
        "    flat = images.reshape(len(images), -1)[:, :10]\n"
        "    return np.exp(flat) / np.exp(flat).sum(axis=1, keepdims=True)\n"
    )
    audit = run(
        Request(
            model=ModelSpec(source="digits_of_this_test:predict"),
            data=DataSpec(source="digits"),
            policy=load_policy("none", suite="quick", checks=["pgd-linf", "clean-accuracy"]),
            out=folder / "out",
        )
    )
    reasons = {one.check: one.reason for one in audit.result.outcomes}
    assert reasons["pgd-linf"] == "it needs gradients, and this model has none"
    assert any("taken for probabilities" in note for note in audit.result.model.notes)
