"""Mirrors auditkit/models/huggingface/load.py."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits

import auditkit
from auditkit.api import audit
from auditkit.data.load import DataSpec
from auditkit.errors import ConfigError, MissingExtraError, ModelError
from auditkit.models.classifier import ImageClassifier, TextClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.texts.options import TextOptions
from auditkit.subject import SubjectSpec, load_subject
from tests.models.huggingface import folders
from tests.models.huggingface.folders import (
    IMAGES,
    TEXTS,
    bert,
    tokenizer,
    trained,
    transformers,
    vit,
    without_transformers,
)
from tests.models.huggingface.test_folder import edited
from tests.published import needs

LINES = [
    "A good film!",
    "the plot, the plot",
    "Very badly film.",
    "unheard words",
    "film " * 30,
    "!",
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a model was looked for on the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def load(path: Path, **options: Any) -> Any:
    return load_model(ModelSpec(source=str(path), **options))


@pytest.mark.parametrize("make", TEXTS, ids=lambda one: one.__name__)
def test_texts_are_answered_as_by_the_pipeline(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path / "m")
    model = load(path)
    assert isinstance(model, TextClassifier)
    assert not model.padded
    ask = transformers.pipeline(
        "text-classification", model=str(path), device="cpu", function_to_apply="none", top_k=None
    )
    longest = {"truncation": True, "max_length": model.max_length}
    found = model.logits(LINES)
    for row, line in zip(found, LINES, strict=True):
        (answer,) = ask([line], **longest)
        truth = {one["label"]: one["score"] for one in answer}
        assert set(truth) == set(model.classes)
        wanted = torch.tensor([truth[name] for name in model.classes])
        torch.testing.assert_close(row, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", TEXTS, ids=lambda one: one.__name__)
def test_gradients_reach_the_words(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    model = load(make(tmp_path / "m"))
    encoded = model.encode(LINES[:3])
    embeddings = model.embed(encoded.ids).requires_grad_(True)
    logits = model.logits_from_embeddings(embeddings, encoded.mask)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), embeddings)
    assert gradient[encoded.mask].abs().sum(-1).min() > 0
    assert gradient[~encoded.mask].abs().sum() == 0


@pytest.mark.parametrize("make", IMAGES, ids=lambda one: one.__name__)
def test_images_are_answered_as_by_the_model(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path / "m")
    model = load(path)
    assert isinstance(model, ImageClassifier)
    shape = model.input_shape
    pixels = np.random.default_rng(0).integers(0, 256, (4, *shape[1:], 3), dtype=np.uint8)
    kind = transformers.ViTImageProcessorPil if make is vit else None
    kind = kind or transformers.ConvNextImageProcessorPil
    inputs = kind.from_pretrained(path)(list(pixels), return_tensors="pt")
    network = transformers.AutoModelForImageClassification.from_pretrained(path).eval()
    with torch.no_grad():
        truth = network(**inputs).logits
    found = model.logits(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    torch.testing.assert_close(found, truth, rtol=1e-4, atol=1e-5)


def test_what_a_classifier_is_told(tmp_path: Path) -> None:
    model = load(bert(tmp_path / "m"))
    assert model.classes == ("negative", "neutral", "positive")
    assert (model.identity.name, model.identity.architecture) == (
        "m",
        "BertForSequenceClassification",
    )
    assert len(model.identity.sha256) == 64
    assert model.max_length == 40
    assert load(tmp_path / "m", texts=TextOptions(max_length=7)).max_length == 7
    assert load(tmp_path / "m", classes=("x", "y", "z")).classes == ("x", "y", "z")
    assert load(folders.roberta(tmp_path / "r")).max_length == 29


def test_names_that_stand_twice_are_numbered(tmp_path: Path) -> None:
    path = edited(
        bert(tmp_path / "m"), "config.json", id2label={"0": "a", "1": "crane", "2": "crane"}
    )
    model = load(path)
    assert model.classes == ("a", "crane (1)", "crane (2)")
    assert any("'crane'" in note for note in model.identity.notes)


def test_without_transformers_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bert(tmp_path / "m")
    with (
        without_transformers(monkeypatch),
        pytest.raises(MissingExtraError, match=r'pip install "auditkit-ml\[hf\]"'),
    ):
        load(path)


def test_a_head_that_would_be_drawn_at_random_is_refused(tmp_path: Path) -> None:
    path = bert(tmp_path / "m")
    kept = load_file(path / "model.safetensors")
    del kept["classifier.weight"]
    save_file(kept, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks classifier.weight, which transformers would draw"):
        load(path)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = edited(bert(tmp_path / "m"), "config.json", hidden_size=32)
    with pytest.raises(ModelError):
        load(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": 10**9}, "describes 1000000000 num_hidden_layers"),
        ({"vocab_size": 10**9}, "describes a network of 16,"),
        ({"model_type": "nonsense"}, "cannot load"),
        ({"hidden_size": "x"}, "cannot load"),
    ],
)
def test_a_config_that_is_no_good_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        load(edited(bert(tmp_path / "m"), "config.json", **changes))


def test_code_in_the_folder_is_never_run(tmp_path: Path) -> None:
    path = bert(tmp_path / "m")
    canary = tmp_path / "canary"
    (path / "evil.py").write_text(f"open({str(canary)!r}, 'w')\nclass Model: pass\n")
    auto = {"AutoModelForSequenceClassification": "evil.Model", "AutoConfig": "evil.Model"}
    edited(path, "config.json", auto_map=auto)
    with pytest.raises(ModelError, match="names code of its own"):
        load(path)
    assert not canary.exists()


def test_what_the_folder_says_need_not_be_typed(tmp_path: Path) -> None:
    text, image = bert(tmp_path / "t"), vit(tmp_path / "i")
    for path, options in (
        (text, {"arch": "a:b"}),
        (text, {"texts": TextOptions(vocabulary="v")}),
        (image, {"texts": TextOptions(max_length=3)}),
        (image, {"features": ("a",)}),
    ):
        with pytest.raises(ModelError, match="Leave out --"):
            load(path, **options)
    with pytest.raises(ModelError, match="Name the folder"):
        load(image / "model.safetensors")


def test_a_model_that_reads_more_than_tokens_is_refused(tmp_path: Path) -> None:
    path = folders.gpt2_with(tmp_path / "m")  # it adds the words of types to those of the text
    with pytest.raises(ModelError, match=r"reads more of a text than its tokens.*token_type_ids"):
        load(path)


def test_a_tokenizer_without_padding_is_refused(tmp_path: Path) -> None:
    path = bert(tmp_path / "m")
    edited(path, "tokenizer_config.json", pad_token=None)
    with pytest.raises(ModelError, match=r"has no padding token.*tokenizer.pad_token ="):
        load(path)


def test_a_folder_is_not_written_as_a_bundle(tmp_path: Path) -> None:
    for path in (bert(tmp_path / "t"), vit(tmp_path / "i")):
        with pytest.raises(ModelError, match="stays in its folder"):
            auditkit.save(load(path), tmp_path / "b")


def test_a_folder_of_images_stays_one(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "data" / name / "1.png")
    (tmp_path / "data" / "config.json").write_text('{"lr": 0.1}')
    with pytest.raises(ModelError, match=r"without the config.json of a model"):
        load(tmp_path / "data")
    spec = SubjectSpec(
        model=ModelSpec(source=str(vit(tmp_path / "m"))), data=None, max_inputs=None, seed=0
    )
    with pytest.raises(ConfigError, match="does not say which data"):
        load_subject(spec)


def test_image_audit_from_folder_to_findings(tmp_path: Path) -> None:
    digits: Any = load_digits()
    images = torch.from_numpy(digits.images / 16).float()[:, None].expand(-1, 3, -1, -1)
    images = images.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)  # (n, 3, 32, 32)
    labels = torch.from_numpy(digits.target)
    path = folders.resnet(tmp_path / "m")
    network = transformers.ResNetForImageClassification.from_pretrained(path)
    torch.manual_seed(0)
    read = (2 * images - 0.5) / 0.5  # as its processor does: pixels over 127.5, and so on
    rounds = [rows for _ in range(2) for rows in torch.randperm(1500).split(50)]
    trained(network, [({"pixel_values": read[i]}, labels[i]) for i in rounds], lr=3e-3)
    network.save_pretrained(path)
    for i in range(1600, 1797):
        into = tmp_path / "data" / str(int(labels[i]))
        into.mkdir(parents=True, exist_ok=True)
        pixels = (images[i].permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(into / f"{i}.png")
    with torch.no_grad():
        right = network(read[1600:]).logits.argmax(1) == labels[1600:]
    result = audit(
        path,
        tmp_path / "data",
        checks=["clean-accuracy", "pgd-linf", "attribution-trust"],
        policy="none",
        out=tmp_path / "r",
    )
    assert [one.status for one in result.outcomes] == ["measured"] * 3
    accuracy = next(f for f in result.outcomes[0].findings if "accuracy" in f.id)
    assert right.float().mean() > 0.5
    assert accuracy.value == pytest.approx(float(right.float().mean()), abs=0.011)  # rounded pixels
    assert result.model.architecture == "ResNetForImageClassification"


@needs("sst2")
def test_text_audit_from_lines_to_findings(tmp_path: Path) -> None:
    from auditkit.data.catalogue import DATA
    from auditkit.data.files import find

    file = find(DATA["sst2"].files[0])
    assert file is not None
    read = {"sep": "\t", "quoting": 3, "names": ["text", "label"]}
    train = pd.read_csv(file.with_name("train.tsv"), **read)[:2000]
    test = pd.read_csv(file.with_name("dev.tsv"), **read)[:200]
    words = pd.Series(" ".join(train["text"]).split()).value_counts().index[:1500]
    reader = tokenizer(list(words))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(reader), max_position_embeddings=64, num_labels=2, **folders.SMALL
    )
    network = transformers.BertForSequenceClassification(config)
    encoded = reader(
        list(train["text"]), padding=True, truncation=True, max_length=64, return_tensors="pt"
    )
    labels = torch.tensor(train["label"].tolist())
    rounds = [rows for _ in range(3) for rows in torch.randperm(2000).split(50)]
    batches = [({k: v[i] for k, v in encoded.items()}, labels[i]) for i in rounds]
    trained(network, batches, lr=5e-3)
    path = folders.saved(tmp_path / "m", network, reader)
    ask = transformers.pipeline("text-classification", model=str(path), device="cpu")
    answers = [int(one["label"][-1]) for one in ask(list(test["text"]), batch_size=50)]
    accuracy = float(np.mean(np.array(answers) == test["label"].to_numpy()))
    assert accuracy > 0.6
    test.to_csv(tmp_path / "test.csv", index=False)
    result = audit(
        path,
        DataSpec(source=str(tmp_path / "test.csv")),
        checks=["clean-accuracy", "token-swap", "attribution-trust"],
        policy="none",
        max_inputs=200,
        out=tmp_path / "r",
    )
    assert [one.status for one in result.outcomes] == ["measured"] * 3
    found = next(f for f in result.outcomes[0].findings if "accuracy" in f.id)
    assert found.value == pytest.approx(accuracy, abs=1e-9)
    robust = (f for f in result.outcomes[1].findings if f.metric == "robust_accuracy")
    swapped = [f.value for f in robust if f.value is not None]
    assert min(swapped) < accuracy - 0.1
    assert json.loads((tmp_path / "r" / "result.json").read_text())["model"]["modality"] == "text"
    shutil.rmtree(path)
