"""Does confidence mean the same in every group?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from auditkit.checks.base import Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._stress import (
    Drop,
    GroupComparison,
    Stress,
    compare_groups,
    stress_metrics,
)
from auditkit.checks.bias._widest import widest
from auditkit.findings import Metric

CALIBRATION = "calibration-error"


@final
@dataclass(frozen=True, kw_only=True)
class GroupConfidence(GroupComparison):
    """What every group is promised beyond what it gets, and how far the groups lie apart in that.

    Confidence and right answers are those that `calibration-error` recorded.

    Parameters
    ----------
    minimum_n : int
        A group with fewer inputs is shown, but left out of the gaps.
    permutations : int
        Permutations behind each p-value.

    Raises
    ------
    ConfigError
        If a parameter is outside its range.
    """

    meta: ClassVar[Meta] = Meta(
        id="group-confidence",
        family="bias",
        question="Does confidence mean the same in every group?",
        explanation="A group's overconfidence is the mean confidence of the answers to its inputs"
        " less the share that is right. Where two groups differ in it, the same confidence promises"
        " one of them more than it keeps: a threshold on confidence then protects one group less. A"
        " permutation test asks whether chance alone would give such a gap.",
        not_shown="Errors of calibration that cancel within a group: too sure of some inputs, too"
        " unsure of others; see the calibration error per group of `group-gap`. Equal"
        " overconfidence is not good calibration: all groups may be promised too much. Groups that"
        " no column names.",
        remedy="Fit a temperature on held-out inputs of every group and see whether one serves all;"
        " do not use one threshold on confidence for groups that differ here.",
        metrics=stress_metrics(
            "accuracy",
            Metric(
                label="accuracy",
                definition="Correct predictions among all inputs of the group.",
                unit="share",
                better="higher",
            ),
            Drop(
                "overconfidence",
                "overconfidence",
                "A group's overconfidence is the mean confidence of its inputs less its accuracy."
                " Largest minus smallest of the groups with at least minimum_n inputs.",
            ),
        ),
        headline="group-confidence/overconfidence_gap/*",
        reads=(CALIBRATION,),
        references=("Pleiss et al., 2017, arXiv:1709.02012 (calibration within groups)",),
    )

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Compare groups by confidence and right answers."""
        del records
        read = context.others.get(CALIBRATION)
        if read is None:
            return NotApplicable(f"{CALIBRATION} was not measured, whose records it reads")
        stress = Stress(
            words="as predicted",
            metric="accuracy",
            before=read["confidence"].astype(np.float64),
            after=read["correct"].astype(np.bool_),
            drop="overconfidence",
            called=("confidence", "accuracy", "overconfidence"),
        )
        findings, evidence = compare_groups(self, stress, context)
        return Measured(
            findings=findings, evidence=evidence, headline=widest(findings, "overconfidence_gap")
        )
