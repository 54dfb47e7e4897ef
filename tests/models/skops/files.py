"""skops files, sound and made to harm, written into a folder."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skops.io


def written(estimator: object, path: Path, **options: Any) -> Path:
    """What a user writes."""
    skops.io.dump(estimator, path, **options)
    return path


def schema_of(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("schema.json"))


def changed(
    source: Path, path: Path, change: Callable[[str, bytes], bytes], **extra: bytes
) -> Path:
    """The same archive with other entries."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, data in extra.items():
            new.writestr(name, data)
    return path


def with_schema(source: Path, path: Path, change: Callable[[Any], Any]) -> Path:
    """The same archive with another description of its objects."""

    def changed_entry(name: str, data: bytes) -> bytes:
        return json.dumps(change(json.loads(data))).encode() if name == "schema.json" else data

    return changed(source, path, changed_entry)


def packed(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def calling(function: str, *arguments: object) -> dict[str, Any]:
    """A node that would call a function of the standard library, if it were trusted."""
    module, _, name = function.rpartition(".")
    content = [
        {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode",
         "content": json.dumps(one), "is_json": True, "__id__": 1000 + i}
        for i, one in enumerate(arguments)
    ]  # fmt: skip
    return {
        "__class__": name,
        "__module__": module,
        "__loader__": "ConstructorFromReduceNode",
        "content": {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode",
                    "content": content, "__id__": 2000},
        "__id__": 3000,
    }  # fmt: skip
