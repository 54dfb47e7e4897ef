"""Small attackable models: trained in a second, known by heart, or broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data.dataset import Dataset, InMemory
from auditkit.models.classifier import ImageClassifier, TextClassifier
from tests.subjects import LinearSubject, Subject, image_data, linear_subject

# --- images ---------------------------------------------------------------------------------------


@cache
def trained_digits() -> Subject:
    """A small CNN on 8x8 digits and 200 held-out images, about 90 % of them right."""
    raw, targets = load_digits(return_X_y=True)
    images = torch.tensor(raw / 16, dtype=torch.float32).view(-1, 1, 8, 8)
    labels = torch.tensor(targets, dtype=torch.int64)
    rng = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 10),
    )
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(torch.randn(value.shape, generator=rng) / max(1, value[0].numel()) ** 0.5)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(8):
        for rows in torch.randperm(1200, generator=rng).split(64):
            optimiser.zero_grad()
            functional.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    classes = [str(digit) for digit in range(10)]
    model = ImageClassifier(network, classes=classes, input_shape=(1, 8, 8))
    return Subject(model, image_data(images[1200:1400], labels[1200:1400], classes=classes))


def clear_subject(seed: int) -> LinearSubject:
    """A linear subject without the inputs on the boundary, where rounding decides."""
    full = linear_subject(seed)
    (rows,) = torch.where(full.margins.abs() > 1e-4)
    images, labels = full.artifacts.images[rows], full.artifacts.labels[rows]
    data = image_data(images, labels)
    return LinearSubject(full.model, data, full.weight, full.bias, full.margins[rows])


class Wrapped(nn.Module):
    """A network behind a function of its input, or before a function of its logits."""

    def __init__(self, network: nn.Module, *, quantised: bool = False, scale: float = 1.0) -> None:
        super().__init__()
        self.network, self.quantised, self.scale = network, quantised, scale

    def forward(self, images: Tensor) -> Tensor:
        if self.quantised:  # rounding has a zero gradient: the attack sees nothing
            images = (images * 255).round() / 255
        return self.scale * self.network(images)


class NoSlope(torch.autograd.Function):
    """The identity, with a gradient of zero."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:  # type: ignore[override]
        return values.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return torch.zeros_like(gradient)


class Hidden(nn.Module):
    """A network whose gradient ends behind its first layer, where nothing gets around it."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.first, self.rest = network[0], network[1:]

    def forward(self, images: Tensor) -> Tensor:
        return self.rest(NoSlope.apply(self.first(images)))


def like(subject: Subject, module: nn.Module) -> Subject:
    """The same data and classes with another network."""
    old = subject.model
    assert isinstance(old, ImageClassifier)
    model = ImageClassifier(
        module, classes=old.classes, input_shape=old.input_shape, bounds=old.bounds
    )
    return Subject(model, subject.data)


class Valley(nn.Module):
    """Logits [0, 20 (|x - 0.55| - 0.1)] of the mean pixel x: class 1 on both sides of class 0."""

    def forward(self, images: Tensor) -> Tensor:
        x = images.flatten(1).mean(dim=1)
        score = 20 * ((x - 0.55).abs() - 0.1)
        return torch.stack([torch.zeros_like(score), score], dim=1)


def valley_subject() -> Subject:
    """Two inputs of class 1: at 0.5, wrong, a step of 0.2 would repair it; at 0.8, right."""
    images = torch.tensor([0.5, 0.8]).view(2, 1, 1, 1)
    model = ImageClassifier(Valley(), classes=("0", "1"), input_shape=(1, 1, 1))
    return Subject(model, image_data(images, [1, 1]))


def feature_subject(*, robust: bool) -> Subject:
    """A linear model that reads one strong pixel, or fifteen that differ by 0.02: all right."""
    rng = torch.Generator().manual_seed(1)
    labels = torch.arange(40) % 2
    side = (2 * labels - 1).float()[:, None]
    weak = 0.5 + 0.01 * side * torch.ones(40, 15)
    strong = 0.5 + 0.3 * side + 0.05 * torch.rand(40, 1, generator=rng)
    images = torch.cat([strong, weak], dim=1).view(40, 1, 4, 4)
    layer = nn.Linear(16, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0] + [0.0] * 15 if robust else [0.0] + [1.0] * 15]))
        layer.bias.copy_(-0.5 * layer.weight.sum())
    network = nn.Sequential(nn.Flatten(), layer)
    model = ImageClassifier(network, classes=("0", "1"), input_shape=(1, 4, 4))
    return Subject(model, image_data(images, labels))


# --- texts ----------------------------------------------------------------------------------------

WORDS = (
    "amber", "birch", "cedar", "dunes", "ember", "fjord", "grove", "haven", "inlet", "jetty",
    "knoll", "ledge", "marsh", "north", "ocean", "plain", "quarry", "ridge", "shore", "trail",
)  # fmt: skip


class BagOfWords(nn.Module):
    """The mean embedding of the real tokens through one linear layer: linear in every token."""

    def __init__(self, embeddings: Tensor, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(embeddings)
        self.head = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.copy_(bias)

    def embed(self, ids: Tensor) -> Tensor:
        return self.table(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        real = mask[:, :, None].float()
        return self.head((embeddings * real).sum(dim=1) / real.sum(dim=1))


def text_model(
    embeddings: Tensor, weight: Tensor, bias: Tensor, *, words: Sequence[str]
) -> TextClassifier:
    """A bag of words; `embeddings` starts with the rows of [PAD] and [UNK]."""
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.normalizer = Lowercase()  # type: ignore[assignment]
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    tokenizer.add_special_tokens(["[PAD]", "[UNK]"])
    classes = [str(i) for i in range(len(weight))]
    return TextClassifier(
        BagOfWords(embeddings, weight, bias), tokenizer=tokenizer, classes=classes, max_length=32
    )


def text_data(texts: Sequence[str], labels: Sequence[int] | Tensor, *, classes: int = 2) -> Dataset:
    """Texts with labels as a data set."""
    n = len(texts)
    return Dataset(
        name="made-up",
        split="test",
        modality="text",
        classes=tuple(str(i) for i in range(classes)),
        ids=tuple(f"{i:05d}" for i in range(n)),
        labels=np.asarray(labels, dtype=np.int64),
        attributes=pd.DataFrame(index=range(n)),
        reader=InMemory(list(texts)),
        sha256="0" * 64,
    )


def bag_of_words(seed: int, *, n: int = 24, length: int = 6, k: int = 3) -> Subject:
    """Random words under a random linear model, labelled by the model except for two texts."""
    rng = torch.Generator().manual_seed(seed)
    model = text_model(
        torch.randn(len(WORDS) + 2, 4, generator=rng),
        torch.randn(k, 4, generator=rng),
        0.1 * torch.randn(k, generator=rng),
        words=WORDS,
    )
    drawn = torch.randint(len(WORDS), (n, length), generator=rng).tolist()
    texts = [" ".join(WORDS[i] for i in row) + "." for row in drawn]
    labels = model.predict(texts).argmax(dim=1)
    labels[:2] = (labels[:2] + 1) % k
    return Subject(model, text_data(texts, labels, classes=k))


def sentiment_subject(*, robust: bool) -> Subject:
    """Ten words of each class with a twin in the other; robust: twins are far apart."""
    rng = torch.Generator().manual_seed(2)
    apart, sharp = (1.0, 5.0) if robust else (0.01, 500.0)
    topic = torch.randn(10, 3, generator=rng)
    topic = 0.3 * topic / topic.norm(dim=1, keepdim=True)
    side = apart * torch.tensor([0.0, 0.0] + [-1.0] * 10 + [1.0] * 10)
    embeddings = torch.cat([side[:, None], torch.cat([torch.ones(2, 3), topic, topic])], dim=1)
    weight = torch.zeros(2, 4)
    weight[:, 0] = torch.tensor([-sharp, sharp])
    model = text_model(embeddings, weight, torch.zeros(2), words=WORDS)
    labels = [i % 2 for i in range(20)]
    picks = torch.randint(10, (20, 3), generator=rng).tolist()
    texts = [
        " ".join(WORDS[10 * label + i] for i in row)
        for label, row in zip(labels, picks, strict=True)
    ]
    return Subject(model, text_data(texts, labels))
