"""What checks share that change images in kinds and levels: records, accuracies, worst images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Example, Records
from auditkit.checks.shift._graded import Cell, Fallen, fallen_in, worst
from auditkit.findings import Evidence, ImageExhibit, ImageRow
from auditkit.methods.pictures import picture
from auditkit.percent import percent
from auditkit.types import Bools, Keys


class Level(NamedTuple):
    """One kind of change at one strength."""

    kind: str
    order: int  # 1 is the mildest of its kind
    words: str  # "rotation, severity 3"
    change: Callable[[Tensor, Tensor, Keys], Tensor]  # images in [0, 1], labels, keys

    @property
    def column(self) -> str:
        """Its name in the records."""
        return f"{self.kind}-{self.order}"


def records_of(artifacts: Artifacts, levels: Sequence[Level], purpose: str) -> Records:
    """Read one shard at every level, one after the other; keys are those of the kind."""
    low, high = artifacts.image_model.bounds
    unit = ((artifacts.images - low) / (high - low)).clamp(0, 1)
    columns: dict[str, Bools] = {"correct": artifacts[Predictions].correct.numpy()}
    fallen: list[Fallen] = []
    for level in levels:
        changed = level.change(unit, artifacts.labels, artifacts.keys(f"{purpose}/{level.kind}"))
        cell = Cell.read(artifacts, low + changed * (high - low), level.words)
        columns[level.column] = cell.correct
        fallen = worst([*fallen, *fallen_in(artifacts, cell, level.kind, level.order)])
    by_name = {(one.kind, one.order): one for one in levels}
    examples = [
        _example(artifacts, unit, one, by_name[one.kind, one.severity], purpose) for one in fallen
    ]
    return Records(artifacts.ids, examples=examples, **columns)


def worst_images(records: Records, title: str) -> dict[str, Evidence]:
    """Return the gallery of images that fell, where some did."""
    rows = [row for row in records.gallery("worst") if isinstance(row, ImageRow)]
    return {"worst": ImageExhibit(title=title, selection="worst", rows=rows)} if rows else {}


def _example(
    artifacts: Artifacts, unit: Tensor, fallen: Fallen, level: Level, purpose: str
) -> Example:
    """Change one image again, which its key makes the same, and show it beside the clean one."""
    here = slice(fallen.position, fallen.position + 1)
    keys = artifacts.keys(f"{purpose}/{level.kind}")[here]
    changed = level.change(unit[here], artifacts.labels[here], keys)
    classes = artifacts.classifier.classes
    truth = classes[int(artifacts.labels[fallen.position])]
    row = ImageRow(
        id=fallen.id,
        caption=f"{truth}, read as {classes[fallen.predicted]} ({percent(fallen.confidence, 0)}"
        f" sure): {level.words}",
        panels=[
            picture(unit[fallen.position], (0.0, 1.0), "clean"),
            picture(changed[0], (0.0, 1.0), level.kind),
        ],
    )
    return Example(gallery="worst", score=fallen.score, row=row)
