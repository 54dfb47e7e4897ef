"""Mirrors auditkit/models/texts/load.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel

import auditkit
from auditkit.errors import AuditkitError, ConfigError, ModelError
from auditkit.models.bundle import load_bundle
from auditkit.models.classifier import TextClassifier
from auditkit.models.inspect import inspect_file
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.texts.load import beside
from auditkit.models.texts.options import TextOptions
from tests.models.files import torch_file
from tests.models.texts import networks
from tests.models.texts.networks import WORDS

NETWORKS = "tests.models.texts.networks"
VOCABULARY = {"<pad>": 0, "<unk>": 1, **{f"w{i}": i for i in range(2, WORDS)}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("OwnMask", "Transformer", "NoMask", "Lengths"):
        torch.manual_seed(5)
        torch_file(tmp_path / f"{name}.pt", getattr(networks, name)().state_dict())
    (tmp_path / "vocab.json").write_text(json.dumps(VOCABULARY))
    return tmp_path


def load(folder: Path, name: str, **options: Any) -> TextClassifier:
    given = {"vocabulary": str(folder / "vocab.json"), **options}
    spec = ModelSpec(
        source=str(folder / f"{name}.pt"),
        arch=f"{NETWORKS}:{name}",
        classes=given.pop("classes", ("a", "b", "c")),
        texts=TextOptions(**given),
    )
    model = load_model(spec)
    assert isinstance(model, TextClassifier)
    return model


def test_texts_are_read_as_the_vocabulary_suggests(folder: Path) -> None:
    model = load(folder, "OwnMask")
    network = networks.OwnMask().eval()
    network.load_state_dict(torch.load(folder / "OwnMask.pt", weights_only=True))
    ids = torch.tensor([[5, 1, 7, 0], [9, 0, 0, 0]])
    truth = network(ids)
    torch.testing.assert_close(model.logits(["W5 film w7", " w9 "]), truth)
    assert model.max_length == 512
    assert not model.padded
    assert (model.pad_id, model.unk_id) == (0, 1)
    notes = " ".join(model.identity.notes)
    assert "Texts are split into words, without punctuation and lower-cased" in notes
    assert "SHA-256" in notes
    assert "Texts are cut after 512 tokens" in notes


def test_a_text_without_a_word_is_one_unknown_word(folder: Path) -> None:
    model = load(folder, "OwnMask")
    torch.testing.assert_close(model.logits(["...", "w3"])[:1], model.logits(["zyx"]))


def test_positions_limit_the_length(folder: Path) -> None:
    assert load(folder, "Transformer").max_length == 24
    assert load(folder, "Transformer", max_length=10).max_length == 10
    with pytest.raises(ModelError, match="at most 24 tokens, and --max-length is 30"):
        load(folder, "Transformer", max_length=30)
    notes = load(folder, "Transformer").identity.notes
    assert any("forward(ids, src_key_padding_mask=true at padding)" in one for one in notes)


def test_padding_that_counts_needs_a_length(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"change with the padding .* --max-length 64"):
        load(folder, "NoMask")
    model = load(folder, "NoMask", max_length=10)
    assert model.padded
    network = networks.NoMask().eval()
    network.load_state_dict(torch.load(folder / "NoMask.pt", weights_only=True))
    truth = network(torch.tensor([[5, 7, 0, 0, 0, 0, 0, 0, 0, 0]]))
    torch.testing.assert_close(model.logits(["w5 w7"]), truth)
    torch.testing.assert_close(model.logits(["w5 w7", "w3 " * 9])[:1], truth)


@pytest.mark.parametrize("name", ["OwnMask", "NoMask", "Lengths"])
def test_a_bundle_answers_as_before(folder: Path, name: str) -> None:
    model = load(folder, name, max_length=12)
    auditkit.save(model, folder / "b")
    assert inspect_file(folder / "b").architecture == f"{NETWORKS}:{name}"
    again = load_bundle(folder / "b", f"{NETWORKS}:{name}")
    assert isinstance(again, TextClassifier)
    texts = ["w5 w7, film", "w3 " * 20]
    torch.testing.assert_close(again.logits(texts), model.logits(texts), rtol=1e-6, atol=1e-6)
    assert (again.padded, again.max_length) == (model.padded, 12)
    with pytest.raises(ModelError, match=f"--arch {NETWORKS}:{name}"):
        load_bundle(folder / "b")


def test_a_whole_tokenizer_says_how_texts_are_read(folder: Path) -> None:
    tokenizer = Tokenizer(WordLevel(VOCABULARY, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("|")
    tokenizer.save(str(folder / "tokenizer.json"))
    whole = load(folder, "OwnMask", vocabulary=str(folder / "tokenizer.json"))
    torch.testing.assert_close(whole.logits(["w5|w7"]), load(folder, "OwnMask").logits(["w5 w7"]))
    with pytest.raises(ModelError, match=r"is a whole tokenizer.* Leave out --words"):
        load(folder, "OwnMask", vocabulary=str(folder / "tokenizer.json"), words=("spaces",))


def test_what_is_typed_wins(folder: Path) -> None:
    model = load(folder, "OwnMask", words=("spaces",))
    torch.testing.assert_close(model.logits(["W5 w7."]), model.logits(["zyx zyx"]))
    assert not any("suggest" in one for one in model.identity.notes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"vocabulary": None}, r"reads words \(its largest embedding has 40 rows\).*--vocabulary"),
        ({"classes": None}, r"its 3 outputs mean.*--classes 0,1,2"),
        ({"words": ("first", "spaces")}, "Leave first out"),
    ],
)
def test_what_is_missing_is_asked_for(folder: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(AuditkitError, match=said):
        load(folder, "OwnMask", **options)


def test_a_text_option_for_another_model_is_refused(folder: Path) -> None:
    for source in ("digits-cnn", "phrases-transformer"):
        with pytest.raises(ModelError, match="needs no --max-length"):
            load_model(ModelSpec(source=source, texts=TextOptions(max_length=3)))
    with pytest.raises(ConfigError, match="--max-length is 0"):
        TextOptions(max_length=0)


def test_weights_of_a_network_in_two_steps_take_a_vocabulary_too(folder: Path) -> None:
    from auditkit.models.builtin.text_cnn import TextCnn

    torch.manual_seed(0)
    module = TextCnn(vocabulary_size=WORDS)
    path = torch_file(folder / "cnn.pt", module.state_dict())
    spec = ModelSpec(source=str(path), classes=("a", "b"))
    given = TextOptions(vocabulary=str(folder / "vocab.json"), max_length=16)
    model = load_model(ModelSpec(source=str(path), classes=("a", "b"), texts=given))
    assert model.logits(["w5 w6"]).shape == (1, 2)
    with pytest.raises(ModelError, match="--vocabulary"):
        load_model(spec)


def test_a_vocabulary_of_another_network_is_held_against_the_words(folder: Path) -> None:
    """Not against the positions, which are fewer."""
    (folder / "few.txt").write_text("<pad>\n<unk>\nfilm\n")
    with pytest.raises(ModelError, match=r"holds 3 words and .* has 40 rows: no word has the id 3"):
        load(folder, "Transformer", vocabulary=str(folder / "few.txt"))


def test_the_vocabulary_beside_a_model_is_found(folder: Path) -> None:
    assert beside(folder / "OwnMask.pt") == str(folder / "vocab.json")
    (folder / "vocab.json").unlink()
    assert beside(folder / "OwnMask.pt") is None
    assert beside(folder / "no" / "such.pt") is None


def test_inspect_says_what_to_type(folder: Path) -> None:
    torch.manual_seed(0)
    module = networks.Transformer()
    module.embedding = torch.nn.Embedding(300, 8)
    seen = inspect_file(torch_file(folder / "t.pt", module.state_dict()))
    assert seen.likely is not None
    assert "reads words (300" in seen.likely
    assert seen.outputs == 3
    assert seen.next_command == (
        f"audit run {folder / 't.pt'} --arch package.module:factory --vocabulary"
        f" {folder / 'vocab.json'} --data DATA"
    )
    with pytest.raises(ModelError, match=r"look like a network that reads words.*--vocabulary"):
        load_model(ModelSpec(source=str(folder / "t.pt")))
    with pytest.raises(ModelError, match="--arch auto knows no networks of words"):
        load_model(ModelSpec(source=str(folder / "t.pt"), arch="auto", input_shape=(1, 8, 8)))
