"""Mirrors auditkit/methods/corruptions/_drops.py."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from scipy import ndimage

from auditkit.methods.corruptions._drops import _distance, _equalised, edges, relief


def blots(seed: int, n: int = 2, height: int = 40, width: int = 33) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(n, height, width)), (0, 2, 2))
    return np.where(smooth > 0.05, 150 + 400 * smooth, 0).clip(0, 255).astype(np.uint8)


def canny(levels: np.ndarray, low: int = 50, high: int = 150) -> np.ndarray:
    """Canny's detector by its definition, pixel by pixel, with the angle itself."""
    height, width = levels.shape
    x = ndimage.correlate1d(levels.astype(int), [-1, 0, 1], 1, mode="nearest")
    x = ndimage.correlate1d(x, [1, 2, 1], 0, mode="nearest")
    y = ndimage.correlate1d(levels.astype(int), [-1, 0, 1], 0, mode="nearest")
    y = ndimage.correlate1d(y, [1, 2, 1], 1, mode="nearest")
    size = np.abs(x) + np.abs(y)

    def at(row: int, column: int) -> int:
        return size[row, column] if 0 <= row < height and 0 <= column < width else 0

    candidates = np.zeros(levels.shape, bool)
    for r in range(height):
        for c in range(width):
            if size[r, c] <= low:
                continue
            angle = np.degrees(np.arctan2(abs(y[r, c]), abs(x[r, c])))
            here = size[r, c]
            if angle < 22.5:
                candidates[r, c] = here > at(r, c - 1) and here >= at(r, c + 1)
            elif angle > 67.5:
                candidates[r, c] = here > at(r - 1, c) and here >= at(r + 1, c)
            else:
                lean = -1 if x[r, c] * y[r, c] < 0 else 1
                candidates[r, c] = here > at(r - 1, c - lean) and here > at(r + 1, c + lean)
    found = candidates & (size > high)
    queue = list(zip(*np.nonzero(found), strict=True))
    while queue:
        r, c = queue.pop()
        for i in range(max(r - 1, 0), min(r + 2, height)):
            for j in range(max(c - 1, 0), min(c + 2, width)):
                if candidates[i, j] and not found[i, j]:
                    found[i, j] = True
                    queue.append((i, j))
    return found


def shortest_paths(edge: np.ndarray) -> np.ndarray:
    """Dijkstra with the steps of a 5 x 5 mask: straight 1, diagonal 1.4, knight 2.1969."""
    height, width = edge.shape
    lengths = {}
    for i in (-2, -1, 0, 1, 2):
        for j in (-2, -1, 0, 1, 2):
            kind = min(abs(i), abs(j)), max(abs(i), abs(j))
            if kind in {(0, 1), (1, 1), (1, 2)}:
                lengths[i, j] = {(0, 1): 1.0, (1, 1): 1.4, (1, 2): 2.1969}[kind]
    far = np.full(edge.shape, np.inf)
    far[edge] = 0
    queue = [(0.0, int(r), int(c)) for r, c in zip(*np.nonzero(edge), strict=True)]
    while queue:
        length, r, c = heapq.heappop(queue)
        if length > far[r, c]:
            continue
        for (i, j), step in lengths.items():
            if 0 <= r + i < height and 0 <= c + j < width and length + step < far[r + i, c + j]:
                far[r + i, c + j] = length + step
                heapq.heappush(queue, (length + step, r + i, c + j))
    return far


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_edges_are_those_of_the_definition(seed: int) -> None:
    levels = blots(seed)
    found = edges(levels)
    assert found.any()
    for one, seen in zip(levels, found, strict=True):
        np.testing.assert_array_equal(seen, canny(one))


@pytest.mark.parametrize("share", [0.002, 0.02, 0.3])
def test_distances_are_shortest_paths_up_to_twenty(share: float) -> None:
    edge = np.random.default_rng(0).random((3, 40, 33)) < share
    for one, found in zip(edge, _distance(edge), strict=True):
        np.testing.assert_allclose(
            np.minimum(found, 20), np.minimum(shortest_paths(one), 20), atol=1e-4
        )


def test_without_an_edge_everything_is_far() -> None:
    assert _distance(np.zeros((1, 4, 5), bool)).min() >= 20


def test_levels_are_spread_by_rank() -> None:
    levels = np.array([[3, 3, 7], [7, 7, 200]], dtype=np.uint8)
    # Four of six lie above the lowest; it becomes 0 and the rest 255 times their rank over four.
    assert _equalised(levels).tolist() == [[0, 0, 191], [191, 191, 255]]
    flat = np.full((2, 2), 9, dtype=np.uint8)
    assert np.array_equal(_equalised(flat), flat)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2)])
def test_the_smallest_pictures_have_a_relief(shape: tuple[int, int]) -> None:
    found = relief(np.full((2, *shape), 200, dtype=np.uint8))
    assert found.shape == (2, *shape)
    assert np.isfinite(found).all()
