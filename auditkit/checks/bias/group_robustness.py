"""Does an attack widen the gap between groups?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np

from auditkit.checks.base import Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.bias._stress import GroupComparison, Stress, compare_groups, stress_metrics
from auditkit.checks.bias._widest import widest
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._controls import CHECK, OF_PLAIN_DESCENT, OF_THE_ENSEMBLE
from auditkit.errors import ConfigError
from auditkit.findings import Metric
from auditkit.plurals import count
from auditkit.types import Bools, Floats, Modality

# Where a check keeps the smallest budget at which each answer became wrong.
_FLIPS = {
    "pgd-linf": "flip_epsilon",
    "worst-case": "flip_linf",
    "token-swap": "changed_words",
    "feature-changes": "columns",
    "edge-flips": "flips",
}
# Where an attack on images keeps the smallest budget that it tried.
_TRIED = {"pgd-linf": "smallest_epsilon", "worst-case": "smallest_linf"}
# What the strongest of them must stand before its numbers may pass.
_CONTROLS = {
    "pgd-linf": OF_PLAIN_DESCENT,
    "worst-case": OF_THE_ENSEMBLE,
    "feature-changes": ("feature-changes/random_only_share/all",),
    "edge-flips": ("edge-flips/random_only_share/all",),
}


@final
@dataclass(frozen=True, kw_only=True)
class GroupRobustness(GroupComparison):
    """Robust accuracy per group, and whether groups lose different shares under attack.

    Nothing is attacked anew: what the attacks' checks found is read, of images `pgd-linf` and
    `worst-case`, of texts `token-swap`, of tables `feature-changes`, of graphs `edge-flips`. An
    input counts as fallen where any of them changed it within the budget. A check that tried no
    such budget is not read.

    Parameters
    ----------
    radius : float
        Budget for images: the Linf radius as a share of the input range. One that an attack's
        check was run with says most; in between the next smaller one counts.
    words : int
        Budget for texts: changed words.
    columns : int
        Budget for tables: changed columns.
    edges : int
        Budget for graphs: edges put in or taken out.
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
        id="group-robustness",
        family="bias",
        version=2,
        question="Does an attack widen the gap between groups?",
        explanation="For every group, the share of inputs that are right and that no attack changed"
        " within the budget. A group's drop is what it loses to the attack, on the same inputs; the"
        " gap of the drops says by how much the attack moves groups apart, whatever gap there was"
        " before. A permutation test asks whether chance alone would give such a gap.",
        not_shown="Why groups differ: one group's inputs may lie nearer to the boundary, or an"
        " attack may suit them better. Robust accuracy is an upper bound in every group. Groups"
        " that no column names.",
        remedy="Add training data, or adversarial training, for the group that loses most, and"
        " measure again on new inputs.",
        metrics=stress_metrics(
            "robust_accuracy",
            Metric(
                label="robust accuracy",
                definition="Share of the group's inputs that are classified correctly and that no"
                " attack within the budget changed. An upper bound.",
                unit="share",
                better="higher",
            ),
        ),
        headline="group-robustness/drop_gap/*",
        controlled_by=(CHECK, "feature-changes", "edge-flips"),
        reads=("pgd-linf", "token-swap", "feature-changes", "edge-flips"),
        references=("Nanda et al., 2021, arXiv:2006.12621",),
    )
    radius: float = 0.02
    words: int = 1
    columns: int = 1
    edges: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.radius <= 1:
            raise ConfigError(
                f"group-robustness: radius is {self.radius}, expected a value in (0, 1].",
                hint="It is a share of the input range: 8/255 is 0.0314.",
            )
        require_least(self, words=1, columns=1, edges=1)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Compare groups by what the attacks' checks recorded."""
        del records
        budget = self._budget(context.data.modality)
        flips = _smallest_flips(context.others, budget.size)
        if not flips:
            return NotApplicable(f"no attack was measured that tried {budget.words} or less")
        smallest = np.minimum.reduce(list(flips.values()))
        before: Bools = smallest > 0
        stress = Stress(
            words=f"under {' and '.join(flips)} within {budget.words}",
            metric="robust_accuracy",
            before=before,
            after=smallest > budget.size,
            controls=_CONTROLS.get(next(reversed(flips)), ()),
        )
        findings, evidence = compare_groups(self, stress, context)
        return Measured(findings=findings, evidence=evidence, headline=widest(findings, "drop_gap"))

    def _budget(self, modality: Modality) -> _Budget:
        match modality:
            case "image":
                return _Budget(self.radius, f"Linf {self.radius:g}")
            case "text":
                return _Budget(self.words, count(self.words, "changed word"))
            case "tabular":
                return _Budget(self.columns, count(self.columns, "changed column"))
            case "graph":
                return _Budget(self.edges, count(self.edges, "changed edge"))


class _Budget(NamedTuple):
    """What an attacker may change, and the same in words."""

    size: float
    words: str


def _smallest_flips(others: Mapping[str, Records], budget: float) -> dict[str, Floats]:
    """Return the budget of each input's first change (n,) by the check that found it.

    A check that tried nothing within the budget is left out: no input could fall to it.
    """
    return {
        name: others[name][column].astype(float)
        for name, column in _FLIPS.items()
        if name in others
        and column in others[name].columns
        and (name not in _TRIED or others[name][_TRIED[name]].min() <= budget)
    }
