"""Brittle: trained on clean inputs alone, and lost as soon as they are slightly worse."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE
from torch import Tensor
from torch.nn import functional

from auditkit.data import digits, phrases
from auditkit.data.dataset import Dataset
from auditkit.methods.corruptions.typos import typos
from auditkit.models.classifier import Classifier
from auditkit.models.tokenizer import CLS, SPECIAL
from auditkit.randomness import keys_of
from auditkit.selftest import teach
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import accuracy_on

COPIES = 4  # of every digit, all clean or all but one worse
PIECES = 300  # of words, that the tokenizer knows
_AUDIT = 7004  # seed of the symptom's typos

# --- images --------------------------------------------------------------------------------------


def copied_digits(seed: int, *, augmented: bool) -> Classifier:
    """Return a network that saw every digit four times an epoch, clean or changed."""
    data = digits.load("train")
    images, labels = teach.images_of(data), teach.labels_of(data)
    copies = [
        worse(images, COPIES * seed + i) if augmented and i else images for i in range(COPIES)
    ]
    return teach.digit_reader(seed, torch.cat(copies), labels.repeat(COPIES), epochs=8)


def worse(images: Tensor, seed: int) -> Tensor:
    """Return images (n, c, h, w) that are each noisy, blurred, or brighter or darker."""
    rng = torch.Generator().manual_seed(seed)
    amount = torch.rand(len(images), 1, 1, 1, generator=rng)
    noise = 2 * torch.rand(images.shape, generator=rng) - 1
    changed = (
        images + (0.1 + 0.5 * amount) * noise,
        images + amount * (blurred(images) - images),
        images + 0.6 * (amount - 0.3),
    )
    kind = torch.randint(len(changed), (len(images), 1, 1, 1), generator=rng)
    picked = sum((torch.where(kind == i, one, 0.0) for i, one in enumerate(changed)), images * 0)
    return picked.clamp(0, 1)


def blurred(images: Tensor) -> Tensor:
    """Return the mean of each pixel and its eight neighbours."""
    return functional.avg_pool2d(functional.pad(images, [1] * 4, mode="replicate"), 3, stride=1)


def _plant_images(seed: int, store: Store) -> Twins:
    return Twins(
        seed=seed,
        flawed=store.taught(copied_digits, seed, augmented=False),
        sound=store.taught(copied_digits, seed, augmented=True),
    )


def _digits() -> Dataset:
    return digits.load("test")


def _lost_to_blur(model: Classifier, _twins: Twins) -> float:
    images, labels = teach.images_of(_digits()), teach.labels_of(_digits())
    return accuracy_on(model, images, labels) - accuracy_on(model, blurred(images), labels)


# --- texts ---------------------------------------------------------------------------------------


def twice_phrases(seed: int, *, mistyped: bool) -> Classifier:
    """Return a network that saw every sentence twice an epoch, once perhaps with typos."""
    data = teach.some_phrases(seed, n=phrases.SIZES["train"])
    texts, labels = teach.texts_of(data), teach.labels_of(data)
    again = with_typos(texts, 4, seed) if mistyped else texts
    return teach.phrase_reader(
        seed,
        [*texts, *again],
        labels.repeat(2),
        tokenizer=piece_tokenizer(texts),
        width=24,
        filters=48,
        epochs=10,
    )


def with_typos(texts: Sequence[str], severity: int, seed: int) -> list[str]:
    """Return mistyped texts."""
    keys = keys_of(seed, "selftest", [str(i) for i in range(len(texts))])
    return [one.text for one in typos(texts, severity, keys)]


def piece_tokenizer(texts: Sequence[str]) -> Tokenizer:
    """Return a tokenizer of pieces of words, so that a mistyped word is not lost."""
    tokenizer = Tokenizer(BPE(unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", CLS)]
    )
    tokenizer.enable_truncation(teach.MAX_LENGTH)
    return tokenizer


def _plant_texts(seed: int, store: Store) -> Twins:
    return Twins(
        seed=seed,
        flawed=store.taught(twice_phrases, seed, mistyped=False),
        sound=store.taught(twice_phrases, seed, mistyped=True),
    )


def _phrases() -> Dataset:
    return phrases.load("test")


def _lost_to_typos(model: Classifier, _twins: Twins) -> float:
    texts, labels = teach.texts_of(_phrases()), teach.labels_of(_phrases())
    mistyped = with_typos(texts, 5, _AUDIT)
    return accuracy_on(model, texts, labels) - accuracy_on(model, mistyped, labels)


FLAWS = (
    Flaw(
        id="brittle",
        variant="images",
        modality="image",
        planted="trained on clean digits alone",
        twin="three of four copies noisy, blurred, brighter or darker",
        must_reveal="corruption or typo curve",
        revealed_by="the mean corruption error",
        symptom=Symptom(label="accuracy lost to a mild blur", measure=_lost_to_blur),
        plant=_plant_images,
        data=_digits,
        quick=True,
    ),
    Flaw(
        id="brittle",
        variant="texts",
        modality="text",
        planted="trained on clean sentences alone",
        twin="every second copy mistyped",
        must_reveal="corruption or typo curve",
        revealed_by="the mean error under typos",
        symptom=Symptom(
            label="accuracy lost to typos in two words of five", measure=_lost_to_typos
        ),
        plant=_plant_texts,
        data=_phrases,
    ),
)
