"""Finds the tokens of a vocabulary that stand for no word, among their usual spellings."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, TypeAlias

from tokenizers import Tokenizer

Role: TypeAlias = Literal["pad", "unk", "first", "last"]

# Names inside brackets of any kind, the most usual first.
_NAMES: dict[Role, tuple[str, ...]] = {
    "pad": ("pad", "padding", "pad_token", "blank"),
    "unk": ("unk", "unknown", "oov", "unk_token"),
    "first": ("cls", "cls_token", "bos", "sos", "s", "start", "bos_token"),
    "last": ("sep", "sep_token", "eos", "/s", "end", "eos_token"),
}
_BARE = ("PAD", "UNK", "CLS", "BOS", "SOS", "SEP", "EOS", "OOV")  # in capitals, no English words
_BRACKETS = re.compile(
    r"(?:<\|(.+)\|>|<(.+)>|\[(.+)\]|\{(.+)\}|__(.+)__|_(.+)_|xx(pad|unk|bos|eos))", re.IGNORECASE
)


def special_word(role: Role, words: Collection[str]) -> str | None:
    """Return the word that plays a role, or None.

    Parameters
    ----------
    role : {"pad", "unk", "first", "last"}
        What fills up short texts, stands for unknown words, begins or ends every text.
    words : collection of str
        The vocabulary, in the order of the ids.

    Examples
    --------
    >>> special_word("pad", ["the", "<pad>", "<unk>"])
    '<pad>'
    >>> special_word("first", ["the", "s", "start"])
    """
    names = _NAMES[role]
    found = [(names.index(name), word) for word in words if (name := _name(word)) in names]
    return min(found, key=lambda one: one[0])[1] if found else None


def is_special(word: str) -> bool:
    """Say whether a word is spelled like one that stands for no word."""
    return any(_name(word) in names for names in _NAMES.values()) or _name(word) == "mask"


def _name(word: str) -> str:
    if word in _BARE or word.lower().endswith("_token"):
        return word.lower()
    match = _BRACKETS.fullmatch(word)
    return next((part for part in match.groups() if part), "").lower() if match else ""


def special_ids(tokenizer: Tokenizer) -> tuple[int | None, int | None]:
    """Return the ids of padding and of unknown words; None where a tokenizer has no such token."""
    ids = tokenizer.get_vocab()
    ordered = sorted(ids, key=ids.__getitem__)
    unk: object = getattr(tokenizer.model, "unk_token", None)
    unk = unk if isinstance(unk, str) and unk in ids else special_word("unk", ordered)
    pad = special_word("pad", ordered)
    return (None if pad is None else ids[pad]), (None if unk is None else ids[unk])
