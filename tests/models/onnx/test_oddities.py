"""Mirrors auditkit/models/onnx/oddities.py, and external.py: hostile files are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from auditkit.errors import ModelError
from auditkit.models.inspect import inspect_file
from auditkit.models.load import ModelSpec, load_model
from tests.models.onnx.files import cnn, write
from tests.models.onnx.hostile import FILES, FOUND_AT_LOADING, beside, folder_of


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    path = folder_of(name, tmp_path)
    found = inspect_file(path)
    assert found.safe == (name in FOUND_AT_LOADING)
    assert found.exit_code == (0 if found.safe else 1 if found.kind == "onnx" else 2)
    if not found.safe:
        assert FILES[name][1] in found.oddities[0]
    with pytest.raises(ModelError) as caught:
        load_model(ModelSpec(source=str(path), features=("a", "b", "c")))
    assert FILES[name][1] in caught.value.message
    assert "\n" not in caught.value.message


def test_a_sound_file_is_not(tmp_path: Path) -> None:
    path = write(cnn(), tmp_path / "model.pt")
    found = inspect_file(path)
    assert (found.kind, found.safe, found.exit_code, found.oddities) == ("onnx", True, 0, ())
    beside(path, "w.bin", offset="0", length="72")
    assert inspect_file(path).safe


CHILD = """
import json, resource, sys, time
from pathlib import Path
import torch, onnx, onnxruntime
from auditkit.errors import ModelError
from auditkit.models.inspect import inspect_file
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.onnx import load

watched = []
def hook(event, arguments):
    wrote = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if wrote or event.split(".")[0] in ("os", "subprocess", "socket", "shutil", "exec", "compile"):
        if event not in ("os.scandir", "os.listdir", "os.getxattr"):
            watched.append([event, str(arguments)[:200]])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.addaudithook(hook)
seconds = {}
for path in map(Path, sys.argv[1:]):
    start = time.perf_counter()
    inspect_file(path)
    seconds[path.parent.name] = time.perf_counter() - start
    start = time.perf_counter()
    try:
        load_model(ModelSpec(source=str(path), features=("a", "b", "c")))
    except ModelError:
        seconds[path.parent.name] = max(seconds[path.parent.name], time.perf_counter() - start)
    else:
        raise AssertionError(path)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"seconds": seconds, "grown": grown * 1024, "watched": watched}))
"""


def test_hostile_files_cost_neither_time_nor_memory_and_do_nothing(tmp_path: Path) -> None:
    paths = [folder_of(name, tmp_path) for name in FILES]
    there = set(tmp_path.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert set(told["seconds"]) == {path.parent.name for path in paths}
    assert max(told["seconds"].values()) < 5
    assert told["grown"] < 2**30
    assert told["watched"] == []
    assert set(tmp_path.rglob("*")) == there


def test_inspecting_needs_neither_onnx_nor_onnxruntime(tmp_path: Path) -> None:
    path = write(cnn(), tmp_path / "model.bin")
    code = (
        "import sys; sys.modules['onnx'] = sys.modules['onnxruntime'] = None\n"
        "from pathlib import Path; from auditkit.models.inspect import inspect_file\n"
        "print(inspect_file(Path(sys.argv[1])).as_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert "an ONNX model; safe to load" in done.stdout
    assert "inputs: x float32 (n, 1, 6, 6)" in done.stdout
