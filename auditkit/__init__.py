"""auditkit: audit a trained classifier before you trust it.

>>> import auditkit
>>> "audit" in auditkit.__all__
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditkit.api import audit
    from auditkit.data.schema import Feature, Schema
    from auditkit.errors import AuditkitError
    from auditkit.models.blackbox import BlackBox
    from auditkit.models.bundle import save
    from auditkit.models.classifier import ImageClassifier, TextClassifier
    from auditkit.models.graphs import GraphClassifier
    from auditkit.models.tabular import TabularClassifier
    from auditkit.result import Result, read_result

__version__ = "0.1.0"

__all__ = [
    "AuditkitError",
    "BlackBox",
    "Feature",
    "GraphClassifier",
    "ImageClassifier",
    "Result",
    "Schema",
    "TabularClassifier",
    "TextClassifier",
    "__version__",
    "audit",
    "read_result",
    "save",
]

_HOMES = {
    "AuditkitError": "auditkit.errors",
    "BlackBox": "auditkit.models.blackbox",
    "Feature": "auditkit.data.schema",
    "GraphClassifier": "auditkit.models.graphs",
    "ImageClassifier": "auditkit.models.classifier",
    "Result": "auditkit.result",
    "Schema": "auditkit.data.schema",
    "TabularClassifier": "auditkit.models.tabular",
    "TextClassifier": "auditkit.models.classifier",
    "audit": "auditkit.api",
    "read_result": "auditkit.result",
    "save": "auditkit.models.bundle",
}


def __getattr__(name: str) -> object:
    # Public names load on first use, so that `audit --help` stays instant.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'auditkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
