"""What a skops file names and holds, read without skops and without importing what it names."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np

from auditkit.errors import ModelError
from auditkit.models.archives import SCHEMA, SCHEMA_LIMIT, ZIP_DAMAGE
from auditkit.timelimit import TimeIsUp, limited

MOST_NODES = 300_000  # objects; a forest of a hundred trees has about six thousand
_HEADER = 10_000  # bytes of the header of an array
_SECONDS = 10  # in which skops has to find out what it does not trust

# Not trusted by skops by default, and harmless all the same: they hold plain values, and making
# one runs nothing but scikit-learn's own code. Trees are harmless once their indices have been
# checked, which `trees.check_trees` does before anything is asked.
_SKLEARN = "sklearn."
HARMLESS = frozenset(
    {
        "numpy.dtype",
        f"{_SKLEARN}calibration._CalibratedClassifier",
        f"{_SKLEARN}calibration._SigmoidCalibration",
        f"{_SKLEARN}ensemble._hist_gradient_boosting.predictor.TreePredictor",
        f"{_SKLEARN}neural_network._stochastic_optimizers.AdamOptimizer",
        f"{_SKLEARN}neural_network._stochastic_optimizers.SGDOptimizer",
        f"{_SKLEARN}tree._tree.Tree",
        f"{_SKLEARN}utils._bunch.Bunch",
    }
)

_Json: TypeAlias = "dict[str, _Json] | list[_Json] | str | int | float | bool | None"


@final
@dataclass(frozen=True, kw_only=True)
class SkopsFile:
    """What a skops file says.

    Parameters
    ----------
    estimator : str
        Class of the outermost object.
    types : tuple of str
        All classes and functions that it names, but those of the language itself.
    skops, sklearn : str
        Versions that wrote it; empty where it does not say.
    arrays, numbers : int
        How many it holds.
    oddities : tuple of str
        What skops never writes; such a file is not loaded.
    """

    estimator: str
    types: tuple[str, ...]
    skops: str
    sklearn: str
    arrays: int
    numbers: int
    oddities: tuple[str, ...]


def looks_like_skops(path: Path) -> bool:
    """Say whether a file is a zip archive with the schema of skops."""
    try:
        with zipfile.ZipFile(path) as archive:
            return SCHEMA in archive.namelist()
    except ZIP_DAMAGE:
        return False


def read_skops(path: Path) -> SkopsFile:
    """Return what a skops file says; nothing it names is imported.

    Raises
    ------
    ModelError
        If it is damaged, or larger than any estimator.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            schema = _schema(path, archive)
            nodes = list(_nodes(path, schema))
            sizes, oddities = _arrays(archive)
    except ZIP_DAMAGE as error:
        raise ModelError(f"{path} is a damaged zip archive: {error}.") from error
    named = {f"{module}.{name}" for one in nodes if (module := _text(one, "__module__"))
             and (name := _text(one, "__class__"))}  # fmt: skip
    return SkopsFile(
        estimator=_text(schema, "__class__"),
        types=tuple(sorted(one for one in named if not one.startswith("builtins."))),
        skops=_text(schema, "_skops_version"),
        sklearn=next((version for one in nodes if (version := _version(one))), ""),
        arrays=len(sizes),
        numbers=sum(sizes),
        oddities=tuple(oddities),
    )


def untrusted_types(path: Path) -> tuple[str, ...] | None:
    """Return what skops does not trust by default in a file; None where skops is not installed.

    Those that are not among `HARMLESS` might run code or do harm when they are loaded.

    Raises
    ------
    ModelError
        If skops cannot follow the file.
    """
    try:
        from skops.io import get_untrusted_types
    except ModuleNotFoundError:
        return None
    try:
        with limited(_SECONDS):  # objects that hold each other can keep it busy for ever
            found = get_untrusted_types(file=path)
    except TimeIsUp:
        raise ModelError(f"{path} is made so that skops does not come to an end.") from None
    except Exception as error:  # skops raises many kinds on a file that it cannot follow
        raise ModelError(f"skops cannot follow {path}: {_first_line(error)}.") from error
    return tuple(found)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}".rstrip(". ")


def _schema(path: Path, archive: zipfile.ZipFile) -> dict[str, _Json]:
    info = archive.getinfo(SCHEMA)
    if info.file_size > SCHEMA_LIMIT:
        raise ModelError(f"{path} describes its objects in {info.file_size:,} bytes.")
    try:
        schema: Any = json.loads(archive.read(info))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} has no readable {SCHEMA}.") from error
    if not isinstance(schema, dict) or not {"__class__", "__loader__", "protocol"} <= set(schema):
        raise ModelError(f"{path} has a {SCHEMA} that is not of skops.")
    return schema


def _nodes(path: Path, schema: _Json) -> Iterator[dict[str, _Json]]:
    """Yield every JSON object, however deep."""
    waiting, count = [schema], 0
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            count += 1
            if count > MOST_NODES:
                raise ModelError(f"{path} describes more than {MOST_NODES:,} objects.")
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _text(node: dict[str, _Json], key: str) -> str:
    value = node.get(key)
    return value if isinstance(value, str) else ""


def _version(node: dict[str, _Json]) -> str:
    """Return the version of scikit-learn in the state of an estimator."""
    inner = node.get("_sklearn_version")
    text = _text(inner, "content") if isinstance(inner, dict) else ""
    try:
        version = json.loads(text) if text else ""
    except (ValueError, RecursionError):
        return ""
    return version[:20] if isinstance(version, str) else ""


# --- arrays --------------------------------------------------------------------------------------


def _arrays(archive: zipfile.ZipFile) -> tuple[list[int], list[str]]:
    """Return how many numbers each array holds, and what is wrong with them."""
    sizes: list[int] = []
    oddities: list[str] = []
    for info in archive.infolist():
        if info.filename == SCHEMA:
            continue
        if not info.filename.endswith(".npy"):
            kind = "a sparse matrix" if info.filename.endswith(".npz") else "no array"
            oddities.append(f"the entry {info.filename!r} is {kind}, which is not read")
            continue
        with archive.open(info) as file:
            start = file.read(_HEADER + 16)
        count, problem = _size(start, info.file_size)
        sizes.append(count)
        if problem:
            oddities.append(f"the array {info.filename!r} {problem}")
    return sizes, oddities


def _size(start: bytes, there: int) -> tuple[int, str]:
    """Return how many numbers an array holds, and what is wrong with it."""
    import io

    file = io.BytesIO(start)
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(file, max_header_size=_HEADER)
        count = math.prod(shape)
    except Exception:  # noqa: BLE001 - numpy raises many kinds on a header that it cannot follow
        return 0, "has no readable header"
    if dtype.hasobject:
        return 0, "holds pickled objects"
    wanted = file.tell() + count * dtype.itemsize
    if min(shape, default=0) < 0 or wanted != there:
        return 0, f"announces {count:,} numbers, which its {there:,} bytes are not"
    return count, ""
