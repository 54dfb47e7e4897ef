"""How often is the model right on the deployment data?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.beside import Beside
from auditkit.checks.shifted import Shifted, hash_of, none_named, recorded, shifted, slice_of
from auditkit.data.dataset import Dataset
from auditkit.findings import Bar, Bars, Evidence, Finding, Metric, Note
from auditkit.models.classifier import Classifier
from auditkit.statistics import clopper_pearson, newcombe
from auditkit.types import Params

CHECK = "user-shift"
_NO_LABELS = "it has no labels"


@final
@dataclass(frozen=True, kw_only=True)
class UserShift(Check):
    """Accuracy on data that a user names with `--shift`, beside that on the audited data.

    Parameters
    ----------
    shift : tuple of str
        "NAME=DATA" or "DATA": what the model meets in use.
    columns : tuple of str
        Text and label column of a table of texts; label column of any other table.
    most : int
        Inputs of each that are looked at, at least 1; drawn at random where there are more.

    Raises
    ------
    ConfigError
        If `most` is below 1, or two have one name.
    DataError
        If one cannot be read, or does not fit the model.

    References
    ----------
    Newcombe, 1998, Statistics in Medicine 17, 873-890 (difference of two shares).
    """

    meta: ClassVar[Meta] = Meta(
        id=CHECK,
        family="shift",
        question="How often is the model right on the deployment data?",
        explanation=(
            "Every input of the deployment data that has a label is classified once. The two"
            " accuracies are those of different inputs, so their difference is that of two"
            " independent samples."
        ),
        not_shown=(
            "Why accuracy differs: the inputs, the mix of classes and the way of labelling can all"
            " be different. Nothing is said of data without labels."
        ),
        remedy=(
            "Run drift on the same data to see whether the inputs or the mix of classes differ."
            " Label some deployment data, and train or choose the threshold on them."
        ),
        metrics={
            "accuracy": Metric(
                label="accuracy on deployment data",
                definition="Correct predictions among all inputs of the deployment data.",
                unit="share",
                better="higher",
            ),
            "accuracy_change": Metric(
                label="change of accuracy",
                definition="Accuracy on the deployment data minus that on the audited data.",
                unit="share difference",
                better="higher",
            ),
        },
        headline=f"{CHECK}/accuracy/*",
        references=("Newcombe, 1998, Statistics in Medicine 17, 873-890.",),
    )
    shift: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    most: int = 1000

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where deployment data with labels are named, which are loaded now."""
        obstacle = super().applies(model, data) or none_named(self.shift)
        if obstacle is None and not any(one.labelled for one in self._sets(model, seed=0)):
            return NotApplicable(
                "the deployment data have no labels; drift compares data without labels"
            )
        return obstacle

    def parameters(self) -> Params:
        """Return the parameters, with the hash of the deployment data."""
        return super().parameters() | hash_of(self.shift)

    def measure(self, artifacts: Artifacts) -> Records:
        """Classify the shard, and its share of the deployment data."""
        sets = self._sets(artifacts.classifier, seed=artifacts.seed)
        beside = recorded(
            artifacts,
            sets,
            lambda piece: {
                "labels": piece.labels.numpy(),
                "correct": piece[Predictions].correct.numpy(),
            },
        )
        correct = artifacts[Predictions].correct.numpy()
        return Records(artifacts.ids, correct=correct).with_beside(beside)

    def _sets(self, model: Classifier, *, seed: int) -> tuple[Shifted, ...]:
        return shifted(CHECK, self.shift, model, columns=self.columns, most=self.most, seed=seed)

    def summarise(self, records: Records, context: Context) -> Measured:
        """Count, and compare with the audited data."""
        hits, n = records.count("correct"), len(records)
        bars = [self._bar("audited data", hits, n, context.level)]
        findings: list[Finding] = []
        evidence: dict[str, Evidence] = {}
        for i, (name, one) in enumerate(records.beside.items()):
            key = f"data-{i}"
            evidence[key] = Note(title=f"Deployment data: {name}", text=" ".join(one.notes))
            findings += self._findings(name, one, hits, n, key, context.level)
            if one["labels"][0] >= 0:
                bars.append(self._bar(name, int(one["correct"].sum()), len(one), context.level))
        evidence["accuracy"] = Bars(
            title="Accuracy here and there", value_label="accuracy", bars=bars
        )
        defined = [one.id for one in findings if one.value is not None]
        return Measured(findings=findings, evidence=evidence, headline=defined[0])

    def _findings(
        self, name: str, one: Beside, hits: int, n: int, key: str, level: float
    ) -> list[Finding]:
        where = slice_of(name)
        if one["labels"][0] < 0:
            return [
                self.undefined(metric, _NO_LABELS, n=len(one), slice_name=where)
                for metric in self.meta.metrics
            ]
        there, m = int(one["correct"].sum()), len(one)
        shown = ("accuracy", key)
        return [
            self.share("accuracy", there, n=m, slice_name=where, evidence=shown, level=level),
            self.value(
                "accuracy_change",
                there / m - hits / n,
                n=m,
                interval=newcombe(there, m, hits, n, level=level),
                method="newcombe",
                slice_name=where,
                evidence=shown,
                level=level,
            ),
        ]

    def _bar(self, label: str, hits: int, n: int, level: float) -> Bar:
        low, high = clopper_pearson(hits, n, level=level)
        return Bar(label=label, value=hits / n, low=low, high=high, n=n)
