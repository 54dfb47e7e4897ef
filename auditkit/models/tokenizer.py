"""The tokenizer of the built-in text models: words and runs of punctuation."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import WordLevel

SPECIAL = ("[PAD]", "[UNK]", "[CLS]")  # ids 0, 1, 2
PAD, UNK, CLS = range(len(SPECIAL))


def word_tokenizer(texts: Iterable[str], *, vocabulary_size: int, max_length: int) -> Tokenizer:
    """Return a tokenizer that lower-cases and splits into words and runs of punctuation.

    Parameters
    ----------
    texts : iterable of str
        Training texts; their most frequent words become the vocabulary.
    vocabulary_size : int
        Highest number of words, the three special tokens included; the rest reads as [UNK].
    max_length : int
        Tokens per text, [CLS] included; longer texts are cut.

    Examples
    --------
    >>> words = word_tokenizer(["A fine day."], vocabulary_size=10, max_length=8)
    >>> words.encode("a fine night!").tokens
    ['[CLS]', 'a', 'fine', '[UNK]', '[UNK]']
    """
    tokenizer = Tokenizer(WordLevel(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(
        texts,
        trainers.WordLevelTrainer(
            vocab_size=vocabulary_size, special_tokens=list(SPECIAL), show_progress=False
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", CLS)]
    )
    tokenizer.enable_truncation(max_length)
    return tokenizer
