"""Checks that the trees of an estimator stay within themselves.

scikit-learn follows the indices in a tree without looking whether they lead out of it; a file that
was made to harm could so read memory that is not its own, or crash the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from auditkit.errors import ModelError
from auditkit.types import Ints

_LEAF = -1


def check_trees(estimator: object) -> None:
    """Raise ModelError where a tree in an estimator, however deep, leads out of itself."""
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.tree._tree import Tree

    for one in objects_in(estimator):
        found: Any = one
        if isinstance(one, Tree):
            _check(found.children_left, found.children_right, found.feature, found.n_features)
        elif isinstance(one, TreePredictor):
            _check_predictor(found)
        else:
            _check_width(found)


def objects_in(start: object) -> Iterator[object]:
    """Yield an object and everything that its attributes and containers hold, each once."""
    waiting, seen = [start], set[int]()
    kept: list[object] = []  # or the number of one that is gone is given to another
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | type):
            continue
        seen.add(id(one))
        kept.append(one)
        yield one
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        elif isinstance(one, np.ndarray):
            waiting += one.ravel().tolist() if one.dtype == object else ()
        else:
            waiting += getattr(one, "__dict__", {}).values()
        tree = getattr(one, "tree_", None)
        if tree is not None:
            waiting.append(tree)


def _check(left: Ints, right: Ints, feature: Ints, n_features: int) -> None:
    n = len(left)
    inner = left != _LEAF
    numbers = np.arange(n)
    ahead = (left > numbers) & (left < n) & (right > numbers) & (right < n)
    known = (feature >= 0) & (feature < n_features)
    if n == 0 or not (ahead & known)[inner].all():
        raise _harmful()


def _check_predictor(predictor: Any) -> None:
    """Check one tree of histogram gradient boosting; its width is checked with its holder."""
    nodes = np.asarray(predictor.nodes)
    needed = {"left", "right", "feature_idx", "is_leaf", "is_categorical"}
    if not needed <= set(nodes.dtype.names or ()):
        raise _harmful()
    if nodes["is_categorical"].any():
        raise _categories()
    inner = nodes["is_leaf"] == 0
    left, right, feature = (
        nodes[name].astype(np.int64) for name in ("left", "right", "feature_idx")
    )
    _check(np.where(inner, left, _LEAF), right, feature, 2**31)


def _check_width(holder: Any) -> None:
    """Require that trees look at no more columns than their holder makes sure of."""
    width = getattr(holder, "n_features_in_", None)
    tree = getattr(holder, "tree_", None)
    if tree is not None and getattr(tree, "n_features", width) != width:
        raise _harmful()
    categorical = getattr(getattr(holder, "_bin_mapper", None), "is_categorical_", None)
    if categorical is not None and np.any(categorical):
        raise _categories()
    for one in _flat(getattr(holder, "_predictors", ())):
        inner = one.nodes["is_leaf"] == 0
        if int(one.nodes["feature_idx"][inner].max(initial=-1)) >= (width or 0):
            raise _harmful()
    if hasattr(holder, "estimators_features_"):
        return  # a part of the columns each, which numpy picks and every part checks
    for one in _flat(getattr(holder, "estimators_", ())):
        if hasattr(one, "tree_") and one.n_features_in_ != width:
            raise _harmful()


def _flat(held: Any) -> Iterator[Any]:
    if isinstance(held, np.ndarray):
        held = held.ravel().tolist()
    if isinstance(held, list | tuple):
        for one in held:
            yield from _flat(one)
    else:
        yield held


def _categories() -> ModelError:
    return ModelError(
        "The estimator splits by categories inside its trees, which is not read from a file:"
        " made-up categories could crash the process.",
        hint="Encode them before it, with OneHotEncoder or OrdinalEncoder; or where you trust the"
        " file, audit a function: audit run mine:predict --data DATA",
    )


def _harmful() -> ModelError:
    return ModelError(
        "A tree in the file leads out of itself: it is damaged, or made to harm.",
        hint="Write the estimator again: skops.io.dump(estimator, path)",
    )
