"""How texts are split into the words of a vocabulary, which no vocabulary file says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias, cast, final, get_args

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel, WordPiece

from auditkit.errors import ConfigError, near_miss
from auditkit.models.texts.special import is_special
from auditkit.models.texts.vocabulary import Words

Split: TypeAlias = Literal[
    "spaces", "punctuation", "runs", "contractions", "treebank", "bare", "basic-english", "pieces"
]
SPLITS: dict[Split, str] = {
    "spaces": "at white space",
    "punctuation": "into words and single punctuation marks",
    "runs": "into words and runs of punctuation",
    "contractions": "into words such as don't and single punctuation marks",
    "treebank": "as in the Penn Treebank (do n't)",
    "bare": "into words, without punctuation",
    "basic-english": "as torchtext's basic_english does",
    "pieces": "into pieces of words, as for BERT",
}
_PATTERNS: dict[Split, str] = {
    "punctuation": r"\w+|[^\w\s]",
    "runs": r"\w+|[^\w\s]+",
    "contractions": r"\w+(?:'\w+)*|[^\w\s]",
    "treebank": r"\w+(?=n't)|n't|'\w+|\w+|[^\w\s]",
    "bare": r"\w+(?:'\w+)*",
}
_BASIC_ENGLISH = (  # of torchtext 0.18, in its order
    ("'", " '  "),
    ('"', ""),
    (".", " . "),
    ("<br />", " "),
    (",", " , "),
    ("(", " ( "),
    (")", " ) "),
    ("!", " ! "),
    ("?", " ? "),
    (";", " "),
    (":", " "),
)
# What basic-english and splitting at spaces leave together.
_GLUED = re.compile(r"\w+(?:[^\w\s']+\w*)+|[^\w\s']+\w+")  # "film.", "(the", "well-made"
_CONTRACTED = re.compile(r"\w+'\w+")
_OF_TREEBANK = ("n't", "'s", "'re", "'ve", "'ll")
_PROBED = 5000  # words that are split again, the most frequent where the file is in such order
_FEW = 0.005  # share of words that are glued by chance, such as "u.s."


@final
@dataclass(frozen=True, kw_only=True)
class Wording:
    """One way to turn texts into words.

    Parameters
    ----------
    split : Split
        One of `SPLITS`.
    lower : bool
        Whether capital letters become small ones before.
    first, last : bool
        Whether every text begins and ends with a special word.
    """

    split: Split
    lower: bool
    first: bool = False
    last: bool = False

    @classmethod
    def of(cls, typed: Iterable[str]) -> Self:
        """Return the wording that the user typed, such as ("lower", "spaces", "first").

        Raises
        ------
        ConfigError
            If a word is unknown, or not exactly one of `SPLITS` is among them.
        """
        typed = list(typed)
        known = (*SPLITS, "lower", "first", "last")
        for word in typed:
            if word not in known:
                raise ConfigError(
                    f"--words has {word!r}, expected some of {', '.join(known)}."
                    f"{near_miss(word, known)}",
                    hint="Write, for example: --words lower,spaces",
                )
        splits = [one for one in typed if one in SPLITS]
        if len(splits) != 1:
            raise ConfigError(
                f"--words is {','.join(typed)}, expected one of {', '.join(SPLITS)} in it.",
                hint="Write, for example: --words lower,spaces",
            )
        return cls(
            split=cast("Split", splits[0]),
            lower="lower" in typed,
            first="first" in typed,
            last="last" in typed,
        )

    @property
    def typed(self) -> tuple[str, ...]:
        """What to type for it, as `of` reads it."""
        flags = {"lower": self.lower, self.split: True, "first": self.first, "last": self.last}
        return tuple(name for name, given in flags.items() if given)

    def in_words(self, words: Words) -> str:
        """Return what it does, as part of a sentence."""
        said = f"split {SPLITS[self.split]}"
        said += " and lower-cased" if self.lower else ", with capital letters as they are"
        ends = [f"begin with {words.first}"] if self.first else []
        ends += [f"end with {words.last}"] if self.last else []
        return said + (f"; they {' and '.join(ends)}" if ends else "")


assert set(get_args(Split)) == set(SPLITS)


def likely_wordings(words: Words) -> list[Wording]:
    """Return the ways to split texts that can have given a vocabulary, the likeliest first.

    Parameters
    ----------
    words : Words
        Without any capital letter, texts were lower-cased; a word such as "film." shows that they
        were split at spaces, "don't" and "n't" how contractions are read, and where there is no
        punctuation at all, it was left out.
    """
    plain = [word for word in words.ids if not is_special(word)]
    lower = not any(word.lower() != word for word in plain)
    usual: list[Wording] = []
    for split in _likely_splits(plain):
        if split != "basic-english" or lower:
            usual.append(Wording(split=split, lower=lower))
    # One that cannot give some of the words did not make the vocabulary, unless it is a variant.
    usual.sort(key=lambda one: not _gives_all(one, words, plain[:_PROBED]))
    return [ended for one in usual for ended in _ended(one, words)]


def _gives_all(wording: Wording, words: Words, plain: Sequence[str]) -> bool:
    """Say whether splitting each word by itself gives the word again."""
    rows = tokenizer_of(words, wording).encode_batch(list(plain), add_special_tokens=False)
    return all(row.tokens == [word] for row, word in zip(rows, plain, strict=True))


def _likely_splits(plain: list[str]) -> tuple[Split, ...]:
    if sum(word.startswith("##") for word in plain) > 1:
        return ("pieces",)
    glued = sum(bool(_GLUED.fullmatch(word)) for word in plain)
    marks = [word for word in plain if not re.search(r"\w", word)]
    treebank = any(word in _OF_TREEBANK for word in plain)
    contracted = any(_CONTRACTED.fullmatch(word) for word in plain)
    if glued > _FEW * len(plain):
        return ("spaces", "treebank") if treebank else ("basic-english", "spaces")
    if treebank:
        return ("treebank", "spaces")
    if not marks:
        return ("bare", "spaces")
    if contracted:
        return ("contractions", "spaces")
    if any(len(mark) > 1 for mark in marks):
        return ("runs", "spaces", "punctuation")
    return ("punctuation", "runs", "basic-english", "spaces")


def _ended(one: Wording, words: Words) -> Iterator[Wording]:
    """Yield the wording with every end that the vocabulary allows, all of them first."""
    for first in (True, False) if words.first else (False,):
        for last in (True, False) if words.last else (False,):
            yield replace(one, first=first, last=last)


def tokenizer_of(words: Words, wording: Wording) -> Tokenizer:
    """Return the tokenizer that splits texts so and knows these words.

    Parameters
    ----------
    words : Words
        The vocabulary.
    wording : Wording
        How texts are split.

    Raises
    ------
    ConfigError
        If texts are to begin or end with a special word that the vocabulary does not have.
    """
    for word, wanted, what in (
        (words.first, wording.first, "first"),
        (words.last, wording.last, "last"),
    ):
        if wanted and word is None:
            raise ConfigError(
                f"--words has {what}, and the vocabulary has no usual word for it, such as"
                f" {'[CLS]' if what == 'first' else '[SEP]'}.",
                hint=f"Leave {what} out of --words.",
            )
    if wording.split == "pieces":
        tokenizer = Tokenizer(WordPiece(words.ids, unk_token=words.unk))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=wording.lower)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        tokenizer = Tokenizer(WordLevel(words.ids, unk_token=words.unk))
        steps = list(_normalizers(wording))
        if steps:
            tokenizer.normalizer = normalizers.Sequence(steps)
        tokenizer.pre_tokenizer = _splitter(wording.split)
    ends = [words.first if wording.first else None, words.last if wording.last else None]
    used = [word for word in ends if word is not None]
    # Special tokens are never proposed as replacements of a word.
    tokenizer.add_special_tokens([words.pad, *(one for one in (words.first, words.last) if one)])
    if used:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[*used[:1], "$A", *used[1:]] if ends[0] else ["$A", *used],
            special_tokens=[(word, words.ids[word]) for word in used],
        )
    return tokenizer


def _normalizers(wording: Wording) -> Iterator[normalizers.Normalizer]:
    if wording.lower:
        yield normalizers.Lowercase()
    if wording.split == "basic-english":
        for old, new in _BASIC_ENGLISH:
            yield normalizers.Replace(old, new)


def _splitter(split: Split) -> pre_tokenizers.PreTokenizer:
    if split not in _PATTERNS:
        return pre_tokenizers.WhitespaceSplit()
    return pre_tokenizers.Split(Regex(_PATTERNS[split]), behavior="removed", invert=True)
