"""What does the model get wrong that its parent got right?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import answer, galleries, shown
from auditkit.checks.other_model import MISSING, comparable, hash_of, other_model
from auditkit.checks.parameters import require_least
from auditkit.data.dataset import Dataset
from auditkit.findings import (
    Bar,
    Bars,
    Evidence,
    Finding,
    ImageRow,
    Matrix,
    Metric,
    Note,
    Selection,
    Table,
    TextRow,
    Token,
)
from auditkit.methods.pictures import picture
from auditkit.models.classifier import Classifier
from auditkit.plurals import count
from auditkit.randomness import uniform
from auditkit.statistics import bounded_mean, holm_adjusted, mcnemar_p, paired_difference
from auditkit.types import Bools, Params, Scalar

CHECK = "regression"
TABLE_ROWS = 40
MOST_BARS = 30


@final
@dataclass(frozen=True, kw_only=True)
class Regression(Check):
    """The answers of the model beside those of what it was made from, input by input.

    Two models of equal accuracy can be wrong on other inputs; who updates a model meets every
    input that was right and no longer is.

    Parameters
    ----------
    other : str
        The parent: the model that was fine-tuned, quantised, pruned or distilled; a built-in name
        or a file, read as `audit run` would read it. It must take the same inputs and name the same
        classes. Empty: there is none.
    minimum_n : int
        What classes and groups with fewer inputs forgot is undefined.

    Raises
    ------
    ConfigError
        If minimum_n is below 1.
    ModelError
        If the parent cannot be loaded, or reads other inputs or classes.

    References
    ----------
    Yan et al., 2021, arXiv:2011.09161 (negative flips); Milani Fard et al., 2016, Launch and
    iterate: reducing prediction churn, NeurIPS.
    """

    meta: ClassVar[Meta] = Meta(
        id=CHECK,
        family="shift",
        version=2,
        question="What does the model get wrong that its parent got right?",
        explanation="Both models answer every input. Counted is on how many they differ, on how"
        " many this one alone is wrong, and by how much accuracy fell, overall and for every class"
        " and group, each input held against itself. McNemar's exact test asks whether chance alone"
        " would give such a loss, corrected by Holm's method over all classes and groups.",
        not_shown="What both get wrong. Whether a changed answer is worse than the old one where"
        " both are wrong. Tasks that the parent could do and that this data does not show.",
        remedy="Look at the lost inputs of the classes and groups that forgot most. Rehearse them"
        " while fine-tuning, distil from the parent on them, or calibrate a quantised model on more"
        " of them.",
        metrics={
            "negative_flip_rate": Metric(
                label="negative flip rate",
                definition="Share of all inputs that the parent answers rightly and this model"
                " wrongly.",
                unit="share",
                better="lower",
            ),
            "positive_flip_rate": Metric(
                label="positive flip rate",
                definition="Share of all inputs that the parent answers wrongly and this model"
                " rightly.",
                unit="share",
                better="higher",
            ),
            "churn": Metric(
                label="churn",
                definition="Share of all inputs that the two answer differently, be it rightly or"
                " wrongly.",
                unit="share",
                better="lower",
            ),
            "forgetting": Metric(
                label="accuracy lost since the parent",
                definition="Accuracy of the parent minus that of this model on the same inputs;"
                " below zero where this model is better. Of classes and groups with fewer than"
                " minimum_n inputs it is undefined.",
                unit="share difference",
                better="lower",
            ),
            "forgetting_p": Metric(
                label="p-value of what any class or group lost",
                definition="The smallest p-value, corrected by Holm's method, of McNemar's exact"
                " test over the classes and groups with at least minimum_n inputs that lost"
                " accuracy. A large value is not evidence of no loss: few inputs give one too.",
                unit="p",
                better="neither",
            ),
            "probability_agreement": Metric(
                label="agreement of the probabilities",
                definition="One minus half the sum of the absolute differences between the"
                " probabilities that both give the classes, mean over the inputs. 1: the same"
                " probabilities.",
                unit="share",
                better="higher",
            ),
        },
        headline="regression/negative_flip_rate/all",
        references=(
            "Yan et al., 2021, arXiv:2011.09161 (negative flips)",
            "Milani Fard et al., 2016, Launch and iterate, NeurIPS (churn)",
            "McNemar, 1947, Psychometrika 12, 153-157",
        ),
    )
    other: str = ""
    minimum_n: int = 20

    def __post_init__(self) -> None:
        require_least(self, minimum_n=1)

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where a parent is named, which is loaded now: a mistyped name is an error."""
        obstacle = super().applies(model, data)
        if obstacle is None and not self.other:
            return NotApplicable(MISSING)
        if obstacle is None:
            comparable(CHECK, self.other, model)
        return obstacle

    def parameters(self) -> Params:
        """Return the parameters, with the hash of the parent."""
        return super().parameters() | hash_of(self.other)

    def measure(self, artifacts: Artifacts) -> Records:
        """Ask both models about every input of the shard."""
        parent = Artifacts(
            comparable(CHECK, self.other, artifacts.classifier),
            artifacts.data,
            artifacts.positions,
            seed=artifacts.seed,
            execution=artifacts.execution,
        )
        mine, theirs = artifacts[Predictions], parent[Predictions]
        apart = mine.logits.double().softmax(dim=1) - theirs.logits.double().softmax(dim=1)
        return Records(
            artifacts.ids,
            examples=list(_examples(artifacts, mine, theirs)),
            correct=mine.correct.numpy(),
            parent_correct=theirs.correct.numpy(),
            predicted=mine.predicted.numpy(),
            parent_predicted=theirs.predicted.numpy(),
            agreement=1 - apart.abs().sum(dim=1).numpy() / 2,
        )

    def summarise(self, records: Records, context: Context) -> Measured:
        """Count flips both ways, and what every class and group lost."""
        n, level = len(records), context.level
        now, before = records["correct"], records["parent_correct"]
        groups = _tested([one for one in _groups(records, context.data) if one.n >= self.minimum_n])
        evidence = self._evidence(records, groups, context)
        shown_ = [one for one in ("flips", "worst", "random", "other") if one in evidence]
        changed = int((records["predicted"] != records["parent_predicted"]).sum())
        counted = {
            "negative_flip_rate": int((before & ~now).sum()),
            "positive_flip_rate": int((~before & now).sum()),
            "churn": changed,
        }
        findings = [
            self.share(metric, count, n=n, evidence=shown_, level=level)
            for metric, count in counted.items()
        ]
        findings.append(self._lost("all", before, now, level))
        findings += [
            self._lost(one.name, one.before, one.now, level)
            for one in _groups(records, context.data)
        ]
        findings += [self._smallest_p(groups, n), self._agreement(records, context)]
        return Measured(findings=findings, evidence=evidence)

    def _lost(self, name: str, before: Bools, now: Bools, level: float) -> Finding:
        n = len(now)
        if name != "all" and n < self.minimum_n:
            why = f"only {count(n, 'input')} (minimum_n {self.minimum_n})"
            return self.undefined("forgetting", why, n=n, slice_name=name)
        lost, interval = paired_difference(before, now, level=level)
        return self.value(
            "forgetting",
            lost,
            n=n,
            interval=interval,
            method="newcombe-paired",
            slice_name=name,
            evidence=["groups", "forgetting"] if name != "all" else ["flips"],
            level=level,
        )

    def _smallest_p(self, groups: list[_Group], n: int) -> Finding:
        lost = [one.p for one in groups if one.lost > one.gained]
        if not groups:
            why = f"no class or group has {self.minimum_n} inputs (minimum_n)"
            return self.undefined("forgetting_p", why, n=n)
        return self.value(
            "forgetting_p",
            min(lost, default=1.0),
            n=n,
            interval=None,
            method="exact",
            evidence=["groups"],
        )

    def _agreement(self, records: Records, context: Context) -> Finding:
        value, interval, method = bounded_mean(
            records["agreement"], seed=context.key(CHECK, "agreement"), level=context.level
        )
        return self.value(
            "probability_agreement",
            value,
            n=len(records),
            interval=interval,
            method=method,
            level=context.level,
        )

    def _evidence(
        self, records: Records, groups: list[_Group], context: Context
    ) -> dict[str, Evidence]:
        identity = other_model(self.other).identity
        said = f"{identity.name} ({identity.architecture}), SHA-256 {identity.sha256}."
        titles: dict[Selection, str] = {
            "worst": "Right in the parent, wrong now: the surest of these answers",
            "random": "Drawn at random among the inputs that were right in the parent alone",
        }
        return {
            "flips": _matrix(records),
            "groups": _table(groups, context.level),
            "forgetting": _bars(groups, context.level),
            **galleries(records, titles),
            "other": Note(title="The parent", text=said),
        }


# --- classes and groups --------------------------------------------------------------------------


class _Group(NamedTuple):
    """The inputs of one class, or of one group of a column."""

    name: str
    before: Bools  # (m,) right in the parent
    now: Bools  # (m,)
    p: float = 1.0  # corrected over all that are tested

    @property
    def n(self) -> int:
        return len(self.now)

    @property
    def lost(self) -> int:
        return int((self.before & ~self.now).sum())

    @property
    def gained(self) -> int:
        return int((~self.before & self.now).sum())


def _groups(records: Records, data: Dataset) -> Iterator[_Group]:
    now, before = records["correct"], records["parent_correct"]
    for i, name in enumerate(data.classes):
        rows = data.labels == i
        if rows.any():
            yield _Group(f"class={name}", before[rows], now[rows])
    for column in map(str, data.attributes.columns):
        values = data.attributes[column].astype(object)
        named = values.where(values.notna(), "(missing)").astype(str).to_numpy()
        for group in sorted(set(named)):
            rows = named == group
            yield _Group(f"{column}={group}", before[rows], now[rows])


def _tested(groups: list[_Group]) -> list[_Group]:
    p_values = holm_adjusted([mcnemar_p(one.lost, one.gained) for one in groups])
    return [one._replace(p=p) for one, p in zip(groups, p_values, strict=True)]


# --- evidence ------------------------------------------------------------------------------------


def _matrix(records: Records) -> Matrix:
    now, before = records["correct"], records["parent_correct"]
    cells = [[before & now, before & ~now], [~before & now, ~before & ~now]]
    return Matrix(
        title="Answers of the parent and of this model",
        row_label="parent",
        column_label="this model",
        rows=["right", "wrong"],
        columns=["right", "wrong"],
        values=[[float(np.count_nonzero(one)) for one in row] for row in cells],
        unit="inputs",
    )


def _table(groups: list[_Group], level: float) -> Table:
    ordered = sorted(groups, key=lambda one: (one.p, -(one.lost - one.gained) / one.n))
    rows: list[list[Scalar]] = [
        [one.name, one.n, one.lost, one.gained, *_change(one, level), one.p] for one in ordered
    ]
    return Table(
        title=f"Classes and groups, the surest losses first (at most {TABLE_ROWS} shown)",
        columns=[
            "class or group",
            "n",
            "lost",
            "gained",
            "accuracy lost",
            "low",
            "high",
            "p, Holm",
        ],
        rows=rows[:TABLE_ROWS],
        units={"share difference": ["accuracy lost", "low", "high"]},
    )


def _bars(groups: list[_Group], level: float) -> Bars:
    ordered = sorted(groups, key=lambda one: -(one.lost - one.gained) / one.n)
    bars: list[Bar] = []
    for one in ordered[:MOST_BARS]:
        value, low, high = _change(one, level)
        bars.append(Bar(label=one.name, value=value, low=low, high=high))
    return Bars(
        title="Accuracy lost since the parent, by class and group",
        value_label="accuracy lost",
        bars=bars,
    )


def _change(group: _Group, level: float) -> tuple[float, float, float]:
    value, (low, high) = paired_difference(group.before, group.now, level=level)
    return value, low, high


def _examples(artifacts: Artifacts, mine: Predictions, theirs: Predictions) -> Iterator[Example]:
    lost = (theirs.correct & ~mine.correct).numpy()
    draws = uniform(artifacts.keys("gallery"), ())
    scores = {"worst": mine.confidence.numpy().astype(np.float64), "random": draws}
    classes = artifacts.data.classes
    for gallery, i, score in shown(artifacts.ids, scores, lost):
        caption = (
            f"labelled {classes[int(mine.labels[i])]!r}; parent:"
            f" {answer(classes, theirs.logits[i])}; now: {answer(classes, mine.logits[i])}"
        )
        yield Example(gallery=gallery, score=score, row=_row(artifacts, i, caption))


def _row(artifacts: Artifacts, i: int, caption: str) -> ImageRow | TextRow:
    if artifacts.classifier.modality != "image":
        token = Token(text=artifacts.in_words(i))
        return TextRow(id=artifacts.ids[i], caption=caption, tokens=[token])
    panel = picture(artifacts.images[i], artifacts.image_model.bounds, "input")
    return ImageRow(id=artifacts.ids[i], caption=caption, panels=[panel])
