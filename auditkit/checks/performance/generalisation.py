"""Does the model know its training data better than new data?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.parameters import require_least
from auditkit.checks.performance._membership import (
    Group,
    areas,
    class_rows,
    false_alarms,
    operating_curve,
)
from auditkit.checks.training_data import MISSING, hash_of, own_training, training_data
from auditkit.data.dataset import Dataset
from auditkit.data.digest import digests, input_digest
from auditkit.errors import ConfigError
from auditkit.findings import Evidence, Finding, Metric, Note, Table
from auditkit.methods.metrics.auc import auc_interval
from auditkit.methods.metrics.membership import log_odds, rate_interval, true_positive_rate
from auditkit.models.classifier import Classifier
from auditkit.plurals import count
from auditkit.statistics import Interval, clopper_pearson, newcombe
from auditkit.types import Params

_LOOKED_THROUGH = 100_000  # training inputs, for copies
_NONE = -1  # the label where a draw of training inputs has no more


@final
@dataclass(frozen=True, kw_only=True)
class Generalisation(Check):
    """Accuracy on training data beside that on the audited data, and membership inference.

    As many training inputs are drawn as are audited, stratified by label, or all of them where
    there are fewer. A built-in model that is audited on its own data set brings its training split.

    Parameters
    ----------
    train : str
        Training data: a known data set, whose split `train` is taken, or a file or folder. Empty:
        those of a built-in model.
    columns : tuple of str
        Tables: as `--columns`.
    rate : float
        False positive rate at which membership inference is judged, in (0, 1).
    halvings : int
        Divisions of the audited data on which membership inference is tried, at least 20.

    Raises
    ------
    ConfigError
        If a parameter is outside its range, or the training data are the audited data.
    DataError
        If the training data cannot be read, or do not fit the model.

    References
    ----------
    Yeom et al., 2018, arXiv:1709.01604 (loss threshold); Song and Mittal, 2021, arXiv:2003.10595
    (by class); Carlini et al., 2022, arXiv:2112.03570 (few false positives).
    """

    meta: ClassVar[Meta] = Meta(
        id="generalisation",
        family="performance",
        question="Does the model know its training data better than new data?",
        explanation="Training inputs are drawn and read like the audited ones. Accuracies are"
        " compared. Then somebody who sees the loss of an input, and knows how large losses are in"
        " each class, guesses whether it was trained on: the area is how often a training input"
        " looks more familiar than a new one. The same guess between two halves of the audited"
        " data, where there is nothing to find, controls it.",
        not_shown="Stronger attacks, which train models of their own, may tell more: this is what"
        " is surely given away. Training data that differ from the audited data in other ways, in"
        " their time or their labels, also look like a gap.",
        remedy="Stop earlier, regularise or augment, correct wrong labels, remove repeated inputs;"
        " where it matters who was in the data, train with differential privacy.",
        metrics={
            "accuracy_gap": Metric(
                label="accuracy on training data beyond that on new data",
                definition="Accuracy on the drawn training inputs minus accuracy on the audited"
                " inputs.",
                unit="share difference",
                better="lower",
            ),
            "train_accuracy": Metric(
                label="accuracy on training data",
                definition="Share of the drawn training inputs that are classified correctly.",
                unit="share",
                better="neither",
            ),
            "test_accuracy": Metric(
                label="accuracy on the audited data",
                definition="Share of all audited inputs that are classified correctly.",
                unit="share",
                better="higher",
            ),
            "membership_auroc": Metric(
                label="area of membership inference",
                definition="How often a training input has higher log odds of its class, less the"
                " median of that class, than an audited one, of all pairs; ties count a half, and"
                " 0.5 is chance.",
                unit="area",
                better="lower",
            ),
            "membership_tpr": Metric(
                label="training inputs recognised at few false positives",
                definition="Share of the drawn training inputs above the threshold that at most"
                " this share of the audited inputs exceeds.",
                unit="share",
                better="lower",
            ),
            "false_alarm_share": Metric(
                label="false alarms of membership inference",
                definition="Share of the divisions of the audited data into halves in which the"
                " interval of the area between the halves leaves out 0.5.",
                unit="share",
                better="lower",
            ),
            "overlap_share": Metric(
                label="audited inputs that are training inputs",
                definition="Share of the audited inputs whose exact content is among the training"
                " data, of which at most 100,000 are looked through.",
                unit="share",
                better="lower",
            ),
        },
        headline="generalisation/accuracy_gap/all",
        references=(
            "Yeom et al., 2018, arXiv:1709.01604",
            "Song and Mittal, 2021, arXiv:2003.10595",
            "Carlini et al., 2022, arXiv:2112.03570",
        ),
    )
    train: str = ""
    columns: tuple[str, ...] = ()
    rate: float = 0.01
    halvings: int = 200

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise ConfigError(f"generalisation: rate is {self.rate}, expected a value in (0, 1).")
        require_least(
            self, halvings=20, hint="Fewer say nothing about false alarms of one in twenty."
        )

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where training data are known, which are loaded now: a mistyped name is an error."""
        obstacle = super().applies(model, data)
        if obstacle is not None:
            return obstacle
        if not self.train and data.split == "train":
            return NotApplicable("the audited data are a training split themselves")
        if not (self.train or own_training(model, data)):
            return NotApplicable(MISSING)
        self._training(model, data)
        return None

    def parameters(self) -> Params:
        """Return the parameters, with the hash of the training data."""
        return super().parameters() | hash_of(self.train)

    def measure(self, artifacts: Artifacts) -> Records:
        """Read the shard, and as many of the drawn training inputs.

        A training input stands beside the audited one of the same place; they have no more to do
        with each other.
        """
        drawn = self._drawn(artifacts)
        here, n = artifacts.positions < len(drawn), len(artifacts)
        places = artifacts.positions[here]
        columns = {f"audited_{name}": one for name, one in _known(artifacts).items()}
        member = {
            "correct": np.zeros(n, dtype=bool),
            "odds": np.full(n, np.nan),
            "label": np.full(n, _NONE),
        }
        if len(places):
            part = Artifacts(
                artifacts.classifier,
                drawn,
                places,
                seed=artifacts.seed,
                execution=artifacts.execution,
            )
            for name, column in _known(part).items():
                member[name][here] = column
        columns |= {f"member_{name}": one for name, one in member.items()}
        return Records(artifacts.ids, examples=(), seen=self._seen(artifacts), **columns)

    def summarise(self, records: Records, context: Context) -> Measured:
        """Compare the two groups of inputs."""
        level = context.level
        audited, members = Group.of(records, "audited"), Group.of(records, "member")
        kept = members.only(members.labels != _NONE)
        alarms = false_alarms(
            audited, count=self.halvings, seed=context.key("generalisation", "halves"), level=level
        )
        return Measured(
            findings=[
                *self._accuracies(kept, audited, level),
                *self._membership(kept, audited, level),
                self._false_alarms(alarms.alarmed, len(audited), level),
                self.share("overlap_share", records.count("seen"), n=len(audited), level=level),
            ],
            evidence=self._evidence(kept, audited, alarms.middle, alarms.spread, context),
        )

    def _accuracies(self, members: Group, audited: Group, level: float) -> list[Finding]:
        known, right = int(members.correct.sum()), int(audited.correct.sum())
        gap = known / len(members) - right / len(audited)
        interval = newcombe(known, len(members), right, len(audited), level=level)
        controls = ("generalisation/overlap_share/all",)
        return [
            self.value(
                "accuracy_gap", gap, n=min(len(members), len(audited)), interval=interval,
                method="newcombe", evidence=("classes", "data"), controls=controls, level=level,
            ),
            self.share("train_accuracy", known, n=len(members), evidence=("data",), level=level),
            self.share("test_accuracy", right, n=len(audited), level=level),
        ]  # fmt: skip

    def _membership(self, members: Group, audited: Group, level: float) -> list[Finding]:
        scores = areas(members, audited)
        controls = ("generalisation/false_alarm_share/all", "generalisation/overlap_share/all")
        m, n = len(members), len(audited)
        return [
            self.value(
                "membership_auroc", scores.area, n=min(m, n),
                interval=auc_interval(scores.area, m, n, level=level), method="newcombe-auc",
                evidence=("halves", "curve"), controls=controls, level=level,
            ),
            self.value(
                "membership_tpr",
                true_positive_rate(scores.members, scores.others, rate=self.rate), n=m,
                interval=rate_interval(
                    scores.members, scores.others, rate=self.rate, level=level
                ),
                method="threshold-and-share", swept={"rate": self.rate},
                evidence=("curve", "reading"), controls=controls, level=level,
            ),
        ]  # fmt: skip

    def _false_alarms(self, alarmed: int, n: int, level: float) -> Finding:
        if n < 2:
            return self.undefined("false_alarm_share", "one input has no halves", n=n)
        share = alarmed / self.halvings
        interval = clopper_pearson(alarmed, self.halvings, level=level)
        return self.value(
            "false_alarm_share", share, n=n, interval=interval, method="clopper-pearson",
            evidence=("halves",), level=level,
        )  # fmt: skip

    def _evidence(
        self,
        members: Group,
        audited: Group,
        middle: float,
        spread: Interval,
        context: Context,
    ) -> dict[str, Evidence]:
        scores = areas(members, audited)
        return {
            "classes": Table(
                title="Accuracy per class, on training data and on new data",
                columns=["class", "training", "n training", "audited", "n audited", "gap"],
                rows=class_rows(members, audited, context.data.classes),
                units={"share": ["training", "audited"], "share difference": ["gap"]},
            ),
            "halves": Table(
                title="Membership inference, and the same where there is nothing to find",
                columns=["between", "area", "inputs"],
                rows=[
                    ["training and audited", scores.area, f"{len(members)} and {len(audited)}"],
                    ["halves of the audited (mean)", middle, f"{len(audited)}"],
                    ["halves: 2.5 % are below", spread.low, f"{len(audited)}"],
                    ["halves: 2.5 % are above", spread.high, f"{len(audited)}"],
                ],
            ),
            "curve": operating_curve(scores.members, scores.others),
            "data": Note(title="The training data", text=self._said(len(members))),
            "reading": Note(title="How to read this", text=_READING),
        }

    def _said(self, m: int) -> str:
        if not self.train:
            return f"{count(m, 'input')} of the training split that the model's card names."
        return (
            f"{count(m, 'input')} of {self.train}, SHA-256 {hash_of(self.train)['train_sha256']}."
        )

    def _training(self, model: Classifier, data: Dataset) -> Dataset:
        source = self.train or own_training(model, data)
        return training_data("generalisation", source, model, data, columns=self.columns)

    def _seen(self, artifacts: Artifacts) -> np.ndarray:
        """Return which inputs of the shard (n,) are training inputs, by their content."""

        def contents() -> set[str]:
            whole = self._training(artifacts.classifier, artifacts.data)
            return set(digests(whole.reader, min(len(whole), _LOOKED_THROUGH)))

        known = artifacts.once(("generalisation/seen", self.train, self.columns), contents)
        inputs = artifacts.inputs
        each = inputs if isinstance(inputs, list) else inputs.numpy()
        return np.array([input_digest(one) in known for one in each], dtype=bool)

    def _drawn(self, artifacts: Artifacts) -> Dataset:
        """Return the drawn training inputs, the same in every shard."""

        def drawn() -> Dataset:
            whole = self._training(artifacts.classifier, artifacts.data)
            return whole.sample(len(artifacts.data), seed=artifacts.seed)

        return artifacts.once(("generalisation", self.train, self.columns), drawn)


def _known(artifacts: Artifacts) -> dict[str, np.ndarray]:
    """Return what is known of every input of a shard, (n,) each."""
    clean = artifacts[Predictions]
    return {
        "correct": clean.correct.numpy(),
        "odds": log_odds(clean.logits, clean.labels).numpy(),
        "label": clean.labels.numpy(),
    }


_READING = (
    "An area of 0.5 is guessing. One in a hundred false positives is what an attacker needs to be"
    " believed: with fewer than about 400 audited inputs nothing bounds that threshold, and the"
    " interval starts at 0."
)
