"""Trains the built-in models, and users' own networks in the same repeatable way."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data import digits, phrases
from auditkit.data.dataset import Dataset
from auditkit.data.splits import Split
from auditkit.errors import ConfigError, near_miss
from auditkit.models.builtin.phrases_transformer import MAX_LENGTH, VOCABULARY_SIZE, word_tokenizer
from auditkit.models.bundle import file_sha256, save
from auditkit.models.card import ModelCard, Recipe
from auditkit.models.catalogue import MODELS
from auditkit.models.classifier import Classifier, Identity, ImageClassifier, TextClassifier
from auditkit.statistics import Interval, clopper_pearson


@final
@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training inputs."""

    number: int  # from 1
    of: int
    loss: float  # mean cross-entropy in nats, on the augmented inputs
    validation: float | None  # accuracy, where validation inputs were given

    def __str__(self) -> str:
        share = "" if self.validation is None else f", validation accuracy {self.validation:.4f}"
        return f"epoch {self.number}/{self.of}: loss {self.loss:.4f}{share}"


@final
@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Correct answers on one split."""

    split: str
    correct: int
    n: int

    @property
    def share(self) -> float:
        """Share of correct answers."""
        return self.correct / self.n

    @property
    def interval(self) -> Interval:
        """Clopper-Pearson interval of the share, 95 %."""
        return clopper_pearson(self.correct, self.n)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.split} accuracy {self.share:.1%}, {self.correct} of n = {self.n},"
            f" 95 % interval {low:.1%} to {high:.1%}"
        )


@final
@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What training a built-in model gave.

    Parameters
    ----------
    name : str
        The built-in model.
    seed : int
        The seed that was used.
    validation, test : Accuracy
        On the split that hyperparameters were chosen with, and on the one nothing was chosen with.
    epochs : tuple of Epoch
        Every pass.
    path, sha256 : optional
        The file that was written, and its hash.
    """

    name: str
    seed: int
    validation: Accuracy
    test: Accuracy
    epochs: tuple[Epoch, ...]
    path: Path | None = None
    sha256: str | None = None

    def as_text(self) -> str:
        """Return the report, line by line."""
        lines = [f"{self.name}, seed {self.seed}", f"  {self.validation}", f"  {self.test}"]
        if self.path is not None:
            lines += [f"  written to {self.path}", f"  sha256 {self.sha256}"]
        return "\n".join(lines)


Progress: TypeAlias = Callable[[Epoch], None]
_SPLITS: dict[str, Callable[[Split], Dataset]] = {"digits": digits.load, "phrases": phrases.load}
_Batch: TypeAlias = Callable[[Tensor], Tensor]  # row numbers (m,) -> logits (m, k)


def train(
    name: str,
    *,
    out: Path | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> TrainingReport:
    """Train a built-in model by its recipe; the same seed on the same machine gives the same bytes.

    Parameters
    ----------
    name : str
        A built-in model.
    out : Path, optional
        Where to write the bundle; without it nothing is written.
    seed : int, optional
        Instead of the recipe's.
    progress : callable, optional
        Called with every `Epoch`.

    Raises
    ------
    ConfigError
        If there is no such model.
    """
    if name not in MODELS:
        raise ConfigError(
            f"There is no built-in model {name!r}.{near_miss(name, MODELS)}",
            hint="See them all: audit list models",
        )
    card = MODELS[name]
    recipe = card.recipe if seed is None else replace(card.recipe, seed=seed)
    training, validation = _SPLITS[card.data]("train"), _SPLITS[card.data]("validation")
    build = _trained_image_model if card.modality == "image" else _trained_text_model
    classifier, epochs = build(card, recipe, training, validation, progress)
    if out is not None:
        save(classifier, out)
    return TrainingReport(
        name=name,
        seed=recipe.seed,
        validation=accuracy(classifier, validation),
        test=accuracy(classifier, _SPLITS[card.data]("test")),
        epochs=tuple(epochs),
        path=out,
        sha256=None if out is None else file_sha256(out),
    )


def accuracy(classifier: Classifier, data: Dataset) -> Accuracy:
    """Return how many inputs of a data set a classifier gets right."""
    correct = 0
    for start in range(0, len(data), 512):
        where = slice(start, start + 512)
        batch = data.read(where)
        inputs = batch if isinstance(batch, list) else torch.from_numpy(batch)
        predicted = classifier.predict(inputs).argmax(dim=1).numpy()
        correct += int((predicted == data.labels[where]).sum())
    return Accuracy(split=data.split, correct=correct, n=len(data))


def fit_image(
    module: nn.Module,
    images: Tensor,
    labels: Sequence[int] | Tensor,
    recipe: Recipe,
    *,
    validation: tuple[Tensor, Tensor] | None = None,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Train an image network in place and leave it in evaluation mode.

    Parameters
    ----------
    module : Module
        Maps images (m, c, h, w) to logits (m, k).
    images : Tensor
        (n, c, h, w) as the network reads them.
    labels : sequence of int
        (n,) class numbers.
    recipe : Recipe
        Epochs, step size, augmentation, seed.
    validation : (images, labels), optional
        Only measured after each epoch, never trained on.
    progress : callable, optional
        Called after each epoch.
    """
    augment = torch.Generator().manual_seed(recipe.seed)

    def logits(rows: Tensor) -> Tensor:
        return module(_moved(images[rows], recipe, augment))

    def validated() -> float:
        assert validation is not None
        return _share_correct(module(validation[0]), validation[1])

    return _fit(module, logits, labels, recipe, validated if validation else None, progress)


def fit_text(
    module: nn.Module,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    labels: Sequence[int] | Tensor,
    recipe: Recipe,
    *,
    validation: tuple[Sequence[str], Tensor] | None = None,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Train a text network in place and leave it in evaluation mode.

    Parameters
    ----------
    module : Module
        Maps token ids (m, t) and mask (m, t), True at real tokens, to logits (m, k).
    tokenizer : Tokenizer
        With "[PAD]", "[UNK]" and truncation to what the network can read.
    texts : sequence of str
        n training texts.
    labels : sequence of int
        (n,) class numbers.
    recipe : Recipe
        Epochs, step size, word dropout, seed.
    validation : (texts, labels), optional
        Only measured after each epoch, never trained on.
    progress : callable, optional
        Called after each epoch.
    """
    pad, unknown = _id(tokenizer, "[PAD]"), _id(tokenizer, "[UNK]")
    encoded = _encoded(tokenizer, texts)
    dropping = torch.Generator().manual_seed(recipe.seed)

    def logits(rows: Tensor) -> Tensor:
        ids, mask = _padded([encoded[i] for i in rows.tolist()], pad)
        dropped = torch.rand(ids.shape, generator=dropping) < recipe.word_dropout
        dropped[:, 0] = False  # the first token is special
        return module(torch.where(dropped & mask, unknown, ids), mask)

    def validated() -> float:
        assert validation is not None
        rows = _encoded(tokenizer, validation[0])
        parts = [module(*_padded(rows[i : i + 256], pad)) for i in range(0, len(rows), 256)]
        return _share_correct(torch.cat(parts), validation[1])

    return _fit(module, logits, labels, recipe, validated if validation else None, progress)


def _fit(
    module: nn.Module,
    logits: _Batch,
    labels: Sequence[int] | Tensor,
    recipe: Recipe,
    validated: Callable[[], float] | None,
    progress: Progress | None,
) -> list[Epoch]:
    truth = torch.as_tensor(labels, dtype=torch.int64)
    order = torch.Generator().manual_seed(recipe.seed)
    module.requires_grad_(True)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = recipe.epochs * math.ceil(len(truth) / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    epochs: list[Epoch] = []
    with _repeatable(recipe.seed):
        for number in range(1, recipe.epochs + 1):
            module.train()
            total = 0.0
            for rows in torch.randperm(len(truth), generator=order).split(recipe.batch_size):
                loss = functional.cross_entropy(logits(rows), truth[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(rows)
            module.eval()
            with torch.no_grad():
                share = validated() if validated else None
            epochs.append(
                Epoch(number=number, of=recipe.epochs, loss=total / len(truth), validation=share)
            )
            if progress:
                progress(epochs[-1])
    return epochs


def _rate(step: int, steps: int) -> float:
    """Rise linearly over the first tenth, then fall to zero along a cosine."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@contextmanager
def _repeatable(seed: int) -> Generator[None]:
    """Within the block the same seed gives the same bits; afterwards everything is as before."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)  # sums over several threads round differently
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(strict)


def _moved(images: Tensor, recipe: Recipe, rng: torch.Generator) -> Tensor:
    """Turn, zoom and shift each image (m, c, h, w) by its own random amount."""
    if not (recipe.shift or recipe.rotation or recipe.zoom):
        return images
    m, _, h, w = images.shape
    turn, zoom, right, down = 2 * torch.rand(4, m, generator=rng) - 1  # each (m,) in [-1, 1]
    angle, scale = turn * math.radians(recipe.rotation), 1 + zoom * recipe.zoom
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    # A pixel is 2 / w of the grid's range -1 to 1.
    across, along = right * recipe.shift * 2 / w, down * recipe.shift * 2 / h
    rows = (torch.stack([cosine, -sine, across], 1), torch.stack([sine, cosine, along], 1))
    grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def _id(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ConfigError(f"The tokenizer has no {token} token.", hint="See word_tokenizer.")
    return number


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Tensor]:
    tokenizer.no_padding()
    return [torch.tensor(row.ids) for row in tokenizer.encode_batch(list(texts))]


def _padded(rows: list[Tensor], pad: int) -> tuple[Tensor, Tensor]:
    """Return ids (m, t) and mask (m, t), as long as the longest row."""
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(ids.shape[1]) < lengths[:, None]


def _share_correct(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(dim=1) == labels).float().mean())


def _built(card: ModelCard, recipe: Recipe, **config: int) -> nn.Module:
    with _repeatable(recipe.seed):
        return card.build(**{**card.config, **config})


def _trained_image_model(
    card: ModelCard,
    recipe: Recipe,
    training: Dataset,
    validation: Dataset,
    progress: Progress | None,
) -> tuple[Classifier, list[Epoch]]:
    assert card.input_shape is not None
    assert card.bounds is not None
    module = _built(card, recipe)
    epochs = fit_image(
        module,
        _images(training),
        _labels(training),
        recipe,
        validation=(_images(validation), _labels(validation)),
        progress=progress,
    )
    classifier = ImageClassifier(
        module,
        classes=card.classes,
        input_shape=card.input_shape,
        bounds=card.bounds,
        identity=_identity(card, recipe),
    )
    return classifier, epochs


def _trained_text_model(
    card: ModelCard,
    recipe: Recipe,
    training: Dataset,
    validation: Dataset,
    progress: Progress | None,
) -> tuple[Classifier, list[Epoch]]:
    texts = _texts(training)
    tokenizer = word_tokenizer(texts, vocabulary_size=VOCABULARY_SIZE, max_length=MAX_LENGTH)
    module = _built(card, recipe, vocabulary_size=tokenizer.get_vocab_size(), max_length=MAX_LENGTH)
    epochs = fit_text(
        module,
        tokenizer,
        texts,
        _labels(training),
        recipe,
        validation=(_texts(validation), _labels(validation)),
        progress=progress,
    )
    classifier = TextClassifier(
        module,
        tokenizer=tokenizer,
        classes=card.classes,
        max_length=MAX_LENGTH,
        identity=_identity(card, recipe),
    )
    return classifier, epochs


def _identity(card: ModelCard, recipe: Recipe) -> Identity:
    return Identity(
        name=card.name,
        architecture=card.build.__name__,
        data=card.data,
        card={"trained on": f"{card.data}, split train, seed {recipe.seed}"},
    )


def _images(data: Dataset) -> Tensor:
    batch = data.read(np.arange(len(data)))
    assert not isinstance(batch, list)
    return torch.from_numpy(batch)


def _texts(data: Dataset) -> list[str]:
    batch = data.read(np.arange(len(data)))
    assert isinstance(batch, list)
    return batch


def _labels(data: Dataset) -> Tensor:
    return torch.from_numpy(data.labels.copy()).long()
