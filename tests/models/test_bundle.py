"""Mirrors auditkit/models/bundle.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from auditkit.errors import ModelError
from auditkit.models.builtin.digits_cnn import DigitsCnn
from auditkit.models.builtin.encoder_transformer import EncoderTransformer
from auditkit.models.builtin.vision_transformer import VisionTransformer
from auditkit.models.bundle import KEY, file_sha256, load_bundle, read_header, save
from auditkit.models.classifier import Classifier, Identity, ImageClassifier, TextClassifier
from auditkit.models.tokenizer import word_tokenizer
from tests.models.files import Net

DIGITS = tuple("0123456789")


def image_model(module: nn.Module, **options: Any) -> ImageClassifier:
    shape = options.pop("input_shape", (1, 8, 8))
    return ImageClassifier(
        module, classes=options.pop("classes", DIGITS), input_shape=shape, **options
    )


def layered(dtype: torch.dtype = torch.float32) -> ImageClassifier:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.GELU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip
    with torch.no_grad():
        module(torch.rand(8, 3, 6, 6))  # running statistics of their own
    return image_model(
        module.to(dtype),
        classes=("a", "b", "ü <"),
        input_shape=(3, 6, 6),
        bounds=(-1.0, 2.0),
        mean=(0.1, 0.2, 0.3),
        std=(0.5, 0.25, 1 / 3),
        identity=Identity(name="x", architecture="y", data="glyphs", card={"by": "me"}),
    )


def text_model() -> TextClassifier:
    words = word_tokenizer(["a fine day , really"], vocabulary_size=20, max_length=9)
    module = EncoderTransformer(vocabulary_size=words.get_vocab_size(), max_length=9, width=16)
    return TextClassifier(module, tokenizer=words, classes=("no", "yes"), max_length=9)


MODELS: dict[str, Callable[[], Classifier]] = {
    "cnn": lambda: image_model(DigitsCnn(width=6, depth=2)),
    "vit": lambda: image_model(
        VisionTransformer(width=32, depth=1, n_classes=3), classes=("a", "b", "c")
    ),
    "layers": layered,
    "half": lambda: layered(torch.bfloat16),
    "double": lambda: layered(torch.float64),
    "text": text_model,
}


def inputs_of(model: Classifier) -> Tensor | list[str]:
    if isinstance(model, ImageClassifier):
        rng = torch.Generator().manual_seed(1)
        return torch.rand(5, *model.input_shape, generator=rng)
    return ["A fine day!", "unheard of, really", ""]


@pytest.mark.parametrize("name", MODELS)
def test_a_bundle_gives_back_the_same_bits(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    save(model, tmp_path / "mine.safetensors")
    again = load_bundle(tmp_path / "mine.safetensors")
    assert torch.equal(again.predict(inputs_of(model)), model.predict(inputs_of(model)))
    assert type(again) is type(model)
    assert (again.classes, again.dtype) == (model.classes, model.dtype)
    assert again.identity.card == model.identity.card
    assert again.identity.data == model.identity.data
    assert again.identity.name == "mine"
    assert again.identity.sha256 == file_sha256(tmp_path / "mine.safetensors")
    if isinstance(model, ImageClassifier):
        assert isinstance(again, ImageClassifier)
        for field in ("input_shape", "bounds", "mean", "std"):
            assert getattr(again, field) == getattr(model, field)


def test_the_same_model_always_gives_the_same_file(tmp_path: Path) -> None:
    model = text_model()
    save(model, tmp_path / "a")
    save(load_bundle(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_tied_weights_come_back(tmp_path: Path) -> None:
    shared = nn.Linear(4, 4)
    model = image_model(
        nn.Sequential(nn.Flatten(), shared, nn.Tanh(), shared),
        classes=tuple("abcd"),
        input_shape=(1, 2, 2),
    )
    save(model, tmp_path / "m")
    again = load_bundle(tmp_path / "m")
    assert torch.equal(again.predict(inputs_of(model)), model.predict(inputs_of(model)))


def test_a_class_of_ones_own_is_never_imported_from_the_file(tmp_path: Path) -> None:
    model = image_model(Net(), classes=("a", "b"), input_shape=(3, 2, 2))
    path = tmp_path / "net.safetensors"
    save(model, path)
    with pytest.raises(ModelError, match=r"class tests\.models\.files:Net") as caught:
        load_bundle(path)
    assert f"audit run {path} --arch tests.models.files:Net" in caught.value.hint
    again = load_bundle(path, "tests.models.files:Net")
    assert torch.equal(again.predict(inputs_of(model)), model.predict(inputs_of(model)))


def test_a_name_in_the_file_that_is_no_name_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save(image_model(Net(), classes=("a", "b"), input_shape=(3, 2, 2)), path)
    rewritten(path, lambda d: d["architecture"].update(name="x:y; rm -rf ~\x1b[2J"))
    with pytest.raises(ModelError) as caught:
        load_bundle(path)
    assert "rm" not in str(caught.value)
    assert "package.module:Class" in caught.value.hint


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Write a bundle anew with a changed description."""
    description = json.loads(read_header(path).metadata[KEY])
    change(description)
    tensors = safetensors.torch.load_file(path)
    path.write_bytes(safetensors.torch.save(tensors, metadata={KEY: json.dumps(description)}))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(version=99), "version 99"),
        (lambda d: d.pop("version"), "version None"),
        (lambda d: d.update(classes=["one"]), "classes"),
        (lambda d: d.update(surprise=1), "surprise"),
        (lambda d: d.update(modality="sound"), "modality"),
        (lambda d: d.update(bounds=None), "without input shape or bounds"),
        (lambda d: d.update(input_shape=[3, 10**7, 10**7]), "too large"),
        (lambda d: d.update(input_shape=[1, 6, 6]), "cannot read images of shape"),
        (lambda d: d.update(architecture={"kind": "layers", "root": {"layer": "Magic"}}), "Magic"),
        (lambda d: d.update(architecture={"kind": "os.system"}), "architecture"),
    ],
)
def test_a_description_that_is_wrong_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    path = tmp_path / "m"
    save(layered(), path)
    with pytest.raises(ModelError, match=said):
        load_bundle(rewritten(path, change))


def test_a_layer_that_would_fill_the_memory_is_refused_before_it_runs(tmp_path: Path) -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    path = tmp_path / "m"
    save(image_model(module, classes=("a", "b")), path)

    def enlarge(description: dict[str, Any]) -> None:
        first = description["architecture"]["root"]["children"][0][1]
        first["arguments"]["output_size"] = 10**6

    with pytest.raises(ModelError, match="one layer makes 1,000,000,000,000 numbers"):
        load_bundle(rewritten(path, enlarge))


def test_a_config_that_differs_from_the_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(image_model(DigitsCnn(width=4)), path)
    larger = rewritten(path, lambda d: d["architecture"]["config"].update(depth=7))
    with pytest.raises(ModelError, match="its tensors are different"):
        load_bundle(larger)


def test_an_unknown_built_in_names_the_near_miss(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(image_model(DigitsCnn(width=4)), path)
    with pytest.raises(ModelError, match="Did you mean 'DigitsCnn'"):
        load_bundle(rewritten(path, lambda d: d["architecture"].update(name="DigitCnn")))


def test_missing_unexpected_and_different_tensors_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(layered(), path)
    metadata = read_header(path).metadata
    tensors = safetensors.torch.load_file(path)
    tensors["extra.weight"] = tensors.pop("5.bias")
    tensors["5.weight"] = torch.zeros(3, 7)
    tensors["0.bias"] = torch.zeros(4, dtype=torch.int64)
    path.write_bytes(safetensors.torch.save(tensors, metadata=metadata))
    with pytest.raises(ModelError) as caught:
        load_bundle(path)
    for part in (
        "missing 5.bias",
        "unexpected extra.weight",
        "5.weight is (3, 7), expected (3, 16)",
        "0.bias holds int64, expected torch.float32",
    ):
        assert part in caught.value.message


def test_a_broken_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(text_model(), path)
    for broken in ("{}", "not json", '{"model": null}'):
        with pytest.raises(ModelError, match="tokenizer"):
            load_bundle(rewritten(path, lambda d, text=broken: d.update(tokenizer=text)))
    with pytest.raises(ModelError, match="without tokenizer"):
        load_bundle(rewritten(path, lambda d: d.pop("tokenizer")))


def written(path: Path, head: object, numbers: bytes = b"") -> Path:
    raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + numbers)
    return path


@pytest.mark.parametrize(
    ("head", "numbers", "said"),
    [
        ({"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4]}}, b"0000", "does not"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"", "cut off"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"00000", "padded"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"0" * 8, "gaps"),
        ({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"0000", "impossible"),
        ({"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, b"0000", "unknown type"),
        ({"a": {"shape": [1]}}, b"", "broken"),
        ({"a": 3}, b"", "broken"),
        ({"__metadata__": {"auditkit": 3}}, b"", "not text"),
        (b'{"a": {}, "a": {}}', b"", "twice"),
        (b"[1, 2]", b"", "broken"),
        (b"[" * 100_000, b"", "broken"),
    ],
)
def test_a_broken_header_is_refused(
    tmp_path: Path, head: object, numbers: bytes, said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        read_header(written(tmp_path / "m", head, numbers))


def test_a_state_that_is_not_tensors_is_refused(tmp_path: Path) -> None:
    class Odd(Net):
        def get_extra_state(self) -> object:
            return {"a": 1}

    with pytest.raises(ModelError, match="not a tensor"):
        save(image_model(Odd(), classes=("a", "b"), input_shape=(3, 2, 2)), tmp_path / "m")
    assert not (tmp_path / "m").exists()
