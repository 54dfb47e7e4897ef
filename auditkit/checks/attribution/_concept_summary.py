"""What the records of `concepts` say over all inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from auditkit.checks.base import Context, Records
from auditkit.checks.galleries import galleries
from auditkit.findings import Bar, Bars, Evidence, Matrix, Note, Table
from auditkit.plurals import count
from auditkit.statistics import Interval, bootstrap, bounded_mean, holm, p_among
from auditkit.types import Floats, Ints, Scalar

CLASSES = 10  # of which scores are reported, those predicted most often
FEWEST = 5  # inputs of a class, for a score
PERMUTATIONS = 10_000
TOLD = 0.6  # what a concept's held-out accuracy must surely lie above


class Score(NamedTuple):
    """A TCAV score, beside that of random vectors."""

    value: float
    interval: Interval
    method: str  # of the interval
    n: int
    random: float
    p: float


@final
class Summary:
    """Numbers and pictures from the merged records."""

    def __init__(self, records: Records, context: Context) -> None:
        self.records, self.context = records, context
        self.drawn = records["drawn"]
        self.n = int(self.drawn.sum())
        self._scores: dict[tuple[str, int], Score | str] = {}

    @cached_property
    def concepts(self) -> list[str]:
        """The concepts that were tried."""
        names = [one.partition("/") for one in self.records.columns]
        return [rest for kind, _, rest in names if kind == "moved"]

    @cached_property
    def classes(self) -> list[int]:
        """The classes that scores are reported of."""
        start = f"effect/{self.concepts[0]}/"
        return [
            int(one.removeprefix(start)) for one in self.records.columns if one.startswith(start)
        ]

    def left_out(self, names: Sequence[str]) -> dict[str, str]:
        """Return why concepts could not be tried."""
        known = self.records.columns
        return {
            one: str(known[f"left_out/{one}"][0]) for one in names if f"left_out/{one}" in known
        }

    def values(self, metric: str, concept: str) -> Floats:
        """Return a metric of the drawn inputs (n,)."""
        if metric == "movement_over_random":
            return self._column(f"moved/{concept}") - self._column(f"by_chance/{concept}")
        kinds = {"movement": "moved", "concept_accuracy": "accuracy"}
        return self._column(f"{kinds[metric]}/{concept}")

    def effect(self, concept: str, k: int) -> Floats:
        """Return the change of a class's probability (n,)."""
        return self._column(f"effect/{concept}/{k}")

    def told_of(self, concept: str) -> Interval | None:
        """Return the interval of a concept's accuracy, None where no vector was learnt."""
        if f"accuracy/{concept}" not in self.records.columns:
            return None
        seed = self.context.key("concepts", "concept_accuracy", concept)
        values = self.values("concept_accuracy", concept)
        return bounded_mean(values, seed=seed, level=self.context.level)[1]

    def tcav(self, concept: str, k: int) -> Score | str:
        """Return a score, or why there is none."""
        if (concept, k) not in self._scores:
            self._scores[concept, k] = self._tcav(concept, k)
        return self._scores[concept, k]

    def _tcav(self, concept: str, k: int) -> Score | str:
        told = self.told_of(concept)
        if told is None:
            return str(self.records["layer"][0])
        if told.low <= TOLD:
            return (
                "the layer does not tell the concept from its absence: the interval of the"
                f" held-out accuracy begins at {told.low:.2f}, not above {TOLD}"
            )
        mine = self.records["predicted"][self.drawn] == k
        rises = self._stacked(f"towards/{concept}/")[:, mine]
        usable = ~np.isnan(rises).all(axis=0)
        if usable.sum() < FEWEST:
            n = count(int(usable.sum()), "input")
            return f"it needs {FEWEST} inputs predicted as the class that have a slope: {n}"
        random = _means(self._stacked("towards_random/")[:, mine][:, usable])
        rises = rises[:, usable]
        seed = self.context.key("concepts", "tcav", concept, k)
        scores = _means(rises)
        interval, method = _interval(rises, seed, self.context.level)
        return Score(
            value=float(np.nanmean(rises)),
            interval=interval,
            method=method,
            n=int(usable.sum()),
            random=float(random.mean()),
            p=_p(scores, random, seed),
        )

    def _column(self, name: str) -> Floats:
        return self.records[name][self.drawn]

    def _stacked(self, start: str) -> Floats:
        """Return the columns of vectors (vectors, n)."""
        names = [one for one in self.records.columns if one.startswith(start)]
        return np.stack([self._column(one) for one in names])

    def evidence(self) -> dict[str, Evidence]:
        """Return charts, tables and the gallery."""
        return {
            "movement": self._bars(),
            "effects": self._matrix("Effect on each class", "effects", "probability"),
            "tcav": self._matrix("TCAV scores", "tcav", "share"),
            "table": self._table(),
            "layer": Note(title="Where the directions lie", text=f"{self.records['layer'][0]}."),
        } | galleries(self.records, {"random": "Inputs with concepts put in"})

    def _bars(self) -> Bars:
        bars: list[Bar] = []
        for one in self.concepts:
            for column, label in (("moved", one), ("by_chance", f"like {one}")):
                values = self._column(f"{column}/{one}")
                seed = self.context.key("concepts", column, one)
                mean, (low, high), _ = bounded_mean(values, seed=seed, level=self.context.level)
                bars.append(Bar(label=label, value=mean, low=low, high=high, n=len(values)))
        return Bars(
            title="How far concepts move the output, beside like changes without them",
            value_label="mean share of probability that moves",
            bars=bars,
        )

    def _matrix(self, title: str, kind: str, unit: str) -> Matrix:
        names = self.context.data.classes
        return Matrix(
            title=title,
            row_label="concept",
            column_label="class",
            rows=self.concepts,
            columns=[names[k] for k in self.classes],
            values=[[self._cell(kind, one, k) for k in self.classes] for one in self.concepts],
            unit=unit,
        )

    def _cell(self, kind: str, concept: str, k: int) -> float | None:
        if kind == "effects":
            return round(float(self.effect(concept, k).mean()), 4)
        score = self.tcav(concept, k)
        return None if isinstance(score, str) else round(score.value, 4)

    def _table(self) -> Table:
        pairs = [(one, k) for one in self.concepts for k in self.classes]
        scored = {pair: score for pair in pairs if not isinstance(score := self.tcav(*pair), str)}
        alpha = 1 - self.context.level
        rejected = holm([one.p for one in scored.values()], alpha=alpha)
        nominated = dict(zip(scored, rejected, strict=True))
        rows = [
            self._row(one, k, scored.get((one, k)), nominated.get((one, k), False))
            for one, k in pairs
        ]
        rows.sort(key=lambda row: (_READINGS.index(str(row[2])), -abs(float(row[6] or 0))))
        return Table(
            title="What TCAV nominates (Holm), and what putting the concept in confirms",
            columns=[
                "concept", "class", "reading", "TCAV", "random vectors", "p", "effect", "low",
                "high",
            ],
            rows=rows,
            units={"share": ["TCAV", "random vectors"]},
        )  # fmt: skip

    def _row(self, concept: str, k: int, score: Score | None, nominated: bool) -> list[Scalar]:
        values = self.effect(concept, k)
        name = self.context.data.classes[k]
        seed = self.context.key("concepts", "effect", concept, name)
        mean, (low, high), _ = bounded_mean(values, seed=seed, level=self.context.level, low=-1.0)
        tcav: list[Scalar] = [None, None, None]
        if score is not None:
            tcav = [round(score.value, 3), round(score.random, 3), round(score.p, 4)]
        ends = [round(one, 4) for one in (mean, low, high)]
        reading = _reading(score if nominated else None, Interval(low, high))
        return [concept, name, reading, *tcav, *ends]


_READINGS = (
    "nominated, confirmed",
    "nominated the wrong way",
    "nominated, not confirmed",
    "moves it, not nominated",
    "neither",
)


def _reading(nominated: Score | None, effect: Interval) -> str:
    """Say what score and effect mean together."""
    confirmed, wrong, alone, moved, neither = _READINGS
    moves = effect.low > 0 or effect.high < 0
    if nominated is None:
        return moved if moves else neither
    if not moves:
        return alone
    return confirmed if (nominated.value > nominated.random) == (effect.low > 0) else wrong


def _means(rises: Floats) -> Floats:
    """Return the score of each vector; one without any slope says nothing, a half."""
    known = ~np.isnan(rises)
    counts = known.sum(axis=1)
    sums = np.where(known, rises, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), 0.5)


def _interval(rises: Floats, seed: int, level: float) -> tuple[Interval, str]:
    """Return the interval of a mean over vectors and inputs, both drawn anew, and its name."""
    if np.nanmin(rises) == np.nanmax(rises):  # then neither draw shows any spread
        alike = np.full(rises.shape[1], np.nanmax(rises))
        return bounded_mean(alike, seed=seed, level=level)[1:]
    rng = np.random.Generator(np.random.PCG64(seed))
    vectors = len(rises)

    def mean(rows: Ints) -> Floats:
        drawn = rng.integers(0, vectors, size=(len(rows), vectors))
        return np.nanmean(rises[drawn[:, :, None], rows[:, None, :]], axis=(1, 2))

    return bootstrap(mean, rises.shape[1], seed=seed, level=level), "bootstrap"


def _p(scores: Floats, random: Floats, seed: int) -> float:
    """Return p of "the concept's vectors score like random ones", two-sided, by permutation."""
    everything = np.concatenate([scores, random])
    count, n = len(scores), len(everything)
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = rng.random((PERMUTATIONS, n)).argpartition(count, axis=1)[:, :count]
    sums = everything[drawn].sum(axis=1)
    gaps = np.abs(sums / count - (everything.sum() - sums) / (n - count))
    return p_among(abs(float(scores.mean() - random.mean())), gaps)
