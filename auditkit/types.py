"""Words and shapes that every part shares; imports nothing heavy.

Letters in shapes: n inputs, k classes, c channels or columns of a table, h rows, w columns,
t tokens, d features, v nodes of a graph.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Modality: TypeAlias = Literal["image", "text", "tabular", "graph"]
INPUTS: dict[Modality, str] = {  # what models of each kind read, in words
    "image": "images",
    "text": "texts",
    "tabular": "rows of a table",
    "graph": "graphs",
}
Family: TypeAlias = Literal[
    "performance",
    "robustness",
    "shift",
    "calibration",
    "bias",
    "attribution",
    "privacy",
    "efficiency",
]
FAMILIES: tuple[Family, ...] = (
    "performance",
    "robustness",
    "shift",
    "calibration",
    "bias",
    "attribution",
    "privacy",
    "efficiency",
)
Better: TypeAlias = Literal["higher", "lower", "neither"]
Unit: TypeAlias = str
Status: TypeAlias = Literal["measured", "not_applicable", "errored", "skipped"]

Scalar: TypeAlias = str | int | float | bool | None
Params: TypeAlias = dict[str, Scalar]

Floats: TypeAlias = NDArray[np.floating[Any]]
Strings: TypeAlias = np.ndarray[Any, np.dtype[np.str_]]
Ints: TypeAlias = NDArray[np.integer[Any]]
Bools: TypeAlias = NDArray[np.bool_]
Keys: TypeAlias = NDArray[np.uint64]
