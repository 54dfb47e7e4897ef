"""MUTAG: 188 molecules as graphs of atoms, and whether they make bacteria mutate."""

from __future__ import annotations

from functools import cache

import numpy as np

from auditkit.data.dataset import Dataset
from auditkit.data.digest import digests
from auditkit.data.files import DataFile, locate
from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.data.published import published
from auditkit.data.splits import Split, rows_of, split_of
from auditkit.types import Ints

CLASSES = ("not mutagenic", "mutagenic")
TAGS = ("C", "N", "O", "F", "I", "Cl", "Br")
NODES = 28  # of the largest molecule
SIZES: dict[Split, int] = {"train": 110, "validation": 30, "test": 48}
TERMS = (
    "MUTAG (Debnath et al., 1991, doi:10.1021/jm00106a046), TU collection; the file is the one of"
    " muhanzhang/pytorch_DGCNN, MIT licence."
)
FILE = DataFile(
    folder="mutag",
    name="MUTAG.txt",
    sha256="5897dae243f6c773aab54ec99e86551c3b1e8601acef254714073042c632d30e",
    url="https://raw.githubusercontent.com/muhanzhang/pytorch_DGCNN/master/data/MUTAG/MUTAG.txt",
    megabytes=0.03,
)

_ATOMS = ("Br", "Cl", "C", "F", "I", "N", "O")  # what the file's tags 0 to 6 stand for
_LABELS = {0: 0, 2: 1}  # the file's labels


def load(split: str) -> Dataset:
    """Return one split: 60 % train, 15 % validation, 25 % test of both classes.

    The split is fixed; molecules of one class whose graphs are the same share a split. Kinds of
    bond are not part of the file.

    Parameters
    ----------
    split : {"train", "validation", "test"}
        Test graphs were never used to train or choose a built-in model.

    Returns
    -------
    Dataset
        Graphs (28, 7 + 28), see `data.graphs`; the id "molecule-042" is number 42 of the file.

    Raises
    ------
    DataError
        If there is no such split, or the file is neither here nor to be had.

    References
    ----------
    Debnath et al., 1991, doi:10.1021/jm00106a046; Morris et al., 2020, arXiv:2007.08663.
    """
    part = split_of("mutag", split)
    rows, (_, labels) = _rows(part), _read()
    return published(
        name="mutag",
        split=part,
        modality="graph",
        classes=CLASSES,
        ids=[f"molecule-{row:03d}" for row in rows],
        labels=labels[rows],
        reader=_stored(part),
        tags=TAGS,
        training=None if part == "train" else digests(_stored("train"), SIZES["train"]),
    )


def _stored(split: Split) -> StoredGraphs:
    graphs, _ = _read()
    return StoredGraphs([graphs[row] for row in _rows(split)], len(TAGS), NODES)


@cache
def _read() -> tuple[tuple[Graph, ...], Ints]:
    """Return all graphs and their labels.

    The file holds the number of graphs; then for each graph a line with its number of nodes and its
    label, and for each node a line with its tag, its number of neighbours, and these.
    """
    numbers = iter(locate(FILE).read_text(encoding="utf-8").split())

    def number() -> int:
        return int(next(numbers))

    graphs: list[Graph] = []
    labels: list[int] = []
    for _ in range(number()):
        n, label = number(), number()
        tags: list[int] = []
        edges: list[tuple[int, int]] = []
        for node in range(n):
            tags.append(TAGS.index(_ATOMS[number()]))
            edges += [(node, number()) for _ in range(number())]
        graphs.append(Graph(np.array(tags), np.array(edges).reshape(-1, 2)))
        labels.append(_LABELS[label])
    return tuple(graphs), np.array(labels, dtype=np.int64)


@cache
def _rows(split: Split) -> Ints:
    graphs, labels = _read()
    return rows_of(split, [one.content() for one in graphs], labels, purpose="mutag-split")
