"""Does the explanation change while the answer does not?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.checks.attribution._drift_images import MAP_ATTACK, PGD, changes_of_image, probe_at
from auditkit.checks.attribution._drift_rows import image_row, text_row
from auditkit.checks.attribution._drift_texts import (
    TYPOS,
    changes_of_text,
    untouched_by_both,
    word_scores,
)
from auditkit.checks.attribution._probes import key_for, others_of, probe_of
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import galleries
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import (
    Bar,
    Bars,
    Evidence,
    Finding,
    ImageRow,
    Metric,
    Note,
    Selection,
    Table,
    TextRow,
)
from auditkit.methods.corruptions.catalogue import CORRUPTIONS, FEW
from auditkit.methods.corruptions.severity import SEVERITIES
from auditkit.methods.metrics.rank_correlation import rank_correlation
from auditkit.methods.metrics.top_overlap import top_overlap
from auditkit.methods.saliency.catalogue import METHODS, Effort, map_of, why_not
from auditkit.methods.saliency.exhibits import words
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.models.classifier import Classifier
from auditkit.percent import plain_percent
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.statistics import bounded_mean
from auditkit.types import Bools, Floats, Params, Scalar

PURPOSE = "attribution-drift"
_QUANTITIES = ("rank", "random_rank", "overlap", "random_overlap")


@final
@dataclass(frozen=True, kw_only=True)
class AttributionDrift(Check):
    """Maps before and after a change that leaves the answer as it is, beside a random change.

    Images: an attack on the map that keeps the predicted class, an attack on the class (PGD) where
    it failed, and corruptions. Texts: synonyms chosen to move the map and keep the predicted class,
    and typing mistakes. Every change has a twin of its size: of an image, the same change of every
    pixel with signs drawn at random; of a text, as many words replaced by synonyms drawn at random,
    or the mistyped words replaced by words of other texts.

    Parameters
    ----------
    max_inputs : int
        Inputs that are explained, drawn at random, at least 2.
    method : str
        The attribution method, one that `attribution-trust` can make. A model on which it cannot be
        used gets occlusion.
    epsilon : float
        Images: Linf radius of the attacks as a share of the range of a pixel, in (0, 1].
    steps : int
        Images: gradient steps of the attacks. Texts: synonyms that the attack tries for every word
        that it replaces. At least 1.
    words : int
        Texts: words that the attack replaces by synonyms, at most; at least 1.
    severity : int
        Of corruptions and typing mistakes, 1 to 5.
    kinds : tuple of str
        Images: corruptions to try; one of each kind unless more are asked for.
    top : float
        Share of the parts that count as the leading ones of a map, in (0, 1).
    grid : int
        Images: cells along the longer side, at least 2. Maps are compared cell by cell; those of
        texts by the words that were not changed.
    nodes : int
        Nodes of integrated gradients, at least 1.
    minimum_n : int
        Fewest inputs that keep their answer for a number to be given, at least 2.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        version=4,
        family="attribution",
        question="Does the explanation change while the answer does not?",
        explanation=(
            "Inputs are changed a little: images by an attack on the map that keeps the answer, by"
            " an attack on the answer that failed, and by mild corruptions; texts by synonyms"
            " chosen to move the map and keep the answer, and by typing mistakes. Where the"
            " predicted class stays, the maps before and after are compared, those of texts by the"
            " words that were left alone. Any change moves a map somewhat, so each is held against"
            " a random one of the same size on the same inputs: every pixel changed as much, up or"
            " down by chance; as many synonyms drawn at random; or the mistyped words replaced by"
            " others. What counts is how much more the map moves."
        ),
        not_shown=(
            "A map that holds still need not be right. One that moves may follow a model that"
            " really decides otherwise near by, with the same answer: whether map or model is"
            " fragile is not told apart. A synonym can change what a text says. Attacks find a way"
            " to move a map, perhaps not the farthest. Inputs whose answer changes are left out, so"
            " that the fewer stay, the less is said. Other methods' maps may move more or less."
        ),
        remedy=(
            "Do not rest a decision on one map: show how it moves under small changes, or average"
            " maps over noisy copies (SmoothGrad). Smooth activations and adversarial training make"
            " maps steadier."
        ),
        metrics={
            "excess_drift": Metric(
                label="drift beyond that of a random change",
                definition=(
                    "Mean, over inputs whose predicted class stays under both, of the rank"
                    " correlation of the map with itself after a random change of the same size,"
                    " minus that after the change. 0: the change moves the map as any does."
                ),
                unit="rank correlation",
                better="lower",
            ),
            "excess_top_loss": Metric(
                label="leading parts lost beyond a random change",
                definition=(
                    "Mean, over the same inputs, of the share of leading parts of the map that"
                    " still lead after a random change of the same size, minus that after the"
                    " change."
                ),
                unit="share",
                better="lower",
            ),
            "rank_correlation": Metric(
                label="similarity of the map after the change",
                definition=(
                    "Mean rank correlation between the scores of the parts before and after the"
                    " change, over the same inputs. 1: the same order."
                ),
                unit="rank correlation",
                better="higher",
            ),
            "top_overlap": Metric(
                label="leading parts kept",
                definition=(
                    "Mean share of the leading parts of the map that still lead after the change,"
                    " over the same inputs."
                ),
                unit="share",
                better="higher",
            ),
            "kept_answers": Metric(
                label="answers kept",
                definition=(
                    "Share of the explained inputs whose predicted class stays under the change and"
                    " under its random twin, of those that it changes at all."
                ),
                unit="share",
                better="neither",
            ),
        },
        headline="attribution-drift/excess_drift/*",
        modalities=("image", "text"),
        references=(
            "Ghorbani et al., 2019, arXiv:1710.10547",
            "Madry et al., 2018, arXiv:1706.06083",
            "Ivankay et al., 2022, arXiv:2206.03178",
            "Hendrycks and Dietterich, 2019, arXiv:1903.12261",
        ),
    )
    max_inputs: int = 32
    method: str = "integrated-gradients"
    epsilon: float = 0.01
    steps: int = 10
    words: int = 2
    severity: int = 1
    kinds: tuple[str, ...] = FEW
    top: float = 0.2
    grid: int = 8
    nodes: int = 16
    minimum_n: int = 10

    def __post_init__(self) -> None:
        require_least(self, max_inputs=2, steps=1, words=1, grid=2, nodes=1, minimum_n=2)
        if self.method not in METHODS:
            raise ConfigError(
                f"{PURPOSE}: there is no method {self.method!r}, expected one of"
                f" {', '.join(METHODS)}.{near_miss(self.method, METHODS)}"
            )
        if not 0 < self.epsilon <= 1:
            raise ConfigError(
                f"{PURPOSE}: epsilon is {self.epsilon}, expected a value in (0, 1].",
                hint="It is a share of the range of a pixel: 2/255 is 0.0078.",
            )
        if not 0 < self.top < 1:
            raise ConfigError(f"{PURPOSE}: top is {self.top}, expected a value in (0, 1).")
        if self.severity not in SEVERITIES:
            raise ConfigError(f"{PURPOSE}: severity is {self.severity}, expected 1 to 5.")
        for kind in self.kinds:
            if kind not in CORRUPTIONS:
                raise ConfigError(
                    f"{PURPOSE}: there is no corruption {kind!r}.{near_miss(kind, CORRUPTIONS)}",
                    hint=f"The corruptions are {', '.join(CORRUPTIONS)}.",
                )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Return why there is nothing to measure: no change of this model's inputs is asked for."""
        nothing = super().applies(model, data)
        if nothing is None and not self._changes(model):
            nothing = NotApplicable("no corruption is chosen, and attacks need gradients")
        return nothing

    def answers(self, n: int) -> float:
        """Return about what the maps before and after each change take."""
        return 1000 * min(n, self.max_inputs)

    def measure(self, artifacts: Artifacts) -> Records:
        """Change and explain those of the shard's inputs that were drawn; all others are NaN."""
        drawn = artifacts.drawn(PURPOSE, self.max_inputs)
        n, changes = len(artifacts), self._changes(artifacts.classifier)
        numbers = {f"{q}/{one}": np.full(n, np.nan) for q in _QUANTITIES for one in changes}
        flags = {f"{q}/{one}": np.zeros(n, dtype=np.bool_) for q in _FLAGS for one in changes}
        examples: list[Example] = []
        for i in np.flatnonzero(drawn).tolist():
            for found in self._compared(artifacts, i):
                flags[f"changed/{found.change}"][i] = True
                flags[f"kept/{found.change}"][i] = found.kept
                if found.kept:
                    numbers[f"rank/{found.change}"][i] = found.ranks[0]
                    numbers[f"overlap/{found.change}"][i] = found.overlaps[0]
                    numbers[f"random_rank/{found.change}"][i] = found.ranks[1]
                    numbers[f"random_overlap/{found.change}"][i] = found.overlaps[1]
                    if found.change == changes[0] and found.row is not None:
                        examples += _examples(artifacts, i, found.ranks[0], found.row)
        used = np.full(n, self._used(artifacts.classifier))
        return Records(
            artifacts.ids, examples=examples, drawn=drawn, method_used=used, **numbers, **flags
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Average over the inputs that keep their answer, change by change."""
        changes = [one.removeprefix("kept/") for one in records.columns if one.startswith("kept/")]
        evidence = self._evidence(records, changes, context)
        shown = [one for one in ("drift", "table", "worst", "random") if one in evidence]
        findings = [
            one for change in changes for one in self._findings(records, change, context, shown)
        ]
        return Measured(findings=findings, evidence=evidence, headline=findings[0].id)

    def _changes(self, model: Classifier) -> tuple[str, ...]:
        if model.modality == "text":
            return (MAP_ATTACK, TYPOS)
        return (*((MAP_ATTACK, PGD) if model.differentiable else ()), *self.kinds)

    def _used(self, model: Classifier) -> str:
        return "occlusion" if why_not(self.method, model) else self.method

    # --- one input ---------------------------------------------------------------------------

    def _compared(self, artifacts: Artifacts, i: int) -> Iterator[_Compared]:
        if artifacts.classifier.modality == "text":
            yield from self._of_text(artifacts, i)
        else:
            yield from self._of_image(artifacts, i)

    def _of_image(self, artifacts: Artifacts, i: int) -> Iterator[_Compared]:
        probe = probe_of(artifacts, i, grid=self.grid)
        assert isinstance(probe, ImageProbe)
        method, effort = self._used(probe.model), self._effort(artifacts, i)
        before = map_of(probe, method, effort)
        scores = probe.per_unit(before.scores)
        if not _has_order(scores):
            return
        for pair in changes_of_image(
            artifacts, i, probe, scores, method=method, epsilon=self.epsilon, steps=self.steps,
            severity=self.severity, top=self.top, kinds=self._changes(probe.model),
        ):  # fmt: skip
            answers = probe.model.predict(torch.stack([pair.changed, pair.twin])).argmax(dim=1)
            if bool((answers != probe.target).any()):
                yield _Compared(pair.change, kept=False)
                continue
            probes = [probe, *(probe_at(probe, one) for one in (pair.changed, pair.twin))]
            maps = [before, *(map_of(one, method, effort) for one in probes[1:])]
            after = [one.per_unit(found.scores) for one, found in zip(probes, maps, strict=True)]
            alike = self._alike(pair.change, scores, after[1:])
            yield alike._replace(row=image_row(artifacts, i, probes, maps, alike.ranks))

    def _of_text(self, artifacts: Artifacts, i: int) -> Iterator[_Compared]:
        probe = probe_of(artifacts, i, grid=self.grid)
        assert isinstance(probe, TextProbe)
        if not probe.units:
            return  # a text without tokens has nothing to explain
        method, effort = self._used(probe.model), self._effort(artifacts, i)
        for pair in changes_of_text(
            artifacts, i, probe, method=method, effort=effort, words=self.words, tries=self.steps,
            severity=self.severity,
        ):  # fmt: skip
            answers = probe.model.predict([pair.changed.text, pair.twin.text]).argmax(dim=1)
            if bool((answers != probe.target).any()):
                yield _Compared(pair.change, kept=False)
                continue
            probes = [probe, *(replace(probe, text=one.text) for one in pair[1:])]
            maps = [map_of(one, method, effort) for one in probes]
            places = untouched_by_both(probe.text, pair.changed, pair.twin)
            scores = np.stack(
                [
                    word_scores(one, found.scores, spans)
                    for one, found, spans in zip(probes, maps, places, strict=True)
                ]
            )
            seen = np.isfinite(scores).all(axis=0)  # beyond the model's length nothing is explained
            first, *rest = scores[:, seen]
            alike = self._alike(pair.change, first, rest)
            yield alike._replace(
                row=text_row(artifacts, i, probes, maps, alike.ranks, pair.changed)
            )

    def _alike(self, change: str, before: Floats, after: Sequence[Floats]) -> _Compared:
        return _Compared(
            change,
            kept=True,
            ranks=tuple(rank_correlation(before, one) if len(one) > 1 else np.nan for one in after),
            overlaps=tuple(top_overlap(before, one, self.top) for one in after),
        )

    def _effort(self, artifacts: Artifacts, i: int) -> Effort:
        references = others_of(artifacts, PURPOSE) if self.method == "expected-gradients" else None
        key = key_for(artifacts, PURPOSE, "method", i)
        return Effort(steps=self.nodes, copies=16, sets=200, key=key, references=references)

    # --- all inputs --------------------------------------------------------------------------

    def _findings(
        self, records: Records, change: str, context: Context, shown: Sequence[str]
    ) -> list[Finding]:
        swept: Params = {"change": change}
        seen = _seen(records, change)
        tried, n = records.count(f"changed/{change}"), int(seen.sum())
        findings: list[Finding] = []
        for metric, values in _values(records, change).items():
            if n < self.minimum_n:
                why = (
                    f"only {n} of {count(records.count('drawn'), 'explained input')} with the"
                    f" answer kept and a map with an order, fewer than {self.minimum_n} (minimum_n)"
                )
                findings.append(self.undefined(metric, why, n=n, swept=swept))
                continue
            seed = context.key(PURPOSE, metric, change)
            value, interval, method = bounded_mean(
                values[seen], seed=seed, level=context.level, **_RANGES[metric]
            )
            findings.append(
                self.value(
                    metric, value, n=n, interval=interval, method=method,
                    swept=swept, evidence=shown, level=context.level,
                )
            )  # fmt: skip
        kept = records.count(f"kept/{change}")
        findings.append(self.share("kept_answers", kept, n=tried, swept=swept, level=context.level))
        return findings

    def _evidence(
        self, records: Records, changes: Sequence[str], context: Context
    ) -> dict[str, Evidence]:
        bars = [
            Bar(label=label, value=mean, low=low, high=high, n=n)
            for change in changes
            for label, n, mean, low, high in self._bars(records, change, context)
        ]
        used = words(str(records["method_used"][0]))
        unit = "words that were not changed" if TYPOS in changes else "cells of the image"
        evidence: dict[str, Evidence] = {
            "drift": Bars(
                title=f"How much of the map ({used}) stays where the answer stays",
                value_label="mean rank correlation with the map before",
                bars=bars,
            ),
            "table": self._table(records, changes),
            "reading": Note(title="How to read this", text=self._reading(used, unit, changes)),
        }
        titles: dict[Selection, str] = {
            "worst": f"Maps that moved most, with the answer kept ({_label(changes[0])})",
            "random": f"Maps before and after, drawn at random ({_label(changes[0])})",
        }
        return evidence | galleries(records, titles)

    def _bars(
        self, records: Records, change: str, context: Context
    ) -> Iterator[tuple[str, int, float | None, float | None, float | None]]:
        seen = _seen(records, change)
        n = int(seen.sum())
        for name, label in (("rank", _label(change)), ("random_rank", "its random twin")):
            values = records[f"{name}/{change}"][seen]
            if n < self.minimum_n:
                yield label, n, None, None, None
                continue
            seed = context.key(PURPOSE, name, change)
            mean, (low, high), _ = bounded_mean(values, seed=seed, level=context.level, low=-1.0)
            yield label, n, mean, low, high

    def _table(self, records: Records, changes: Sequence[str]) -> Table:
        rows: list[list[Scalar]] = []
        for change in changes:
            seen = _seen(records, change)
            means = [
                round(float(records[f"{q}/{change}"][seen].mean()), 4) if seen.any() else None
                for q in _QUANTITIES
            ]
            kept, tried = (records.count(f"{q}/{change}") for q in ("kept", "changed"))
            rows.append([_label(change), tried, kept, int(seen.sum()), *means])
        return Table(
            title="Maps after each change, beside its twin: a random change of the same size",
            columns=[
                "change", "inputs", "answer kept", "maps", "rank correlation", "of the twin",
                "leading parts kept", "by the twin",
            ],
            rows=rows,
            units={"share": ["leading parts kept", "by the twin"]},
        )  # fmt: skip

    def _reading(self, used: str, unit: str, changes: Sequence[str]) -> str:
        said = (
            f"Maps of {used}, compared by the {unit}; the highest {plain_percent(self.top)} lead."
        )
        if used != words(self.method):
            said += f" The model cannot be explained by {words(self.method)}."
        if TYPOS in changes:
            return (
                f"{said} The map attack replaces at most {self.words} words by synonyms of the list"
                f" that comes with auditkit, of {self.steps} tried for each; a text without such"
                " words is not attacked. Typing mistakes have"
                f" severity {self.severity}."
            )
        if MAP_ATTACK in changes:
            looked_at = (
                "integrated gradients of a smoothed copy of the network"
                if METHODS[self.method].gradients
                else "what each cell is worth when it is removed"
            )
            said += (
                f" Attacks change no pixel by more than {self.epsilon:g} of its range, in"
                f" {self.steps} steps. The map attack lowers the leading parts' share of"
                f" {looked_at}; the failed attack is PGD on the answer, where it failed."
            )
        return f"{said} Corruptions have severity {self.severity}."


_FLAGS = ("changed", "kept")


class _Compared(NamedTuple):
    """What a change and its random twin do to one map."""

    change: str
    kept: bool  # whether both leave the answer
    ranks: tuple[float, ...] = ()
    overlaps: tuple[float, ...] = ()
    row: ImageRow | TextRow | None = None


def _seen(records: Records, change: str) -> Bools:
    """Return which inputs (n,) can be compared under a change and its twin."""
    columns = [np.isfinite(records[f"{one}/{change}"]) for one in _QUANTITIES]
    return np.asarray(np.logical_and.reduce(columns), dtype=np.bool_)


def _values(records: Records, change: str) -> dict[str, Floats]:
    rank, random_rank, overlap, random_overlap = (records[f"{one}/{change}"] for one in _QUANTITIES)
    return {
        "excess_drift": random_rank - rank,
        "excess_top_loss": random_overlap - overlap,
        "rank_correlation": rank,
        "top_overlap": overlap,
    }


_RANGES = {  # of one input's number
    "excess_drift": {"low": -2.0, "high": 2.0},
    "excess_top_loss": {"low": -1.0},
    "rank_correlation": {"low": -1.0},
    "top_overlap": {"low": 0.0},
}


def _has_order(scores: Floats) -> bool:
    return bool(np.isfinite(scores).all() and np.ptp(scores) > 0)


def _label(change: str) -> str:
    names = {MAP_ATTACK: "map attack", PGD: "failed attack", TYPOS: "typos"}
    return names.get(change, words(change))


def _examples(
    artifacts: Artifacts, i: int, rank: float, row: ImageRow | TextRow
) -> Iterator[Example]:
    yield Example(
        gallery="random",
        score=float(uniform(key_for(artifacts, PURPOSE, "gallery", i), (1,))[0, 0]),
        row=row,
    )
    if np.isfinite(rank):
        yield Example(gallery="worst", score=-rank, row=row)
