"""Mirrors auditkit/methods/drift/summaries.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from auditkit.data.schema import Feature, Schema
from auditkit.methods.drift.summaries import of_graphs, of_images, of_rows, of_texts, projected
from tests.subjects import graph_subject


def test_images_become_the_means_of_fields() -> None:
    images = np.random.default_rng(0).random((2, 3, 16, 24)).astype(np.float32)
    found = of_images(images)
    assert found.values.shape == (2, 3 * 64 + 3)
    assert found.values[1, 64 + 8 * 2 + 5] == pytest.approx(images[1, 1, 4:6, 15:18].mean())
    assert found.names[64 + 8 * 2 + 5] == "channel 2, field (3, 6)"
    assert of_images(np.ones((4, 1, 1, 1), np.float32)).values.tolist() == [[1.0, 0.0]] * 4


def test_images_become_their_fine_detail_too() -> None:
    images = np.random.default_rng(0).random((2, 2, 8, 6)).astype(np.float32)
    found = of_images(images)
    across, down = np.abs(np.diff(images, axis=3)), np.abs(np.diff(images, axis=2))
    each = (across.sum((2, 3)) + down.sum((2, 3))) / (8 * 5 + 7 * 6)
    assert found.names[-1] == "fine detail of channel 2"
    assert found.values[:, -2:] == pytest.approx(each)
    assert of_images(np.full((1, 1, 1, 5), 0.3, np.float32)).values[0, -1] == 0


def test_noise_that_averages_out_is_seen() -> None:
    """Large images, whose fields keep their means under noise and under blur."""
    rng = np.random.default_rng(0)
    clean = np.repeat(np.repeat(rng.random((60, 1, 8, 8)), 8, axis=2), 8, axis=3)
    clean += rng.normal(0, 0.01, clean.shape)
    noisy = clean + rng.normal(0, 0.05, clean.shape)
    before, after = of_images(clean[:30]), of_images(noisy[30:])
    columns = range(len(before.names))
    peers: list[Any] = [ks_2samp(before.values[:, j], after.values[:, j]) for j in columns]
    p = [one.pvalue for one in peers]
    assert min(p[:64]) > 0.05 / 64  # the means are blind to it
    assert max(p[64:]) < 1e-6


def test_texts_become_surface_and_buckets_of_words() -> None:
    found = of_texts(["Good 1!", "", "good good  é"])
    by_name = dict(zip(found.names, found.values.T.tolist(), strict=True))
    assert by_name["characters"] == [7, 0, 12]
    assert by_name["words"] == [2, 0, 3]
    assert by_name["letters per word"] == pytest.approx([3, 0, 3])
    assert by_name["share of capitals"] == pytest.approx([1 / 7, 0, 0])
    assert by_name["share beyond ASCII"] == pytest.approx([0, 0, 1 / 12])
    buckets = found.values[:, 7:]
    assert buckets.sum(axis=1) == pytest.approx([1, 0, 1])
    assert buckets[2].max() == pytest.approx(2 / 3)
    assert (buckets[0] > 0).sum() == 2


def test_rows_become_numbers_categories_and_what_is_missing() -> None:
    schema = Schema(
        (
            Feature(name="age", mean=40.0),
            Feature(name="work", kind="categorical", categories=("a", "b")),
        )
    )
    found = of_rows(np.array([[20, 1], [np.nan, np.nan]], np.float32), schema)
    assert found.names == ("age", "age is missing", "work is a", "work is b", "work is missing")
    assert found.values.tolist() == [[20, 0, 0, 1, 0], [40, 1, 0, 0, 1]]


def test_graphs_become_their_sizes_degrees_and_kinds() -> None:
    subject = graph_subject()
    graphs = subject.data.read(slice(2, 3))
    assert not isinstance(graphs, list)
    found = of_graphs(graphs, ("C", "N"))
    assert found.names == (
        "nodes", "edges", "mean degree", "highest degree", "share of C", "share of N",
    )  # fmt: skip
    assert found.values[0] == pytest.approx([3, 2, 4 / 3, 2, 2 / 3, 1 / 3])


def test_projecting_keeps_distances_and_follows_from_the_key() -> None:
    points = np.random.default_rng(0).normal(size=(20, 500))
    found = projected(points, key=3, widest=64)
    assert found.shape == (20, 64)
    before = np.linalg.norm(points[:10] - points[10:], axis=1)
    after = np.linalg.norm(found[:10] - found[10:], axis=1)
    assert after / before == pytest.approx(np.ones(10), abs=0.35)
    assert projected(points[5:6], key=3, widest=64)[0] == pytest.approx(found[5])
    assert projected(points, key=3, widest=500) is points
