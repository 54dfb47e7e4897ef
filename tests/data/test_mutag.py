"""Mirrors auditkit/data/mutag.py."""

from __future__ import annotations

import numpy as np

from auditkit.data import mutag
from auditkit.data.graphs import graph_quantities, split_arrays
from tests.published import needs


def everything() -> tuple[np.ndarray, np.ndarray, list[str]]:
    parts = [mutag.load(split) for split in mutag.SIZES]
    assert {part.split: len(part) for part in parts} == mutag.SIZES
    graphs = np.concatenate([np.asarray(part.read(slice(None))) for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return graphs, labels, [one for part in parts for one in part.ids]


@needs("mutag")
def test_the_molecules_are_the_published_ones() -> None:
    """Counts of the TU collection: graphs, labels, atoms of each element, bonds."""
    graphs, labels, ids = everything()
    assert len(set(ids)) == len(graphs) == 188
    assert labels.sum() == 125
    tags, adjacency = split_arrays(graphs)
    elements = dict(zip(mutag.TAGS, tags.sum(axis=(0, 1)).tolist(), strict=True))
    assert elements == {"C": 2395, "N": 345, "O": 593, "F": 12, "I": 1, "Cl": 23, "Br": 2}
    assert adjacency.sum() == 2 * 3721
    assert np.array_equal(adjacency, adjacency.transpose(0, 2, 1))
    assert graph_quantities(graphs)["nodes"].max() == mutag.NODES


@needs("mutag")
def test_the_atoms_keep_to_chemistry() -> None:
    """Halogens have one bond, and every nitro group is an N between two end O: tags are right."""
    graphs, _, _ = everything()
    tags, adjacency = split_arrays(graphs)
    degree = adjacency.sum(axis=2)
    for name in ("F", "I", "Cl", "Br"):
        assert set(degree[tags[:, :, mutag.TAGS.index(name)] == 1]) == {1}
    assert degree[tags[:, :, mutag.TAGS.index("C")] == 1].max() <= 4
    oxygen = tags[:, :, mutag.TAGS.index("O")]
    ends = ((oxygen == 1) & (degree == 1)).astype(float)
    beside = np.einsum("nij,nj->ni", adjacency, ends)
    nitro = (beside == 2) & (tags[:, :, mutag.TAGS.index("N")] == 1)
    assert nitro.any(axis=1).mean() > 0.9, "the molecules are nitro compounds"


@needs("mutag")
def test_molecules_that_are_the_same_share_a_part() -> None:
    where: dict[tuple[str, int], set[str]] = {}
    graphs, _ = mutag._read()
    for split in mutag.SIZES:
        data = mutag.load(split)
        for one, label in zip(data.ids, data.labels, strict=True):
            content = graphs[int(one.rpartition("-")[2])].content()
            where.setdefault((content, int(label)), set()).add(split)
    assert max(map(len, where.values())) == 1
    assert len(where) < 188
