"""Do predictions survive a few edges put into a graph or taken out of it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import answer, galleries, shown
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ZERO_GRADIENT_SHARE,
    at_the_middle_budget,
    robustness,
    robustness_curve,
    stepwise_scores,
    zero_gradients,
)
from auditkit.checks.shift._graded import mean_error
from auditkit.findings import Finding, Metric, TextRow, Token
from auditkit.methods.attacks.active_set import misclassified
from auditkit.methods.attacks.edge_flips import (
    EdgeFlips as Search,
)
from auditkit.methods.attacks.edge_flips import (
    Pairs,
    pairs_of,
    random_flips,
    rewired,
)
from auditkit.models.graphs import GraphClassifier
from auditkit.randomness import uniform
from auditkit.statistics import Interval, mean_minus_share
from auditkit.types import Bools, Floats, Params

DRAWS = 16  # of random flips per graph


@final
@dataclass(frozen=True, kw_only=True)
class EdgeFlips(Check):
    """Robust accuracy when an attacker may put in or take out a few edges of a graph.

    An upper bound on true robustness to such changes; exact for graphs of which every set of so
    many edges was tried.

    Parameters
    ----------
    max_flips : int
        Edges that may be put in or taken out; every number from 1 to this is reported.
    beam : int
        Versions of a graph that the search follows; 1 is a greedy search.
    queries : int
        Flips tried per version and round, the most promising first.
    exact : int
        Where there are at most so many sets of edges of one size, all are tried; 0 for never.

    Raises
    ------
    ConfigError
        If a parameter is out of its range.

    References
    ----------
    Dai et al., 2018, arXiv:1806.02371.
    """

    meta: ClassVar[Meta] = Meta(
        id="edge-flips",
        family="robustness",
        question="Do predictions survive a few edges put into a graph or taken out of it?",
        explanation="An attacker puts in or takes out one edge after another. The gradient by the"
        " edges ranks the pairs of nodes, where there is one; the most promising are tried, and the"
        " versions that hurt most are followed. Where there are few enough sets of edges, all are"
        " tried, and the answer is exact. Random flips of the same number are the control. A graph"
        " that falls with few flips counts as fallen with more.",
        not_shown="Whether a changed graph can exist, or means the same: of a molecule, valences"
        " and chemistry are not respected, and taking out a bond may make another substance, whose"
        " true class nobody knows. Nodes are neither added nor taken out, and keep their tags.",
        remedy="Train with edges left out and put in at random; take the mean over neighbours, not"
        " the sum, where single edges should not decide.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY,
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "exact_share": Metric(
                label="share of exact answers",
                definition="Share of the correctly classified graphs that fell, or of which every"
                " set of so many edges was tried.",
                unit="share",
                better="higher",
            ),
            "random_flip_rate": Metric(
                label="success of random flips",
                definition=f"Mean share, over {DRAWS} random draws, of the correctly classified"
                " graphs whose answer so many random flips, or the first of them, made wrong.",
                unit="share",
                better="lower",
            ),
            "attack_gain": Metric(
                label="success beyond random flips",
                definition="Attack success rate minus success of random flips, on the same graphs.",
                unit="share difference",
                better="neither",
            ),
            "random_only_share": Metric(
                label="found by random flips alone",
                definition="Share of the correctly classified graphs that random flips made wrong"
                " with fewer edges than the search needed. They count as fallen. A control of the"
                " search.",
                unit="share",
                better="lower",
            ),
            "zero_gradient_share": ZERO_GRADIENT_SHARE,
        },
        headline="edge-flips/robust_accuracy/all/*",
        modalities=("graph",),
        references=("Dai et al., 2018, arXiv:1806.02371",),
    )
    max_flips: int = 3
    beam: int = 4
    queries: int = 64
    exact: int = 2000

    def __post_init__(self) -> None:
        require_least(
            self,
            max_flips=1,
            beam=1,
            queries=1,
            exact=0,
            hint="See the defaults with: audit explain edge-flips",
        )

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the number of flipped edges at which each graph falls."""
        model, clean = artifacts.graph_model, artifacts[Predictions]
        graphs = _graphs(artifacts)
        search = Search(
            beam=self.beam,
            queries=self.queries,
            exact=self.exact,
            gradients=model.differentiable,
            batch_size=artifacts.execution.batch_size,
        )
        found = search.search(
            model.logits,
            graphs.to(model.device),
            artifacts.labels,
            artifacts.keys("edge-flips"),
            max_flips=self.max_flips,
        )
        correct = clean.correct.numpy()
        pairs = [one.pairs for one in found]
        after = model.predict(rewired(graphs, pairs), batch_size=1)  # as a user would ask
        fallen = correct & misclassified(after, artifacts.labels).numpy()
        needed = np.where(fallen, [float(len(one)) for one in pairs], np.inf)
        random = self._random(artifacts, graphs)
        by_chance = np.min([one.sizes for one in random], axis=0)  # (n,)
        for i in np.flatnonzero(correct & (by_chance < needed)):
            pairs[i] = next(one.pairs[i] for one in random if one.sizes[i] == by_chance[i])
            after[i] = model.predict(rewired(graphs[i : i + 1], [pairs[i]]))[0]
        flips = np.where(correct, np.minimum(needed, by_chance), 0.0)
        return Records(
            artifacts.ids,
            examples=list(_examples(artifacts, pairs, after, flips, self._budgets)),
            correct=correct,
            flips=flips,
            searched=np.where(correct, needed, 0.0),
            exact=np.array([one.exact for one in found], dtype=np.int64),
            usable_gradient=np.array([one.usable_gradient for one in found], dtype=bool),
            by_gradient=np.full(len(found), model.differentiable),
            **{f"random-{r}": one.sizes for r, one in enumerate(random)},
        )

    @property
    def _budgets(self) -> range:
        return range(1, self.max_flips + 1)

    def _random(self, artifacts: Artifacts, graphs: Tensor) -> list[_Random]:
        """Return, for every draw, after how many random flips each graph falls."""
        model, size = artifacts.graph_model, artifacts.execution.batch_size
        pairs = [pairs_of(graph) for graph in graphs]
        found: list[_Random] = []
        for r in range(DRAWS):
            keys = artifacts.keys(f"random edges {r}")
            drawn = [
                random_flips(mine, self.max_flips, keys[i : i + 1]) for i, mine in enumerate(pairs)
            ]
            sizes = np.full(len(graphs), np.inf)
            for count in reversed(self._budgets):
                some = [one[:count] for one in drawn]
                logits = model.predict(rewired(graphs, some), batch_size=size)
                sizes[misclassified(logits, artifacts.labels).numpy()] = count
            found.append(
                _Random(sizes, [_first(one, n) for one, n in zip(drawn, sizes, strict=True)])
            )
        return found

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held at every number of flipped edges, and what random flips do."""
        right, n = records["correct"], records.count("correct")
        if n == 0:
            return NotApplicable("no input is classified correctly before the attack")
        level, flips = context.level, records["flips"]
        only = int((right & (records["searched"] > flips)).sum())
        controls = [self.share("random_only_share", only, n=n, level=level)]
        if records["by_gradient"].all():
            controls.append(zero_gradients(self, records, level=level))
        curve = robustness_curve(
            flips,
            self._budgets,
            title="Robust accuracy over flipped edges",
            x_label="flipped edges",
            level=level,
        )
        evidence = {
            "curve": curve,
            **galleries(
                records,
                {
                    "worst": "Changed with the fewest edges, most confident first",
                    "random": "Drawn at random among the changed",
                    "boundary": "Changed only with the most edges, least confident first",
                },
            ),
        }
        held = robustness(
            self,
            flips,
            self._budgets,
            name="flips",
            evidence=list(evidence),
            controls=[one.id for one in controls],
            level=level,
        )
        beside = [one for size in self._budgets for one in self._beside(records, context, size)]
        return Measured(
            findings=[*held, *beside, *controls],
            evidence=evidence,
            headline=at_the_middle_budget(held),
        )

    def _beside(self, records: Records, context: Context, size: int) -> list[Finding]:
        """Return how sure the answer is, and what random flips of this number do."""
        right, n, level = records["correct"], records.count("correct"), context.level
        swept: Params = {"flips": size}
        hits: Bools = records["flips"][right] <= size
        sure = hits | (records["exact"][right] >= size)
        random = np.stack([records[f"random-{r}"][right] <= size for r in range(DRAWS)])  # (r, n)
        mean, interval, method = mean_error(
            list(~random), seed=context.key("edge-flips", size), level=level
        )
        gap = mean_minus_share(random.mean(axis=0), hits, level=level)
        return [
            self.share("exact_share", int(sure.sum()), n=n, swept=swept, level=level),
            self.value(
                "random_flip_rate", mean, n=n, interval=interval, method=method, swept=swept,
                level=level,
            ),
            self.value(
                "attack_gain", float(hits.mean()) - mean, n=n,
                interval=Interval(max(-1.0, -gap.high), min(1.0, -gap.low)),
                method="square-and-add", swept=swept,
                level=level,
            ),
        ]  # fmt: skip


@final
@dataclass(frozen=True)
class _Random:
    """What one draw of random flips came to."""

    sizes: Floats  # (n,) flips at which a graph fell first, inf where it held
    pairs: list[Pairs]  # these flips


def _first(pairs: Pairs, size: float) -> Pairs:
    return pairs[: int(size)] if np.isfinite(size) else ()


def _graphs(artifacts: Artifacts) -> Tensor:
    inputs = artifacts.inputs
    assert isinstance(inputs, torch.Tensor)  # graphs are
    return inputs


def _examples(
    artifacts: Artifacts,
    pairs: Sequence[Pairs],
    after: Tensor,
    flips: Floats,
    budgets: Sequence[int],
) -> Iterator[Example]:
    before, graphs = artifacts[Predictions].logits, _graphs(artifacts)
    confidence = after.softmax(dim=1).amax(dim=1).double().numpy()
    draws = uniform(artifacts.keys("gallery"), ())
    scores = stepwise_scores(flips, budgets, confidence, draws)
    classes = artifacts.classifier.classes
    for gallery, i, score in shown(artifacts.ids, scores, (flips > 0) & np.isfinite(flips)):
        edges = "1 edge" if flips[i] == 1 else f"{flips[i]:g} edges"
        row = TextRow(
            id=artifacts.ids[i],
            caption=f"true class {classes[int(artifacts.labels[i])]};"
            f" clean: {answer(classes, before[i])};"
            f" {edges} flipped: {answer(classes, after[i])}",
            tokens=[
                Token(text=f"{artifacts.in_words(i)}; "),
                *_in_words(artifacts.graph_model, graphs[i], pairs[i]),
            ],
        )
        yield Example(gallery=gallery, score=score, row=row)


def _in_words(model: GraphClassifier, graph: Tensor, pairs: Pairs) -> Iterator[Token]:
    """Yield what was done to a graph: "C3 and O7 joined"."""
    v = graph.shape[0]

    def name(node: int) -> str:
        return f"{model.tags[int(graph[node, :-v].argmax())]}{node + 1}"

    for j, (a, b) in enumerate(pairs):
        done = "joined" if graph[a, graph.shape[1] - v + b] == 0 else "parted"
        if j:
            yield Token(text=", ")
        yield Token(text=f"{name(a)} and {name(b)} {done}", was="")
