"""Mirrors auditkit/methods/saliency/tokens.py."""

import pytest
import torch

from auditkit.methods.saliency.tokens import PatchGrid, patch_grid


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (16, (8, 8), (4, 4, 0, 0)),
        (17, (8, 8), (4, 4, 1, 1)),
        (18, (8, 8), (4, 4, 2, 2)),
        (21, (8, 8), (4, 4, 5, 5)),  # a class token and four registers
        (197, (224, 224), (14, 14, 1, 1)),
        (8, (8, 16), (2, 4, 0, 0)),
        (9, (16, 8), (4, 2, 1, 1)),
    ],
)
def test_grids_have_the_shape_of_the_image(
    count: int, size: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert patch_grid(count, *size) == PatchGrid(*expected)


@pytest.mark.parametrize(("count", "size"), [(1, (8, 8)), (14, (8, 8)), (16, (8, 6)), (2, (8, 8))])
def test_other_numbers_fit_no_grid(count: int, size: tuple[int, int]) -> None:
    assert patch_grid(count, *size) is None


def test_patches_are_cut_out_row_by_row() -> None:
    tokens = torch.arange(10).reshape(1, 5, 2)
    first, last = patch_grid(5, 8, 8), patch_grid(5, 8, 8, answering=4)
    assert first is not None
    assert last is not None
    assert first.of(tokens)[0, :, :, 0].tolist() == [[2, 4], [6, 8]]
    assert last.of(tokens)[0, :, :, 0].tolist() == [[0, 2], [4, 6]]
