"""Do the deployment data differ from the audited data, and would this sample show it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.features import Features
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.beside import Beside
from auditkit.checks.parameters import require_least
from auditkit.checks.shift._drift_report import Report
from auditkit.checks.shift._drift_trials import Trials
from auditkit.checks.shifted import Shifted, hash_of, none_named, recorded, shifted
from auditkit.data.dataset import Batch, Dataset
from auditkit.errors import ConfigError
from auditkit.findings import Evidence, Finding, Metric, Note
from auditkit.methods.drift.summaries import (
    Summary,
    of_graphs,
    of_images,
    of_rows,
    of_texts,
    projected,
)
from auditkit.models.classifier import Classifier
from auditkit.types import Params

CHECK = "drift"
REFERENCE = ""  # the name that the audited data have among the recorded ones; no user can give it


@final
@dataclass(frozen=True, kw_only=True)
class Drift(Check):
    """Two-sample tests on inputs, on the model's features and on its answers.

    Every test is run on random parts of the audited data as well, where nothing differs, and on
    parts that were drawn so that they differ by a known amount.

    Parameters
    ----------
    shift : tuple of str
        "NAME=DATA" or "DATA": what the model meets in use.
    columns : tuple of str
        Text and label column of a table of texts; label column of any other table.
    most : int
        Inputs of the audited data, and of each other sample, that are compared, at least 1.
    permutations : int
        Of the permutation tests, at least 19. With seven tests, fewer than 140 can never alarm
        at 5 %.
    splits : int
        Of the audited data into two random parts, for the rate of false alarms, at least 1.
    sizes : tuple of float
        By how many spreads two parts differ along the direction in which the audited data vary
        most, for the power, above 0.
    repetitions : int
        Random parts for each size, at least 1.
    alpha : float
        A p-value up to it is an alarm, in (0, 0.5).

    Raises
    ------
    ConfigError
        If a parameter lies outside its range, or two samples have one name.
    DataError
        If one cannot be read, or does not fit the model.

    References
    ----------
    Rabanser et al., 2019, arXiv:1810.11953; Gretton et al., 2012, JMLR 13, 723-773; Lopez-Paz and
    Oquab, 2017, arXiv:1610.06545; Lipton et al., 2018, arXiv:1802.03916.
    """

    meta: ClassVar[Meta] = Meta(
        id=CHECK,
        family="shift",
        version=2,
        question="Do the deployment data differ from the audited data, and would this sample show"
        " it?",
        explanation=(
            "Three tests (maximum mean discrepancy, Kolmogorov-Smirnov of every number, a"
            " classifier that is taught to tell the samples apart) look at a few numbers of each"
            " input and at what the model's last layer reads; a fourth looks at its answers. The"
            " same tests are run on random parts of the audited data, where every alarm is false,"
            " and on parts that were drawn so that they differ by a known amount."
        ),
        not_shown=(
            "Whether a difference hurts: user-shift tells that where there are labels. A small"
            " p-value with a small effect is a small difference in a large sample. The estimated"
            " mix of classes holds only if every class still looks as it did. The power is that"
            " against a move along the direction in which the audited data vary most, not against"
            " every kind of change."
        ),
        remedy=(
            "Look at the numbers that moved most, and at inputs on either side. Where the model's"
            " features moved too, label some of the new data and measure accuracy on them."
        ),
        metrics={
            "p_value": Metric(
                label="p-value of drift",
                definition="Probability of a difference at least as large if both samples came from"
                " one source. That of all tests together is the smallest times their number.",
                unit="p",
                better="higher",
            ),
            "mmd2": Metric(
                label="squared maximum mean discrepancy",
                definition="Unbiased estimate with a Gaussian kernel whose width is the median"
                " distance; 0 where the samples are alike, at most 2.",
                unit="MMD squared",
                better="lower",
            ),
            "largest_distance": Metric(
                label="largest difference of a distribution",
                definition="Largest difference between the shares of the two samples that lie below"
                " some value of some number.",
                unit="share",
                better="lower",
            ),
            "told_apart": Metric(
                label="inputs told apart",
                definition="Share of held-out inputs, as many of either sample, of which a"
                " classifier tells rightly which sample they are from; a half where the samples"
                " are alike.",
                unit="share",
                better="lower",
            ),
            "class_share_change": Metric(
                label="largest change of a class's share",
                definition="Estimated share of a class in the deployment data minus its share in"
                " the audited data, for the class in which they differ most, by black-box shift"
                " estimation.",
                unit="share",
                better="neither",
            ),
            "false_alarm_rate": Metric(
                label="false alarms",
                definition="Share of the random splits of the audited data into two parts at which"
                " the test alarms.",
                unit="share",
                better="lower",
            ),
            "power": Metric(
                label="alarms where there is a known difference",
                definition="Share of the splits of the audited data at which the three tests"
                " together alarm, where the parts were drawn so that their means differ by a known"
                " number of spreads along the direction of most variation.",
                unit="share",
                better="higher",
            ),
        },
        headline=f"{CHECK}/p_value/*",
        references=(
            "Rabanser et al., 2019, arXiv:1810.11953.",
            "Gretton et al., 2012, JMLR 13, 723-773.",
            "Lipton et al., 2018, arXiv:1802.03916.",
        ),
    )
    shift: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    most: int = 1000
    permutations: int = 200
    splits: int = 100
    sizes: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    repetitions: int = 20
    alpha: float = 0.05

    def __post_init__(self) -> None:
        require_least(self, most=1, permutations=19, splits=1, repetitions=1)
        if not 0 < self.alpha < 0.5:
            raise ConfigError(f"{CHECK}: alpha is {self.alpha}, expected a value in (0, 0.5).")
        if not self.sizes or min(self.sizes) <= 0:
            raise ConfigError(f"{CHECK}: sizes is {self.sizes}, expected numbers above 0.")

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where deployment data are named, which are loaded now."""
        obstacle = super().applies(model, data) or none_named(self.shift)
        if obstacle is None:
            self._sets(model, seed=0)
        return obstacle

    def parameters(self) -> Params:
        """Return the parameters, with the hash of the deployment data."""
        return super().parameters() | hash_of(self.shift)

    def _sets(self, model: Classifier, *, seed: int) -> tuple[Shifted, ...]:
        return shifted(CHECK, self.shift, model, columns=self.columns, most=self.most, seed=seed)

    def measure(self, artifacts: Artifacts) -> Records:
        """Take numbers, features and answers of the shard's drawn inputs, and of its share."""
        sets = self._sets(artifacts.classifier, seed=artifacts.seed)
        beside = recorded(artifacts, sets, _numbers)
        drawn = artifacts.drawn(CHECK, self.most)
        if drawn.any():
            ids = tuple(np.array(artifacts.ids)[drawn].tolist())
            mine = {name: column[drawn] for name, column in _numbers(artifacts).items()}
            beside[REFERENCE] = Beside(ids, mine, (artifacts[Features].words,))
        return Records(artifacts.ids, drawn=drawn).with_beside(beside)

    def summarise(self, records: Records, context: Context) -> Measured:
        """Compare every sample with the audited data."""
        reference = records.beside[REFERENCE]
        names = summary_of(context.data.read(slice(0, 1)), context.data).names
        findings: list[Finding] = []
        evidence: dict[str, Evidence] = {
            "features": Note(title="The model's features", text=f"{reference.notes[0]}.")
        }
        others = {name: one for name, one in records.beside.items() if name != REFERENCE}
        trials: dict[int, Trials] = {}  # by size: samples of one size share what chance does
        for i, (name, one) in enumerate(others.items()):
            report = Report(self, context, reference, name, one, names, trials, prefix=f"data-{i}")
            findings += report.findings()
            evidence |= report.evidence
        whole = [one for one in findings if one.metric == "p_value" and one.value is not None]
        # Of each sample the p-value of all tests together stands for it, never that of one test.
        together = [one for one in whole if one.id.count("/") == 2]
        worst = min(together, key=lambda one: one.value or 0.0, default=None)
        return Measured(
            findings=findings, evidence=evidence, headline=None if worst is None else worst.id
        )


def summary_of(batch: Batch, data: Dataset) -> Summary:
    """Return a few numbers of each input, by which samples are compared without a model."""
    if isinstance(batch, list):
        return of_texts(batch)
    if data.schema is not None:
        return of_rows(batch, data.schema)
    if data.modality == "graph":
        return of_graphs(batch, data.tags)
    return of_images(batch)


def _numbers(artifacts: Artifacts) -> Mapping[str, NDArray[Any]]:
    inputs = artifacts.inputs
    batch = inputs if isinstance(inputs, list) else inputs.numpy()
    features = artifacts[Features].values
    return {
        "inputs": summary_of(batch, artifacts.data).values,
        "features": projected(features, key=artifacts.key(CHECK, "directions")),
        "predicted": artifacts[Predictions].predicted.numpy(),
        "labels": artifacts.labels.numpy(),
    }
