"""Would the attacks have found a change if there were one?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._controls import FAULTS, GAINS, WHITE_BOX, metric_of
from auditkit.checks.robustness._flips import ROBUST_ACCURACY, ascending
from auditkit.checks.robustness._trial import AVERAGED, Trial
from auditkit.findings import Evidence, Finding, Metric, Note, Table
from auditkit.types import Scalar


@final
@dataclass(frozen=True, kw_only=True)
class AttackControls(Check):
    """What attacks of other kinds find that the plain one misses, and other signs of failure.

    Measured on a sample; each image at the largest radius at which it holds against the plain
    attack, because that is where a better attack would show. Robust accuracy of `pgd-linf` and
    `worst-case` may only pass a limit where these numbers stay within the policy's controls.

    Parameters
    ----------
    epsilons : tuple of float
        Radii of the Linf ball as shares of the input range, increasing, in (0, .5].
    max_inputs : int
        Images that are tested, drawn from the whole sample, at least 1.
    steps : int
        Gradient steps of the plain attack, at least 1.
    queries : int
        Random squares per image; without gradients they are the plain attack.
    draws : int
        Random corners per image.

    Raises
    ------
    ConfigError
        If a parameter is outside its range.

    References
    ----------
    Carlini et al., 2019, arXiv:1902.06705; Pintor et al., 2022, arXiv:2106.09947.
    """

    meta: ClassVar[Meta] = Meta(
        id="attack-controls",
        version=2,
        family="robustness",
        question="Would the attacks have found a change if there were one?",
        explanation="An attack that fails looks like a robust model. On a sample the plain attack"
        " (projected gradient descent, random squares where there are no gradients) is put beside"
        " attacks of other kinds, each image at the largest of some radii at which it holds: with"
        " gradients past the steps that hide them, with one large step, twice the steps, other"
        " losses, random points, random squares and the attack on a stand-in that was taught the"
        " model's answers. What any of them finds"
        " and the plain attack missed counts against it; so do gradients that are zero or mislead,"
        " answers that change when asked again, and images that hold without any bound.",
        not_shown="All controls within limits do not prove an attack strong: what none of these"
        " attacks finds may still exist. The stand-in is small and taught on few images.",
        remedy="Read the table for the likely cause. Where masks were got around, worst-case"
        " already uses the gradients past them: trust it, not pgd-linf. Where answers change,"
        " fix the model's random numbers, or audit the average of many answers.",
        metrics={
            "missed_share": Metric(
                label="share that the plain attack missed",
                definition="Share of the tested inputs whose answer held against the plain attack"
                " and fell to any other that was tried. Tested are correctly classified inputs of"
                " the sample.",
                unit="share",
                better="lower",
            ),
            "robust_accuracy": ROBUST_ACCURACY,
            "remedied_robust_accuracy": Metric(
                label="robust accuracy under all that was tried",
                definition="Share of the sample that is classified correctly and that neither the"
                " plain attack nor any other changed. An upper bound.",
                unit="share",
                better="higher",
            ),
            "averaged_robust_accuracy": Metric(
                label="robust accuracy of the averaged model",
                definition=f"Share of the sample that the mean of {AVERAGED} answers classifies"
                " correctly, also under an attack on that mean. It belongs to the averaged model,"
                " and is measured at the largest radius, where answers change when asked again.",
                unit="share",
                better="higher",
            ),
            **{f"{name}_gain": metric_of(one) for name, one in GAINS.items()},
            **{f"{name}_share": metric_of(one) for name, one in FAULTS.items()},
        },
        headline="attack-controls/missed_share/all",
        modalities=("image",),
        references=(
            "Athalye et al., 2018, arXiv:1802.00420",
            "Carlini et al., 2019, arXiv:1902.06705",
            "Pintor et al., 2022, arXiv:2106.09947",
        ),
    )
    epsilons: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1)
    max_inputs: int = 100
    steps: int = 40
    queries: int = 500
    draws: int = 100

    def __post_init__(self) -> None:
        ascending("attack-controls", "epsilons", self.epsilons, most=0.5)
        require_least(self, max_inputs=1, steps=1, queries=1, draws=1)

    def measure(self, artifacts: Artifacts) -> Records:
        """Try every attack on the shard's share of the sample."""
        drawn = artifacts.drawn("attack-controls", self.max_inputs)
        correct = artifacts[Predictions].correct.numpy()
        (rows,) = np.nonzero(drawn & correct)
        columns: dict[str, np.ndarray] = {
            name: np.zeros(len(artifacts), dtype=bool)
            for name in ("fell", *GAINS, *FAULTS, "averaged_held")
        }
        radius, masks = np.full(len(artifacts), np.nan), ""
        if len(rows):
            trial = self._trial(artifacts, rows, self.epsilons[-1])
            masks = ", ".join(trial.masks)
            columns["unstable"][rows] = unstable = trial.unstable()
            if unstable.any():
                columns["averaged_held"][rows] = trial.averaged_held()
        for epsilon in reversed(self.epsilons):
            if len(rows) == 0:
                break
            fell = self._trial(artifacts, rows, epsilon).fell()
            settled = ~fell | (epsilon == self.epsilons[0])
            here = rows[settled]
            radius[here] = epsilon
            if len(here):
                columns["fell"][here] = fell[settled]
                tried = self._trial(artifacts, here, epsilon).tried(~fell[settled])
                for name, found in tried.items():
                    columns[name][here] = found
            rows = rows[~settled]
        return Records(
            artifacts.ids,
            examples=(),
            drawn=drawn,
            radius=radius,
            tested=drawn & correct,
            gradients=np.full(len(artifacts), artifacts.classifier.differentiable),
            masks=np.full(len(artifacts), masks),
            **columns,
        )

    def _trial(self, artifacts: Artifacts, rows: np.ndarray, epsilon: float) -> Trial:
        return Trial(
            artifacts,
            torch.from_numpy(rows),
            epsilon=epsilon,
            steps=self.steps,
            queries=self.queries,
            draws=self.draws,
        )

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what every attack found, of the tested inputs."""
        if records.count("tested") == 0:
            return NotApplicable("no input of the sample is classified correctly")
        white = bool(records["gradients"].all())
        gains = [name for name in GAINS if white or name not in WHITE_BOX]
        faults = [name for name in FAULTS if white or name not in WHITE_BOX]
        findings = self._results(records, gains, context.level)
        rows: list[list[Scalar]] = []
        for kind, names in (("gain", gains), ("share", faults)):
            for name in names:
                one = (GAINS | FAULTS)[name]
                found = self._of_tested(f"{name}_{kind}", records[name], records, context.level)
                findings.append(found)
                rows.append([one.label, found.value, found.low, found.high, one.points_to])
        table = Table(
            title="What each control saw, of the tested inputs",
            columns=["control", "value", "from", "to", "where it is high"],
            rows=rows,
            units={"share": ["value", "from", "to"]},
        )
        found = sorted({one for text in records["masks"] for one in text.split(", ") if one})
        said = f"Got around: {', '.join(found)}." if found else "Nothing to get around was found."
        note = Note(title="Steps that hide gradients", text=said)
        evidence: dict[str, Evidence] = {"controls": table}
        if white:
            evidence["masks"] = note
        return Measured(findings=findings, evidence=evidence)

    def _results(self, records: Records, gains: list[str], level: float) -> list[Finding]:
        drawn, tested, fell = records["drawn"], records["tested"], records["fell"]
        beyond = np.any([records[name] for name in gains if name != "larger_ball"], axis=0)
        largest = np.where(tested & ~fell, records["radius"], 0.0)  # at which it held
        findings = [self._of_tested("missed_share", beyond, records, level)]
        n = int(drawn.sum())
        for epsilon in self.epsilons:
            held = {
                "robust_accuracy": largest >= epsilon,
                "remedied_robust_accuracy": (largest > epsilon) | ((largest == epsilon) & ~beyond),
            }
            if records["unstable"].any() and epsilon == self.epsilons[-1]:
                held["averaged_robust_accuracy"] = records["averaged_held"]
            findings += [
                self.share(name, int(one.sum()), n=n, swept={"epsilon": epsilon}, level=level)
                for name, one in held.items()
            ]
        return findings

    def _of_tested(self, metric: str, seen: np.ndarray, records: Records, level: float) -> Finding:
        count = int((seen & records["tested"]).sum())
        return self.share(
            metric, count, n=records.count("tested"), evidence=["controls"], level=level
        )
