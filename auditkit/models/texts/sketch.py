"""Says what tensors tell about a network of words, before any vocabulary is seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

from auditkit.models.card import Shapes

_WORDS = re.compile(r"emb|tok|word|wte|vocab|lookup", re.IGNORECASE)
_POSITIONS = re.compile(r"pos|(?:^|\.)pe$|wpe", re.IGNORECASE)
_HEADS = re.compile(r"[^.]*(?:fc|head|out|class|linear|dense|score|logit|pred)")  # at the top
_FEWEST = 50  # words of a vocabulary
_STEEP = 4  # rows per column from which a first matrix without a bias is an embedding


@final
@dataclass(frozen=True, kw_only=True)
class TextSketch:
    """What the tensors tell.

    Parameters
    ----------
    name : str
        Of the tensor with one row per word.
    words, width : int
        Rows and columns of it.
    length : int, optional
        Positions that a text may have.
    n_classes : int, optional
        Outputs.
    """

    name: str
    words: int
    width: int
    length: int | None
    n_classes: int | None

    @property
    def family(self) -> str:
        """The network in words."""
        length = f", texts of at most {self.length} tokens" if self.length else ""
        return f"a network that reads words ({self.words:,} of {self.width} features{length})"


def sketch_text(shapes: Shapes) -> TextSketch | None:
    """Return what the tensors tell, or None where they are of no network of words.

    Parameters
    ----------
    shapes : dict
        Shape of each tensor by name, in the order of the file.
    """
    if any(len(shape) == 4 for shape in shapes.values()):
        return None  # convolutions of images
    tables = {
        name: shape
        for name, shape in shapes.items()
        if name.endswith("weight")
        and len(shape) == 2
        and name.removesuffix("weight") + "bias" not in shapes
        and not _POSITIONS.search(name)
    }
    named = {name: shape for name, shape in tables.items() if _WORDS.search(name)}
    first = next(iter(shapes), "")
    if not named and first in tables and _is_table(*list(shapes.values())[:2]):
        named = {first: tables[first]}
    if not named:
        return None
    name, (words, width) = max(named.items(), key=lambda one: one[1][0])
    if words < _FEWEST:
        return None
    return TextSketch(
        name=name,
        words=words,
        width=width,
        length=_length(shapes, width),
        n_classes=_outputs(shapes),
    )


def _is_table(first: tuple[int, ...], second: tuple[int, ...] = ()) -> bool:
    """Say whether a first matrix looks words up: what follows reads its columns, not its rows."""
    return first[0] >= _STEEP * first[1] and len(second) > 1 and second[1] == first[1]


def _length(shapes: Shapes, width: int) -> int | None:
    for name, shape in shapes.items():
        rest = [size for size in shape if size != 1]
        if _POSITIONS.search(name) and len(rest) == 2 and rest[1] == width:
            return rest[0]
    return None


def _outputs(shapes: Shapes) -> int | None:
    """Return the rows of the last matrix that has a bias, of those with a usual name if any has."""
    found = {
        name: shape[0]
        for name, shape in shapes.items()
        if len(shape) == 2 and shapes.get(name.removesuffix("weight") + "bias") == shape[:1]
    }
    named = [rows for name, rows in found.items() if _HEADS.match(name)]
    return (named or [*found.values()] or [None])[-1]
