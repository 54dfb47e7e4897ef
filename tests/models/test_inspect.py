"""Mirrors auditkit/models/inspect.py."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import skops.io
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from auditkit.errors import ModelError
from auditkit.models.bundle import save
from auditkit.models.classifier import ImageClassifier
from auditkit.models.inspect import KINDS, inspect_file
from tests.models.files import (
    Hoarder,
    Net,
    Shout,
    Smuggler,
    described_tensor,
    handmade,
    rezipped,
    state,
    torch_file,
)
from tests.models.networks import TutorialNet
from tests.models.onnx.files import cnn
from tests.models.onnx.files import write as write_onnx


def bundle(path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    save(ImageClassifier(module, classes=["a", "b"], input_shape=(1, 2, 2)), path)


def zipped(*names: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"{}")

    return write


def content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def arrays(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, images=np.zeros(3))


def script(path: Path) -> None:
    """What torch.jit.save writes, as far as the names of its entries go."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps(None))
        archive.writestr("m/constants.pkl", pickle.dumps(()))
        archive.writestr("m/code/__torch__.py", b"...")


def hugging_face(path: Path) -> None:
    path.mkdir()
    config = {"architectures": ["ResNetForImageClassification"], "model_type": "resnet"}
    (path / "config.json").write_text(json.dumps(config))
    safetensors.torch.save_file({"weight": torch.zeros(2)}, path / "model.safetensors")


FILES: dict[str, tuple[Callable[[Path], object], int]] = {
    "bundle": (bundle, 0),
    "safetensors": (lambda path: safetensors.torch.save_file(state(), path), 0),
    "torch-weights": (lambda path: torch_file(path, state()), 0),
    "torch-other": (lambda path: torch_file(path, {"lr": 0.1}), 2),
    "torch-pickle": (lambda path: torch_file(path, Net()), 1),
    "torchscript": (script, 1),
    "torch-export": (zipped("m/archive_format", "m/models/model.json"), 1),
    "torch-legacy": (
        lambda path: torch.save(state(), path, _use_new_zipfile_serialization=False),
        0,
    ),
    "pickle": (lambda path: path.write_bytes(pickle.dumps({"a": Path("x")})), 1),
    "onnx": (lambda path: write_onnx(cnn(), path), 0),
    "skops": (lambda path: skops.io.dump(LogisticRegression(), path), 0),
    "keras": (zipped("config.json", "model.weights.h5"), 2),
    "hdf5": (content(b"\x89HDF\r\n\x1a\n" + b"\0" * 99), 2),
    "npz": (arrays, 2),
    "gguf": (content(b"GGUF" + b"\0" * 99), 2),
    "zip": (zipped("readme.txt"), 2),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"x")), 2),
    "html": (content(b"\n <!DOCTYPE html><html><body>404</body></html>"), 2),
    "git-lfs": (content(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"), 2),
    "empty": (content(b""), 2),
    "huggingface": (hugging_face, 0),
    "directory": (lambda path: path.mkdir(), 2),
    "special": (os.mkfifo, 2),
    "damaged": (content(b"\x99\x01\0\0\0\0\0\0{" + b"x" * 20), 2),
    "unknown": (content(b"just some words, no model"), 2),
}


def test_there_is_a_file_of_every_kind() -> None:
    assert set(FILES) == set(KINDS)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_told_by_its_content(tmp_path: Path, kind: str) -> None:
    write, exit_code = FILES[kind]
    path = tmp_path / "model.bin"
    write(path)
    found = inspect_file(path)
    assert found.kind == kind
    assert found.exit_code == exit_code
    assert found.safe == (exit_code == 0)
    assert found.safe or found.hint
    if path.is_file():
        assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", FILES)
def test_json_and_text_hold_what_was_found(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.bin"
    FILES[kind][0](path)
    found = inspect_file(path)
    again = json.loads(json.dumps(found.as_dict()))
    assert again["kind"] == kind
    assert again["exit_code"] == found.exit_code
    assert again["n_tensors"] == len(found.tensors)
    assert found.seems in found.as_text()


def test_a_real_torchscript_program_is_told_from_weights(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.trace(Net(), torch.zeros(1, 12)), path)
    assert inspect_file(path).kind == "torchscript"


@pytest.mark.slow
def test_a_real_exported_program_is_told_from_weights(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 12),)), path)
    assert inspect_file(path).kind == "torch-export"


def test_hostile_pickles_are_named_and_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for name, thing in {"shout": Shout(canary), "smuggler": Smuggler()}.items():
        for path in (torch_file(tmp_path / f"{name}.pt", {"weight": thing}), tmp_path / name):
            if not path.exists():
                path.write_bytes(pickle.dumps(thing))
            found = inspect_file(path)
            assert found.exit_code == 1
            assert set(found.callables) & {"posix.system", "importlib.import_module"}
    assert not canary.exists()
    assert "this_module_would_be_imported" not in sys.modules


def test_a_pickle_behind_another_one_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "two.pkl"
    path.write_bytes(pickle.dumps(1) + pickle.dumps(Smuggler()))
    assert "importlib.import_module" in inspect_file(path).callables


def test_a_pickle_hidden_in_the_archive_is_seen(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "m.pt", state())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("m/extra/other.pkl", pickle.dumps(Smuggler()))
    assert "importlib.import_module" in inspect_file(path).callables


@pytest.mark.parametrize(
    "program",
    [
        pickle.dumps({"weight": Hoarder()}, protocol=2),
        described_tensor((10**12,), (0,)),
    ],
    ids=["bytearray", "stride 0"],
)
def test_a_bomb_is_small_and_not_safe(tmp_path: Path, program: bytes) -> None:
    found = inspect_file(handmade(tmp_path / "bomb.pt", program))
    assert found.size < 2000
    assert not found.safe
    assert found.exit_code == 1


def test_parameters_are_counted_without_running_statistics(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    found = inspect_file(torch_file(tmp_path / "m.pt", module.state_dict()))
    assert found.parameters == sum(p.numel() for p in module.parameters())
    assert len(found.tensors) == len(module.state_dict())


def test_a_built_in_architecture_is_recognised_whatever_its_width(tmp_path: Path) -> None:
    assert inspect_file(torch_file(tmp_path / "m.pt", state())).architecture == "DigitsCnn"
    other = {**state(), "extra": torch.zeros(1)}
    assert inspect_file(torch_file(tmp_path / "o.pt", other)).architecture is None


def test_a_long_list_of_tensors_is_cut_and_says_so(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "m.pt", {f"t{i}": torch.zeros(1) for i in range(250)})
    found = inspect_file(path)
    assert len(found.as_dict()["tensors"]) == 200
    assert found.as_dict()["n_tensors"] == 250
    assert "and 50 more" in found.as_text()


def test_a_truncated_file_is_damaged(tmp_path: Path) -> None:
    for name in ("bundle", "safetensors", "torch-weights"):
        path = tmp_path / name
        FILES[name][0](path)
        path.write_bytes(path.read_bytes()[:-40])
        assert inspect_file(path).kind == "damaged", name
        assert inspect_file(path).exit_code == 2


def test_a_missing_file_names_what_there_is(tmp_path: Path) -> None:
    torch_file(tmp_path / "model.pt", state())
    with pytest.raises(ModelError, match=r"Did you mean 'model\.pt'"):
        inspect_file(tmp_path / "modle.pt")


def test_what_the_tensors_look_like_and_what_to_type_next(tmp_path: Path) -> None:
    saved = {
        "epoch": 1,
        "state_dict": {f"module.{k}": v.half() for k, v in TutorialNet().state_dict().items()},
    }
    path = torch_file(tmp_path / "net.pt", saved)
    found = inspect_file(path)
    assert found.likely == "a plain stack of 2 convolutions and 3 linear layers"
    assert (found.likely_input, found.outputs) == ((3, 32, 32), 10)
    assert found.dtypes == {"float16": found.parameters}
    assert (found.nested_in, found.prefix, found.beside) == ("state_dict", "module.", ("epoch",))
    text = found.as_text()
    assert text.endswith(f"Next: audit run {path} --arch auto --data DATA")
    for part in ("weights under: state_dict", "prefix of all names: module.", "from the file"):
        assert part in text


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickled_module_is_named_by_its_class(tmp_path: Path, legacy: bool) -> None:
    torch.save(Net(), tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    found = inspect_file(tmp_path / "m.pt")
    assert found.seems == "a whole pickled module (tests.models.files.Net)"


def test_a_call_that_makes_no_module_is_not_said_to(tmp_path: Path) -> None:
    program = pickle.dumps(Hoarder(), protocol=2)
    found = inspect_file(handmade(tmp_path / "m.pt", program))
    assert "module" not in found.seems


def test_of_a_checkpoint_the_foreign_classes_are_named_first(tmp_path: Path) -> None:
    """Also where containers come first, as in a pickled optimizer."""
    net = Net()
    saved = {"optimizer": torch.optim.Adam(net.parameters()), "model": net}
    found = inspect_file(torch_file(tmp_path / "m.pt", saved))
    assert "weights (tests.models.files.Net, " in found.seems
    assert "dict" not in found.seems.partition("...")[0]


def test_an_archive_that_torch_wrote_and_something_changed_is_damaged(tmp_path: Path) -> None:
    sound = torch_file(tmp_path / "m.pt", state())
    found = inspect_file(rezipped(sound, tmp_path / "n.pt", extra={"m/../../x": b"x"}))
    assert (found.kind, found.exit_code) == ("damaged", 2)
    assert found.seems == "a zip archive that is damaged, or made to harm"
    assert found.hint == "Download or save it again."


@pytest.mark.parametrize(
    ("content", "following"),
    [
        (state(), "audit run {path}"),
        (nn.LSTM(3, 4).state_dict(), "audit run {path} --arch package.module:factory --data DATA"),
    ],
)
def test_other_weights_have_other_commands(tmp_path: Path, content: object, following: str) -> None:
    path = torch_file(tmp_path / "m.pt", content)
    assert inspect_file(path).next_command == following.format(path=path)


def test_a_file_that_is_not_loaded_says_what_it_would_run(tmp_path: Path) -> None:
    found = inspect_file(torch_file(tmp_path / "m.pt", {"state_dict": state(), "a": Smuggler()}))
    assert found.next_command == ""
    assert "run when loaded: importlib.import_module, so it is not loaded" in found.as_text()
