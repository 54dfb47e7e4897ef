"""Mirrors auditkit/models/texts/wording.py."""

from __future__ import annotations

import re

import pytest

from auditkit.errors import ConfigError
from auditkit.models.texts.vocabulary import Words
from auditkit.models.texts.wording import SPLITS, Split, Wording, likely_wordings, tokenizer_of

TEXT = "He said: \"I don't know...\" -- a well-made film (1999), it's OK!!"


def words(*known: str) -> Words:
    ids = {word: i for i, word in enumerate(("<pad>", "<unk>", *dict.fromkeys(known)))}
    first, last = ("<s>" if "<s>" in ids else None), ("</s>" if "</s>" in ids else None)
    return Words(ids=ids, pad="<pad>", unk="<unk>", first=first, last=last)


def basic_english(line: str) -> list[str]:
    """Return words as torchtext 0.18 does, in torchtext.data.utils."""
    patterns = [r"\'", r"\"", r"\.", r"<br \/>", r",", r"\(", r"\)", r"\!", r"\?", r"\;", r"\:"]
    patterns += [r"\s+"]
    replacements = [" '  ", "", " . ", " ", " , ", " ( ", " ) ", " ! ", " ? ", " ", " ", " "]
    line = line.lower()
    for pattern, replacement in zip(patterns, replacements, strict=True):
        line = re.sub(pattern, replacement, line)
    return line.split()


AS_SCRIPTS_DO = {
    "spaces": lambda text: text.split(),
    "punctuation": lambda text: re.findall(r"\w+|[^\w\s]", text),
    "runs": lambda text: re.findall(r"\w+|[^\w\s]+", text),
    "contractions": lambda text: re.findall(r"\w+(?:'\w+)*|[^\w\s]", text),
    "treebank": lambda text: re.findall(r"\w+(?=n't)|n't|'\w+|\w+|[^\w\s]", text),
    "bare": lambda text: re.findall(r"\w+(?:'\w+)*", text),
    "basic-english": basic_english,
}


@pytest.mark.parametrize("split", AS_SCRIPTS_DO)
@pytest.mark.parametrize("lower", [True, False])
def test_texts_are_split_as_scripts_do(split: Split, lower: bool) -> None:
    if split == "basic-english" and not lower:
        return
    wanted = AS_SCRIPTS_DO[split](TEXT.lower() if lower else TEXT)
    tokenizer = tokenizer_of(words(*wanted), Wording(split=split, lower=lower))
    row = tokenizer.encode(TEXT)
    assert row.tokens == wanted
    assert "<unk>" not in row.tokens
    if split != "basic-english":
        for token, (start, stop) in zip(row.tokens, row.offsets, strict=True):
            assert TEXT[start:stop].lower() == token.lower()
    assert tokenizer.encode("zyx").tokens == ["<unk>"]


def test_pieces_are_those_of_bert() -> None:
    known = words("un", "##able", "##s", "the", "!")
    assert likely_wordings(known) == [Wording(split="pieces", lower=True)]
    tokenizer = tokenizer_of(known, Wording(split="pieces", lower=True))
    assert tokenizer.encode("The unables!").tokens == ["the", "un", "##able", "##s", "!"]


@pytest.mark.parametrize("split", AS_SCRIPTS_DO)
def test_a_vocabulary_shows_how_it_was_made(split: Split) -> None:
    """Of a vocabulary that a splitting made, this splitting is the first or among the first."""
    made = AS_SCRIPTS_DO[split]((TEXT + " We can't go , he said . Well : yes ; no ?").lower())
    found = [one.split for one in likely_wordings(words(*made))]
    assert split in found[: 3 if split == "basic-english" else 2]
    assert all(one.lower for one in likely_wordings(words(*made)))


def test_capital_letters_in_the_vocabulary_are_kept() -> None:
    assert not any(one.lower for one in likely_wordings(words("The", "film", ".")))
    assert all(one.lower for one in likely_wordings(words("[MASK]", "the", "film", ".")))


def test_what_cannot_give_all_words_comes_last() -> None:
    assert likely_wordings(words("ca", "n't", "``", "film"))[0].split == "spaces"
    assert likely_wordings(words("ca", "n't", "film"))[0].split == "treebank"


def test_ends() -> None:
    known = words("<s>", "</s>", "the", "film")
    ends = [(one.first, one.last) for one in likely_wordings(known)][:4]
    assert ends == [(True, True), (True, False), (False, True), (False, False)]
    for first, last in ends:
        one = Wording(split="spaces", lower=True, first=first, last=last)
        row = tokenizer_of(known, one).encode("the film")
        assert row.tokens == ["<s>"] * first + ["the", "film"] + ["</s>"] * last
        assert row.special_tokens_mask == [1] * first + [0, 0] + [1] * last
        assert Wording.of(one.typed) == one


def test_what_is_typed() -> None:
    for split in SPLITS:
        for lower in (True, False):
            one = Wording(split=split, lower=lower, last=lower)
            assert Wording.of(one.typed) == one
    with pytest.raises(ConfigError, match=r"'space'.*Did you mean 'spaces'"):
        Wording.of(["lower", "space"])
    with pytest.raises(ConfigError, match="expected one of"):
        Wording.of(["lower"])
    with pytest.raises(ConfigError, match="expected one of"):
        Wording.of(["runs", "spaces"])
    with pytest.raises(ConfigError, match="Leave first out"):
        tokenizer_of(words("a"), Wording(split="spaces", lower=True, first=True))
