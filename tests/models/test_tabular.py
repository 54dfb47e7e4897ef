"""Mirrors auditkit/models/tabular.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from auditkit.data.schema import Feature, Schema
from auditkit.errors import ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.builtin.gradient_boosting import GradientBoosting
from auditkit.models.builtin.logistic_regression import LogisticRegression
from auditkit.models.builtin.mlp import Mlp
from auditkit.models.bundle import KEY, load_bundle, read_header, save
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.tabular import TabularClassifier, width_of
from tests.data.models import SCHEMA, table_model
from tests.models.builtin.networks import network

NAN = float("nan")


def identity(schema: Schema = SCHEMA, **options: object) -> TabularClassifier:
    return TabularClassifier(nn.Identity(), schema=schema, classes=["a", "b"], **options)  # type: ignore[arg-type]


def test_rows_are_encoded_as_written_out() -> None:
    """Columns: age; work State, Private, missing; wage, missing."""
    rows = torch.tensor([[50.0, 1.0, 5.0], [NAN, NAN, NAN], [30.0, 0.0, 1.0]])
    expected = torch.tensor([[1.0, 0, 1, 0, 2, 0], [0.0, 0, 0, 1, 0, 1], [-1.0, 1, 0, 0, 0, 0]])
    assert torch.equal(identity().encode(rows), expected)


def test_an_unknown_category_is_missing() -> None:
    rows = torch.tensor([[40.0, 7.0, 1.0], [40.0, -1.0, 1.0], [40.0, 0.5, 1.0]])
    assert identity().encode(rows)[:, 1:4].tolist() == [[0, 0, 1]] * 3


def test_a_column_that_was_complete_in_training_has_no_feature_for_missing() -> None:
    schema = Schema((Feature(name="c", kind="categorical", categories=("x", "y")),))
    assert identity(schema).encode(torch.tensor([[NAN], [1.0]])).tolist() == [[0, 0], [0, 1]]


def test_every_feature_knows_its_column() -> None:
    model = identity()
    assert model.feature_columns.tolist() == [0, 1, 1, 1, 2, 2]
    assert model.n_features == 6 == sum(map(width_of, SCHEMA.features))
    base, rows = torch.tensor([[40.0, 0.0, 1.0]]), torch.tensor([[41.0, 1.0, NAN]])
    for j in range(3):  # changing a raw column changes its features alone
        changed = base.clone()
        changed[0, j] = rows[0, j]
        moved = (model.encode(changed) != model.encode(base))[0]
        assert set(model.feature_columns[moved].tolist()) == {j}


@given(seed=st.integers(0, 99))
def test_logits_are_those_of_the_features(seed: int) -> None:
    model = table_model()
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randn(5, 3, generator=rng) * 10
    rows[:, 1] = torch.randint(0, 2, (5,), generator=rng).float()
    assert torch.equal(model.logits(rows), model.logits_from_features(model.encode(rows)))
    layer = model.module
    assert isinstance(layer, nn.Linear)
    assert torch.allclose(model.logits(rows), model.encode(rows) @ layer.weight.T + layer.bias)


def test_gradients_with_respect_to_the_features_exist() -> None:
    model = table_model()
    features = model.encode(torch.tensor([[40.0, 1.0, 3.0]])).requires_grad_()
    (gradient,) = torch.autograd.grad(model.logits_from_features(features)[0, 1], features)
    layer = model.module
    assert isinstance(layer, nn.Linear)
    assert torch.allclose(gradient[0], layer.weight[1])
    assert model.differentiable


def test_raw_rows_reach_the_module_as_they_are() -> None:
    seen: list[np.ndarray] = []

    def predict(rows: np.ndarray) -> np.ndarray:
        seen.append(rows)
        return np.zeros((len(rows), 2))

    model = TabularClassifier(BlackBox(predict), schema=SCHEMA, classes=["a", "b"])
    rows = torch.tensor([[50.0, NAN, 5.0]])
    model.logits(rows)
    np.testing.assert_array_equal(seen[0], rows)
    assert (model.encoding, model.differentiable) == ("raw", False)
    assert model.feature_columns.tolist() == [0, 1, 2]
    assert torch.equal(identity(encoding="raw").encode(rows)[0, 2:], rows[0, 2:])


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ModelError, match=r"rows of 3 columns, .* shape \(2, 4\)"):
        table_model().logits(torch.zeros(2, 4))
    with pytest.raises(ModelError, match="encoding is 'hot'"):
        identity(encoding="hot")


def test_double_precision_networks_are_asked_in_it() -> None:
    layer = nn.Linear(6, 2, dtype=torch.float64)
    model = TabularClassifier(layer, schema=SCHEMA, classes=["a", "b"])
    assert model.dtype == torch.float64
    assert model.logits(model.example()).dtype == torch.float32


def test_a_row_in_words() -> None:
    model = table_model()
    assert model.in_words(torch.tensor([39.0, NAN, 1.25])) == "age 39, work (missing), wage 1.25"
    assert model.in_words(model.example()[0]) == "age 40, work State, wage 1"


# --- in a file -----------------------------------------------------------------------------------

KEPT: dict[str, Callable[[], TabularClassifier]] = {
    "layers": lambda: identity_of(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))),
    "mlp": lambda: identity_of(network(Mlp, inputs=6, width=4, depth=1, n_classes=2)),
    "regression": lambda: identity_of(network(LogisticRegression, inputs=6), differentiable=False),
    "trees": lambda: identity_of(
        network(GradientBoosting, iterations=2, depth=2), encoding="raw", differentiable=False
    ),
}


def identity_of(module: nn.Module, **options: Any) -> TabularClassifier:
    rng = torch.Generator().manual_seed(3)
    for value in module.parameters():
        value.data.copy_(torch.randn(value.shape, generator=rng, dtype=torch.float64))
    return TabularClassifier(module, schema=SCHEMA, classes=["a", "b"], **options)


@pytest.mark.parametrize("name", KEPT)
def test_a_bundle_gives_back_the_same_model(tmp_path: Path, name: str) -> None:
    model = KEPT[name]()
    save(model, tmp_path / "m.safetensors")
    again = load_model(ModelSpec(source=str(tmp_path / "m.safetensors"), classes=("x", "y")))
    assert isinstance(again, TabularClassifier)
    rows = torch.tensor([[50.0, 1.0, 5.0], [NAN, NAN, NAN], [30.0, 0.0, -7.0]])
    assert torch.equal(again.predict(rows), model.predict(rows))
    assert len(model.predict(rows).unique()) > 2
    for field in ("schema", "encoding", "differentiable", "dtype"):
        assert getattr(again, field) == getattr(model, field)
    assert again.classes == ("x", "y")


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    description = json.loads(read_header(path).metadata[KEY])
    change(description)
    tensors = safetensors.torch.load_file(path)
    path.write_bytes(safetensors.torch.save(tensors, metadata={KEY: json.dumps(description)}))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("columns"), "without columns or encoding"),
        (lambda d: d.update(columns=[]), "columns"),
        (lambda d: d["columns"][0].update(std=0), "broken bundle: The column 'age' has"),
        (lambda d: d["columns"][0].update(surprise=1), "surprise"),
        (lambda d: d["columns"].pop(), "cannot read 4 features"),
        (lambda d: d.update(encoding="secret"), "encoding"),
        (lambda d: d.update(modality="graph"), "without tags"),
    ],
)
def test_a_wrong_description_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    save(KEPT["layers"](), tmp_path / "m")
    with pytest.raises(ModelError, match=said):
        load_bundle(changed(tmp_path / "m", change))


def test_a_function_cannot_be_saved(tmp_path: Path) -> None:
    model = TabularClassifier(BlackBox(lambda rows: rows), schema=SCHEMA, classes=["a", "b"])
    with pytest.raises(ModelError, match="black box cannot be saved") as caught:
        save(model, tmp_path / "m")
    assert "auditkit.audit" in caught.value.hint


def test_weights_alone_do_not_say_their_columns(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    safetensors.torch.save_file(network(LogisticRegression, inputs=6).state_dict(), file)
    with pytest.raises(ModelError, match="without the columns that it reads") as caught:
        load_model(ModelSpec(source=str(file)))
    assert "auditkit.save" in caught.value.hint


def test_options_about_images_do_not_fit(tmp_path: Path) -> None:
    save(KEPT["layers"](), tmp_path / "m")
    with pytest.raises(ModelError, match="reads rows of a table; --bounds is about images"):
        load_model(ModelSpec(source=str(tmp_path / "m"), bounds=(0, 1)))
