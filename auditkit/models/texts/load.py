"""A state dict of words and a vocabulary file become a text classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, final

from tokenizers import Tokenizer
from torch import nn

from auditkit.errors import ModelError
from auditkit.models.classifier import Identity, TextClassifier, TextModule
from auditkit.models.texts.special import is_special, special_ids
from auditkit.models.texts.split import Found, split, word_embeddings
from auditkit.models.texts.vocabulary import Vocabulary, Words, fitted, read_vocabulary
from auditkit.models.texts.wording import Wording, likely_wordings, tokenizer_of

if TYPE_CHECKING:
    from auditkit.models.load import ModelSpec


@final
@dataclass(frozen=True, kw_only=True)
class Reader:
    """What a vocabulary file says about how texts are read.

    Parameters
    ----------
    file : str
        The vocabulary.
    wordings : tuple of Wording
        The ways to split texts that it allows, the likeliest first; none for a whole tokenizer.
    words : Words, optional
        The vocabulary, where it is no whole tokenizer.
    tokenizer : Tokenizer
        The whole one, or that of the first wording.
    """

    file: str
    wordings: tuple[Wording, ...]
    words: Words | None
    tokenizer: Tokenizer


def reads_words(module: nn.Module) -> bool:
    """Say whether a network has an embedding of words, and no convolution of images."""
    images = any(isinstance(one, nn.Conv2d) for one in module.modules())
    return isinstance(module, TextModule) or (bool(word_embeddings(module)) and not images)


def text_classifier(
    path: Path, module: nn.Module, spec: ModelSpec, identity: Identity
) -> TextClassifier:
    """Return the classifier around a network whose weights are filled in.

    Parameters
    ----------
    path : Path
        File of the weights, for messages.
    module : Module
        A `TextModule`, or any network of token ids that can be split at its embedding.
    spec : ModelSpec
        Vocabulary, classes and what else the user typed.
    identity : Identity
        So far.

    Raises
    ------
    ModelError
        If vocabulary or classes are missing or do not fit, or the network cannot be split.
    """
    reader = reader_of(module, spec, name=identity.architecture)
    tokenizer, options = reader.tokenizer, spec.texts
    notes = [*(reader.words.notes if reader.words else ())]
    if reader.words is not None and options.words is None:
        how = reader.wordings[0].in_words(reader.words)
        notes.append(f"Texts are {how}, as the words of {reader.file} suggest.")
    pad = special_ids(tokenizer)[0]
    if pad is None:
        raise ModelError(
            f"The tokenizer {reader.file} has no padding token, such as [PAD].",
            hint="Add one to it, with the id that training used for padding.",
        )
    if isinstance(module, TextModule):
        found = None
        length = options.max_length
        if length is None:
            raise ModelError(
                f"{identity.architecture} does not say how long a text may be.",
                hint="Add the number of tokens: --max-length 64",
            )
    else:
        found = _split(module, identity.architecture, tokenizer, pad, options.max_length)
        length = _length(found, identity.architecture, options.max_length, notes)
    classes = _classes(path, spec, found)
    notes.insert(0, f"The vocabulary is {reader.file}, SHA-256 {_digest(Path(reader.file))}.")
    return TextClassifier(
        found.module if found else module,
        tokenizer=tokenizer,
        classes=classes,
        max_length=length,
        padded=found.padded if found else False,
        identity=replace(identity, notes=(*notes, *identity.notes)),
    )


def reader_of(module: nn.Module, spec: ModelSpec, *, name: str) -> Reader:
    """Return how texts are read, as far as the vocabulary and the options say.

    Raises
    ------
    ModelError
        If there is no vocabulary, or it does not fit the network.
    """
    options = spec.texts
    rows = word_embeddings(module)
    if options.vocabulary is None:
        most = f" (its largest embedding has {max(rows.values()):,} rows)" if rows else ""
        raise ModelError(
            f"{name} reads words{most}, and {spec.source} does not hold them.",
            hint=f"Add the file with the words and their ids that training saved: --vocabulary"
            f" {beside(Path(spec.source)) or 'vocab.json'}",
        )
    vocabulary = read_vocabulary(Path(options.vocabulary))
    size = _rows(rows, vocabulary)
    if vocabulary.tokenizer is not None:
        _refuse_foreign(vocabulary, size, options.given)
        return Reader(file=vocabulary.file, wordings=(), words=None, tokenizer=vocabulary.tokenizer)
    words = fitted(
        vocabulary,
        size=size,
        padding=_padding(module, size),
        pad_token=options.pad_token,
        unk_token=options.unk_token,
    )
    wordings = (Wording.of(options.words),) if options.words else tuple(likely_wordings(words))
    return Reader(
        file=vocabulary.file,
        wordings=wordings,
        words=words,
        tokenizer=tokenizer_of(words, wordings[0]),
    )


def beside(path: Path) -> str | None:
    """Return the file beside a model that seems to hold its vocabulary, or None.

    Parameters
    ----------
    path : Path
        Of the model.
    """
    try:
        names = sorted(one.name for one in path.parent.iterdir() if one.is_file())
    except OSError:
        return None
    usual = ("tokenizer.json", "vocab", "word2idx", "word_index", "stoi", "words")
    for start in usual:
        for name in names:
            if name.lower().startswith(start) and name.endswith((".json", ".txt", ".tsv", ".csv")):
                return str(path.parent / name)
    return None


def _rows(rows: dict[str, int], vocabulary: Vocabulary) -> int:
    """Return the rows of the word embedding: as many as there are ids, or the most."""
    wanted = 1 + max(vocabulary.ids.values())
    # Padding and unknown words may have rows that no word of the file names.
    fitting = [one for one in rows.values() if wanted <= one <= wanted + 2]
    return min(fitting) if fitting else max(rows.values(), default=wanted)


def _refuse_foreign(vocabulary: Vocabulary, size: int, given: Sequence[str]) -> None:
    last = max(vocabulary.ids.values())
    if last >= size:
        raise ModelError(
            f"The tokenizer {vocabulary.file} has ids up to {last}, and the embedding of the"
            " network"
            f" has {size} rows.",
            hint="Pass the tokenizer that these weights were trained with.",
        )
    if foreign := [one for one in given if one not in ("--vocabulary", "--max-length")]:
        raise ModelError(
            f"{vocabulary.file} is a whole tokenizer, which says itself how texts are read.",
            hint=f"Leave out {foreign[0]}.",
        )


def _padding(module: nn.Module, size: int) -> int | None:
    """Return the row of the word embedding that the network itself takes for padding."""
    for one in module.modules():
        if isinstance(one, nn.Embedding) and one.num_embeddings == size:
            return one.padding_idx
    return None


def _split(
    module: nn.Module, name: str, tokenizer: Tokenizer, pad: int, max_length: int | None
) -> Found:
    vocabulary = tokenizer.get_vocab()
    size = 1 + max(vocabulary.values())
    fitting = [one for one in word_embeddings(module).values() if one >= size]
    return split(
        module,
        name=name,
        rows=min(fitting, default=size),
        pad=pad,
        special=sorted({i for word, i in vocabulary.items() if is_special(word)} - {pad})[:4],
        max_length=max_length,
    )


def rebuilt(module: nn.Module, tokenizer: Tokenizer, max_length: int, *, name: str) -> nn.Module:
    """Return the network of a bundle in two steps, split as it was when it was saved.

    Raises
    ------
    ModelError
        If it cannot be split.
    """
    pad = special_ids(tokenizer)[0]
    if isinstance(module, TextModule) or pad is None:
        return module
    return _split(module, name, tokenizer, pad, max_length).module


def _length(found: Found, name: str, given: int | None, notes: list[str]) -> int:
    if given is not None and given > found.reach:
        raise ModelError(
            f"{name} reads texts of at most {found.reach} tokens, and --max-length is {given}.",
            hint=f"Type --max-length {found.reach}, or leave it out.",
        )
    if found.padded and given is None:
        raise ModelError(
            f"The answers of {name} change with the padding of a text, so the length to which"
            " training"
            " padded has to be known.",
            hint="Add the number of tokens: --max-length 64",
        )
    if found.padded:
        notes.append(
            "The answers of the network change with the padding of a text, so every text is"
            " padded to"
            f" {given} tokens."
        )
    if given is None:
        notes.append(f"Texts are cut after {found.reach} tokens; --max-length says otherwise.")
    call = found.module.call
    if call.name is not None or call.turned:
        notes.append(f"The network is called as {call.in_words()}.")
    return given or found.reach


def _classes(path: Path, spec: ModelSpec, found: Found | None) -> tuple[str, ...]:
    if spec.classes is not None:
        return spec.classes
    n = max(2, found.outputs) if found else 2
    example = ",".join(map(str, range(n))) if n <= 20 else "a,b,c"
    raise ModelError(
        f"{path} holds weights alone, so --classes must say what its {n} outputs mean.",
        hint=f"Add their names in order: --classes {example}",
    )


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()
