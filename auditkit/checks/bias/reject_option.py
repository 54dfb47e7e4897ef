"""What would deciding borderline cases for the disadvantaged group buy, and cost?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._decisions import (
    PICTURE,
    SHARED,
    Sample,
    accuracy_change,
    cannot_decide,
    gap_or_why,
    least_of,
    samples,
    scored,
)
from auditkit.checks.bias._widest import widest
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import Curve, Evidence, Finding, Metric, Note, Series
from auditkit.models.classifier import Classifier
from auditkit.statistics import clopper_pearson
from auditkit.types import Bools

PURPOSE = "reject-option"
MARGINS = tuple(round(0.025 * i, 3) for i in range(19))  # distances from 0.5, the last 0.45


@final
@dataclass(frozen=True, kw_only=True)
class RejectOption(Check):
    """Decisions near the boundary turned in favour of the group that is selected less often.

    Which class is the favourable one does not matter: giving one class to those who get it less
    often is the same as keeping the other from them.

    Parameters
    ----------
    positive : str
        The class that is decided for or against; of two classes the second by default.
    minimum_n : int
        Groups with fewer inputs in a half take no part.

    Raises
    ------
    ConfigError
        If `minimum_n` is below 1.

    References
    ----------
    Kamiran, Karim and Zhang, 2012, Decision theory for discrimination-aware classification, ICDM,
    924-929.
    """

    meta: ClassVar[Meta] = Meta(
        id=PURPOSE,
        family="bias",
        question="What would deciding borderline cases for the disadvantaged group buy, and cost?",
        explanation="Within a margin around a probability of 0.5, everybody of a group that is"
        " selected less often than all inputs is decided for, everybody else against. The margin is"
        " the one that leaves the smallest gap of selection rates on one half of the inputs; the"
        " gap that is left, and what it costs in accuracy, are measured on the other half.",
        not_shown=PICTURE,
        remedy="Where a narrow margin closes the gap, the model hardly knows whom to prefer there:"
        " look at these cases, and whether people should decide them.",
        metrics={
            "gap_before": Metric(
                label="selection rate gap before turning decisions",
                definition="Largest minus smallest selection rate of the groups with at least"
                " minimum_n inputs of the half that was not fitted on.",
                unit="share difference",
                better="lower",
            ),
            "gap_left": Metric(
                label="selection rate gap after turning borderline decisions",
                definition="The same after the decisions within the margin were turned.",
                unit="share difference",
                better="lower",
            ),
            "accuracy_change": Metric(
                label="accuracy change",
                definition="Accuracy after turning less accuracy before, on the same inputs of the"
                " half that was not fitted on.",
                unit="share difference",
                better="higher",
            ),
            "turned_share": Metric(
                label="decisions that were turned",
                definition="Share of that half's inputs whose decision is another one.",
                unit="share",
                better="lower",
            ),
        },
        headline=f"{PURPOSE}/gap_left/*",
        references=(
            "Kamiran, Karim and Zhang, 2012, Decision theory for discrimination-aware"
            " classification, ICDM, 924-929",
        ),
    )
    positive: str = ""
    minimum_n: int = 20

    def __post_init__(self) -> None:
        require_least(
            self, minimum_n=1, hint="Leave it at 20: rates of smaller groups are mostly noise."
        )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where a class is decided for or against, and a column is called sensitive."""
        return super().applies(model, data) or cannot_decide(data, self.positive)

    def measure(self, artifacts: Artifacts) -> Records:
        """Note the score of every input."""
        return scored(artifacts, PURPOSE, self.positive)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Turn decisions near the boundary, column by column."""
        columns = samples(records, context, self.positive)
        if not columns:
            return NotApplicable("all inputs belong to one group of every sensitive column")
        fitted = records["fitted"].astype(np.bool_)
        findings = list[Finding]()
        evidence: dict[str, Evidence] = {
            "picture": Note(title="What this is, and is not", text=PICTURE)
        }
        for place, (name, sample) in enumerate(columns.items(), 1):
            found, shown = self._of(name, sample, fitted, place, context)
            findings += found
            evidence |= shown
        return Measured(findings=findings, evidence=evidence, headline=widest(findings, "gap_left"))

    def _of(
        self, name: str, sample: Sample, fitted: Bools, place: int, context: Context
    ) -> tuple[list[Finding], dict[str, Evidence]]:
        least, level = least_of(self.minimum_n, context.data), context.level
        train, test = sample.at(fitted), sample.at(~fitted)
        option = fit(train, least)
        if option is None or test.gap("selection_rate", test.score > SHARED, least) is None:
            why = f"fewer than two groups have {least} inputs in each half (minimum_n)"
            return [
                self.undefined(metric, why, n=len(test.score), slice_name=name)
                for metric in self.meta.metrics
            ], {}
        before, after = test.score > SHARED, option.decide(test)
        keys = [f"margins-{place}", f"rule-{place}"]
        gaps = [
            gap_or_why(
                self, metric, test.gap("selection_rate", chosen, least), name, n=len(before),
                least=least, level=level, evidence=keys,
            )
            for metric, chosen in (("gap_before", before), ("gap_left", after))
        ]  # fmt: skip
        cost = accuracy_change(self, test, before, after, name, level=level, evidence=keys)
        turned = self.share(
            "turned_share", int((before != after).sum()), n=len(before), slice_name=name,
            evidence=keys, level=level,
        )  # fmt: skip
        evidence: dict[str, Evidence] = {
            keys[0]: _curve(name, test, option, least, level),
            keys[1]: Note(title=f"The rule for {name}", text=_rule(option, sample.groups)),
        }
        return [*gaps, cost, turned], evidence


class Option(NamedTuple):
    """Who is decided for, and who against, within which margin."""

    margin: float
    deprived: Bools  # (g,) groups that are decided for
    favoured: Bools  # (g,) groups that are decided against

    def decide(self, sample: Sample) -> Bools:
        """Return the decisions (m,)."""
        chosen = sample.score > SHARED
        if self.margin == 0:
            return chosen
        near = np.abs(sample.score - SHARED) <= self.margin
        chosen = np.where(near & self.deprived[sample.codes], True, chosen)
        return np.where(near & self.favoured[sample.codes], False, chosen)


def fit(train: Sample, least: int) -> Option | None:
    """Return the rule that leaves the smallest gap of selection rates, or None without two groups.

    Of margins that leave the same gap the narrowest is taken.
    """
    chosen = train.score > SHARED
    hits, totals = train.counts("selection_rate", chosen)
    enough = totals >= least
    if np.count_nonzero(enough) < 2:
        return None
    with np.errstate(invalid="ignore"):
        below = enough & (hits / totals < chosen.mean())
    options = [Option(margin, below, enough & ~below) for margin in MARGINS]

    def left(option: Option) -> float:
        gap = train.gap("selection_rate", option.decide(train), least)
        return 1.0 if gap is None else gap.size

    return min(options, key=left)  # the first of equals


def _rule(option: Option, groups: tuple[str, ...]) -> str:
    if option.margin == 0:
        return "No margin makes the gap smaller on the half that was fitted on."
    low, high = SHARED - option.margin, SHARED + option.margin
    for_, against = (
        ", ".join(groups[g] for g in np.flatnonzero(one).tolist())
        for one in (option.deprived, option.favoured)
    )
    return (
        f"Between probabilities of {low:g} and {high:g}, decided for: {for_}; decided against:"
        f" {against}."
    )


class _Point(NamedTuple):
    y: float
    low: float
    high: float


def _curve(name: str, test: Sample, option: Option, least: int, level: float) -> Curve:
    gaps, accuracies = list[_Point](), list[_Point]()
    for margin in MARGINS:
        chosen = option._replace(margin=margin).decide(test)
        gap, right = test.gap("selection_rate", chosen, least), int(test.right(chosen).sum())
        assert gap is not None  # denominators do not change with the decisions
        gaps.append(_Point(gap.size, *gap.interval(level)))
        n = len(chosen)
        accuracies.append(_Point(right / n, *clopper_pearson(right, n, level=level)))
    return Curve(
        title=f"Gap between groups of {name} and accuracy over the margin, on the half that was not"
        " fitted on",
        x_label="margin around a probability of 0.5",
        y_label="share",
        series=[
            Series(
                name=label,
                x=list(MARGINS),
                y=[one.y for one in found],
                low=[one.low for one in found],
                high=[one.high for one in found],
            )
            for label, found in (("accuracy", accuracies), ("gap of the selection rate", gaps))
        ],
    )
