"""Classifiers of rows of a table: raw columns in, encoded inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor, nn

from auditkit.data.schema import Feature, Schema
from auditkit.errors import ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import Classifier, Identity, Inputs, frozen, unshared

Encoding: TypeAlias = Literal["one-hot", "raw"]


@final
class TabularClassifier(Classifier):
    """A classifier of rows of a table.

    An input is a row of numbers (c,) in raw units: a category is its number in the schema, a
    missing value NaN. The network reads features: numbers minus the training mean, divided by the
    training spread, 0 where missing; categories one-hot, none where missing; and for every column
    that lacked values in training one more feature that is 1 where the value is missing or unknown.

    Parameters
    ----------
    module : Module
        Maps features (n, d) to logits (n, k), or (n, 1) for two classes. A `BlackBox` is asked
        with raw rows.
    schema : Schema
        The columns; `Schema.of(frame)` makes it from the training inputs.
    classes : sequence of str
        Class names in the order of the logits.
    encoding : {"one-hot", "raw"}, optional
        "raw" hands the rows to the module as they are. By default raw for a `BlackBox`, one-hot
        for a network.
    differentiable : bool
        False where the module has no useful gradients, as trees do.

    Raises
    ------
    ModelError
        If `encoding` is unknown.

    Examples
    --------
    >>> schema = Schema((Feature(name="age", mean=40.0, std=10.0), Feature(name="wage")))
    >>> model = TabularClassifier(nn.Linear(2, 2), schema=schema, classes=["no", "yes"])
    >>> model.encode(torch.tensor([[50.0, 2.0]]))
    tensor([[1., 2.]])
    >>> tuple(model.logits(torch.zeros(5, 2)).shape)
    (5, 2)
    """

    modality = "tabular"

    def __init__(
        self,
        module: nn.Module,
        *,
        schema: Schema,
        classes: Sequence[str],
        encoding: Encoding | None = None,
        differentiable: bool = True,
        identity: Identity | None = None,
    ) -> None:
        if encoding not in (None, "one-hot", "raw"):
            raise ModelError(f"encoding is {encoding!r}, expected 'one-hot' or 'raw'.")
        opaque = isinstance(module, BlackBox)
        self.module = frozen(module)
        self.schema = schema
        self.classes = tuple(classes)
        self.encoding: Encoding = encoding or ("raw" if opaque else "one-hot")
        self.differentiable = differentiable and not opaque
        self.identity = identity or Identity(name="model", architecture=type(module).__name__)
        widths = [1 if self.encoding == "raw" else width_of(one) for one in schema.features]
        self.feature_columns = torch.arange(len(schema)).repeat_interleave(torch.tensor(widths))

    @property
    def n_features(self) -> int:
        """Numbers that the network reads per row, d; feature j is of column feature_columns[j]."""
        return len(self.feature_columns)

    def encode(self, inputs: Tensor) -> Tensor:
        """Return features (n, d) of raw rows (n, c), float32, on the model's device.

        Raises
        ------
        ModelError
            If the rows do not have as many columns as the schema.
        """
        if inputs.ndim != 2 or inputs.shape[1] != len(self.schema):
            raise ModelError(
                f"{self.identity.name} reads rows of {len(self.schema)} columns, these inputs have"
                f" the shape {tuple(inputs.shape)}."
            )
        rows = inputs.to(self.device, torch.float32)
        if self.encoding == "raw":
            return rows
        columns = zip(self.schema.features, rows.unbind(dim=1), strict=True)
        return torch.cat([_encoded(feature, column) for feature, column in columns], dim=1)

    def logits_from_features(self, features: Tensor) -> Tensor:
        """Return logits (n, k) of features (n, d)."""
        own = unshared(features.to(self.dtype), features)
        return self.as_logits(self.module(own), len(features))

    def logits(self, inputs: Inputs) -> Tensor:
        """Return logits (n, k) of raw rows (n, c)."""
        assert isinstance(inputs, Tensor)
        return self.logits_from_features(self.encode(inputs))

    def in_words(self, row: Tensor) -> str:
        """Return one raw row (c,) as people read it."""
        return self.schema.in_words(row.cpu().numpy())

    def example(self) -> Tensor:
        """Return one raw row (1, c): training means, and first categories."""
        return torch.tensor([[one.mean for one in self.schema.features]])


def width_of(feature: Feature) -> int:
    """Return how many features a column becomes when it is encoded."""
    return max(1, len(feature.categories)) + feature.missing


def _encoded(feature: Feature, column: Tensor) -> Tensor:
    """Return the features (n, width) of one raw column (n,)."""
    if feature.kind == "numeric":
        known = (column - feature.mean) / feature.std
        parts = [known.nan_to_num(nan=0.0)[:, None]]
        unknown = column.isnan()
    else:
        numbers = torch.arange(len(feature.categories), device=column.device)
        hits = column[:, None] == numbers  # (n, categories); NaN equals nothing
        parts = [hits.float()]
        unknown = ~hits.any(dim=1)
    if feature.missing:
        parts.append(unknown.float()[:, None])
    return torch.cat(parts, dim=1)
