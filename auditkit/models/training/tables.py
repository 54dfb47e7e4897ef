"""Trains models of tables: networks by gradient descent, trees and regressions by scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.models.builtin.gradient_boosting import GradientBoosting
from auditkit.models.builtin.logistic_regression import LogisticRegression
from auditkit.models.card import ModelCard, Recipe
from auditkit.models.classifier import Identity
from auditkit.models.tabular import TabularClassifier
from auditkit.models.training.fit import Epoch, Progress, fit, repeatable
from auditkit.models.training.report import accuracy, share_correct
from auditkit.types import Floats, Ints

_BATCH = 500  # rows at once


def train_table(
    card: ModelCard,
    recipe: Recipe,
    training: Dataset,
    *,
    validation: Dataset | None = None,
    identity: Identity | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> tuple[TabularClassifier, list[Epoch]]:
    """Return a trained model of a table, and the epochs that made it.

    Means, spreads and ranges of the columns are those of the training rows.

    Parameters
    ----------
    card : ModelCard
        Architecture and classes.
    recipe : Recipe
        Of networks as `fit` reads it. Of trees: one tree per epoch, the learning rate as shrinkage,
        the decay as penalty on leaf values. Of regressions: the decay as penalty on weights.
    training, validation : Dataset
        Rows with a schema; the validation rows are only measured.
    identity : Identity, optional
        Of the model.
    device, progress, checkpoint
        See `fit`.

    Raises
    ------
    ConfigError
        If the card's architecture does not read as many features as the columns give.
    """
    assert training.schema is not None
    rows = _rows(training)
    with repeatable(recipe.seed):
        module = card.build(**card.config)
    classifier = TabularClassifier(
        module,
        schema=training.schema.fitted(rows.numpy()),
        classes=card.classes,
        encoding="raw" if isinstance(module, GradientBoosting) else "one-hot",
        differentiable=not isinstance(module, GradientBoosting | LogisticRegression),
        identity=identity,
    )
    inputs = card.config.get("inputs", classifier.n_features)
    if inputs != classifier.n_features:
        raise ConfigError(
            f"{card.name} reads {inputs} features, and the columns of {training.name} give"
            f" {classifier.n_features}."
        )
    if isinstance(module, GradientBoosting | LogisticRegression):
        return classifier, [_fitted(classifier, recipe, training, validation, progress)]
    held = None if validation is None else (_rows(validation), _labels(validation))
    epochs = fit_table(
        module.to(device or torch.device("cpu")),
        classifier.encode(rows),
        _labels(training),
        recipe,
        validation=None if held is None else (classifier.encode(held[0]), held[1]),
        progress=progress,
        checkpoint=checkpoint,
    )
    return classifier, epochs


def fit_table(
    module: nn.Module,
    features: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    validation: tuple[Tensor, Tensor] | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> list[Epoch]:
    """Train a network of features in place and leave it in evaluation mode.

    Parameters
    ----------
    module : Module
        Maps features (m, d) to logits (m, k).
    features, labels : Tensor
        (n, d) as the network reads them, and (n,) class numbers.
    recipe : Recipe
        Epochs, step size, seed.
    validation : (features, labels), optional
        Only measured after each epoch, never trained on.
    progress, checkpoint : optional
        See `fit`.
    """
    device = next(module.parameters()).device
    features, labels = features.to(device), labels.to(device)

    def loss(rows: Tensor) -> Tensor:
        rows = rows.to(device)
        return functional.cross_entropy(
            module(features[rows]), labels[rows], label_smoothing=recipe.label_smoothing
        )

    def validated() -> float:
        assert validation is not None
        return share_correct(module(validation[0].to(device)).cpu(), validation[1])

    return fit(
        module,
        loss,
        len(labels),
        recipe,
        validated=validated if validation else None,
        progress=progress,
        checkpoint=checkpoint,
    )


def fit_boosting(module: GradientBoosting, rows: Floats, labels: Ints, recipe: Recipe) -> None:
    """Let scikit-learn grow the trees, and copy them into the network.

    Nothing is drawn at random, and the same rows give the same trees.

    Parameters
    ----------
    module : GradientBoosting
        Says how many trees of which depth.
    rows, labels : ndarray
        (n, c) raw, with NaN where a value is missing, and (n,) class numbers.
    recipe : Recipe
        Learning rate and weight decay.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    estimator = HistGradientBoostingClassifier(
        learning_rate=recipe.learning_rate,
        max_iter=module.config["iterations"],
        max_depth=module.config["depth"],
        l2_regularization=recipe.weight_decay,
        early_stopping=False,  # pyright: ignore[reportArgumentType]
        random_state=recipe.seed,
    )
    with threadpool_limits(1):  # sums over several threads round differently
        estimator.fit(rows, labels)
    copy_trees(estimator, module)


def copy_trees(estimator: object, module: GradientBoosting) -> None:
    """Copy what a fitted HistGradientBoostingClassifier knows into a network of the same size.

    Parameters
    ----------
    estimator : HistGradientBoostingClassifier
        Fitted without categorical features, with `max_depth` at most the network's depth.
    module : GradientBoosting
        As many trees and classes.
    """
    known = cast("Any", estimator)
    baseline = torch.from_numpy(np.asarray(known._baseline_prediction))  # noqa: SLF001
    module.baseline.data.copy_(baseline.flatten())
    for i, predictors in enumerate(known._predictors):  # noqa: SLF001
        for j, predictor in enumerate(predictors):
            _copy_tree(predictor.nodes, module, (i, j), node=0, place=0)


def _copy_tree(
    nodes: Any, module: GradientBoosting, tree: tuple[int, int], *, node: int, place: int
) -> None:
    """Copy a node of scikit-learn's array, and all below, to a place of the full tree."""
    here = nodes[node]
    asking = module.column.shape[2]
    if place >= asking:
        assert here["is_leaf"], "the tree is deeper than the network"
        module.value.data[tree][place - asking] = float(here["value"])
        return
    if here["is_leaf"]:
        below = (node, node)  # the question does not matter: both answers lead to this value
    else:
        assert not here["is_categorical"]
        module.column[tree][place] = int(here["feature_idx"])
        module.threshold.data[tree][place] = float(here["num_threshold"])
        module.missing_left[tree][place] = bool(here["missing_go_to_left"])
        below = (int(here["left"]), int(here["right"]))
    for side, child in enumerate(below, start=1):
        _copy_tree(nodes, module, tree, node=child, place=2 * place + side)


def fit_regression(
    module: LogisticRegression, features: Floats, labels: Ints, recipe: Recipe
) -> None:
    """Let scikit-learn find the coefficients, and copy them into the network.

    Parameters
    ----------
    module : LogisticRegression
        Of d inputs.
    features, labels : ndarray
        (n, d), and (n,) class numbers.
    recipe : Recipe
        Weight decay, and at most so many epochs of the solver.
    """
    from sklearn.linear_model import LogisticRegression as Estimator

    estimator = Estimator(C=1 / recipe.weight_decay, max_iter=recipe.epochs, tol=1e-8)
    with threadpool_limits(1):
        estimator.fit(features.astype(np.float64), labels)
    module.weight.data.copy_(torch.from_numpy(estimator.coef_))
    module.bias.data.copy_(torch.from_numpy(estimator.intercept_))


def _fitted(
    classifier: TabularClassifier,
    recipe: Recipe,
    training: Dataset,
    validation: Dataset | None,
    progress: Progress | None,
) -> Epoch:
    """Fit a model that scikit-learn finds in one go, and say so as one epoch."""
    module, rows, labels = classifier.module, _rows(training), _labels(training)
    features = classifier.encode(rows)
    if isinstance(module, GradientBoosting):
        fit_boosting(module, features.numpy(), labels.numpy(), recipe)
    else:
        assert isinstance(module, LogisticRegression)
        fit_regression(module, features.numpy(), labels.numpy(), recipe)
    logits = torch.cat([classifier.logits(part) for part in rows.split(_BATCH)])
    epoch = Epoch(
        number=recipe.epochs,
        of=recipe.epochs,
        loss=float(functional.cross_entropy(logits, labels)),
        validation=None if validation is None else accuracy(classifier, validation).share,
    )
    if progress:
        progress(epoch)
    return epoch


def _rows(data: Dataset) -> Tensor:
    batch = data.read(np.arange(len(data)))
    assert not isinstance(batch, list)
    return torch.from_numpy(batch)


def _labels(data: Dataset) -> Tensor:
    return torch.from_numpy(data.labels.copy()).long()
