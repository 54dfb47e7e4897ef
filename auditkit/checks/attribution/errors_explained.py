"""What does the model look at where it is wrong, and surest of it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.attribution._attacked_input import Attack
from auditkit.checks.attribution._probes import key_for, others_of, probe_of
from auditkit.checks.base import (
    GALLERY_SIZE,
    Check,
    Context,
    Example,
    Measured,
    Meta,
    Records,
)
from auditkit.checks.galleries import exhibit, galleries
from auditkit.checks.parameters import require_least
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import (
    Bar,
    Bars,
    Evidence,
    Finding,
    ImageRow,
    Metric,
    Note,
    Panel,
    Selection,
    TextRow,
)
from auditkit.methods.metrics.localisation import relevance_mass
from auditkit.methods.metrics.map_entropy import map_entropy
from auditkit.methods.pictures import heatmap, picture
from auditkit.methods.saliency.catalogue import METHODS, Effort, map_of, why_not
from auditkit.methods.saliency.exhibits import before_and_after, words, words_row
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.methods.saliency.probes.image import ImageProbe
from auditkit.models.classifier import Classifier
from auditkit.percent import percent
from auditkit.randomness import keys_of, uniform
from auditkit.statistics import Interval, bootstrap, bounded_mean, clopper_pearson
from auditkit.types import Bools, Floats, Ints

PURPOSE = "errors-explained"
_BARS = 10  # of the chart of confidence
_TITLES: dict[Selection, str] = {
    "worst": "The most confident mistakes",
    "random": "Correct answers, drawn at random",
    "boundary": "Where two classes are nearly alike",
}


@final
@dataclass(frozen=True, kw_only=True)
class ErrorsExplained(Check):
    """Maps of wrong answers beside maps of right ones, to look at and as numbers.

    Parameters
    ----------
    max_inputs : int
        Right and wrong answers that are explained, each, at least 2; drawn at random.
    pool : int
        Inputs that are looked through for them and for the galleries, at least 10.
    method : str
        The attribution method, one that `attribution-trust` can make. A model on which it cannot be
        used gets occlusion.
    top : float
        Share of the inputs that count as the surest, in (0, 1].
    epsilon : float
        Images: Linf radius of the attack that makes adversarial pairs, as a share of the range of a
        pixel, in (0, 1].
    steps : int
        Images and tables: its gradient steps, at least 1.
    changes : int
        Texts, tables and graphs: words (by synonyms or mistyped), columns or edges that the attack
        may change, at least 1.
    grid : int
        Images: cells along the longer side, at least 2.
    nodes : int
        Nodes of integrated gradients, at least 1.
    minimum_n : int
        Fewest right and wrong answers, each, for numbers about their maps, at least 2.

    Raises
    ------
    ConfigError
        If a parameter lies outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="attribution",
        version=2,
        question="What does the model look at where it is wrong, and surest of it?",
        explanation=(
            "Galleries show, with maps, the most confident mistakes, right answers drawn at random,"
            " inputs between two classes, and right answers beside the same input after a small"
            " attack that made them wrong: all pixels a little, or a few words, columns or edges."
            " Numbers say how often the surest answers are wrong, and whether maps of wrong answers"
            " are more scattered, or lie less on what truly matters, than maps of right ones."
        ),
        not_shown=(
            "A map of a mistake shows what spoke for the wrong class, not why it was learned, and"
            " not that another look would have been right. A label may be wrong, not the answer."
            " Maps can be unfaithful: see `attribution-trust`. Galleries are a handful of inputs"
            " and prove nothing. A difference between maps of right and wrong answers may come from"
            " harder inputs. Pairs show attacks that worked; how often they do is measured by"
            " `worst-case`, `token-swap`, `feature-changes` and `edge-flips`."
        ),
        remedy=(
            "Look through the confident mistakes first: correct wrong labels, collect inputs like"
            " them, and where their maps lie beside the point look for a shortcut. If the surest"
            " answers are often wrong, do not act on confidence before it is calibrated."
        ),
        metrics={
            "confident_errors": Metric(
                label="wrong among the surest",
                definition=(
                    "Share of wrong answers among the inputs of highest confidence, a tenth of all"
                    " unless `top` says otherwise."
                ),
                unit="share",
                better="lower",
            ),
            "wrong_answers": Metric(
                label="wrong answers",
                definition="Share of wrong answers among all inputs.",
                unit="share",
                better="lower",
            ),
            "map_entropy": Metric(
                label="entropy of the map",
                definition=(
                    "Mean over the explained inputs of the entropy of the absolute scores over the"
                    " parts, as a share of the largest possible: 0 where one part has them all, 1"
                    " where all parts are alike."
                ),
                unit="share",
                better="neither",
            ),
            "map_entropy_difference": Metric(
                label="entropy of maps of wrong answers beyond right ones",
                definition="Mean entropy of maps of wrong answers minus that of right answers.",
                unit="share",
                better="neither",
            ),
            "relevance_mass": Metric(
                label="mass on what matters",
                definition=(
                    "Mean over the explained inputs of the share of absolute scores on what truly"
                    " matters, where that is known and leaves something out."
                ),
                unit="share",
                better="higher",
            ),
            "relevance_mass_difference": Metric(
                label="mass on what matters, right beyond wrong answers",
                definition=(
                    "Mean share of absolute scores on what truly matters in maps of right answers"
                    " minus that in maps of wrong ones. Above 0: mistakes look beside the point."
                ),
                unit="share",
                better="neither",
            ),
        },
        headline="errors-explained/confident_errors/all",
        modalities=("image", "text", "tabular", "graph"),
        references=(
            "Bhatt et al., 2020, arXiv:2005.00631",
            "Hendrycks and Gimpel, 2017, arXiv:1610.02136",
            "Madry et al., 2018, arXiv:1706.06083",
        ),
    )
    max_inputs: int = 32
    pool: int = 2000
    method: str = "integrated-gradients"
    top: float = 0.1
    epsilon: float = 0.02
    steps: int = 10
    changes: int = 3
    grid: int = 8
    nodes: int = 16
    minimum_n: int = 10

    def __post_init__(self) -> None:
        require_least(self, max_inputs=2, pool=10, steps=1, changes=1, grid=2, nodes=1, minimum_n=2)
        for name in ("top", "epsilon"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(
                    f"{PURPOSE}: {name} is {getattr(self, name)}, expected a value in (0, 1]."
                )
        if self.method not in METHODS:
            raise ConfigError(
                f"{PURPOSE}: there is no method {self.method!r}, expected one of"
                f" {', '.join(METHODS)}.{near_miss(self.method, METHODS)}"
            )

    def measure(self, artifacts: Artifacts) -> Records:
        """Explain those of the shard's inputs that were chosen; all other maps are NaN."""
        clean, chosen = (
            artifacts[Predictions],
            artifacts.once(self, lambda: self._chosen(artifacts)),
        )
        n = len(artifacts)
        entropy, mass = np.full(n, np.nan), np.full(n, np.nan)
        explained = np.array([one in chosen.explained for one in artifacts.ids], dtype=np.bool_)
        examples: list[Example] = []
        for i in np.flatnonzero([one in chosen.all for one in artifacts.ids]).tolist():
            probe = probe_of(artifacts, i, grid=self.grid)
            if 0 in probe.shape:
                continue  # a text without tokens has nothing to explain
            seen = self._explain(artifacts, i, probe)
            if explained[i]:
                entropy[i] = map_entropy(probe.per_unit(seen.map.scores))
                if seen.relevant is not None:
                    mass[i] = _mass(seen.map.scores, seen.relevant)
            examples += self._examples(artifacts, i, seen, chosen)
        return Records(
            artifacts.ids,
            examples=examples,
            correct=clean.correct.numpy(),
            confidence=clean.confidence.numpy().astype(np.float64),
            explained=explained,
            truth_known=np.full(n, artifacts.data.relevance(artifacts.positions[:1]) is not None),
            map_entropy=entropy,
            relevance_mass=mass,
            method_used=np.full(n, self._used(artifacts.classifier)),
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Count confident mistakes, and hold maps of wrong answers against those of right ones."""
        evidence = self._evidence(records, context)
        wrong, n = ~records["correct"], len(records)
        surest = _by_confidence(records)[: max(1, round(self.top * n))]
        shown = [one for one in ("confidence", "worst") if one in evidence]
        findings = [
            self.share(
                "confident_errors", int(wrong[surest].sum()), n=len(surest), evidence=shown,
                level=context.level,
            ),
            self.share("wrong_answers", int(wrong.sum()), n=n, level=context.level),
            *self._of_maps("map_entropy", records, context),
        ]  # fmt: skip
        if records["truth_known"].any():
            findings += self._of_maps("relevance_mass", records, context)
        return Measured(findings=findings, evidence=evidence, headline=findings[0].id)

    # --- which inputs, and their maps --------------------------------------------------------

    def _used(self, model: Classifier) -> str:
        return "occlusion" if why_not(self.method, model) else self.method

    def _chosen(self, artifacts: Artifacts) -> _Chosen:
        pool = artifacts.sample(PURPOSE, self.pool)
        clean, keys = pool[Predictions], keys_of(artifacts.seed, f"{PURPOSE} order", pool.ids)
        correct = clean.correct.numpy()
        first, second = clean.logits.softmax(dim=1).topk(2, dim=1).values.T.numpy()
        order = np.argsort(keys, kind="stable")
        right, wrong = order[correct[order]], order[~correct[order]]
        shown: dict[str, tuple[Ints, Floats]] = {
            "worst": (np.flatnonzero(~correct), first),
            "random": (right[:GALLERY_SIZE], uniform(keys, ())),
            "boundary": (np.arange(len(pool)), second - first),
        }
        return _Chosen(
            explained=_ids(pool, [*right[: self.max_inputs], *wrong[: self.max_inputs]]),
            attacked=_ids(pool, right[: 2 * GALLERY_SIZE].tolist()),
            shown={
                name: {
                    pool.ids[i]: float(score[i])
                    for i in sorted(rows.tolist(), key=lambda i: (-score[i], pool.ids[i]))[
                        :GALLERY_SIZE
                    ]
                }
                for name, (rows, score) in shown.items()
            },
        )

    def _explain(self, artifacts: Artifacts, i: int, probe: Probe) -> _Seen:
        truth = artifacts.data.relevance(artifacts.positions[i : i + 1])
        relevant = None if truth is None else probe.relevant(truth[0])
        return _Seen(probe, self._map(artifacts, i, probe), relevant)

    def _map(self, artifacts: Artifacts, i: int, probe: Probe) -> Map:
        references = others_of(artifacts, PURPOSE) if self.method == "expected-gradients" else None
        key = key_for(artifacts, PURPOSE, "method", i)
        effort = Effort(steps=self.nodes, copies=16, sets=200, key=key, references=references)
        return map_of(probe, self._used(artifacts.classifier), effort)

    # --- what is shown -----------------------------------------------------------------------

    def _examples(
        self, artifacts: Artifacts, i: int, seen: _Seen, chosen: _Chosen
    ) -> list[Example]:
        here = artifacts.ids[i]
        scores = {name: rows[here] for name, rows in chosen.shown.items() if here in rows}
        examples: list[Example] = []
        if scores:
            row = self._row(artifacts, i, seen)
            examples = [Example(gallery=name, score=one, row=row) for name, one in scores.items()]
        if here in chosen.attacked and (pair := self._pair(artifacts, i, seen)):
            luck = float(uniform(keys_of(artifacts.seed, f"{PURPOSE} pair", [here]), ())[0])
            examples.append(Example(gallery="adversarial", score=luck, row=pair))
        return examples

    def _row(self, artifacts: Artifacts, i: int, seen: _Seen) -> ImageRow | TextRow:
        """Return the input with its map; of a mistake in an image, that for the label, too."""
        caption, classes = _caption(artifacts, i), artifacts.classifier.classes
        label, probe = int(artifacts.labels[i]), seen.probe
        if not isinstance(probe, ImageProbe):
            return words_row(artifacts.ids[i], caption, probe, seen.map, seen.relevant)
        panels = [*_panels(probe, seen.map, "input")]
        if label != probe.target and label < len(classes):
            other = replace(probe, target=label)
            panels += _panels(other, self._map(artifacts, i, other), None)
        if seen.relevant is not None:
            region = torch.from_numpy(seen.relevant.astype(np.float64))
            panels.append(heatmap(region, "what truly matters", signed=False))
        return ImageRow(id=artifacts.ids[i], caption=caption, panels=panels)

    def _pair(self, artifacts: Artifacts, i: int, seen: _Seen) -> ImageRow | TextRow | None:
        """Return an input and the same after an attack, with both maps; None where it held."""
        attack = Attack(epsilon=self.epsilon, steps=self.steps, changes=self.changes)
        found = attack.on(artifacts, i, seen.probe)
        if found is None:
            return None
        after = found.probe
        none = np.zeros((1, after.units), dtype=np.bool_)
        answer = artifacts.classifier.classes[after.target]
        caption = (
            f"{_caption(artifacts, i)} After {found.did}: {answer}"
            f" ({percent(float(after.probabilities(none)[0]), 0)})."
        )
        found_map = self._map(artifacts, i, after)
        if isinstance(seen.probe, ImageProbe) and isinstance(after, ImageProbe):
            panels = [
                *_panels(seen.probe, seen.map, "input"),
                *_panels(after, found_map, "attacked"),
            ]
            return ImageRow(id=artifacts.ids[i], caption=caption, panels=panels)
        probes, maps = (seen.probe, after), (seen.map, found_map)
        return before_and_after(artifacts.ids[i], caption, probes, maps, found.was)

    # --- all inputs --------------------------------------------------------------------------

    def _of_maps(self, metric: str, records: Records, context: Context) -> list[Finding]:
        """Return the mean of right and of wrong answers, and their difference."""
        values, correct = records[metric], records["correct"]
        known = np.isfinite(values)
        parts = {"right": values[known & correct], "wrong": values[known & ~correct]}
        level = context.level
        findings: list[Finding] = []
        for answer, some in parts.items():
            where = f"answer={answer}"
            if len(some) < self.minimum_n:
                findings.append(
                    self.undefined(metric, self._why(parts), n=len(some), slice_name=where)
                )
                continue
            seed = context.key(PURPOSE, metric, answer)
            value, interval, method = bounded_mean(some, seed=seed, level=level)
            findings.append(
                self.value(
                    metric, value, n=len(some), slice_name=where, level=level,
                    interval=interval, method=method,
                )
            )  # fmt: skip
        return [*findings, self._difference(metric, parts, context)]

    def _difference(self, metric: str, parts: Mapping[str, Floats], context: Context) -> Finding:
        name, level = f"{metric}_difference", context.level
        right, wrong = parts["right"], parts["wrong"]
        n = len(right) + len(wrong)
        if min(len(right), len(wrong)) < self.minimum_n:
            return self.undefined(name, self._why(parts), n=n)
        sign = 1 if metric == "relevance_mass" else -1  # right less wrong, or wrong less right
        both, first = np.concatenate([right, wrong]), len(right)

        def difference(rows: Ints) -> Floats:
            drawn = both[rows]
            return sign * (drawn[:, :first].mean(axis=1) - drawn[:, first:].mean(axis=1))

        interval = bootstrap(
            difference, n, seed=context.key(PURPOSE, name), level=level,
            strata=np.repeat([0, 1], [first, len(wrong)]),
        )  # fmt: skip
        method = "bootstrap"
        if interval.low == interval.high:  # neither part has any spread: both intervals at once
            more, less = (right, wrong) if sign == 1 else (wrong, right)
            above, below = (
                bounded_mean(one, seed=0, level=(1 + level) / 2)[1] for one in (more, less)
            )
            interval = Interval(above.low - below.high, above.high - below.low)
            method = "simultaneous"
        value = sign * float(right.mean() - wrong.mean())
        return self.value(name, value, n=n, interval=interval, method=method, level=level)

    def _why(self, parts: Mapping[str, Floats]) -> str:
        counts = " and ".join(f"{len(some)} {answer}" for answer, some in parts.items())
        return (
            f"answers with a map that can be judged: {counts}, and {self.minimum_n} of either"
            " are needed (minimum_n)"
        )

    def _evidence(self, records: Records, context: Context) -> dict[str, Evidence]:
        used = words(str(records["method_used"][0]))
        reading = (
            f"Maps of {used}. Every map has a scale of its own. Galleries are chosen among up to"
            f" {self.pool:,} inputs drawn at random."
        )
        evidence: dict[str, Evidence] = {
            "confidence": _confidence(records, context.level),
            "reading": Note(title="How to read the galleries", text=reading),
        }
        evidence |= galleries(records, _TITLES)
        if rows := records.gallery("adversarial"):
            title = "Right answers, and the same inputs after an attack made them wrong"
            evidence["adversarial"] = exhibit(title, "random", rows)
        return evidence


class _Chosen(NamedTuple):
    """Which inputs of the sample are explained, shown, or attacked, by id."""

    explained: frozenset[str]
    attacked: frozenset[str]
    shown: Mapping[str, Mapping[str, float]]  # per gallery the score of each input

    @property
    def all(self) -> frozenset[str]:
        """Those that need a map."""
        return self.explained.union(self.attacked, *self.shown.values())


class _Seen(NamedTuple):
    """One input with its map, and what truly matters in it where that is known."""

    probe: Probe
    map: Map
    relevant: Bools | None


def _ids(pool: Artifacts, rows: Sequence[int]) -> frozenset[str]:
    return frozenset(pool.ids[i] for i in rows)


def _mass(scores: Floats, relevant: Bools) -> float:
    return relevance_mass(scores, relevant) if np.isfinite(scores).all() else float("nan")


def _panels(probe: ImageProbe, found: Map, label: str | None) -> list[Panel]:
    """Return an image, where it has a label to be shown by, and the map for the probe's class."""
    shown: list[Panel] = [] if label is None else [picture(probe.image, probe.model.bounds, label)]
    name = f"for {probe.model.classes[probe.target]}"
    return [*shown, heatmap(torch.from_numpy(found.scores), name, signed=found.signed)]


def _caption(artifacts: Artifacts, i: int) -> str:
    clean = artifacts[Predictions]
    answer = artifacts.classifier.classes[int(clean.predicted[i])]
    label = artifacts.data.classes[int(artifacts.labels[i])]
    return f"Answer: {answer} ({percent(float(clean.confidence[i]), 0)}); label: {label}."


def _by_confidence(records: Records) -> Ints:
    """Return the inputs (n,) from the surest on; equally sure ones by their id."""
    return np.lexsort((np.array(records.ids), -records["confidence"]))


def _confidence(records: Records, level: float) -> Bars:
    """Return the share of wrong answers in equal parts of the inputs, the surest first."""
    wrong, confidence = ~records["correct"], records["confidence"]
    bars: list[Bar] = []
    for part in np.array_split(_by_confidence(records), min(_BARS, len(records))):
        count, n = int(wrong[part].sum()), len(part)
        low, high = clopper_pearson(count, n, level=level)
        label = f"from {percent(confidence[part].min())}"
        bars.append(Bar(label=label, value=count / n, low=low, high=high, n=n))
    return Bars(
        title="Wrong answers by confidence, in equal parts from the surest on",
        value_label="share of wrong answers",
        bars=bars,
    )
