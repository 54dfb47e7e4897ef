"""Mirrors auditkit/models/load.py."""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from auditkit.errors import ConfigError, ModelError
from auditkit.models import card as card_module
from auditkit.models.builtin.digits_cnn import DigitsCnn
from auditkit.models.builtin.vision_transformer import VisionTransformer
from auditkit.models.bundle import save
from auditkit.models.catalogue import MODELS
from auditkit.models.classifier import Classifier, ImageClassifier, TextClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.result import Execution
from tests.models.files import (
    Hoarder,
    Net,
    Shout,
    Smuggler,
    StorageHoarder,
    described_tensor,
    handmade,
    onnx_like,
    state,
    torch_file,
)
from tests.models.networks import TutorialNet
from tests.models.test_inspect import FILES

IMAGES = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def refused(path: Path, **options: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_model(ModelSpec(source=str(path), **options))
    return caught.value


# --- what loads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_built_in_model_carries_its_card(name: str) -> None:
    model = load_model(ModelSpec(source=name))
    card = MODELS[name]
    assert model.identity.name == name
    assert model.identity.sha256 == card.measured.sha256
    assert model.identity.data == card.data
    assert model.identity.card == card.facts()
    assert model.identity.notes == ()
    assert model.classes == card.classes
    assert not any(p.requires_grad for p in model.module.parameters())
    assert not model.module.training


def test_a_specification_crosses_to_another_process() -> None:
    spec = ModelSpec(source="digits-cnn", bounds=(0, 2), classes=("a", "b"))
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_changed_weights_of_a_built_in_model_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "digits-cnn.safetensors"
    save(ImageClassifier(DigitsCnn(), classes=tuple("0123456789"), input_shape=(1, 8, 8)), path)
    monkeypatch.setattr(card_module, "WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match="not the ones its card describes"):
        load_model(ModelSpec(source="digits-cnn"))


@pytest.mark.parametrize("ending", ["pt", "bin", "safetensors"])
def test_a_bundle_is_known_by_its_content(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"my model.{ending}"
    path.write_bytes(MODELS["digits-vit"].weights.read_bytes())
    model = load_model(ModelSpec(source=str(path)))
    assert model.identity.name == "my model"
    assert model.identity.data == "digits"
    own = load_model(ModelSpec(source="digits-vit"))
    assert torch.equal(model.predict(IMAGES), own.predict(IMAGES))


@pytest.mark.parametrize("form", ["torch", "safetensors", "checkpoint"])
@pytest.mark.parametrize("build", [DigitsCnn, VisionTransformer])
def test_a_state_dict_of_a_built_in_architecture_needs_no_option(
    tmp_path: Path, build: type[nn.Module], form: str
) -> None:
    torch.manual_seed(0)
    module = build(width=32).eval()
    path = tmp_path / "weights"
    if form == "safetensors":
        safetensors.torch.save_file(module.state_dict(), path)
    else:
        torch_file(
            path, module.state_dict() if form == "torch" else {"state_dict": module.state_dict()}
        )
    model = load_model(ModelSpec(source=str(path)))
    assert torch.equal(model.predict(IMAGES), module(IMAGES))
    assert model.identity.data == "digits"
    assert any("assumed" in note for note in model.identity.notes)
    assert any("'state_dict'" in note for note in model.identity.notes) == (form == "checkpoint")


def test_a_state_dict_of_the_built_in_text_model_takes_its_tokenizer(tmp_path: Path) -> None:
    own = load_model(ModelSpec(source="phrases-transformer"))
    path = torch_file(tmp_path / "w.pt", own.module.state_dict())
    model = load_model(ModelSpec(source=str(path)))
    assert isinstance(model, TextClassifier)
    texts = ["The plot was wonderful, said Anna.", "nobody knows this"]
    assert torch.equal(model.predict(texts), own.predict(texts))
    assert any("tokenizer is assumed" in note for note in model.identity.notes)


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in the current folder with a factory of `Net`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "factory_of_this_test.py").write_text(
        "from tests.models.files import Net as build\n"
        "from auditkit.models.builtin.encoder_transformer import EncoderTransformer\n"
        "def text():\n"
        "    return EncoderTransformer(vocabulary_size=5, max_length=4, width=16)\n"
    )
    yield "factory_of_this_test"
    sys.modules.pop("factory_of_this_test", None)


@pytest.mark.parametrize("form", ["torch", "safetensors"])
def test_a_named_architecture_takes_the_options(tmp_path: Path, factory: str, form: str) -> None:
    torch.manual_seed(0)
    net = Net().eval()
    path = tmp_path / "net.pt"
    write = torch.save if form == "torch" else safetensors.torch.save_file
    write(net.state_dict(), path)
    spec = ModelSpec(
        source=str(path),
        arch=f"{factory}:build",
        input_shape=(3, 2, 2),
        bounds=(0.0, 255.0),
        mean=(10.0, 20.0, 30.0),
        std=(2.0,),
        classes=("cat", "dog"),
    )
    model = load_model(spec)
    assert isinstance(model, ImageClassifier)
    x = 255 * torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    expected = net((x - torch.tensor([10.0, 20.0, 30.0]).view(1, 3, 1, 1)) / 2)
    assert torch.allclose(model.predict(x), expected, atol=1e-5)
    assert (model.bounds, model.classes) == ((0.0, 255.0), ("cat", "dog"))
    assert model.identity.architecture == f"{factory}:build"
    assert model.identity.notes == ()


def test_bounds_that_nobody_gave_are_noted(tmp_path: Path, factory: str) -> None:
    path = torch_file(tmp_path / "net.pt", Net().state_dict())
    model = load_model(
        ModelSpec(
            source=str(path), arch=f"{factory}:build", input_shape=(3, 2, 2), classes=("a", "b")
        )
    )
    assert any("[0, 1]" in note for note in model.identity.notes)


def test_explicit_options_win_over_a_bundle_and_are_noted() -> None:
    plain = load_model(ModelSpec(source="digits-cnn"))
    model = load_model(
        ModelSpec(source="digits-cnn", mean=(0.5,), bounds=(0.0, 1.0), classes=tuple("abcdefghij"))
    )
    assert torch.allclose(model.predict(IMAGES), plain.predict(IMAGES - 0.5), atol=1e-6)
    assert model.classes == tuple("abcdefghij")
    notes = " ".join(model.identity.notes)
    assert "--mean" in notes
    assert "--classes" in notes
    assert "--bounds" not in notes  # the same as in the file


def test_an_architecture_named_for_a_bundle_is_noted(tmp_path: Path, factory: str) -> None:
    path = tmp_path / "m"
    torch.manual_seed(0)
    layers = nn.Sequential()
    layers.add_module("layer", nn.Linear(12, 2))
    module = nn.Sequential(nn.Flatten(), layers)
    save(ImageClassifier(module, classes=("a", "b"), input_shape=(3, 2, 2)), path)
    error = refused(path, arch=f"{factory}:build")
    assert "missing layer.weight" in error.message
    save(ImageClassifier(Net(), classes=("a", "b"), input_shape=(3, 2, 2)), path)
    assert load_model(ModelSpec(source=str(path), arch=f"{factory}:build")).classes == ("a", "b")


@pytest.mark.parametrize("name", ["cpu", "auto"])
def test_the_device_is_found(name: str) -> None:
    assert load_model(ModelSpec(source="digits-cnn", device=name)).device.type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["gpu", "meta:9x", "xpu:7"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no device"):
        load_model(ModelSpec(source="digits-cnn", device=name))


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "seems", "hint"),
    [
        ("torch-pickle", "a whole pickled module (tests.models.files.Net)", "--arch"),
        ("torchscript", "a TorchScript program; loading it would run code", "--trust-code"),
        ("torch-export", "an exported torch program (.pt2)", "--trust-code"),
        ("torch-other", "a torch file without a state dict", "model.state_dict()"),
        ("pickle", "a Python pickle", "--trust-code"),
        ("keras", "a Keras model", "torch"),
        ("hdf5", "HDF5", "torch"),
        ("npz", "data rather than a model", "--data"),
        ("gguf", "GGUF", "classifiers"),
        ("zip", "a zip archive that torch did not write", "Unpack"),
        ("gzip", "compressed", "gunzip"),
        ("html", "a web page", "Download it again"),
        ("git-lfs", "Git LFS pointer", "git lfs pull"),
        ("empty", "an empty file", "again"),
        ("directory", "a folder", ".safetensors"),
        ("damaged", "is a safetensors file that is cut off in its header", "again"),
        ("unknown", "of no format that auditkit knows", "auditkit.save"),
    ],
)
def test_every_other_kind_of_file_is_refused_in_one_sentence(
    tmp_path: Path, kind: str, seems: str, hint: str
) -> None:
    path = tmp_path / "model.pt"
    FILES[kind][0](path)
    error = refused(path)
    assert seems in error.message
    assert hint in error.hint
    assert error.message.count(str(path)) >= 1
    assert "FILE" not in error.hint
    assert "\n" not in str(error)


def test_there_is_a_refusal_for_every_kind_that_does_not_load() -> None:
    from auditkit.models.inspect import KINDS

    loads = {name for name, kind in KINDS.items() if kind.loads}
    assert loads == {
        "bundle",
        "safetensors",
        "torch-weights",
        "torch-legacy",
        "onnx",
        "huggingface",
        "skops",
    }


def test_a_misspelt_built_in_name_is_answered_with_the_near_miss() -> None:
    error = refused(Path("digit-cnn"))
    assert "Did you mean 'digits-cnn'" in error.message
    assert "audit list models" in error.hint


def test_hostile_files_are_refused_without_running(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for name, thing in {"shout": Shout(canary), "smuggler": Smuggler()}.items():
        torch_file(tmp_path / f"{name}.pt", {"weight": thing})
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(thing))
        torch.save(thing, tmp_path / f"{name}.old", _use_new_zipfile_serialization=False)
        for ending in ("pt", "pkl", "old"):
            refused(tmp_path / f"{name}.{ending}")
    assert not canary.exists()
    assert "this_module_would_be_imported" not in sys.modules


def test_the_canary_would_have_sung(tmp_path: Path) -> None:
    """The hostile pickle above is a real one."""
    canary = tmp_path / "canary"
    data = pickle.dumps(Shout(canary))
    subprocess.run([sys.executable, "-c", f"import pickle; pickle.loads({data!r})"], check=True)
    assert canary.exists()


@pytest.mark.parametrize(
    "program",
    [
        pickle.dumps({"weight": Hoarder()}, protocol=2),
        pickle.dumps({"weight": StorageHoarder()}, protocol=2),
        described_tensor((10**12,), (0,)),
    ],
    ids=["bytearray", "storage", "stride 0"],
)
def test_bombs_are_refused_before_torch_sees_them(
    tmp_path: Path, program: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch.load was called"))
    refused(handmade(tmp_path / "bomb.pt", program))


def test_torch_load_is_always_told_to_read_weights_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    real = torch.load

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs)
        return real(*args, **kwargs)

    monkeypatch.setattr(torch, "load", spy)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    load_model(ModelSpec(source=str(torch_file(tmp_path / "m.pt", state()))))
    assert seen == [{"map_location": "cpu", "weights_only": True}]


def test_unknown_weights_are_refused_with_the_options_to_type(tmp_path: Path) -> None:
    error = refused(torch_file(tmp_path / "net.pt", Net().state_dict()))
    assert "2 tensors (layer.weight, layer.bias" in error.message
    for option in ("--arch", "--input-shape", "--classes"):
        assert option in error.hint


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "Add: --input-shape C,H,W --classes 0,1"),
        ({"classes": ("a", "b")}, "Add: --input-shape C,H,W"),
        ({"input_shape": (3, 2, 2)}, "Add: --classes 0,1"),
    ],
)
def test_what_a_state_dict_does_not_say_is_asked_for(
    tmp_path: Path, factory: str, options: dict[str, Any], hint: str
) -> None:
    path = torch_file(tmp_path / "net.pt", Net().state_dict())
    assert refused(path, arch=f"{factory}:build", **options).hint == hint


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"input_shape": (3, 4, 4), "classes": ("a", "b")},
            "cannot read images of shape (3, 4, 4)",
        ),
        ({"input_shape": (3, 2, 2), "classes": ("a", "b", "c")}, "3 classes"),
    ],
)
def test_options_that_do_not_fit_the_network_are_said_at_once(
    tmp_path: Path, factory: str, options: dict[str, Any], said: str
) -> None:
    path = torch_file(tmp_path / "net.pt", Net().state_dict())
    assert said in refused(path, arch=f"{factory}:build", **options).message


def test_weights_of_another_architecture_are_named(tmp_path: Path, factory: str) -> None:
    path = torch_file(tmp_path / "net.pt", nn.Linear(3, 2).state_dict())
    error = refused(path, arch=f"{factory}:build", input_shape=(3, 2, 2), classes=("a", "b"))
    assert "missing layer.weight" in error.message
    assert "unexpected bias" in error.message


def test_text_weights_without_a_tokenizer_are_refused(tmp_path: Path, factory: str) -> None:
    from auditkit.models.builtin.encoder_transformer import EncoderTransformer

    module = EncoderTransformer(vocabulary_size=5, max_length=4, width=16)
    path = torch_file(tmp_path / "text.pt", module.state_dict())
    for options in ({}, {"arch": f"{factory}:text"}):
        error = refused(path, **options)
        assert "reads words" in error.message
        assert "--vocabulary" in error.hint


def test_options_about_images_are_refused_for_texts() -> None:
    error = refused(Path("phrases-transformer"), mean=(0.5,))
    assert "--mean is about images" in error.message


def test_a_damaged_onnx_start_is_not_taken_for_a_model(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(onnx_like()[:6])
    assert "of no format" in refused(path).message


def test_the_loaded_classifier_is_of_the_right_kind(tmp_path: Path) -> None:
    model: Classifier = load_model(ModelSpec(source="phrases-transformer"))
    assert model.modality == "text"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"input_shape": (8, 8)}, "--input-shape has 2 numbers, expected 3"),
        ({"bounds": (0.0, 1.0, 2.0)}, "--bounds has 3 numbers, expected 2"),
    ],
)
def test_options_of_the_wrong_length_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ModelSpec(source="digits-cnn", **options)


def test_a_built_in_model_takes_no_other_architecture() -> None:
    assert "built in" in refused(Path("digits-cnn"), arch="a:b").message


# --- weights as training scripts save them -------------------------------------------------------


def test_a_training_checkpoint_loads_and_says_what_was_assumed(
    tmp_path: Path, factory: str
) -> None:
    torch.manual_seed(0)
    net = Net().half()
    saved = {
        "epoch": 3,
        "state_dict": {f"module.{name}": value for name, value in net.state_dict().items()},
        "ema": net.state_dict(),
        "args": argparse.Namespace(lr=0.1),
    }
    saved["state_dict"]["module.total_ops"] = torch.zeros(1)
    path = torch_file(tmp_path / "net.pt", saved)
    model = load_model(
        ModelSpec(
            source=str(path),
            arch=f"{factory}:build",
            input_shape=(3, 2, 2),
            bounds=(0, 1),
            classes=("a", "b"),
        )
    )
    x = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.predict(x), net.float()(x))
    assert model.dtype == torch.float32
    for said in ("'state_dict'", "ema", "'module.'", "total_ops", "float16"):
        assert any(said in note for note in model.identity.notes), said


def test_weights_without_counters_of_batches_load(tmp_path: Path) -> None:
    kept = {name: value for name, value in state().items() if "num_batches" not in name}
    model = load_model(ModelSpec(source=str(torch_file(tmp_path / "m.pt", kept))))
    whole = load_model(ModelSpec(source=str(torch_file(tmp_path / "w.pt", state()))))
    assert torch.equal(model.predict(IMAGES), whole.predict(IMAGES))
    assert any("num_batches_tracked" in note for note in model.identity.notes)


def test_other_missing_tensors_are_refused_by_name(tmp_path: Path, factory: str) -> None:
    path = torch_file(tmp_path / "net.pt", {"module.layer.weight": torch.zeros(2, 12)})
    error = refused(path, arch=f"{factory}:build", input_shape=(3, 2, 2), classes=("a", "b"))
    assert "missing layer.bias" in error.message


def test_several_sets_of_weights_are_refused_by_name(tmp_path: Path) -> None:
    first, second = Net().state_dict(), Net().state_dict()
    error = refused(torch_file(tmp_path / "gan.pt", {"generator": first, "critic": second}))
    assert "generator, critic" in error.message
    assert error.hint == 'Choose one: --weights "generator"'


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("key", "path"), [("ema", ("ema",)), ("model", ("model",)), ("a / b", ("a", "b")), ("1", (1,))]
)
def test_one_of_several_sets_of_weights_is_chosen(
    tmp_path: Path, factory: str, legacy: bool, key: str, path: tuple[Any, ...]
) -> None:
    torch.manual_seed(0)
    nets = [Net(), Net(), Net()]
    first, second, third = (one.state_dict() for one in nets)
    saved: Any = {"model": first, "ema": second, "a": {"b": third}}
    wanted: Any = saved
    if key == "1":
        saved = wanted = [first, second]
    for part in path:
        wanted = wanted[part]
    torch.save(saved, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    spec = ModelSpec(
        source=str(tmp_path / "m.pt"),
        arch=f"{factory}:build",
        input_shape=(3, 2, 2),
        classes=("a", "b"),
        weights=key,
    )
    found = load_model(spec).module.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_weights_that_are_not_there_are_refused_with_those_that_are(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "m.pt", {"model": state(), "model_ema": state()})
    error = refused(path, weights="modelema")
    assert (
        "holds no weights under 'modelema'; it holds some under model, model_ema" in error.message
    )
    assert "Did you mean 'model_ema'" in error.message
    assert error.hint == 'Type: --weights "model"'
    for plain in (torch_file(tmp_path / "p.pt", state()), Path("digits-cnn")):
        assert "--weights" in refused(plain, weights="ema").hint


class ReadsLast(nn.Module):
    """Wants channels behind the pixels, blue first; answers with the mean of blue and of red."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[1:] == (4, 5, 3)
        return self.scale * x.mean(dim=(1, 2))[:, [0, 2]]


def test_layout_and_scale_are_how_the_network_reads(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "net.pt", ReadsLast().state_dict())
    options = {
        "arch": "tests.models.test_load:ReadsLast",
        "input_shape": (3, 4, 5),
        "classes": ("blue", "red"),
        "layout": "nhwc-bgr",
        "scale": 255.0,
    }
    model = load_model(ModelSpec(source=str(path), **options))
    x = torch.rand(6, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    expected = 255 * x.mean(dim=(2, 3))[:, [2, 0]]
    torch.testing.assert_close(model.predict(x), expected)
    assert isinstance(model, ImageClassifier)
    model.configure(Execution(layout="channels_last"))
    torch.testing.assert_close(model.predict(x), expected)
    save(model, tmp_path / "bundle")
    again = load_model(ModelSpec(source=str(tmp_path / "bundle"), arch=options["arch"]))
    torch.testing.assert_close(again.predict(x), expected)


def test_a_name_replaces_the_normalisation_of_a_card_and_that_is_noted() -> None:
    model = load_model(ModelSpec(source="digits-cnn", normalise="half"))
    plain = load_model(ModelSpec(source="digits-cnn"))
    assert torch.allclose(model.predict(IMAGES), plain.predict((IMAGES - 0.5) / 0.5), atol=1e-5)
    assert any("--normalise half replaced" in note for note in model.identity.notes)


def test_a_network_that_reads_colours_last_is_told_from_a_wrong_shape(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "net.pt", ReadsLast().state_dict())
    options: dict[str, Any] = {"arch": "tests.models.test_load:ReadsLast", "classes": ("a", "b")}
    strict = {**options, "arch": "tests.models.test_load:StrictlyLast"}
    error = refused(path, **strict, input_shape=(3, 4, 5))
    assert error.hint == "It can read images with their colours last. Add: --layout nhwc"
    assert refused(path, **strict, input_shape=(3, 9, 9)).hint == "Check --input-shape."


class StrictlyLast(ReadsLast):
    """Says what is wrong as torch does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1:] != (4, 5, 3):
            raise RuntimeError("sizes do not match")
        return super().forward(x)


def test_weights_that_do_not_fit_say_what_to_name(tmp_path: Path, factory: str) -> None:
    path = torch_file(tmp_path / "net.pt", {**Net().state_dict(), "more.weight": torch.zeros(1)})
    error = refused(path, arch=f"{factory}:build", input_shape=(3, 2, 2), classes=("a", "b"))
    assert "unexpected more.weight" in error.message
    assert "the network that these weights were saved from" in error.hint


def test_a_file_that_would_open_doors_is_not_offered_for_trust(tmp_path: Path) -> None:
    hostile = torch_file(tmp_path / "hostile.pt", {"weight": Shout(tmp_path / "canary")})
    error = refused(hostile)
    assert "a torch file that would run posix.system; loading it would run code" in error.message
    assert "--trust-code" not in error.hint
    assert "no network needs posix.system" in error.hint
    whole = refused(torch_file(tmp_path / "whole.pt", Net()))
    assert "--trust-code" in whole.hint


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_has_to_be_positive(scale: float) -> None:
    with pytest.raises(ConfigError, match="--scale"):
        ModelSpec(source="digits-cnn", scale=scale)


def test_weights_of_a_stack_suggest_auto_and_auto_asks_for_data(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "net.pt", {"state_dict": TutorialNet().state_dict()})
    error = refused(path)
    assert "2 convolutions and 3 linear layers" in error.message
    assert f"Try: audit run {path} --arch auto --data DATA" in error.hint
    assert "--arch auto --data DATA" in refused(path, arch="auto").hint
    error = refused(path, arch="auto", input_shape=(3, 30, 30), classes=tuple("0123456789"))
    assert "found no network" in error.message or "only labelled data" in error.message
    other = torch_file(tmp_path / "lstm.pt", nn.LSTM(3, 4).state_dict())
    assert "auto" not in refused(other).hint
