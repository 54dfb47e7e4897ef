"""Small models and odd data: what an audit meets when somebody tries it on anything."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor, nn

from auditkit.data.load import DataSpec
from auditkit.data.schema import Feature, Schema
from auditkit.models.classifier import Classifier, ImageClassifier, TextClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.tabular import TabularClassifier
from auditkit.types import Modality

CLASSES = ("no", "yes")
MARKUP = "<script>alert(1)"
HOSTILE = f"{MARKUP}</script> שלום \u202e| `a` **b** [c](javascript:d) &lt; 'x\"/=,"
WORDS = {0: ("bad", "dull", "awful", "slow"), 1: ("good", "lovely", "superb", "quick")}
FILLER = ("the", "film", "was", "a", "she", "he", "very", "and", "doctor", "on", "Monday", "not")
COLUMNS = ("age", "wage", "work")
Columns = Mapping[str, Sequence[object]]


# --- networks: one signal, known to every modality, through a hidden layer ------------------------


class Head(nn.Module):
    """Two hidden units and a sum: features (n, d), whose mean is the signal, to logits (n, k)."""

    def __init__(self, d: int, *, classes: int = 2, scale: float = 8.0) -> None:
        super().__init__()
        self.hidden = nn.Linear(d, 4)
        self.out = nn.Linear(4, classes)
        rng = torch.Generator().manual_seed(0)
        side = torch.tensor([1.0, -1.0, 1.0, -1.0])
        with torch.no_grad():
            noise = 0.1 * torch.randn(4, d, generator=rng)
            self.hidden.weight.copy_(side[:, None] * (1 + noise) / d)
            self.hidden.bias.zero_()
            self.out.weight.copy_(-scale * side.expand(classes, 4).clone())
            self.out.weight[1:2] *= -1
            self.out.weight[2:] = 0
            self.out.bias.zero_()
            self.out.bias[2:] = -2

    def forward(self, features: Tensor) -> Tensor:
        return self.out(self.hidden(features).relu())


class ImageNet(nn.Module):
    """A convolution before the head; a bright image is a yes."""

    def __init__(self, channels: int, **options: Any) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, 3, kernel_size=3, padding=1)
        with torch.no_grad():
            self.convolution.weight.fill_(1 / (9 * channels))
            self.convolution.bias.fill_(-0.5)  # type: ignore[union-attr]
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = Head(12, **options)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.convolution(images)).flatten(1))


class TextNet(nn.Module):
    """The mean embedding before the head; a good word is a yes."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(1)
        self.table = nn.Embedding(2 + 8 + len(FILLER), 6, padding_idx=0)
        with torch.no_grad():
            self.table.weight.copy_(0.1 * torch.randn(self.table.weight.shape, generator=rng))
            self.table.weight[2:6] -= 1
            self.table.weight[6:10] += 1
        self.head = Head(6, **options)

    def embed(self, ids: Tensor) -> Tensor:
        return self.table(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        real = mask[:, :, None].to(embeddings.dtype)
        return self.head((embeddings * real).sum(dim=1) / real.sum(dim=1))


class GraphNet(nn.Module):
    """Sums over nodes and their neighbours before the head; much nitrogen is a yes."""

    def __init__(self, tags: int, **options: Any) -> None:
        super().__init__()
        self.mix = nn.Linear(tags, 6)
        with torch.no_grad():
            self.mix.weight.zero_()
            self.mix.weight[:, 1] = 1
            self.mix.bias.fill_(-0.4)
        self.head = Head(6, **options)

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        real = features.sum(dim=2, keepdim=True)
        mixed = self.mix(features + 0.1 * adjacency @ features) * real
        return self.head(mixed.sum(dim=1) / real.sum(dim=1).clamp(min=1))


class Wrapped(nn.Module):
    """A network whose logits are turned into something else; also where it reads embeddings."""

    def __init__(self, network: nn.Module, turn: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.turn = network, turn

    def embed(self, ids: Tensor) -> Tensor:
        return self.network.embed(ids)  # type: ignore[operator]

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        return self.turn(self.network.forward_embeddings(embeddings, mask))  # type: ignore[operator]

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.turn(self.network(*inputs))


# --- the four modalities --------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """How models of one modality and their data are made.

    `inputs` makes inputs of given classes, `model` a classifier, and `write` a file or folder.
    """

    modality: Modality
    inputs: Callable[[Sequence[int]], Any]
    network: Callable[..., nn.Module]
    model: Callable[[nn.Module, Sequence[str]], Classifier]
    write: Callable[[Path, Any, Sequence[str], Columns], DataSpec]


def sides(labels: Sequence[int]) -> NDArray[np.float64]:
    """Return a noisy signal per input, mostly on the side of its class (n,)."""
    rng = np.random.default_rng(len(labels))
    return np.where(np.asarray(labels) == 1, 0.3, -0.3) + 0.2 * rng.standard_normal(len(labels))


def images_of(labels: Sequence[int], shape: tuple[int, int, int] = (1, 8, 8)) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((len(labels), *shape))
    images = 0.5 + 0.5 * sides(labels)[:, None, None, None] + noise
    return images.clip(0, 1).astype(np.float32)


def image_model(
    network: nn.Module, classes: Sequence[str], shape: tuple[int, int, int] = (1, 8, 8)
) -> ImageClassifier:
    return ImageClassifier(network, classes=classes, input_shape=shape)


def write_images(
    folder: Path, images: NDArray[Any], labels: Sequence[str], columns: Columns
) -> DataSpec:
    file = folder / "images.npz"
    arrays: dict[str, Any] = {name: np.array(column) for name, column in columns.items()}
    np.savez(file, x=images, y=np.array(labels), **arrays)
    return DataSpec(source=str(file), sensitive=tuple(columns))


def texts_of(labels: Sequence[int], length: int = 9) -> list[str]:
    rng = np.random.default_rng(0)
    texts: list[str] = []
    for side in sides(labels):
        words = list(rng.choice(FILLER, size=length))
        words[1::3] = rng.choice(WORDS[int(side > 0)], size=len(words[1::3]))
        texts.append(" ".join(words))
    return texts


def text_model(network: nn.Module, classes: Sequence[str], max_length: int = 32) -> TextClassifier:
    words = ("[PAD]", "[UNK]", *WORDS[0], *WORDS[1], *FILLER)
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    tokenizer.add_special_tokens(["[PAD]", "[UNK]"])
    return TextClassifier(network, tokenizer=tokenizer, classes=classes, max_length=max_length)


def write_csv(file: Path, columns: Columns) -> str:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return str(file)


def write_rows(folder: Path, rows: Columns, labels: Sequence[str], columns: Columns) -> DataSpec:
    source = write_csv(folder / "rows.csv", {**rows, "label": labels, **columns})
    return DataSpec(source=source, sensitive=tuple(columns))


def write_texts(
    folder: Path, texts: Sequence[str], labels: Sequence[str], columns: Columns
) -> DataSpec:
    return write_rows(folder, {"text": texts}, labels, columns)


SCHEMA = Schema(
    (
        Feature(name="age", mean=40.0, std=10.0, low=0.0, high=100.0, integer=True),
        Feature(name="wage", mean=0.0, std=1.0, missing=True, low=-5.0, high=5.0),
        Feature(name="work", kind="categorical", categories=("State", "Private")),
    )
)


def rows_of(labels: Sequence[int]) -> dict[str, list[object]]:
    side = sides(labels)
    rng = np.random.default_rng(0)
    return {
        "age": [round(40 + 20 * one) for one in side],
        "wage": [f"{3 * one:.3f}" if rng.random() > 0.1 else "" for one in side],
        "work": rng.choice(["State", "Private"], size=len(side)).tolist(),
    }


def table_model(
    network: nn.Module, classes: Sequence[str], schema: Schema = SCHEMA
) -> TabularClassifier:
    return TabularClassifier(network, schema=schema, classes=classes)


def graphs_of(labels: Sequence[int], most: int = 6) -> list[tuple[list[int], list[list[int]]]]:
    """Return tags (v,) and edges (e, 2) of rings with a chord; the tags follow the signal."""
    rng = np.random.default_rng(0)
    graphs: list[tuple[list[int], list[list[int]]]] = []
    for side in sides(labels):
        v = int(rng.integers(3, most + 1))
        tags = (rng.random(v) < 0.4 + side).astype(int).tolist()
        graphs.append((tags, [[i, (i + 1) % v] for i in range(v)]))
    return graphs


def graph_model(network: nn.Module, classes: Sequence[str]) -> GraphClassifier:
    return GraphClassifier(network, tags=("C", "N"), classes=classes)


def write_graphs(
    folder: Path,
    graphs: Sequence[tuple[list[int], list[list[int]]]],
    labels: Sequence[str],
    columns: Columns,
) -> DataSpec:
    place = folder / "rings"
    place.mkdir()
    starts = np.cumsum([1, *(len(tags) for tags, _ in graphs)])
    lines = {
        "A": [
            f"{a + start}, {b + start}"
            for (_, edges), start in zip(graphs, starts, strict=False)
            for i, j in edges
            for a, b in ((i, j), (j, i))
        ],
        "graph_indicator": [str(i + 1) for i, (tags, _) in enumerate(graphs) for _ in tags],
        "graph_labels": [str(CLASSES.index(one) if one in CLASSES else 0) for one in labels],
        "node_labels": [str(tag) for tags, _ in graphs for tag in tags],
    }
    for name, content in lines.items():
        (place / f"RINGS_{name}.txt").write_text("".join(f"{one}\n" for one in content))
    if not columns:
        return DataSpec(source=str(place))
    ids = [str(i + 1) for i in range(len(graphs))]
    file = write_csv(folder / "attributes.csv", {"id": ids, **columns})
    return DataSpec(source=str(place), attributes=file, sensitive=tuple(columns))


IMAGE = Kind("image", images_of, lambda **o: ImageNet(1, **o), image_model, write_images)
TEXT = Kind("text", texts_of, TextNet, text_model, write_texts)
TABLE = Kind("tabular", rows_of, lambda **o: Head(5, **o), table_model, write_rows)
GRAPH = Kind("graph", graphs_of, lambda **o: GraphNet(2, **o), graph_model, write_graphs)
KINDS = (IMAGE, TEXT, TABLE, GRAPH)
