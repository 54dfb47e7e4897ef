"""Mirrors auditkit/models/builtin/gradient_boosting.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from auditkit.models.builtin.gradient_boosting import CARDS, GradientBoosting
from auditkit.models.training.tables import copy_trees
from tests.models.builtin.networks import assert_config_is_told_by_shapes, network

CONFIG = {"iterations": 7, "depth": 4, "n_classes": 2}


def grown(seed: int, *, classes: int, missing: float = 0.2) -> tuple[Any, GradientBoosting, Any]:
    """Return an estimator, its copy, and rows that it has not seen; thresholds are among them."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-4, 5, size=(300, 5)).astype(np.float64) / 2
    rows[rng.random(rows.shape) < missing] = np.nan
    labels = (np.nan_to_num(rows[:, 0] * rows[:, 1]) + rng.normal(size=300) > 0).astype(int)
    if classes > 2:
        labels += np.isnan(rows[:, 2])
    settings: dict[str, Any] = {"min_samples_leaf": 5, "early_stopping": False}
    estimator = HistGradientBoostingClassifier(max_iter=7, max_depth=4, **settings)
    estimator.fit(rows, labels)
    module = network(GradientBoosting, **{**CONFIG, "n_classes": classes})
    copy_trees(estimator, module)
    fresh = rng.integers(-8, 9, size=(200, 5)).astype(np.float64) / 4
    fresh[rng.random(fresh.shape) < 0.3] = np.nan
    return estimator, module, np.concatenate([fresh, rows])


@given(seed=st.integers(0, 30))
def test_it_equals_the_estimator_that_it_copies(seed: int) -> None:
    """Exactly, but for the order of a sum: also at thresholds and where values are missing."""
    estimator, module, rows = grown(seed, classes=2)
    expected = estimator.decision_function(rows)
    found = module(torch.from_numpy(rows)).detach().numpy()[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-13, rtol=0)


def test_three_classes() -> None:
    estimator, module, rows = grown(1, classes=3)
    found = module(torch.from_numpy(rows)).detach().numpy()
    np.testing.assert_allclose(found, estimator.decision_function(rows), atol=1e-13, rtol=0)


def test_columns_without_missing_values_in_training() -> None:
    estimator, module, rows = grown(2, classes=2, missing=0.0)
    found = module(torch.from_numpy(rows)).detach().numpy()[:, 0]
    np.testing.assert_allclose(found, estimator.decision_function(rows), atol=1e-13, rtol=0)


def test_every_tree_counts_and_the_way_through_it_depends_on_the_values() -> None:
    _, module, rows = grown(0, classes=2)
    data = torch.from_numpy(rows)
    before = module(data)
    for i in range(7):
        kept = module.value.data[i].clone()
        module.value.data[i] = 0
        assert not torch.equal(module(data), before), i
        module.value.data[i] = kept
    assert module(data).unique().numel() > 30


def test_a_tree_deeper_than_the_network_is_no_copy() -> None:
    estimator, _, _ = grown(0, classes=2)
    with pytest.raises(AssertionError, match="deeper"):
        copy_trees(estimator, network(GradientBoosting, iterations=7, depth=2, n_classes=2))


def test_the_shapes_of_a_state_dict_tell_the_config() -> None:
    assert_config_is_told_by_shapes(
        GradientBoosting, CONFIG, {"iterations": 3, "depth": 1, "n_classes": 5}
    )


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_cards_name_a_network_of_their_size(card: Any) -> None:
    module = network(card.build, **card.config)
    assert module.config == card.config
    assert card.recipe.epochs == card.config["iterations"]
