"""Do predictions survive small changes of the features that can change?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.adversarial import Adversarial
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.flips import median_flip
from auditkit.checks.galleries import galleries
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._attacked_rows import (
    CHANGED,
    DRAWS,
    Fallen,
    Rows,
    about_columns,
    all_at_random,
    confident,
    counted,
    decisive,
    examples,
    few_at_random,
)
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    robustness,
    robustness_curve,
    stepwise_scores,
)
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError, near_miss
from auditkit.findings import Evidence, Finding, Metric, Selection, TextExhibit, TextRow
from auditkit.methods.attacks.all_columns import AllColumns
from auditkit.methods.attacks.few_columns import FewColumns
from auditkit.models.classifier import Classifier
from auditkit.models.tabular import TabularClassifier
from auditkit.randomness import uniform
from auditkit.types import Floats, Params

_SHOWN = 12  # names in an error message


@final
@dataclass(frozen=True, kw_only=True)
class FeatureChanges(Check):
    """Robust accuracy when an attacker may change a few columns of a row, or all numbers a little.

    An upper bound on true robustness to such changes: a better search can only lower it.

    Parameters
    ----------
    columns : tuple of int
        How many columns may change, increasing: numbers by at most `spread`, categories to any
        other. An empty tuple leaves this attacker out.
    spread : float
        How far a number may move where few columns change, in training standard deviations.
    radii : tuple of float
        How far all numbers may move at once, increasing, in training standard deviations;
        categories stay. An empty tuple leaves this attacker out.
    immutable : tuple of str
        Columns that cannot change, besides those that the model's schema calls immutable and those
        that the data call sensitive.
    values : int
        Values tried per number and round: the ends of its interval, and between them those at
        which the model's answers change most on a few rows.
    beam : int
        Versions of a row that the search over columns follows; 1 is a greedy search.
    queries : int
        Values tried per version and round after the first round, which tries all.
    steps : int
        Gradients per version of a row and budget, where the model has any; 0 for none.

    Raises
    ------
    ConfigError
        If a parameter is out of its range, or an immutable column is none of the model's.

    References
    ----------
    Ballet et al., 2019, arXiv:1911.03274. Simonetto et al., 2022, arXiv:2112.01156.
    """

    meta: ClassVar[Meta] = Meta(
        id="feature-changes",
        family="robustness",
        question="Do predictions survive small changes of the features that can change?",
        explanation="Two attackers. One changes a few columns of a row: a number by a share of its"
        " standard deviation in training, a category to any other. The other moves all numbers at"
        " once, each by less, and leaves categories alone. Whole numbers stay whole, numbers stay"
        " within the range of training, missing values stay missing, and columns that are immutable"
        " or sensitive do not change. Values are tried column by column, the versions that hurt"
        " most are followed, and gradients are followed where there are any. Every change that"
        " counts was checked against these rules again. Random changes of the same size are the"
        " control; what only they found counts too.",
        not_shown="Whether a changed row can exist, or still deserves its label: columns are"
        " changed one by one, as if none followed from another, and a person with another"
        " occupation may truly earn more. What holds may still fall to a better search.",
        remedy="See in the evidence which columns turn decisions. Ask whether each should decide so"
        " much on its own; regularise, coarsen or drop those that should not, or train on changed"
        " rows. A column that nobody can change belongs among the immutable ones.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY,
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "median_columns": Metric(
                label="median number of columns to another answer",
                definition="Median, over the correctly classified rows, of the fewest changed"
                " columns that were found to make the answer wrong; undefined where none was found"
                " for half of them. Interval between two order statistics; an end that would be"
                " infinite is the number of columns.",
                unit="columns",
                better="higher",
            ),
            "median_radius": Metric(
                label="median radius to another answer",
                definition="Median, over the correctly classified rows, of the smallest radius of"
                " those tried at which moving all numbers made the answer wrong; undefined where"
                " half of them held at all. No interval where it would have no upper end.",
                unit="training standard deviations",
                better="higher",
            ),
            "random_only_share": Metric(
                label="found by random changes alone",
                definition="Share of the correctly classified rows that one of"
                f" {DRAWS} random changes made wrong within a smaller budget than the search"
                " needed. They count as fallen. A control of the search.",
                unit="share",
                better="lower",
            ),
        },
        headline="feature-changes/robust_accuracy/all/*",
        modalities=("tabular",),
        references=(
            "Ballet et al., 2019, arXiv:1911.03274 (tables)",
            "Kantchelian et al., 2016, arXiv:1509.07892 (trees)",
            "Simonetto et al., 2022, arXiv:2112.01156 (constraints)",
        ),
    )
    columns: tuple[int, ...] = (1, 2, 3)
    spread: float = 0.5
    radii: tuple[float, ...] = (0.1, 0.25, 0.5)
    immutable: tuple[str, ...] = ()
    values: int = 12
    beam: int = 3
    queries: int = 32
    steps: int = 10

    def __post_init__(self) -> None:
        for name, given in (("columns", self.columns), ("radii", self.radii)):
            if list(given) != sorted(set(given)) or any(not 0 < one < np.inf for one in given):
                raise ConfigError(
                    f"feature-changes: {name} is {list(given)}, expected increasing values above"
                    " 0.",
                    hint=f"The default is {name} = {list(getattr(type(self), name))}.",
                )
        if not self.columns and not self.radii:
            raise ConfigError(
                "feature-changes: columns and radii are both empty.",
                hint="Write for example columns = [1, 2, 3]",
            )
        if not 0 < self.spread < np.inf:
            raise ConfigError(
                f"feature-changes: spread is {self.spread}, expected a number above 0.",
                hint="It is in training standard deviations: 0.5 is half of one.",
            )
        require_least(
            self,
            values=2,
            beam=1,
            queries=1,
            steps=0,
            hint="See the defaults with: audit explain feature-changes",
        )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Return why there is nothing to measure.

        Raises
        ------
        ConfigError
            If an immutable column is none of the model's.
        """
        if obstacle := super().applies(model, data):
            return obstacle
        assert isinstance(model, TabularClassifier)
        names = model.schema.names
        for one in self.immutable:
            if one not in names:
                more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                raise ConfigError(
                    f"feature-changes: immutable names {one!r}, which is no column that the model"
                    f" reads.{near_miss(one, names)}",
                    hint=f"The model reads {', '.join(names[:_SHOWN])}{more}.",
                )
        fixed = self._fixed(data)
        if all(one.immutable or one.name in fixed for one in model.schema.features):
            return NotApplicable("no column that the model reads can change: all are immutable")
        return None

    def measure(self, artifacts: Artifacts) -> Records:
        """Return what it took to change each answer, by few columns and by all numbers."""
        correct = artifacts[Predictions].correct.numpy()
        rows = Rows.of(artifacts, fixed=self._fixed(artifacts.data))
        n, telling = len(artifacts), rows.telling(max((self.spread, *self.radii)))
        few, every = Fallen.none(rows), Fallen.none(rows)
        if self.columns:
            few = self._few(rows, telling)
            few_at_random(rows, few, self.columns, spread=self.spread)
        if self.radii:
            every = self._all(rows, telling)
            all_at_random(rows, every, self.radii)
        by_chance = np.zeros(n, dtype=bool)
        by_chance[rows.places] = (few.budget < few.searched) | (every.budget < every.searched)
        numbers = np.zeros(n, dtype=bool)
        numbers[rows.places] = rows.reach(1.0, categories=False).numbers.any(dim=1).cpu().numpy()
        return Records(
            artifacts.ids,
            examples=[*self._shown(rows, few, every)],
            correct=correct,
            by_chance=by_chance,
            numbers=numbers,
            **({"columns": _spread_out(rows, few.budget, n)} if self.columns else {}),
            **({"radius": _spread_out(rows, every.budget, n)} if self.radii else {}),
            **about_columns(rows, few, n, spread=self.spread),
        ).with_inputs(self._stored(rows, few, every))

    def _few(self, rows: Rows, telling: Sequence[torch.Tensor]) -> Fallen:
        search = FewColumns(
            beam=self.beam,
            queries=self.queries,
            values=self.values,
            steps=self.steps * rows.model.differentiable,
            batch_size=rows.artifacts.execution.batch_size,
        )
        most, spread = self.columns[-1], self.spread
        points = search.search(
            rows.model.logits,
            rows.reach(spread, categories=True),
            rows.labels,
            rows.keys("few columns"),
            most=most,
            telling=telling,
        ).rows
        everyone = torch.arange(len(points), device=points.device)
        good = rows.found(points, spread=spread, categories=True, which=everyone)
        taken = counted(rows.inputs, points)
        fallen = Fallen.none(rows)
        budget = np.where(good & (taken <= most), taken, np.inf)
        fallen.take(everyone, points, budget, by_search=True)
        return fallen

    def _all(self, rows: Rows, telling: Sequence[torch.Tensor]) -> Fallen:
        fallen = Fallen.none(rows)
        search = AllColumns(
            steps=self.steps * rows.model.differentiable,
            values=self.values,
            queries=self.queries,
            batch_size=rows.artifacts.execution.batch_size,
        )
        for radius in self.radii:
            left = fallen.above(radius)
            points, _ = search.search(
                rows.model.logits,
                rows.reach(radius, categories=False).at(left),
                rows.labels[left],
                rows.keys("all numbers")[left.cpu().numpy()],
                telling=telling,
            )
            good = rows.found(points, spread=radius, categories=False, which=left)
            fallen.take(left, points, np.where(good, radius, np.inf), by_search=True)
        return fallen

    def _fixed(self, data: Dataset) -> tuple[str, ...]:
        return (*self.immutable, *data.sensitive)

    def _stored(self, rows: Rows, few: Fallen, every: Fallen) -> list[Adversarial]:
        ids = [rows.artifacts.ids[i] for i in rows.places.tolist()]
        found: list[Adversarial] = []
        if self.columns:
            found.append(
                Adversarial.among(
                    ids, few.points, few.budget,
                    parameter="columns", measure="columns", most=self.columns[-1],
                )
            )  # fmt: skip
        if self.radii:
            found.append(
                Adversarial.among(
                    ids, every.points, every.budget,
                    parameter="radius", measure="std", most=self.radii[-1],
                )
            )  # fmt: skip
        return found

    def _shown(self, rows: Rows, few: Fallen, every: Fallen) -> list[Example]:
        draws = uniform(rows.keys("gallery"), ())
        by_columns = stepwise_scores(
            few.budget, self.columns or (1,), confident(rows.model, few), draws
        )
        by_radius = stepwise_scores(
            every.budget, self.radii or (1.0,), confident(rows.model, every), draws
        )
        return [
            *examples(rows, few, by_columns, _few_changed),
            *examples(rows, every, {_DENSE: by_radius["worst"]}, _all_moved),
        ]

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held at every number of columns and at every radius."""
        n = records.count("correct")
        if n == 0:
            return NotApplicable("no input is classified correctly before the attack")
        level = context.level
        control = self.share("random_only_share", records.count("by_chance"), n=n, level=level)
        numbers = bool(records["numbers"].any())
        evidence = self._evidence(records, numbers, level)
        held: list[Finding] = []
        medians: list[Finding] = []
        if self.columns:
            most = float(sum(one.startswith(CHANGED) for one in records.columns))
            held += self._held(records, "columns", self.columns, control, level)
            medians.append(self._median(records["columns"], "median_columns", most, level))
        if self.radii and numbers:
            held += self._held(records, "radius", self.radii, control, level)
            medians.append(self._median(records["radius"], "median_radius", np.inf, level))
        elif self.radii:
            held += [self._no_numbers(radius, n) for radius in self.radii]
        findings = [*held, *medians, control]
        return Measured(findings=findings, evidence=evidence, headline=held[0].id)

    def _evidence(self, records: Records, numbers: bool, level: float) -> dict[str, Evidence]:
        budgets = {"columns": self.columns, "radius": self.radii if numbers else ()}
        evidence: dict[str, Evidence] = {
            f"curve-{name}": robustness_curve(
                records[name], some, title=_TITLES[name], x_label=_AXES[name], level=level
            )
            for name, some in budgets.items()
            if some
        }
        if self.columns:
            evidence["bars"], evidence["table"] = decisive(records, level=level)
            evidence |= galleries(records, _GALLERIES)
        moved = [one for one in records.gallery(_DENSE) if isinstance(one, TextRow)]
        if moved:
            title = "All numbers moved: changed within the smallest radius"
            evidence[_DENSE] = TextExhibit(title=title, selection="worst", rows=moved)
        return evidence

    def _held(
        self,
        records: Records,
        name: str,
        budgets: Sequence[float],
        control: Finding,
        level: float,
    ) -> list[Finding]:
        """Return robust accuracy and success at every budget."""
        about = ["bars", "table"] if name == "columns" else []
        return robustness(
            self,
            records[name],
            budgets,
            name=name,
            evidence=[f"curve-{name}", *about],
            controls=[control.id],
            level=level,
        )

    def _median(self, budgets: Floats, metric: str, most: float, level: float) -> Finding:
        why = "half of the rows or more hold against everything that was tried"
        return median_flip(self, metric, budgets, why=why, most=most, level=level)

    def _no_numbers(self, radius: float, n: int) -> Finding:
        why = "no number in these rows can change"
        return self.undefined("robust_accuracy", why, n=n, swept={"radius": radius})

    def parameters(self) -> Params:
        """Return the parameters, the immutable columns as one text."""
        named = {"immutable": ", ".join(self.immutable)} if self.immutable else {}
        return {**super().parameters(), **named}


_DENSE = "all-numbers"  # gallery
_GALLERIES: dict[Selection, str] = {
    "worst": "Few columns: changed by the fewest, most confident first",
    "random": "Few columns: drawn at random among the changed",
    "boundary": "Few columns: changed only by the most, least confident first",
}
_TITLES = {
    "columns": "Robust accuracy over the number of columns that change",
    "radius": "Robust accuracy over how far all numbers move at once",
}
_AXES = {
    "columns": "columns that may change",
    "radius": "radius, in training standard deviations",
}


def _few_changed(count: float) -> str:
    return "1 column changed" if count == 1 else f"{count:g} columns changed"


def _all_moved(radius: float) -> str:
    return f"all numbers moved by up to {radius:g} standard deviations"


def _spread_out(rows: Rows, budgets: Floats, n: int) -> Floats:
    """Return the budgets of all rows of a shard (n,): 0 where the answer is wrong as it stands."""
    found = np.zeros(n)
    found[rows.places] = budgets
    return found
