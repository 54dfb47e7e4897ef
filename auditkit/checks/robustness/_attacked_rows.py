"""Rows of a table under attack: what counts as found, what chance finds, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Example, Records
from auditkit.checks.galleries import answer, shown
from auditkit.data.schema import Schema
from auditkit.findings import Bar, Bars, Table, TextRow, Token
from auditkit.methods.attacks.few_columns import Asked
from auditkit.methods.attacks.reach import Reach, changed_cells, distances, permitted
from auditkit.methods.attacks.values import telling_values
from auditkit.models.tabular import TabularClassifier
from auditkit.randomness import at_step
from auditkit.statistics import clopper_pearson
from auditkit.types import Bools, Floats, Ints, Keys, Scalar

DRAWS = 16  # random changes per row and budget
PROBED = 8  # rows on which telling values are looked for
WHOLE = 12  # columns of a row that is shown as a whole
CELLS = 8  # changed cells that are shown of a longer row
BARS = 15  # columns in the chart
CHANGED, REACH, OTHERS = "changed/", "reach/", "others/"  # what columns of records are about


@final
@dataclass(frozen=True)
class Rows:
    """The rows of a shard that are answered rightly, and what may not change in them."""

    artifacts: Artifacts
    places: Ints  # (m,) in the shard
    inputs: Tensor  # (m, c) raw rows on the model's device
    labels: Tensor  # (m,)
    fixed: tuple[str, ...]

    @classmethod
    def of(cls, artifacts: Artifacts, *, fixed: Sequence[str]) -> Self:
        """Return those of a shard."""
        places = np.flatnonzero(artifacts[Predictions].correct.numpy())
        inputs, device = artifacts.inputs, artifacts.classifier.device
        assert isinstance(inputs, Tensor)  # rows are
        return cls(
            artifacts,
            places,
            inputs[places].to(device),
            artifacts.labels[places].to(device),
            tuple(fixed),
        )

    @property
    def model(self) -> TabularClassifier:
        """The model that they are answered by."""
        return self.artifacts.table_model

    @property
    def asked(self) -> Asked:
        """The model, asked in batches."""
        return Asked(self.model.logits, self.artifacts.execution.batch_size)

    def keys(self, purpose: str) -> Keys:
        """Return one key per row (m,)."""
        return self.artifacts.keys(purpose)[self.places]

    def telling(self, spread: float) -> list[Tensor]:
        """Return per column the values that tell most, the same in every shard.

        Parameters
        ----------
        spread : float
            How far numbers may move at most, in training standard deviations.
        """

        def found() -> list[Tensor]:
            few = self.artifacts.sample("feature-changes", PROBED).inputs
            every = self.artifacts.data.read(slice(None))
            assert isinstance(few, Tensor)
            assert not isinstance(every, list)
            known = [
                self.inputs.new_empty(0)
                if one.categories or one.immutable or one.name in self.fixed
                else torch.from_numpy(np.sort(column[~np.isnan(column)])).to(self.inputs)
                for one, column in zip(self.model.schema.features, every.T, strict=True)
            ]
            return telling_values(
                self.model.logits,
                few.to(self.inputs),
                known,
                [spread * one.std for one in self.model.schema.features],
                batch_size=self.artifacts.execution.batch_size,
            )

        return self.artifacts.once(("telling values", self.fixed, spread), found)

    def reach(self, spread: float, *, categories: bool) -> Reach:
        """Return what the rows can become."""
        return Reach.of(
            self.model.schema,
            self.inputs,
            spread=spread,
            fixed=self.fixed,
            categories=categories,
        )

    def found(self, points: Tensor, *, spread: float, categories: bool, which: Tensor) -> Bools:
        """Return which points (p, c) count: permitted, another row, and answered wrongly.

        Parameters
        ----------
        points : Tensor
            What an attack made of some of the rows.
        spread : float
            How far numbers may move, in training standard deviations.
        categories : bool
            Whether categories may change.
        which : Tensor
            (p,) numbers of these rows.
        """
        before, after = (one.cpu().numpy() for one in (self.inputs[which], points))
        allowed = permitted(
            self.model.schema,
            before,
            after,
            spread=spread,
            fixed=self.fixed,
            categories=categories,
        )
        wrong, _ = self.asked(points, self.labels[which])
        return allowed & changed_cells(before, after).any(axis=1) & wrong.cpu().numpy()


@final
@dataclass(frozen=True)
class Fallen:
    """The smallest change found of every row."""

    points: Tensor  # (m, c)
    budget: Floats  # (m,) what it took, inf where nothing was found
    searched: Floats  # (m,) what the search found without chance

    @classmethod
    def none(cls, rows: Rows) -> Self:
        """Return the rows as they are."""
        nothing = np.full(len(rows.places), np.inf)
        return cls(rows.inputs.clone(), nothing, nothing.copy())

    def take(self, which: Tensor, points: Tensor, budget: Floats, *, by_search: bool) -> None:
        """Take over smaller changes of some rows."""
        where = which.cpu().numpy()
        less = budget < self.budget[where]
        self.points[which[torch.from_numpy(less).to(which.device)]] = points[
            torch.from_numpy(less).to(points.device)
        ]
        self.budget[where] = np.minimum(self.budget[where], budget)
        if by_search:
            self.searched[where] = np.minimum(self.searched[where], budget)

    def above(self, budget: float) -> Tensor:
        """Return the numbers of the rows that hold within a budget."""
        (held,) = np.nonzero(self.budget > budget)
        return torch.from_numpy(held).to(self.points.device)


def few_at_random(rows: Rows, fallen: Fallen, sizes: Sequence[int], *, spread: float) -> None:
    """Try random changes of few columns on what the search left."""
    reach = rows.reach(spread, categories=True)
    for draw in range(DRAWS):
        keys = at_step(rows.keys("few columns at random"), 2 * draw)
        for size in sizes:
            left = fallen.above(size)
            points = reach.at(left).drawn_few(keys[left.cpu().numpy()], size)
            good = rows.found(points, spread=spread, categories=True, which=left)
            budget = np.where(good, counted(rows.inputs[left], points), np.inf)
            fallen.take(left, points, budget, by_search=False)


def all_at_random(rows: Rows, fallen: Fallen, radii: Sequence[float]) -> None:
    """Try random changes of all numbers on what the search left."""
    for radius in radii:
        reach = rows.reach(radius, categories=False)
        for draw in range(DRAWS):
            left = fallen.above(radius)
            keys = at_step(rows.keys("all numbers at random"), draw)[left.cpu().numpy()]
            points = reach.at(left).drawn(keys, corners=draw % 2 == 0)
            good = rows.found(points, spread=radius, categories=False, which=left)
            fallen.take(left, points, np.where(good, radius, np.inf), by_search=False)


def counted(before: Tensor, after: Tensor) -> Floats:
    """Return how many cells of every row (m, c) changed."""
    cells = changed_cells(before.cpu().numpy(), after.cpu().numpy())
    return cells.sum(axis=1).astype(np.float64)


# --- what is recorded and shown ------------------------------------------------------------------


def about_columns(rows: Rows, few: Fallen, n: int, *, spread: float) -> dict[str, np.ndarray]:
    """Return columns of records: which cells a change took, and what a column can become.

    Parameters
    ----------
    rows : Rows
        Those of the shard that are answered rightly.
    few : Fallen
        Smallest changes of few columns.
    n : int
        Rows of the shard.
    spread : float
        How far numbers may move.
    """
    mutable = rows.reach(spread, categories=True).mutable.tolist()
    cells = changed_cells(rows.inputs.cpu().numpy(), few.points.cpu().numpy())
    cells &= np.isfinite(few.budget)[:, None]
    found: dict[str, np.ndarray] = {}
    for j, one in enumerate(rows.model.schema.features):
        if not mutable[j]:
            found[OTHERS + one.name] = np.zeros(n, dtype=np.int64)
            continue
        hit = np.zeros(n, dtype=bool)
        hit[rows.places] = cells[:, j]
        found[CHANGED + one.name] = hit
        if one.categories:
            found[OTHERS + one.name] = np.full(n, len(one.categories) - 1)
        else:
            found[REACH + one.name] = np.full(n, spread * one.std)
    return found


def decisive(records: Records, *, level: float) -> tuple[Bars, Table]:
    """Return which columns the found changes were made of, as a chart and as a table."""
    fell = np.isfinite(records["columns"]) & records["correct"]
    alone = fell & (records["columns"] == 1)
    names = [one.removeprefix(CHANGED) for one in records.columns if one.startswith(CHANGED)]
    hits = {name: int((fell & records[CHANGED + name]).sum()) for name in names}
    names.sort(key=lambda name: -hits[name])
    n = int(fell.sum())
    bars = [_bar(name, hits[name], n, level) for name in names[:BARS] if hits[name]]
    rows: list[list[Scalar]] = [
        [
            name,
            _could_become(records, name),
            hits[name],
            int((alone & records[CHANGED + name]).sum()),
        ]
        for name in names
    ]
    held = [one.removeprefix(OTHERS) for one in records.columns if one.startswith(OTHERS)]
    for name in held:
        if name not in hits:
            rows.append([name, "stays as it is", 0, 0])
    return (
        Bars(
            title=f"Columns that the {n:,} smallest changes found are made of",
            value_label="share of these changes that the column is part of",
            bars=bars,
        ),
        Table(
            title="What could change, and what did",
            columns=["column", "may become", "changes", "alone"],
            rows=rows,
        ),
    )


def _bar(name: str, count: int, n: int, level: float) -> Bar:
    low, high = clopper_pearson(count, n, level=level)
    return Bar(label=name, value=count / n, low=low, high=high, n=n)


def _could_become(records: Records, name: str) -> str:
    if REACH + name in records.columns:
        return f"up to {_rounded(records[REACH + name][0])} more or less"
    count = int(records[OTHERS + name][0])
    return "the other category" if count == 1 else f"any of {count} other categories"


def _rounded(reach: float) -> str:
    return f"{reach:,.0f}" if reach >= 1000 else f"{reach:.4g}"


def examples(
    rows: Rows, fallen: Fallen, galleries: dict[str, Floats], took: Callable[[float], str]
) -> Iterator[Example]:
    """Yield changed rows that may be shown.

    Parameters
    ----------
    rows : Rows
        As they were.
    fallen : Fallen
        Smallest changes found.
    galleries : dict
        Scores (m,) per gallery.
    took : callable
        Says in words what a budget is.
    """
    model = rows.model
    ids = [rows.artifacts.ids[i] for i in rows.places.tolist()]
    before = rows.artifacts[Predictions].logits[rows.places]
    for gallery, i, score in shown(ids, galleries, np.isfinite(fallen.budget)):
        point = fallen.points[i : i + 1]
        after = model.predict(point)[0]
        caption = (
            f"true class {model.classes[int(rows.labels[i])]};"
            f" clean: {answer(model.classes, before[i])};"
            f" {took(fallen.budget[i])}: {answer(model.classes, after)}"
        )
        tokens = list(marked(model.schema, rows.inputs[i].cpu().numpy(), point[0].cpu().numpy()))
        row = TextRow(id=ids[i], caption=caption, tokens=tokens)
        yield Example(gallery=gallery, score=score, row=row)


def marked(schema: Schema, before: Floats, after: Floats) -> Iterator[Token]:
    """Yield a row (c,) in words, changed cells marked; of a long row only these, widest first."""
    cells = changed_cells(before[None], after[None])[0]
    order = np.arange(len(schema))
    left_out = ""
    if len(schema) > WHOLE:
        moved = distances(schema, before[None], after[None])[0]
        widest = np.argsort(np.where(cells, -moved, np.inf), kind="stable")
        order = widest[: min(CELLS, int(cells.sum()))]
        more, same = int(cells.sum()) - len(order), int((~cells).sum())
        parts = [f"{more} more changed"] * bool(more) + [f"{same} as they were"] * bool(same)
        left_out = f"; {' and '.join(parts)}" if parts else ""
    for place, j in enumerate(order.tolist()):
        one = schema.features[j]
        yield Token(text=f"{', ' if place else ''}{one.name} ")
        old, new = (one.in_words(float(row[j])) for row in (before, after))
        yield Token(text=new, was=old) if cells[j] else Token(text=new)
    if left_out:
        yield Token(text=left_out)


def confident(model: TabularClassifier, fallen: Fallen) -> Floats:
    """Return how sure the model is of its answer to every changed row (m,)."""
    if len(fallen.budget) == 0:
        return fallen.budget
    return model.predict(fallen.points).softmax(dim=1).amax(dim=1).double().numpy()
