"""Mirrors auditkit/methods/penultimate.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditkit.methods.penultimate import penultimate
from auditkit.models.classifier import Identity, ImageClassifier
from tests.subjects import graph_subject, linear_subject, table_subject


def images(n: int = 5) -> Tensor:
    return torch.rand(n, 1, 2, 2, generator=torch.Generator().manual_seed(0))


def test_it_is_what_the_last_layer_reads_whatever_the_batches() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU())  # as wide as the answer
    net = nn.Sequential(body, nn.Linear(3, 3))
    model = ImageClassifier(net, classes=("a", "b", "c"), input_shape=(1, 2, 2))
    found = penultimate(model, images(), batch_size=2)
    torch.testing.assert_close(found.values, body(images()))
    assert found.words == "what the last linear layer reads (3 numbers)"
    assert not found.of_logits


def test_one_answer_for_two_classes_is_a_last_layer_too() -> None:
    subject = linear_subject(0)
    found = penultimate(subject.model, subject.artifacts.inputs, batch_size=100)
    torch.testing.assert_close(found.values, subject.artifacts.images.flatten(1))


def test_matrix_products_are_read_like_layers() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 2))

        def forward(self, images: Tensor) -> Tensor:
            return torch.addmm(torch.zeros(2), images.flatten(1) * 2, self.weight)

    model = ImageClassifier(Bare(), classes=("a", "b"), input_shape=(1, 2, 2))
    torch.testing.assert_close(
        penultimate(model, images(), batch_size=9).values, 2 * images().flatten(1)
    )


def test_without_a_last_layer_it_is_the_logits_and_says_so() -> None:
    class Squares(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1) ** 2

    model = ImageClassifier(
        Squares(),
        classes=tuple("abcd"),
        input_shape=(1, 2, 2),
        identity=Identity(name="squares", architecture="Squares"),
    )
    found = penultimate(model, images(), batch_size=3)
    squares = images().flatten(1) ** 2
    torch.testing.assert_close(found.values, squares - squares.mean(dim=1, keepdim=True))
    assert "logits" in found.words
    assert found.of_logits


def test_tables_and_graphs_have_them_too() -> None:
    table, graphs = table_subject(), graph_subject()
    rows = penultimate(table.model, table.artifacts.inputs, batch_size=3)
    assert tuple(rows.values.shape) == (4, 5)  # the encoded columns
    assert len(penultimate(graphs.model, graphs.artifacts.inputs, batch_size=3).values) == 4


def test_the_matrix_makes_the_logits_of_what_is_read() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3, bias=False))
    model = ImageClassifier(net, classes=("a", "b", "c"), input_shape=(1, 2, 2))
    found = penultimate(model, images(), batch_size=2)
    assert found.matrix is not None
    torch.testing.assert_close(found.values @ found.matrix, found.logits)
    torch.testing.assert_close(found.logits, model.logits(images()))
