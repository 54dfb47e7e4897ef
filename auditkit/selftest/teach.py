"""How the small networks of the flaw bench are built and trained, alike for all flaws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from auditkit.data import digits, glyphs, phrases
from auditkit.data.dataset import Dataset
from auditkit.models.builtin.text_cnn import TextCnn
from auditkit.models.card import Recipe
from auditkit.models.classifier import Identity, ImageClassifier, TextClassifier
from auditkit.models.tokenizer import word_tokenizer
from auditkit.models.training.fit import repeatable
from auditkit.models.training.images import fit_image
from auditkit.models.training.texts import fit_text
from auditkit.randomness import generator, key_of
from auditkit.types import Ints

GLYPHS = 3000  # training images per network
PHRASES = 5000  # training sentences per network, of 6,000
MAX_LENGTH = 64  # tokens per text
_FRESH = 1000  # keeps the scenes of training seeds apart from those of the splits

# --- data ----------------------------------------------------------------------------------------


def new_glyphs(seed: int, *, n: int = GLYPHS, shortcut: float | None = None) -> Dataset:
    """Return glyphs that no split holds and no other seed draws."""
    return glyphs.render(n, seed=_FRESH + seed, shortcut=shortcut, id_prefix="taught")


def some_phrases(seed: int, *, n: int = PHRASES) -> Dataset:
    """Return n training sentences, drawn at random."""
    data = phrases.load("train")
    return data.take(np.sort(draws(seed).permutation(len(data))[:n]))


def draws(seed: int) -> np.random.Generator:
    """Return the random numbers that plant a flaw, apart from those that make the data."""
    return generator(key_of(seed, "selftest"))


def images_of(data: Dataset) -> Tensor:
    """Return all images (n, c, h, w), or all rows of a table (n, c)."""
    batch = data.read(slice(0, len(data)))
    assert not isinstance(batch, list)
    return torch.from_numpy(batch.copy())


def texts_of(data: Dataset) -> list[str]:
    """Return all texts."""
    batch = data.read(slice(0, len(data)))
    assert isinstance(batch, list)
    return batch


def labels_of(data: Dataset) -> Tensor:
    """Return all labels (n,)."""
    return torch.from_numpy(data.labels.copy()).long()


# --- networks ------------------------------------------------------------------------------------


def digit_reader(
    seed: int, images: Tensor, labels: Tensor, *, width: int = 8, epochs: int = 20
) -> ImageClassifier:
    """Return a convolutional network trained on images (n, 1, 8, 8)."""
    with repeatable(seed):
        module = nn.Sequential(
            *_convolution(1, width),
            *_convolution(width, 2 * width, stride=2),
            *_convolution(2 * width, 2 * width),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * width, len(digits.CLASSES)),
        )
    fit_image(module, images, labels, _recipe(seed, epochs))
    return as_digit_reader(module)


def glyph_reader(
    seed: int, images: Tensor, labels: Tensor, *, width: int = 12, epochs: int = 12
) -> ImageClassifier:
    """Return a convolutional network trained on images (n, 3, 32, 32)."""
    with repeatable(seed):
        module = nn.Sequential(
            *_convolution(3, width, stride=2),
            *_convolution(width, width),
            *_convolution(width, 2 * width, stride=2),
            *_convolution(2 * width, 2 * width),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2 * width, len(glyphs.CLASSES)),
        )
    fit_image(module, images, labels, _recipe(seed, epochs))
    return as_glyph_reader(module)


def as_digit_reader(module: nn.Module) -> ImageClassifier:
    """Return a network as a classifier of digits."""
    return ImageClassifier(
        module, classes=digits.CLASSES, input_shape=(1, 8, 8), identity=_identity("digits")
    )


def as_glyph_reader(module: nn.Module) -> ImageClassifier:
    """Return a network as a classifier of glyphs."""
    shape = (3, glyphs.SIDE, glyphs.SIDE)
    return ImageClassifier(
        module, classes=glyphs.CLASSES, input_shape=shape, identity=_identity("glyphs")
    )


def phrase_reader(
    seed: int,
    texts: Sequence[str],
    labels: Tensor | Ints,
    *,
    tokenizer: Tokenizer | None = None,
    width: int = 16,
    filters: int = 24,
    epochs: int = 7,
) -> TextClassifier:
    """Return a convolutional network trained on sentences; it knows their words by default."""
    if tokenizer is None:
        tokenizer = word_tokenizer(texts, vocabulary_size=2000, max_length=MAX_LENGTH)
    with repeatable(seed):
        size = tokenizer.get_vocab_size()
        module = TextCnn(vocabulary_size=size, width=width, filters=filters)
    recipe = Recipe(seed=seed, epochs=epochs, batch_size=64, learning_rate=4e-3, word_dropout=0.03)
    fit_text(module, tokenizer, texts, torch.as_tensor(labels), recipe)
    return TextClassifier(
        module,
        tokenizer=tokenizer,
        classes=phrases.CLASSES,
        max_length=MAX_LENGTH,
        identity=_identity("phrases"),
    )


def _recipe(seed: int, epochs: int) -> Recipe:
    return Recipe(seed=seed, epochs=epochs, batch_size=64, learning_rate=3e-3, weight_decay=0.05)


def _identity(data: str) -> Identity:
    return Identity(name="taught", architecture="", data=data)


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),  # brings its own bias
        nn.ReLU(),
    ]
