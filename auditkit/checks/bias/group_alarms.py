"""Would a monitor of strange inputs raise more alarms for one group than for another?"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from auditkit.checks.groups import nothing_to_compare
from auditkit.errors import ConfigError
from auditkit.findings import Metric, Note
from auditkit.percent import plain_percent
from auditkit.types import Bools, Floats

DETECTION = "out-of-distribution"


@final
@dataclass(frozen=True, kw_only=True)
class GroupAlarms(GroupComparison):
    """Share of each group's usual inputs that a monitor flags, which flags few of all.

    Scores are those that `out-of-distribution` recorded. Each half of what it measured gets its
    threshold from the other half.

    Parameters
    ----------
    score : str
        Which score; one that `out-of-distribution` computes.
    rate : float
        Share of all usual inputs that is to be flagged, in (0, 0.5].
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
        id="group-alarms",
        family="bias",
        question="Would a monitor of strange inputs raise more alarms for one group than for"
        " another?",
        explanation="A score of strangeness flags the strangest of the audited inputs, which are"
        " all usual ones, so that every alarm is a false one. The threshold of each half is set on"
        " the other half. A group that is flagged more often is handed to a person, or refused,"
        " more often, without being any stranger to the task. A permutation test asks whether"
        " chance alone would give such a gap.",
        not_shown="How often truly strange inputs of a group go unnoticed. Gaps of other scores"
        " and other thresholds. Whether the group is rare in the training data, which would make"
        " it look strange. Groups that no column names.",
        remedy="Set a threshold on inputs of every group, look at what is flagged in the group"
        " with most alarms, and add inputs of that group to the training data.",
        metrics=stress_metrics(
            "quiet",
            Metric(
                label="share without an alarm",
                definition="Inputs that are not flagged among all measured inputs of the group.",
                unit="share",
                better="higher",
            ),
            Drop(
                "alarms",
                "false alarms",
                "A group's false alarms are the flagged ones among its measured inputs. Largest"
                " minus smallest share of the groups with at least minimum_n inputs.",
            ),
        ),
        headline="group-alarms/alarms_gap/*",
        reads=(DETECTION,),
    )
    score: str = "energy"
    rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.rate <= 0.5:
            raise ConfigError(f"group-alarms: rate is {self.rate}, expected a value in (0, 0.5].")

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Compare groups by the alarms at their own, usual inputs."""
        del records
        read = context.others.get(DETECTION)
        if read is None:
            return NotApplicable(f"{DETECTION} was not measured, whose records it reads")
        if f"{self.score}/inputs" not in read.columns:
            return NotApplicable(f"{DETECTION} recorded no score {self.score} that it could read")
        (rows,) = np.nonzero(read["part"])
        quiet = ~alarms(read[f"{self.score}/inputs"][rows], read["part"][rows] == 1, self.rate)
        stress = Stress(
            words="at the monitor's threshold",
            metric="quiet",
            before=np.ones(len(rows), dtype=np.bool_),
            after=quiet,
            drop="alarms",
            called=("inputs", "without alarm", "false alarms"),
        )
        inside = replace(context, data=context.data.take(rows))
        if obstacle := nothing_to_compare(inside.data):
            return obstacle
        findings, evidence = compare_groups(self, stress, inside)
        evidence["monitor"] = Note(title="The monitor", text=self._words(quiet))
        return Measured(
            findings=findings, evidence=evidence, headline=widest(findings, "alarms_gap")
        )

    def _words(self, quiet: Bools) -> str:
        return (
            f"The score is {self.score}. The threshold is to flag {plain_percent(self.rate)} of all"
            f" usual inputs; it flags {int((~quiet).sum())} of {len(quiet)}, those that {DETECTION}"
            " measured and did not fit its scores on."
        )


def alarms(scores: Floats, first: Bools, rate: float) -> Bools:
    """Return which inputs lie above the quantile 1 - rate of the half that they are not of (n,)."""
    flagged = np.zeros(len(scores), dtype=np.bool_)
    for half in (first, ~first):
        flagged[half] = scores[half] > np.quantile(scores[~half], 1 - rate)
    return flagged
