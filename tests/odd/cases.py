"""The table of what is odd: one line per case, each odd in one way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from auditkit.data.load import DataSpec
from auditkit.data.schema import Feature, Schema
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import Classifier, TextClassifier
from tests.odd.kinds import (
    CLASSES,
    GRAPH,
    HOSTILE,
    IMAGE,
    KINDS,
    TABLE,
    TEXT,
    Head,
    ImageNet,
    Kind,
    Wrapped,
    image_model,
    images_of,
    rows_of,
    table_model,
    text_model,
    texts_of,
)

ALTERNATING = tuple(i % 2 for i in range(40))


def usual_inputs(kind: Kind, labels: Sequence[int]) -> Any:
    return kind.inputs(labels)


def no_columns(_: Sequence[int]) -> dict[str, Sequence[object]]:
    return {}


def usual_network(kind: Kind, k: int) -> nn.Module:
    return kind.network(classes=k)


def usual_model(kind: Kind, network: nn.Module, classes: Sequence[str]) -> Classifier:
    return kind.model(network, classes)


@dataclass(frozen=True)
class Case:
    """A model and data that are odd in one way; everything else is as usual.

    `refused` is what is said before anything runs, `errored` what every check says that asks the
    model; all other cases are measured, or do not apply.
    """

    name: str
    kind: Kind = IMAGE
    labels: Sequence[int] = ALTERNATING
    inputs: Callable[[Kind, Sequence[int]], Any] = usual_inputs
    columns: Callable[[Sequence[int]], Mapping[str, Sequence[object]]] = no_columns
    classes: Sequence[str] = CLASSES
    network: Callable[[Kind, int], nn.Module] = usual_network
    model: Callable[[Kind, nn.Module, Sequence[str]], Classifier] = usual_model
    refused: str = ""
    errored: str = ""

    def __str__(self) -> str:
        return f"{self.kind.modality}: {self.name}"

    def classifier(self) -> Classifier:
        network = self.network(self.kind, len(self.classes))
        return self.model(self.kind, network, self.classes)

    def data(self, folder: Path, labels: Sequence[int]) -> DataSpec:
        folder.mkdir()
        names = [self.classes[one] for one in labels]
        return self.kind.write(folder, self.inputs(self.kind, labels), names, self.columns(labels))


# --- ways to be odd -------------------------------------------------------------------------------


def first(kind: Kind, labels: Sequence[int]) -> Any:
    """Return the first input again and again."""
    one = kind.inputs(labels)
    if isinstance(one, dict):
        return {name: [column[0]] * len(labels) for name, column in one.items()}
    return np.repeat(one[:1], len(labels), axis=0) if kind is IMAGE else [one[0]] * len(labels)


def turned(turn: Callable[[Tensor], Tensor]) -> Callable[[Kind, int], nn.Module]:
    return lambda kind, k: Wrapped(kind.network(classes=k), turn)


def in_training(kind: Kind, k: int) -> nn.Module:
    """BatchNorm and dropout behind the head, in training mode."""
    network = nn.Sequential(nn.BatchNorm1d(k), nn.Dropout(0.5))
    return Wrapped(kind.network(classes=k), network).train()


def hooked(kind: Kind, k: int) -> nn.Module:
    """Hooks of the user, forwards and backwards."""
    network = Wrapped(kind.network(classes=k), nn.Identity())
    network.turn.register_forward_hook(lambda *_: None)  # type: ignore[union-attr]
    network.turn.register_full_backward_hook(lambda *_: None)  # type: ignore[union-attr]
    return network


def boxed(kind: Kind, network: nn.Module, classes: Sequence[str]) -> Classifier:
    """The same network as a function without gradients."""
    inner = kind.model(network, classes)
    if kind is TABLE:
        asked = lambda rows: inner.logits(torch.from_numpy(rows)).numpy()  # noqa: E731
    else:
        asked = lambda *x: inner.module(*map(torch.from_numpy, x)).numpy()  # noqa: E731
    return kind.model(BlackBox(asked), classes)


def named(
    name_of: Callable[[int, int], str], column: str = "group"
) -> Callable[[Sequence[int]], dict[str, Sequence[object]]]:
    """Return a column that names the group of each input, by its place and its label."""
    return lambda labels: {column: [name_of(i, label) for i, label in enumerate(labels)]}


class Pair(nn.Module):
    """Wants two images."""

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        return (images - others).flatten(1)


class Rounded(nn.Module):
    """Eight levels of grey, as an old camera."""

    def forward(self, images: Tensor) -> Tensor:
        return (8 * images).round() / 8


def shaped(*shape: int) -> dict[str, Any]:
    """Return data and model of images of another shape (c, h, w)."""
    return {
        "inputs": lambda _, labels: images_of(labels, shape),  # type: ignore[arg-type]
        "network": lambda _, k: ImageNet(shape[0], classes=k),
        "model": lambda _, network, classes: image_model(network, classes, shape),  # type: ignore[arg-type]
    }


def spoken(make: Callable[[int, str], str]) -> dict[str, Any]:
    """Return texts made of the place of each and of the text that usually stands there."""
    return {"inputs": lambda _, y: [make(i, text) for i, text in enumerate(texts_of(y))]}


def counted(**said: object) -> Callable[[Kind, Sequence[int]], Any]:
    """Return usual rows, of which some columns say the same throughout."""
    return lambda _, labels: {
        **rows_of(labels), **{name: [value] * len(labels) for name, value in said.items()}
    }  # fmt: skip


def long_model(_: Kind, network: nn.Module, classes: Sequence[str]) -> TextClassifier:
    return text_model(network, classes, max_length=512)


def one_column(_: Kind, network: nn.Module, classes: Sequence[str]) -> Classifier:
    return table_model(network, classes, Schema((Feature(name="age", mean=40.0, std=10.0),)))


def drawn(tags: Sequence[int], edges: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Return graphs that are all drawn alike; the label is the tag of the first node."""
    return {"inputs": lambda _, y: [([one, *tags[1:]], list(edges)) for one in y]}


# --- the table ------------------------------------------------------------------------------------


def everywhere(kind: Kind) -> list[Case]:
    """Return what can be odd about any model and data."""
    cases = [
        Case("five inputs", kind, [0, 1, 0, 1, 0]),
        Case("one input", kind, [1]),
        Case("one class", kind, [0] * 30),
        Case("a class without inputs", kind, classes=(*CLASSES, "maybe")),
        Case("the same input throughout", kind, inputs=first),
        Case("all wrong", kind, inputs=lambda kind, labels: kind.inputs([1 - y for y in labels])),
        Case("one group", kind, columns=named(lambda _, __: "a")),
        Case("a group per input", kind, columns=named(lambda i, _: f"g{i}")),
        Case("a group absent from one class", kind,
             columns=named(lambda i, label: "a" if label or i % 4 else "b")),
        Case("missing groups", kind, columns=named(lambda i, _: "a" if i % 3 else "")),
        Case("no group known", kind, columns=named(lambda _, __: "")),
        Case("groups equal to the labels", kind, columns=named(lambda _, label: CLASSES[label])),
        Case("hostile names of groups", kind,
             columns=named(lambda i, _: HOSTILE if i % 4 < 2 else "ß\x1b[31m", "who & <b>")),
        Case("a constant answer", kind, network=turned(lambda logits: 0 * logits)),
        Case("answers without a gradient", kind, network=turned(torch.sign)),
        Case("logits a thousand times larger", kind, network=turned(lambda logits: 1000 * logits)),
        Case("NaN", kind, network=turned(lambda logits: logits * torch.nan),
             errored="NaN or infinite logits"),
        Case("dropout left on", kind, network=turned(nn.functional.dropout)),
        Case("in training mode", kind, network=in_training),
        Case("with hooks", kind, network=hooked),
    ]  # fmt: skip
    if kind is not TEXT:
        cases.append(Case("a function without gradients", kind, model=boxed))
    if kind is not GRAPH:  # whose files hold numbers
        cases.append(Case("hostile names of classes", kind, classes=(HOSTILE, "ß|`x`\n# y")))
    return cases


IMAGES = [
    Case("1x1 pixels", **shaped(1, 1, 1)),
    Case("1x1 pixels in colour", **shaped(3, 1, 1)),
    Case("2x2 pixels", **shaped(1, 2, 2)),
    Case("one row of pixels", **shaped(1, 1, 9)),
    Case("not square", **shaped(3, 5, 12)),
    Case("grey with alpha", **shaped(2, 8, 8)),
    Case("five channels", **shaped(5, 8, 8)),
    Case("all black", inputs=lambda kind, labels: 0 * kind.inputs(labels)),
    Case("outside the bounds", inputs=lambda kind, labels: 255 * kind.inputs(labels),
         refused="--bounds"),
    Case("NaN in the images", inputs=lambda kind, labels: kind.inputs(labels) * np.nan,
         refused="holds nan"),
    Case("a front end without gradients", network=lambda kind, k: nn.Sequential(
        Rounded(), kind.network(classes=k))),
    Case("a network of two inputs", network=lambda _, __: Pair(), refused="others"),
]  # fmt: skip
TEXTS = [
    Case("an empty text", TEXT, **spoken(lambda i, text: text if i else " "), refused="no text"),
    Case("no known word", TEXT, **spoken(lambda i, _: "☃ " * (i % 3 + 1))),
    Case("one word", TEXT, **spoken(lambda _, text: text.split()[1])),
    Case("punctuation alone", TEXT, **spoken(lambda i, _: "?!" + "." * i)),
    Case("characters without width", TEXT,
         **spoken(lambda i, text: text if i else "\u200b\u200d")),
    Case("markup", TEXT, **spoken(lambda _, text: f"{text} {HOSTILE}\x07")),
    Case("10,000 tokens that are cut", TEXT,
         **spoken(lambda i, text: text if i else "good " * 10_000)),
    Case("one long text", TEXT, [1, 0, 1, 0, 1, 0], model=long_model,
         **spoken(lambda i, text: text if i else "good " * 400)),
]  # fmt: skip
TABLES = [
    Case("constant columns", TABLE, inputs=counted(wage=1.0, work="State")),
    Case("nothing but missing values", TABLE, inputs=counted(age="", wage="", work="")),
    Case("an unknown category", TABLE, inputs=counted(work="Circus"), refused="does not know"),
    Case("a word for a number", TABLE, inputs=counted(age="young"), refused="young"),
    Case("an infinite value", TABLE, inputs=counted(age="inf"), refused="inf"),
    Case("far outside the training range", TABLE, inputs=counted(wage=1e30)),
    Case("one column", TABLE, network=lambda _, k: Head(1, classes=k), model=one_column,
         inputs=lambda _, labels: {"age": rows_of(labels)["age"]}),
    Case("a thousand groups", TABLE, [i % 2 for i in range(2000)],
         columns=named(lambda i, _: f"group {i % 1000}")),
]  # fmt: skip
GRAPHS = [
    Case("one node", GRAPH, **drawn([0], [])),
    Case("no edges", GRAPH, **drawn([0, 0, 1], [])),
    Case("complete", GRAPH, **drawn([0, 0, 1], [[0, 1], [0, 2], [1, 2]])),
]
CASES = [case for kind in KINDS for case in everywhere(kind)] + [
    *IMAGES, *TEXTS, *TABLES, *GRAPHS
]  # fmt: skip
