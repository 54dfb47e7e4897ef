"""Mirrors auditkit/models/onnx/reading.py; whole files are tested in test_load.py."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from auditkit.errors import ModelError
from auditkit.models.onnx.reading import reading_of
from tests.models.onnx.files import graph_of, port

Shape = Sequence[int | str | None]


def read(shape: Shape, wanted: tuple[int, int, int] | None = None) -> tuple[str, tuple[int, ...]]:
    found = reading_of(graph_of([], [port("x", shape)], []), input_shape=wanted, features=None)
    return found.layout, found.shape


@pytest.mark.parametrize(
    ("shape", "wanted", "layout", "image"),
    [
        (("n", 3, 8, 8), None, "c, h, w", (3, 8, 8)),
        (("n", 8, 8, 3), None, "h, w, c", (3, 8, 8)),
        (("n", 8, 9, 1), None, "h, w, c", (1, 8, 9)),
        (("n", 12, 8, 9), None, "c, h, w", (12, 8, 9)),
        (("n", 3, 3, 3), None, "c, h, w", (3, 3, 3)),
        (("n", 1, 8, 1), None, "c, h, w", (1, 8, 1)),
        (("n", None, None, 3), (3, 8, 9), "h, w, c", (3, 8, 9)),
        (("n", 3, None, None), (3, 8, 9), "c, h, w", (3, 8, 9)),
        (("n", None, None, None), (3, 8, 9), "c, h, w", (3, 8, 9)),
        (("n", 8, 9, 4), (4, 8, 9), "h, w, c", (4, 8, 9)),
        (("n", 8, 9), None, "h, w", (1, 8, 9)),
        (("n", 72), (1, 8, 9), "flat", (1, 8, 9)),
    ],
)
def test_colours_are_found(
    shape: Shape, wanted: tuple[int, int, int] | None, layout: str, image: tuple[int, ...]
) -> None:
    assert read(shape, wanted) == (layout, image)


@pytest.mark.parametrize("shape", [("n", 1, 2, 3, 4), ("n",)])
def test_what_is_neither_images_nor_rows_is_refused(shape: Shape) -> None:
    with pytest.raises(ModelError, match="neither images nor rows"):
        read(shape)


def test_an_input_without_a_shape_is_refused() -> None:
    with pytest.raises(ModelError, match="does not say of what shape"):
        reading_of(graph_of([], [port("x", None)], []), input_shape=None, features=None)


def test_rounding_is_exact_and_lets_gradients_pass() -> None:
    graph = graph_of([], [port("x", ["n", 1, 1, 4], 2)], [])  # uint8
    reading = reading_of(graph, input_shape=None, features=None)
    pixels = torch.tensor([[[[-3.0, 2.4999, 2.5001, 300.0]]]], requires_grad=True)
    found = reading.prepare(pixels)
    assert found.tolist() == [[[[0.0, 2.0, 3.0, 255.0]]]]
    (gradient,) = torch.autograd.grad(found.sum(), pixels)
    assert gradient.tolist() == [[[[1.0, 1.0, 1.0, 1.0]]]]


def test_colours_are_moved_behind_and_not_mixed() -> None:
    graph = graph_of([], [port("x", ["n", 2, 2, 3])], [])
    reading = reading_of(graph, input_shape=None, features=None)
    images = torch.arange(24.0).reshape(2, 3, 2, 2)
    found = reading.prepare(images)
    assert found.shape == (2, 2, 2, 3)
    assert found[1, 0, 1].tolist() == images[1, :, 0, 1].tolist()
