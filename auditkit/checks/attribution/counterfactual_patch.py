"""How little has to be removed before the model decides otherwise?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution._probes import key_for, probe_of
from auditkit.checks.attribution._removed_rows import removed_row
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.flips import median_flip
from auditkit.checks.galleries import galleries
from auditkit.checks.parameters import require_least
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Curve, Evidence, Finding, Metric, Note, Series
from auditkit.methods.saliency.counterfactual import (
    Margins,
    prefixes,
    pruned,
    small_set,
    smallest_square,
)
from auditkit.methods.saliency.probes.base import Probe
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.reference import REFERENCES, Reference
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.statistics import bounded_mean, clopper_pearson
from auditkit.types import Bools, Floats, Ints, Keys, Params

PURPOSE = "counterfactual-patch"
POINTS = 20  # of the curve
_ROUNDING = 1e-9  # of shares of parts


@final
@dataclass(frozen=True, kw_only=True)
class CounterfactualPatch(Check):
    """The smallest set of parts that can be found whose removal changes the predicted class.

    Parameters
    ----------
    max_inputs : int
        Inputs that are tried, drawn at random from all of them, at least 2.
    shares : tuple of float
        Shares of the parts of an input, ascending, within (0, 1]; the search ends at the last one.
    grid : int
        Images: cells along the longer side, at least 2. Texts are cut into tokens, rows into
        columns, graphs into nodes.
    reference : {"mean", "low", "middle", "high"}
        Images: what stands in for removed cells, the image's own mean colour or a fixed raw value.
        In texts it is the unknown token, in tables the median or most frequent value, in graphs a
        node is taken out.
    orders : int
        Random orders of removal beside the search, at least 2.
    max_parts : int
        Texts, rows and graphs: parts, at least 2. Of a longer text so many runs of neighbouring
        tokens, as long as each other, are the parts, since the search takes time with the square of
        their number; columns and nodes are joined in the same way.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="attribution",
        version=3,
        question="How little has to be removed before the model decides otherwise?",
        explanation=(
            "Parts of an input (cells of an image, tokens, columns, nodes; of long inputs runs of"
            " neighbours) are removed one by one, each time the one that costs the decision most,"
            " until the predicted class changes; then all that was not needed is put back. Images:"
            " every square of cells is tried too. Each set is checked by removing it. Beside it,"
            " parts are removed in random order."
        ),
        not_shown=(
            "The sets are minimal, not proved smallest: no single part of one can be put back, but"
            " another set with fewer parts may exist. Exact are sets of one part and, on the grid,"
            " squares. An input with parts removed is unlike any real one, so that a flip may show"
            " what the filling adds rather than what the part was worth: see how many sets flip"
            " with another filling. A small set is no flaw where little truly matters."
        ),
        remedy=(
            "Look at the sets. Where they lie beside the point, look for a shortcut. Where answers"
            " hang on one part that others could back up, train with parts removed at random"
            " (cutout, dropped words or columns)."
        ),
        metrics={
            "flip_rate": Metric(
                label="decisions that flip",
                definition=(
                    "Share of the tried inputs whose predicted class was changed by removing at"
                    " most this share of their parts: a lower bound, since other sets may exist."
                ),
                unit="share",
                better="lower",
            ),
            "random_flip_rate": Metric(
                label="decisions that flip by chance",
                definition=(
                    "Mean over the same inputs of the share of random orders of removal in which"
                    " the predicted class has changed at least once by then."
                ),
                unit="share",
                better="lower",
            ),
            "smallest_share": Metric(
                label="parts a decision hangs on",
                definition=(
                    "Median over the tried inputs of the smallest share of parts whose removal was"
                    " found to change the predicted class; infinite where nothing was found, and"
                    " undefined where that is so for half of them. The interval lies between order"
                    " statistics; an end that would be infinite is 1."
                ),
                unit="share of parts",
                better="higher",
            ),
            "smallest_square_share": Metric(
                label="square a decision hangs on",
                definition=(
                    "The same for one square of cells, exact on the grid: all positions and sizes"
                    " are tried. Images alone."
                ),
                unit="share of parts",
                better="higher",
            ),
            "same_size_flip_rate": Metric(
                label="flips by random sets of the same size",
                definition=(
                    "Mean over the inputs that flip of the share of random sets of parts, as many"
                    " as were found, whose removal changes the predicted class too. Near 1: any"
                    " parts will do, and the set says nothing."
                ),
                unit="share",
                better="lower",
            ),
            "random_only_share": Metric(
                label="found by chance alone",
                definition=(
                    "Share of the tried inputs on which a random order of removal flips the"
                    " decision with fewer parts than the search."
                ),
                unit="share",
                better="lower",
            ),
            "other_reference_rate": Metric(
                label="flips with another filling",
                definition=(
                    "Share of the found sets whose removal changes the predicted class also when"
                    " another filling stands in: middle grey, or the mean colour where that was"
                    " asked for. Images alone."
                ),
                unit="share",
                better="higher",
            ),
            "relevant_share": Metric(
                label="share of the set that truly matters",
                definition=(
                    "Mean over the inputs that flip, and whose region leaves something out, of the"
                    " share of the found set that lies inside what truly matters."
                ),
                unit="share",
                better="higher",
            ),
            "relevance_gain": Metric(
                label="gain of that share over chance",
                definition=(
                    "The same minus what parts drawn at random, of those that differ from their"
                    " filling, would have inside. 0 is chance."
                ),
                unit="share",
                better="higher",
            ),
        },
        headline=f"{PURPOSE}/flip_rate/all/*",
        references=(
            "Martens and Provost, 2014, MIS Quarterly 38(1), 73-99",
            "Dabkowski and Gal, 2017, arXiv:1705.07857 (smallest destroying region)",
            "Fong and Vedaldi, 2017, arXiv:1704.03296",
        ),
    )
    max_inputs: int = 64
    shares: tuple[float, ...] = (0.1, 0.25, 0.5)
    grid: int = 8
    reference: Reference = "mean"
    orders: int = 4
    max_parts: int = 100

    def __post_init__(self) -> None:
        require_least(self, max_inputs=2, grid=2, orders=2, max_parts=2)
        ascending = all(a < b for a, b in pairwise(self.shares))
        if not self.shares or not ascending or not 0 < self.shares[0] <= self.shares[-1] <= 1:
            raise ConfigError(
                f"{PURPOSE}: shares is {self.shares}, expected ascending numbers in (0, 1].",
                hint="Write for example shares = [0.1, 0.25, 0.5]",
            )
        if self.reference not in REFERENCES:
            raise ConfigError(
                f"{PURPOSE}: reference is {self.reference!r}, expected one of"
                f" {', '.join(REFERENCES)}.{near_miss(self.reference, REFERENCES)}"
            )

    def answers(self, n: int) -> float:
        """Return about how often parts are removed."""
        return 10 * min(self.grid**2, self.max_parts) * min(n, self.max_inputs)

    def measure(self, artifacts: Artifacts) -> Records:
        """Search on those of the shard's inputs that were drawn; all others are NaN."""
        drawn = artifacts.drawn(PURPOSE, self.max_inputs)
        rows = np.flatnonzero(drawn)
        truth = artifacts.data.relevance(artifacts.positions[rows])
        numbers = {name: np.full(len(artifacts), np.nan) for name in self._columns()}
        examples: list[Example] = []
        for place, i in enumerate(rows.tolist()):
            probe = probe_of(artifacts, i, grid=self.grid, reference=self.reference)
            if probe.units == 0:
                continue  # a text without tokens has nothing to remove
            part_of = _parts(probe, self.max_parts)
            found = self._search(probe, part_of, key_for(artifacts, PURPOSE, "orders", i))
            if found is None:
                continue
            relevant = None if truth is None else probe.relevant(truth[place])
            for name, value in self._numbers(probe, part_of, found, relevant).items():
                numbers[name][i] = value
            examples += _examples(artifacts, i, probe, part_of, found, relevant)
        return Records(artifacts.ids, examples=examples, drawn=drawn, **numbers)

    def _columns(self) -> list[str]:
        names = ["share", "square_share", "same_size", "other_reference", "inside", "chance"]
        return [*names, "joined", *(f"random_share/{k}" for k in range(self.orders))]

    def _search(self, probe: Probe, part_of: Ints, key: Keys) -> _Found | None:
        """Return the sets that flip one decision; None where the whole input has another class."""
        margins, total = _margins(probe, part_of), _count(part_of)
        if not margins(np.zeros((1, total), dtype=np.bool_))[0] >= 0:
            return None
        candidates = np.bincount(part_of, probe.differs()) > 0
        most = int(self.shares[-1] * total + _ROUNDING)
        square = _square(probe, margins, most)
        known = None if square is None else pruned(margins, square)
        limit = most if known is None else int(known.sum()) - 1
        smallest = small_set(margins, candidates, limit)
        parts = np.flatnonzero(candidates)
        orders = parts[uniform(key, (self.orders, len(parts)))[0].argsort(axis=1)]
        sets = prefixes(orders, total, min(most, len(parts)))
        flips = margins(sets.reshape(-1, total)).reshape(sets.shape[:2]) < 0
        return _Found(known if smallest is None else smallest, square, flips)

    def _numbers(
        self, probe: Probe, part_of: Ints, found: _Found, relevant: Bools | None
    ) -> dict[str, float]:
        size, total = _size(found.smallest), _count(part_of)
        numbers = {"share": size / total, "joined": float(total < probe.units)}
        if isinstance(probe, ImageProbe):
            numbers["square_share"] = _size(found.square) / total
        for k, flips in enumerate(found.random):
            first = flips.argmax() + 1 if flips.any() else np.inf
            numbers[f"random_share/{k}"] = float(first) / total
        if found.smallest is None:
            return numbers
        numbers["same_size"] = float(found.random[:, int(size) - 1].mean())
        if (other := probe.otherwise()) is not None:
            still = _margins(other, part_of)(found.smallest[None])[0] < 0
            numbers["other_reference"] = float(still)
        if relevant is not None and relevant.any() and not relevant.all():
            numbers["inside"] = _inside(probe, found.smallest[part_of], relevant)
            numbers["chance"] = _inside(probe, probe.differs(), relevant)
        return numbers

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count the decisions that flip within each share of the parts."""
        tried = records["drawn"] & ~np.isnan(records["share"])
        n = int(tried.sum())
        if n == 0:
            return NotApplicable("none of the drawn inputs has parts to remove")
        shares = records["share"][tried]  # (n,), infinite where nothing was found
        random = np.stack([records[f"random_share/{k}"][tried] for k in range(self.orders)])
        beaten = int((random.min(axis=0) < shares).sum())
        control = self.share("random_only_share", beaten, n=n, level=context.level)
        findings = [
            *self._flips(shares, random, control, context),
            self._median("smallest_share", shares, control, context),
        ]
        squares = records["square_share"][tried]
        if not np.isnan(squares).all():
            findings.append(self._median("smallest_square_share", squares, control, context))
        found = tried & np.isfinite(records["share"])
        findings += [*self._of_sets(records, found, context), control]
        evidence: dict[str, Evidence] = {"curve": self._curve(shares, squares, random, context)}
        if joined := int((records["joined"][tried] == 1).sum()):
            text = (
                f"{count(joined, 'input')} of {n:,} with more than {self.max_parts} tokens, columns"
                f" or nodes: there neighbours were joined to {self.max_parts} parts, and a share of"
                " parts is one of these (max_parts)."
            )
            evidence["joined"] = Note(title="Long inputs", text=text)
        evidence |= galleries(
            records,
            {
                "worst": "Decisions that hang on least",
                "random": "Drawn at random among those that flip",
            },
        )
        return Measured(findings=findings, evidence=evidence)

    def _flips(
        self, shares: Floats, random: Floats, control: Finding, context: Context
    ) -> list[Finding]:
        flips = [
            self.share(
                "flip_rate", _within(shares, share), n=len(shares), swept={"share": share},
                evidence=["curve"], controls=[control.id], level=context.level,
            )
            for share in self.shares
        ]  # fmt: skip
        by_chance = [
            self._mean(
                "random_flip_rate", (random <= share + _ROUNDING).mean(axis=0), context, share
            )
            for share in self.shares
        ]
        return [*flips, *by_chance]

    def _median(self, metric: str, shares: Floats, control: Finding, context: Context) -> Finding:
        most = f"{self.shares[-1]:g} of the parts"
        return median_flip(
            self, metric, shares, most=1.0, evidence=["curve"], controls=[control.id],
            why=f"half of the decisions or more did not flip within {most}", level=context.level,
        )  # fmt: skip

    def _of_sets(self, records: Records, found: Bools, context: Context) -> list[Finding]:
        """Return what the found sets are like: beside chance, another filling, and the truth."""
        if not found.any():
            return [self.undefined("same_size_flip_rate", "no decision flipped", n=0)]
        findings = [self._mean("same_size_flip_rate", records["same_size"][found], context)]
        other = _defined(records["other_reference"][found])
        if len(other):
            flipped = int(other.sum())
            findings.append(
                self.share("other_reference_rate", flipped, n=len(other), level=context.level)
            )
        inside, chance = (_defined(records[name][found]) for name in ("inside", "chance"))
        if len(inside):
            findings.append(self._mean("relevant_share", inside, context))
            findings.append(self._mean("relevance_gain", inside - chance, context))
        return findings

    def _mean(
        self, metric: str, values: Floats, context: Context, share: float | None = None
    ) -> Finding:
        swept = Params() if share is None else Params(share=share)
        lowest = -1.0 if metric == "relevance_gain" else 0.0
        value, interval, method = bounded_mean(
            values, seed=context.key(PURPOSE, metric, share), level=context.level, low=lowest
        )
        return self.value(
            metric, value, n=len(values), interval=interval, method=method,
            swept=swept, evidence=["curve"], level=context.level,
        )  # fmt: skip

    def _curve(self, shares: Floats, squares: Floats, random: Floats, context: Context) -> Curve:
        x = [round(self.shares[-1] * k / POINTS, 6) for k in range(POINTS + 1)]
        series = [_series("parts that were looked for", x, shares, context.level)]
        if not np.isnan(squares).all():
            series.append(_series("one square", x, squares, context.level))
        by_chance = [float((random <= one + _ROUNDING).mean()) for one in x]
        series.append(Series(name="parts in random order", x=x, y=list(by_chance)))
        return Curve(
            title="Decisions that flip as parts are removed",
            x_label="share of the parts that may go",
            y_label="share of decisions that flip",
            series=series,
        )


class _Found(NamedTuple):
    """What flips one decision of an input of p parts."""

    smallest: Bools | None  # (p,)
    square: Bools | None  # (p,)
    random: Bools  # (orders, sizes) whether the first 1, 2, ... parts of random orders do


def _parts(probe: Probe, most: int) -> Ints:
    """Return which part each unit (u,) belongs to: its own, or one of the runs of neighbours."""
    total = probe.units if isinstance(probe, ImageProbe) else min(probe.units, most)
    return np.arange(probe.units) * total // probe.units


def _count(part_of: Ints) -> int:
    return int(part_of[-1]) + 1


def _margins(probe: Probe, part_of: Ints) -> Margins:
    """Return what the predicted class is ahead by; undefined answers flip nothing."""

    def margins(removed: Bools) -> Floats:
        if len(removed) == 0:
            return np.zeros(0)
        logits = probe.without(removed[:, part_of]).double()
        own = logits[:, probe.target].clone()
        logits[:, probe.target] = -np.inf
        ahead = (own - logits.amax(dim=1)).numpy()
        return np.where(np.isnan(ahead), np.inf, ahead)

    return margins


def _square(probe: Probe, margins: Margins, most: int) -> Bools | None:
    if not isinstance(probe, ImageProbe):
        return None
    rows, columns = (-(-length // probe.side) for length in probe.shape)
    return smallest_square(margins, rows, columns, most)


def _size(removed: Bools | None) -> float:
    return np.inf if removed is None else float(removed.sum())


def _inside(probe: Probe, removed: Bools, relevant: Bools) -> float:
    """Return the mean over removed parts of the share that lies inside a region."""
    places = probe.spread(removed.astype(np.float64))  # a part's places share 1
    return float((places * relevant).sum() / removed.sum())


def _within(shares: Floats, most: float) -> int:
    return int((shares <= most + _ROUNDING).sum())


def _defined(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _series(name: str, x: Sequence[float], shares: Floats, level: float) -> Series:
    counts, n = [_within(shares, one) for one in x], len(shares)
    ends = [clopper_pearson(count, n, level=level) for count in counts]
    return Series(
        name=name,
        x=list(x),
        y=[count / n for count in counts],
        low=[one.low for one in ends],
        high=[one.high for one in ends],
    )


def _examples(
    artifacts: Artifacts,
    i: int,
    probe: Probe,
    part_of: Ints,
    found: _Found,
    relevant: Bools | None,
) -> list[Example]:
    if found.smallest is None:
        return []
    sets = {"the smallest set": found.smallest[part_of]}
    if found.square is not None and not np.array_equal(found.square, found.smallest):
        sets["the smallest square"] = found.square[part_of]
    row = removed_row(artifacts.ids[i], probe, sets, artifacts.classifier.classes, relevant)
    luck = float(uniform(key_for(artifacts, PURPOSE, "gallery", i), (1,))[0, 0])
    least = -float(found.smallest.mean())
    return [
        Example(gallery="worst", score=least, row=row),
        Example(gallery="random", score=luck, row=row),
    ]
