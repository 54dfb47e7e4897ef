"""Mirrors auditkit/models/skops/trees.py."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from auditkit.errors import ModelError
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.skops.trees import check_trees, objects_in
from tests.models.skops.files import changed, packed, with_schema, written

ROWS = np.random.default_rng(0).normal(size=(200, 4))
LABELS = (ROWS[:, 0] * ROWS[:, 1] > 0).astype(int)
FEATURES = ("a", "b", "c", "d")

KINDS: list[Any] = [
    DecisionTreeClassifier(random_state=0),
    DecisionTreeClassifier(max_leaf_nodes=9, random_state=0),
    RandomForestClassifier(3, random_state=0),
    GradientBoostingClassifier(n_estimators=3, random_state=0),
    HistGradientBoostingClassifier(max_iter=3, random_state=0),
    BaggingClassifier(n_estimators=3, max_features=2, random_state=0),
    make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)),
]


@pytest.mark.parametrize("estimator", KINDS, ids=lambda one: type(one).__name__)
def test_trees_as_they_grow_are_sound(estimator: Any) -> None:
    check_trees(estimator.fit(ROWS, LABELS))


def with_nodes(path: Path, target: Path, change: Callable[[np.ndarray], None]) -> Path:
    """The same file with other nodes in its trees."""

    def crafted(name: str, data: bytes) -> bytes:
        if not name.endswith(".npy"):
            return data
        array = np.load(io.BytesIO(data))
        if not {"left_child", "left"} & set(array.dtype.names or ()):
            return data
        change(array)
        return packed(array)

    return changed(path, target, crafted)


def put(field: str, value: int) -> Callable[[np.ndarray], None]:
    def change(nodes: np.ndarray) -> None:
        nodes[field][0] = value

    return change


def refused(path: Path) -> ModelError:
    options = ModelSpec(source=str(path), features=FEATURES, classes=("no", "yes"))
    with pytest.raises(ModelError) as caught:
        load_model(options)
    return caught.value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left_child", 10**6),
        ("right_child", 10**6),
        ("left_child", 0),  # around for ever
        ("right_child", -7),
        ("feature", 10**6),
        ("feature", -3),
        ("feature", 4),
    ],
)
@pytest.mark.parametrize("estimator", KINDS[:4], ids=lambda one: type(one).__name__)
def test_trees_that_lead_out_of_themselves_are_refused(
    tmp_path: Path, estimator: Any, field: str, value: int
) -> None:
    sound = written(estimator.fit(ROWS, LABELS), tmp_path / "sound.skops")
    path = with_nodes(sound, tmp_path / "harm.skops", put(field, value))
    assert "leads out of itself" in refused(path).message


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("left", 10**6, "leads out of itself"),
        ("right", 0, "leads out of itself"),
        ("feature_idx", 4, "leads out of itself"),
        ("feature_idx", -1, "leads out of itself"),
        ("is_categorical", 1, "splits by categories"),
    ],
)
def test_boosted_histograms_that_lead_out_of_themselves_are_refused(
    tmp_path: Path, field: str, value: int, said: str
) -> None:
    sound = written(KINDS[4].fit(ROWS, LABELS), tmp_path / "sound.skops")
    assert load_model(ModelSpec(source=str(sound), features=FEATURES, classes=("no", "yes")))
    path = with_nodes(sound, tmp_path / "harm.skops", put(field, value))
    assert said in refused(path).message


def test_splits_by_categories_are_refused() -> None:
    rows = np.abs(ROWS * 3).astype(int).astype(float)
    columns: Any = [0]  # its stub promises a string
    estimator = HistGradientBoostingClassifier(max_iter=3, categorical_features=columns)
    with pytest.raises(ModelError, match="splits by categories") as caught:
        check_trees(estimator.fit(rows, LABELS))
    assert "OneHotEncoder" in caught.value.hint


@pytest.mark.parametrize("estimator", [KINDS[0], *KINDS[2:5]], ids=lambda one: type(one).__name__)
def test_estimators_that_promise_fewer_columns_than_their_trees_read_are_refused(
    tmp_path: Path, estimator: Any
) -> None:
    sound = written(estimator.fit(ROWS, LABELS), tmp_path / "sound.skops")

    def fewer(schema: dict[str, Any]) -> dict[str, Any]:
        schema["content"]["content"]["n_features_in_"]["content"] = "2"
        schema["content"]["content"]["n_features_in_"]["__id__"] = 1
        return schema

    path = with_schema(sound, tmp_path / "harm.skops", fewer)
    assert "leads out of itself" in refused(path).message


def test_every_object_is_found_once() -> None:
    inner: dict[str, object] = {"a": 1}
    inner["itself"] = inner
    held = [inner, (inner, np.array([{"b": "c"}, None], dtype=object))]
    found = [one for one in objects_in(held) if isinstance(one, dict)]
    assert sorted(map(len, found)) == [1, 2]
