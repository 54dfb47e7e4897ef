"""Reads the words that a network knows, and their ids, from the file that a script saved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, cast, final

from tokenizers import Tokenizer

from auditkit.errors import ModelError, near_miss
from auditkit.models.texts.special import special_word
from auditkit.paths import special

BYTES_LIMIT = 64 * 2**20  # of a vocabulary file
WORDS_LIMIT = 2**21
_NESTED = (
    *("word2idx", "word_to_idx", "word2id", "word_index", "stoi", "token2id", "token_to_id"),
    *("vocab", "vocabulary", "itos", "idx2word", "id2word", "words", "tokens"),
)
_JSON_HINT = 'Write it as JSON: json.dump(vocabulary, open("vocab.json", "w")), of {word: id}.'
_Json: TypeAlias = dict[str, Any] | list[Any]


@final
@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Words and their ids, or a whole tokenizer.

    Parameters
    ----------
    file : str
        Where it was read.
    ids : dict
        Id of each word, in the order of the ids; no id twice.
    tokenizer : Tokenizer, optional
        Of a tokenizer.json, which says more than the words.
    """

    file: str
    ids: dict[str, int]
    tokenizer: Tokenizer | None = None


def read_vocabulary(path: Path) -> Vocabulary:
    """Return what a vocabulary file holds.

    Known are JSON with {word: id}, {id: word} or a list of words, also under a usual key such as
    "word2idx"; text with one word per line, or a word and its id or count; and the tokenizer.json
    of Hugging Face.

    Parameters
    ----------
    path : Path
        At most 64 MiB, UTF-8.

    Raises
    ------
    ModelError
        If it cannot be read, is of another kind, or gives a word or an id twice.
    """
    text = _text(path)
    start = text.lstrip()[:1]
    if start in ("{", "["):
        content = _json(path, text)
        if isinstance(content, dict) and isinstance(content.get("model"), dict):
            return _tokenizer(path, text)
        ids = _of_json(path, content)
    else:
        ids = _of_lines(path, text)
    if len(ids) < 2:
        raise ModelError(f"{path} holds {len(ids)} words, expected a vocabulary.")
    return Vocabulary(file=str(path), ids=dict(sorted(ids.items(), key=lambda one: one[1])))


def _text(path: Path) -> str:
    if not path.exists():
        neighbours = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise ModelError(
            f"There is no vocabulary file {path}.{near_miss(path.name, neighbours)}",
            hint="Name the file that training saved, such as: --vocabulary vocab.json",
        )
    if path.is_dir() or special(path):
        raise ModelError(
            f"{path} is {special(path) or 'a folder'}, expected a vocabulary file.",
            hint="Name the file in it, such as: --vocabulary vocab.json",
        )
    try:
        size = path.stat().st_size
        if size > BYTES_LIMIT:
            raise ModelError(
                f"{path} has {size:,} bytes; a vocabulary of words has at most {BYTES_LIMIT:,}."
            )
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    if data[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise ModelError(
            f"{path} is a pickle, which would run code when it is loaded.", hint=_JSON_HINT
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8 text: {error}.", hint=_JSON_HINT) from error


# --- JSON ----------------------------------------------------------------------------------------


def _json(path: Path, text: str) -> _Json:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))
            raise ModelError(f"{path} gives {twice!r} twice.", hint="Keep one of the two.")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no valid JSON: {error}.", hint=_JSON_HINT) from error


def _tokenizer(path: Path, text: str) -> Vocabulary:
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises plain Exception
        raise ModelError(f"{path} holds a broken tokenizer: {error}.") from error
    ids = tokenizer.get_vocab()
    return Vocabulary(
        file=str(path),
        ids=dict(sorted(ids.items(), key=lambda one: one[1])),
        tokenizer=tokenizer,
    )


def _of_json(path: Path, content: _Json) -> dict[str, int]:
    if isinstance(content, list):
        return _of_list(path, content)
    inner = [content[key] for key in _NESTED if isinstance(content.get(key), dict | list)]
    if inner:
        return _of_json(path, cast("_Json", inner[0]))
    if content and all(isinstance(one, str) for one in content.values()):
        turned = {word: key for key, word in cast("dict[str, str]", content).items()}
        if len(turned) == len(content) and all(key.isdecimal() for key in turned.values()):
            return _checked(path, [(word, int(key)) for word, key in turned.items()])
    wrong = next((key for key, one in content.items() if not _is_id(one)), None)
    if wrong is not None:
        raise ModelError(
            f"{path} gives {wrong!r} the value {str(content[wrong])[:40]!r}, expected an id of 0 or"
            " more.",
            hint=_JSON_HINT,
        )
    return _checked(path, list(cast("dict[str, int]", content).items()))


def _of_list(path: Path, content: list[Any]) -> dict[str, int]:
    wrong = next((i for i, one in enumerate(content) if not isinstance(one, str)), None)
    if wrong is not None:
        raise ModelError(
            f"{path} is a list whose entry {wrong} is {str(content[wrong])[:40]!r}, expected"
            " words.",
            hint=_JSON_HINT,
        )
    return _checked(path, [(word, i) for i, word in enumerate(content)])


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


# --- text ----------------------------------------------------------------------------------------


def _of_lines(path: Path, text: str) -> dict[str, int]:
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    rows = [line.rstrip("\r") for line in lines]
    separator = _separator(rows, path)
    if separator is None:
        return _checked(path, [(word, i) for i, word in enumerate(rows)], lines=True)
    pairs = [row.rsplit(separator, 1) for row in rows]
    if not pairs[0][1].strip().isdecimal():  # a header such as "word,id"
        pairs = pairs[1:]
    numbers = [int(number) for _, number in pairs]
    start = min(numbers, default=0)
    if sorted(numbers) == list(range(start, start + len(numbers))):
        return _checked(
            path, [(word, number) for (word, _), number in zip(pairs, numbers, strict=True)]
        )
    # Counts: the order of the lines gives the ids.
    return _checked(path, [(word, i) for i, (word, _) in enumerate(pairs)], lines=True)


def _separator(rows: Sequence[str], path: Path) -> str | None:
    """Return what stands between word and number, or None where lines hold words alone."""
    if any(len(row.split(" ")) > 20 for row in rows[1:3]):
        raise ModelError(
            f"{path} has many values in a line, like a file of word vectors; expected a word, or a"
            " word and its id.",
            hint="Name the vocabulary that training saved, such as: --vocabulary vocab.json",
        )
    for separator in ("\t", ",", " "):
        ends = [row.rpartition(separator) for row in rows[1:]]
        if ends and all(middle and end.strip().isdecimal() for _, middle, end in ends):
            return separator
    return None


def _checked(
    path: Path, pairs: Iterable[tuple[str, int]], *, lines: bool = False
) -> dict[str, int]:
    """Return ids by word, each word and each id once."""
    ids: dict[str, int] = {}
    words: dict[int, str] = {}
    for word, number in pairs:
        if word in ids:
            where = f"on the lines {ids[word] + 1} and {number + 1}" if lines else "twice"
            raise ModelError(f"{path} gives the word {word!r} {where}.", hint="Keep one of them.")
        if number in words:
            raise ModelError(
                f"{path} gives the words {words[number]!r} and {word!r} the same id {number}.",
                hint="Every word needs an id of its own.",
            )
        ids[word], words[number] = number, word
        if len(ids) > WORDS_LIMIT:
            raise ModelError(f"{path} holds more than {WORDS_LIMIT:,} words.")
    return ids


# --- as the network reads it ---------------------------------------------------------------------


@final
@dataclass(frozen=True, kw_only=True)
class Words:
    """A vocabulary as large as the embedding, with everything that is no word known by name.

    Parameters
    ----------
    ids : dict
        Id of each word; every row of the embedding has one.
    pad, unk : str
        What fills up short texts, and what unknown words read as.
    first, last : str, optional
        What may begin and end every text.
    notes : tuple of str
        What was assumed.
    """

    ids: dict[str, int]
    pad: str
    unk: str
    first: str | None
    last: str | None
    notes: tuple[str, ...] = ()


def fitted(
    vocabulary: Vocabulary,
    *,
    size: int,
    padding: int | None,
    pad_token: str | None = None,
    unk_token: str | None = None,
) -> Words:
    """Return a vocabulary in the terms of an embedding.

    Rows that no word has are padding and unknown words, where the vocabulary spells none.

    Parameters
    ----------
    vocabulary : Vocabulary
        Of a file.
    size : int
        Rows of the embedding.
    padding : int, optional
        The row that the network itself takes for padding.
    pad_token, unk_token : str, optional
        What the user named.

    Raises
    ------
    ModelError
        If the sizes differ, ids are missing, or padding or unknown words are not found.
    """
    ids, file = dict(vocabulary.ids), vocabulary.file
    last = max(ids.values())
    if last >= size:
        raise ModelError(
            f"{file} has ids up to {last}, and the embedding of the network has {size} rows, from 0"
            f" to {size - 1}.",
            hint="Pass the vocabulary that these weights were trained with.",
        )
    for option, word in (("--pad-token", pad_token), ("--unk-token", unk_token)):
        if word is not None and word not in ids:
            raise ModelError(f"{option} is {word!r}, which {file} does not hold.")
    free = sorted(set(range(size)) - set(ids.values()))
    notes: list[str] = []
    pad = pad_token or special_word("pad", ids)
    if pad is None and free:
        pad = _named("[PAD]", padding if padding in free else free[0], ids, free, notes)
    unk = unk_token or special_word("unk", ids)
    if unk is None and free:
        unk = _named("[UNK]", free[0], ids, free, notes)
    if free:
        raise ModelError(_too_few(file, len(vocabulary.ids), size, free), hint=_SAME)
    return Words(
        ids=ids,
        pad=pad or _unnamed(file, "padding", "pad"),
        unk=unk or _unnamed(file, "unknown words", "unk"),
        first=special_word("first", ids),
        last=special_word("last", ids),
        notes=tuple(notes),
    )


def _unnamed(file: str, what: str, name: str) -> NoReturn:
    raise ModelError(
        f"{file} has no usual word for {what}, such as <{name}>.",
        hint=f"Say which of its words training took for {what}; add: --{name}-token WORD",
    )


_SAME = "Pass the vocabulary that these weights were trained with."


def _named(word: str, number: int, ids: dict[str, int], free: list[int], notes: list[str]) -> str:
    ids[word] = number
    free.remove(number)
    what = "padding" if word == "[PAD]" else "unknown words"
    notes.append(f"No word has the id {number}, so it is assumed to stand for {what}.")
    return word


def _too_few(file: str, count: int, size: int, free: Sequence[int]) -> str:
    missing = ", ".join(map(str, free[:3])) + (", ..." if len(free) > 3 else "")
    return (
        f"{file} holds {count} words and the embedding of the network has {size} rows:"
        f" no word has the id {missing}."
    )
