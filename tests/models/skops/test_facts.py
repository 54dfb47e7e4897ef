"""Mirrors auditkit/models/skops/facts.py, and what `audit inspect` says of such files."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from auditkit.errors import ModelError
from auditkit.models.inspect import inspect_file
from auditkit.models.skops import facts as module
from auditkit.models.skops.facts import looks_like_skops, read_skops, untrusted_types
from tests.models.skops.files import calling, changed, packed, with_schema, written

ROWS = np.random.default_rng(0).normal(size=(40, 3))
LABELS = (ROWS[:, 0] > 0).astype(int)


class Own(ClassifierMixin, BaseEstimator):
    """A user's class, which skops cannot trust."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("skops")
    return written(LogisticRegression().fit(ROWS, LABELS), folder / "logistic.skops")


def test_a_file_says_what_it_holds(file: Path) -> None:
    import sklearn
    import skops

    found = read_skops(file)
    assert looks_like_skops(file)
    assert found.estimator == "LogisticRegression"
    assert "sklearn.linear_model._logistic.LogisticRegression" in found.types
    assert not any(one.startswith("builtins.") for one in found.types)
    assert (found.skops, found.sklearn) == (skops.__version__, sklearn.__version__)
    assert found.numbers == 3 + 1 + 2 + 1, "weights, intercept, classes, iterations"
    assert found.oddities == ()
    assert untrusted_types(file) == ()


def test_inspect_names_the_types_and_what_to_type(file: Path) -> None:
    seen = inspect_file(file)
    assert (seen.kind, seen.exit_code) == ("skops", 0)
    text = seen.as_text()
    assert "estimator: LogisticRegression" in text
    assert "sklearn.linear_model._logistic.LogisticRegression" in text
    assert f"Next: audit run {file} --data DATA" in text


def test_files_packed_well_are_no_bombs(tmp_path: Path) -> None:
    path = written(
        LogisticRegression().fit(ROWS, LABELS),
        tmp_path / "m.skops",
        compression=zipfile.ZIP_DEFLATED,
    )
    assert inspect_file(path).exit_code == 0


def test_types_that_skops_does_not_trust_are_named(tmp_path: Path) -> None:
    path = written(Own(), tmp_path / "own.skops")
    seen = inspect_file(path)
    assert seen.exit_code == 1
    assert any("test_facts.Own, which skops does not trust" in one for one in seen.oddities)
    assert "what the file names, so it is not loaded" in seen.as_text()
    assert "audit run mine:predict" in seen.hint


def test_types_that_are_harmless_all_the_same_are_named_too(tmp_path: Path) -> None:
    forest = RandomForestClassifier(2, random_state=0).fit(ROWS, LABELS)
    seen = inspect_file(written(forest, tmp_path / "forest.skops"))
    assert seen.exit_code == 0
    assert seen.facts["not trusted by skops"] == "sklearn.tree._tree.Tree"
    assert "sklearn.tree._tree.Tree" in seen.facts["of these harmless"]


def test_nothing_named_is_imported_or_called(file: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = with_schema(
        file,
        tmp_path / "evil.skops",
        lambda schema: schema | {"content": calling("os.system", f"touch {canary}")},
    )
    code = (
        "import sys; from pathlib import Path\n"
        "from auditkit.models.inspect import inspect_file\n"
        "from auditkit.models.load import ModelSpec, load_model\n"
        "from auditkit.errors import ModelError\n"
        f"seen = inspect_file(Path({str(path)!r}))\n"
        "assert seen.exit_code == 1 and 'os.system' in seen.facts['names'], seen\n"
        "try:\n"
        f"    load_model(ModelSpec(source={str(path)!r}))\n"
        "except ModelError as error:\n"
        "    assert 'os.system' in error.message, error\n"
        "else:\n"
        "    raise SystemExit(1)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not canary.exists()


def test_what_it_names_is_read_without_skops(file: Path) -> None:
    """Where skops is missing, everything but trust is said, and skops is named."""
    code = (
        "import sys; sys.modules['skops'] = None; sys.modules['skops.io'] = None\n"
        "from pathlib import Path\n"
        "from auditkit.models.inspect import inspect_file\n"
        f"seen = inspect_file(Path({str(file)!r}))\n"
        "assert seen.exit_code == 1\n"
        "assert 'LogisticRegression' in seen.facts['names']\n"
        "assert 'auditkit-ml[skops]' in seen.facts['not trusted by skops']\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def bomb(path: Path, shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\0" * 8


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bomb(Path(), "(1000000000000,)"), "announces 1,000,000,000,000 numbers"),
        (bomb(Path(), "(-1,)"), "announces"),
        (packed(np.zeros(3))[:-4], "announces 3 numbers"),
        (b"no array", "has no readable header"),
        (packed(np.array([object()], dtype=object)), "holds pickled objects"),
    ],
)
def test_arrays_that_lie_are_refused(tmp_path: Path, file: Path, data: bytes, said: str) -> None:
    def lie(name: str, old: bytes) -> bytes:
        return data if name.endswith(".npy") else old

    seen = inspect_file(changed(file, tmp_path / "m.skops", lie))
    assert seen.exit_code == 1
    assert said in seen.oddities[0]


@pytest.mark.parametrize("name", ["inner.npz", "run.py"])
def test_other_entries_are_refused(tmp_path: Path, file: Path, name: str) -> None:
    path = changed(file, tmp_path / "m.skops", lambda _, data: data, **{name: b"x"})
    assert "which is not read" in inspect_file(path).oddities[0]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (b"[" * 100_000, "no readable schema.json"),
        (b"{", "no readable schema.json"),
        (b"[]", "not of skops"),
        (b'{"protocol": 2}', "not of skops"),
        (
            b'{"__class__": "a", "__module__": "b", "__loader__": "c", "protocol": 2, "x": ['
            + b"{}," * 300_000
            + b"{}]}",
            "more than 300,000 objects",
        ),
    ],
)
def test_descriptions_that_are_none_are_damage(tmp_path: Path, schema: bytes, said: str) -> None:
    path = tmp_path / "m.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", schema)
    seen = inspect_file(path)
    assert (seen.kind, seen.exit_code) == ("damaged", 2)
    assert said in seen.oddities[0]


def test_a_description_that_is_too_long_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SCHEMA_LIMIT", 100)
    path = tmp_path / "m.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", b" " * 101)
    with pytest.raises(ModelError, match="in 101 bytes"):
        read_skops(path)


def test_objects_that_hold_each_other_do_not_hang(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every list holds the next one twice, so that there are 2 ** 60 ways through them."""
    monkeypatch.setattr(module, "_SECONDS", 0.5)

    def nested(level: int) -> dict[str, object]:
        held: dict[str, object] = {
            "__class__": "list", "__module__": "builtins", "__loader__": "ListNode",
            "content": [], "__id__": 500 + level,
        }  # fmt: skip
        if level:
            again = {"__id__": 500 + level - 1, "__loader__": "ListNode"}
            held["content"] = [nested(level - 1), again]
        return held

    path = with_schema(file, tmp_path / "m.skops", lambda one: one | {"content": nested(60)})
    with pytest.raises(ModelError, match="does not come to an end"):
        untrusted_types(path)
    assert inspect_file(path).exit_code == 2


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.99])
def test_cut_files_are_damage(tmp_path: Path, file: Path, cut: float) -> None:
    data = file.read_bytes()
    path = tmp_path / "m.skops"
    path.write_bytes(data[: int(len(data) * cut)])
    assert inspect_file(path).exit_code == 2


def refuse_to_follow(schema: dict[str, object]) -> dict[str, object]:
    return schema | {"__loader__": "NoSuchNode"}


@pytest.mark.parametrize(
    "change",
    [refuse_to_follow, lambda one: one | {"protocol": 99}, lambda one: one | {"content": 3}],
)
def test_what_skops_cannot_follow_is_damage(
    tmp_path: Path, file: Path, change: Callable[[dict[str, object]], dict[str, object]]
) -> None:
    seen = inspect_file(with_schema(file, tmp_path / "m.skops", change))
    assert seen.exit_code == 2
    assert "skops cannot follow" in seen.oddities[0]
    json.dumps(seen.as_dict())
