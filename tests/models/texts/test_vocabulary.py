"""Mirrors auditkit/models/texts/vocabulary.py."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from auditkit.errors import ModelError
from auditkit.models.texts import vocabulary as module
from auditkit.models.texts.vocabulary import Vocabulary, Words, fitted, read_vocabulary

IDS = {"<pad>": 0, "<unk>": 1, "the": 2, "film": 3, "é": 4}


def read(folder: Path, name: str, text: str | bytes) -> Vocabulary:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_vocabulary(path)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(IDS),
        json.dumps(IDS, ensure_ascii=False, indent=1),
        json.dumps({str(i): word for word, i in IDS.items()}),
        json.dumps(list(IDS)),
        json.dumps({"word2idx": IDS, "max_length": 64}),
        json.dumps({"max_length": 64, "itos": list(IDS)}),
        "\n".join(IDS),
        "\r\n".join(IDS) + "\r\n\r\n",
        "\ufeff" + "\n".join(IDS),
        "".join(f"{word}\t{i}\n" for word, i in reversed(IDS.items())),
        "".join(f"{word} {900 - i * i}\n" for word, i in IDS.items()),  # counts
        "word,id\n" + "".join(f"{word},{i}\n" for word, i in IDS.items()),
    ],
    ids=[
        "json",
        "json-utf8",
        "json-by-id",
        "json-list",
        "json-nested",
        "json-nested-list",
        "lines",
        "windows",
        "mark",
        "tab-id",
        "space-count",
        "csv",
    ],
)
def test_usual_files(tmp_path: Path, content: str) -> None:
    found = read(tmp_path, "vocab", content)
    assert list(found.ids.items()) == list(IDS.items())
    assert found.tokenizer is None


def test_a_whole_tokenizer_is_kept(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordLevel(IDS, unk_token="<unk>"))
    found = read(tmp_path, "tokenizer.json", tokenizer.to_str())
    assert found.ids == IDS
    assert found.tokenizer is not None
    assert found.tokenizer.to_str() == tokenizer.to_str()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("the\nfilm\nthe\n", "gives the word 'the' on the lines 1 and 3"),
        ('{"the": 1, "film": 0, "the": 2}', "gives 'the' twice"),
        ('{"the": 1, "film": 1}', "gives the words 'the' and 'film' the same id 1"),
        ('{"the": 1, "film": -1}', "gives 'film' the value '-1', expected an id"),
        ('{"the": 1, "film": 0.5}', "gives 'film' the value '0.5', expected an id"),
        ('{"the": 1, "film": true}', "gives 'film' the value 'True', expected an id"),
        ('{"the": 1, "film": [2]}', r"gives 'film' the value '\[2\]', expected an id"),
        ('["the", 3]', "is a list whose entry 1 is '3', expected words"),
        ('{"the": 1', "is no valid JSON"),
        ("[" * 100_000, "is no valid JSON"),
        ('{"model": {"type": "Strange"}}', "holds a broken tokenizer"),
        ("\n", "holds 0 words"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (pickle.dumps(IDS), "is a pickle, which would run code"),
        ("\n".join(["the " + " ".join(["0.1"] * 50)] * 3), "like a file of word vectors"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        read(tmp_path, "vocab", content)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORDS_LIMIT", 3)
    with pytest.raises(ModelError, match="more than 3 words"):
        read(tmp_path, "vocab", json.dumps(IDS))
    monkeypatch.setattr(module, "BYTES_LIMIT", 10)
    with pytest.raises(ModelError, match="has at most 10"):
        read(tmp_path, "vocab", json.dumps(IDS))


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(
        ModelError, match=r"no vocabulary file .*vocb.json. Did you mean 'vocab.json'"
    ):
        read_vocabulary(tmp_path / "vocb.json")
    with pytest.raises(ModelError, match="a folder, expected a vocabulary file"):
        read_vocabulary(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="expected a vocabulary file"):
        read_vocabulary(tmp_path / "pipe")


def fit(ids: dict[str, int], size: int, **options: Any) -> Words:
    options = {"padding": None, **options}
    return fitted(Vocabulary(file="vocab.json", ids=ids), size=size, **options)


def test_special_words_are_found() -> None:
    words = fit({**IDS, "[CLS]": 5, "</s>": 6}, 7)
    assert (words.pad, words.unk, words.first, words.last) == ("<pad>", "<unk>", "[CLS]", "</s>")
    assert words.notes == ()


def test_rows_without_a_word_are_padding_and_unknown_words() -> None:
    from_two = fit({"the": 2, "film": 3}, 4)
    assert (from_two.ids["[PAD]"], from_two.ids["[UNK]"]) == (0, 1)
    assert len(from_two.notes) == 2
    at_end = fit({"the": 0, "film": 1}, 4, padding=3)
    assert (at_end.ids["[PAD]"], at_end.ids["[UNK]"]) == (3, 2)
    named = fit({"<unk>": 1, "film": 2}, 3)
    assert (named.ids[named.pad], named.unk) == (0, "<unk>")


@pytest.mark.parametrize(
    ("ids", "size", "options", "said"),
    [
        (IDS, 4, {}, r"has ids up to 4, and the embedding of the network has 4 rows"),
        (
            IDS,
            9,
            {},
            r"holds 5 words and the embedding .* 9 rows: no word has the id 5, 6, 7, \.\.\.",
        ),
        ({"<pad>": 0, "<unk>": 1, "a": 3}, 4, {}, "no word has the id 2"),
        ({"a": 0, "b": 1}, 2, {}, r"no usual word for padding, .* --pad-token WORD"),
        ({"a": 0, "<pad>": 1}, 2, {}, r"no usual word for unknown words, .* --unk-token WORD"),
        (IDS, 5, {"pad_token": "nil"}, "--pad-token is 'nil', which vocab.json does not hold"),
    ],
)
def test_what_does_not_fit_is_refused(
    ids: dict[str, int], size: int, options: dict[str, str], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        fit(ids, size, **options)


def test_what_the_user_names_wins() -> None:
    words = fit({"nil": 0, "rare": 1, "a": 2}, 3, pad_token="nil", unk_token="rare")
    assert (words.pad, words.unk) == ("nil", "rare")
