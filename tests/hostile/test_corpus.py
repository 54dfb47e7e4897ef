"""Every hostile or broken file is refused, or read without harm, quickly and in little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.hostile.corpus import Writer, data_files, model_files
from tests.models.files import state, torch_file

ROOT = Path(__file__).parents[2]
EFFORT = 240  # times the processor time of the yardstick, a sort of 300,000 texts
BYTES = 2**30  # of memory, for one file
MODELS, DATA = model_files(), data_files()
REFUSED = ("auditkit.errors.ModelError", "auditkit.errors.DataError", "auditkit.errors.ConfigError")
# Broken or odd, and yet nothing is wrong with what is read from them.
HARMLESS = {"formula.csv", "long-field.csv", "zero-bytes.csv"}

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")


def watched(what: str, files: Mapping[str, Writer], folder: Path) -> dict[str, dict[str, Any]]:
    """Write files, let a watched process read them all, and return what it noted of each."""
    (folder / "hostile").mkdir(parents=True)
    (folder / "sound").mkdir()
    _sound(folder / "sound")
    canary = folder / "canary"
    for name, write in files.items():
        write(folder / "hostile" / name, canary)
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.watched", what, str(folder)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = {line["file"]: line | {"canary": canary.exists()} for line in lines}
    assert set(found) == set(files)
    return found


def _sound(folder: Path) -> None:
    """Write files that let everything be imported that reading them needs."""
    torch_file(folder / "weights.pt", state())
    (folder / "broken.pt").write_bytes(b"x")
    (folder / "table.csv").write_text("text,label\nfine,positive\nbad,negative\n")
    np.savez(folder / "arrays.npz", images=np.zeros((2, 1, 8, 8)), labels=[0, 1])
    for name in ("0", "1"):
        (folder / "images" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / "images" / name / "0.png")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return watched("models", MODELS, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return watched("data", DATA, tmp_path_factory.mktemp("data"))


def check(noted: dict[str, Any]) -> None:
    assert noted["events"] == []
    assert not noted["canary"]
    assert noted["effort"] < EFFORT
    assert noted["memory"] < BYTES
    kind, _, sentence = noted["said"].partition(": ")
    if noted["file"] in HARMLESS:
        assert kind in ("loaded", *REFUSED)
        return
    assert kind in REFUSED, noted["said"]
    assert 10 < len(sentence) < 600
    assert "\n" not in sentence


@pytest.mark.parametrize("name", MODELS)
def test_a_model_file_does_no_harm(name: str, models: dict[str, dict[str, Any]]) -> None:
    check(models[name])


@pytest.mark.parametrize("name", DATA)
def test_a_data_file_does_no_harm(name: str, data: dict[str, dict[str, Any]]) -> None:
    check(data[name])


def test_the_watch_sees_what_unpickling_would_do(tmp_path: Path) -> None:
    """Unpickled without any care, the same files run what they name, and every run is noted."""
    names = ("os.system", "eval", "importlib", "runpy", "inst", "stack-global-memo", "nested")
    files = {f"pickle-{name}.pkl": MODELS[f"pickle-{name}.pkl"] for name in names}
    found = watched("unsafe", files, tmp_path)
    assert all(found[name]["events"] for name in files)
    assert (tmp_path / "canary").exists()
