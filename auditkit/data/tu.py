"""Folders of graphs in the text format of the TU collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from auditkit.data.assemble import assemble
from auditkit.data.columns import Groups, require_sensitive
from auditkit.data.dataset import Dataset
from auditkit.data.graphs import Graph, StoredGraphs
from auditkit.data.labels import Matched, match_labels, no_labels
from auditkit.errors import DataError
from auditkit.models.graphs import GraphClassifier
from auditkit.types import Ints


@final
@dataclass(frozen=True)
class Folder:
    """What the files of a folder hold."""

    name: str
    graphs: tuple[Graph, ...]
    labels: tuple[int, ...]  # none where nobody knows them


def load_tu(
    folder: Path,
    model: GraphClassifier,
    *,
    split: str,
    sensitive: Sequence[str] = (),
    unlabelled: bool = False,
) -> Dataset:
    """Return the graphs of a folder.

    The numbers of the node labels count the model's kinds of node, from 0. The labels of the graphs
    are class numbers from 0; where they are other numbers, as many as the model has classes, they
    are taken in ascending order. Labels of edges and further attributes are not read.

    Parameters
    ----------
    folder : Path
        With NAME_A.txt, NAME_graph_indicator.txt, NAME_graph_labels.txt and NAME_node_labels.txt.
    model : GraphClassifier
        Gives classes and kinds of node.
    split : str
        Name of the split.
    sensitive : sequence of str
        These files have no columns: naming one is an error.
    unlabelled : bool
        Whether NAME_graph_labels.txt may be absent.

    Raises
    ------
    DataError
        If a file is missing or damaged, or holds kinds of node or labels unknown to the model.

    References
    ----------
    Morris et al., 2020, arXiv:2007.08663 (TUDataset).
    """
    require_sensitive(sensitive, [], where=str(folder))
    found = read_tu(folder, unlabelled=unlabelled)
    highest = max(int(graph.tags.max()) for graph in found.graphs)
    if highest >= len(model.tags):
        raise DataError(
            f"{folder} holds the node label {highest}, and {model.identity.name} knows"
            f" {len(model.tags)} kinds of node, numbered 0 to {len(model.tags) - 1}:"
            f" {', '.join(model.tags)}."
        )
    return assemble(
        model,
        name=found.name,
        split=split,
        ids=[str(i + 1) for i in range(len(found.graphs))],
        labels=_labels(found, model.classes) if found.labels else no_labels(len(found.graphs)),
        groups=Groups(pd.DataFrame(index=range(len(found.graphs))), ()),
        sensitive=(),
        reader=StoredGraphs(
            found.graphs, len(model.tags), max(len(graph.tags) for graph in found.graphs)
        ),
    )


def read_tu(folder: Path, *, unlabelled: bool = False) -> Folder:
    """Return the graphs of a folder and their labels; see `load_tu`."""
    edges_files = sorted(folder.glob("*_A.txt"))
    if len(edges_files) != 1:
        seen = f"{len(edges_files)} files" if edges_files else "no file"
        raise DataError(
            f"{folder} holds {seen} called NAME_A.txt, expected one.",
            hint="Name the folder of one data set of the TU collection.",
        )
    name = edges_files[0].name.removesuffix("_A.txt")
    belongs = _column(folder / f"{name}_graph_indicator.txt") - 1  # (nodes,)
    labels_file = folder / f"{name}_graph_labels.txt"
    known = labels_file.exists() or not unlabelled
    labels = (
        _column(labels_file)
        if known
        else np.zeros(int(belongs.max(initial=-1)) + 1, dtype=np.int64)
    )
    tags = _column(folder / f"{name}_node_labels.txt")
    edges = _numbers(edges_files[0], width=2) - 1  # (edges, 2)
    _check(folder, belongs, labels, tags, edges)
    start = np.searchsorted(belongs, np.arange(len(labels)))
    of_edge = belongs[edges[:, 0]]
    graphs = [Graph(tags[belongs == i], edges[of_edge == i] - start[i]) for i in range(len(labels))]
    return Folder(name, tuple(graphs), tuple(labels.tolist()) if known else ())


def _check(folder: Path, belongs: Ints, labels: Ints, tags: Ints, edges: Ints) -> None:
    nodes = len(belongs)
    wrong = ""
    if not nodes or set(belongs.tolist()) != set(range(len(labels))):
        wrong = f"its nodes belong to other graphs than the {len(labels)} that have labels"
    elif (np.diff(belongs) < 0).any():
        wrong = "the nodes of a graph do not stand together"
    elif len(tags) != nodes:
        wrong = f"{nodes} nodes have {len(tags)} labels"
    elif tags.min() < 0:
        wrong = f"a node has the label {tags.min()}"
    elif len(edges) and not 0 <= edges.min() <= edges.max() < nodes:
        wrong = f"an edge leads to a node that is none of the {nodes}"
    elif (belongs[edges[:, 0]] != belongs[edges[:, 1]]).any():
        wrong = "an edge leads from one graph to another"
    if wrong:
        raise DataError(f"{folder} is damaged: {wrong}.", hint="Download it again.")


def _column(file: Path) -> Ints:
    return _numbers(file, width=1)[:, 0]


def _numbers(file: Path, *, width: int) -> Ints:
    """Return lines of whole numbers, separated by commas."""
    try:
        lines = [one for one in file.read_text(encoding="utf-8").splitlines() if one.strip()]
        rows = [[int(part) for part in line.split(",")] for line in lines]
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{file} holds something else than whole numbers: {error}.") from error
    if any(len(row) != width for row in rows):
        raise DataError(f"{file} has a line without {width} numbers.")
    return np.array(rows, dtype=np.int64).reshape(-1, width)


def _labels(found: Folder, classes: Sequence[str]) -> Matched:
    values = sorted(set(found.labels))
    if len(values) == len(classes) and values != list(range(len(classes))):
        number = {value: i for i, value in enumerate(values)}
        shown = ", ".join(f"{value} is {classes[i]}" for value, i in number.items())
        note = f"Labels were taken in ascending order: {shown}."
        return Matched(np.array([number[one] for one in found.labels], dtype=np.int64), (note,))
    return match_labels(
        found.labels, classes, where=lambda i: f"{found.name}_graph_labels.txt: line {i + 1}"
    )
