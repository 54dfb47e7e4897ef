"""Do predictions survive small worst-case pixel changes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.loss_gradients import LossGradients
from auditkit.artifacts.past_masks import plain_search
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._controls import CHECK, OF_PLAIN_DESCENT
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ZERO_GRADIENT_SHARE,
    ascending,
    at_the_middle_budget,
    robustness,
    zero_gradients,
)
from auditkit.checks.robustness._images import attackable
from auditkit.checks.robustness._linf import linf_evidence, linf_examples, linf_found
from auditkit.findings import Metric
from auditkit.methods.attacks.escalation import escalate
from auditkit.methods.attacks.fgsm_linf import fgsm_linf
from auditkit.methods.attacks.pgd_linf import pgd_linf
from auditkit.randomness import uniform

UNBOUNDED = 1.0  # the ball that holds every image


@final
@dataclass(frozen=True, kw_only=True)
class PgdLinf(Check):
    """Robust accuracy under untargeted, white-box projected gradient descent.

    An upper bound on true robustness: a stronger attack can only lower it.

    Parameters
    ----------
    epsilons : tuple of float
        Radii of the Linf ball as shares of the input range, increasing, in (0, 1]. For bounds
        (0, 1) these are input units; for bounds (0, 255) a radius of 0.1 is 25.5 grey levels.
    steps : int
        Gradient steps per image and radius.

    Raises
    ------
    ConfigError
        If the radii do not increase within (0, 1], or steps is below 1.

    References
    ----------
    Madry et al., 2018, arXiv:1706.06083, section 2.1.
    """

    meta: ClassVar[Meta] = Meta(
        id="pgd-linf",
        version=3,
        family="robustness",
        question="Do predictions survive small worst-case pixel changes?",
        explanation="Every pixel of an image may change by at most epsilon, a share of the pixel"
        " range. An attacker who knows the model looks for the change that turns a right answer"
        " into a wrong one: first one full step along the sign of the gradient, then projected"
        " gradient descent from a random point of the ball, with long steps first. An image that"
        " falls at one epsilon counts as fallen at every larger one. Two controls test the attack"
        " itself: gradients must not be zero, and with pixels free to take any value nothing may"
        " hold. So do those of attack-controls.",
        not_shown="An upper bound: images that held may still fall to a stronger attack, above all"
        " where a control fails. Nothing is said about larger, non-uniform or physical changes.",
        remedy="Train on adversarial examples (PGD training, TRADES), or narrow what an attacker"
        " can reach. Hidden or rounded gradients only make the attack blind.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY.model_copy(
                update={
                    "plain": "Of all images, {value} are read correctly and stay so when an attack"
                    " may change every pixel by {epsilon} of its range"
                }
            ),
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "zero_gradient_share": ZERO_GRADIENT_SHARE,
            "unbounded_robust_accuracy": Metric(
                label="robust accuracy without a bound",
                definition="Share of all inputs that the same attack cannot change although every"
                " pixel may take any value. It is near 0 for a working attack; more means that the"
                " attack fails, not that the model is robust.",
                unit="share",
                better="lower",
            ),
        },
        headline="pgd-linf/robust_accuracy/all/*",
        modalities=("image",),
        needs_gradients=True,
        references=(
            "Madry et al., 2018, arXiv:1706.06083",
            "Carlini et al., 2019, arXiv:1902.06705",
        ),
        controlled_by=(CHECK,),
    )
    epsilons: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1)
    steps: int = 40

    def __post_init__(self) -> None:
        ascending("pgd-linf", "epsilons", self.epsilons, most=UNBOUNDED)
        require_least(self, steps=1, hint="40 steps are usual.")

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the smallest epsilon at which each image falls."""
        model, clean = artifacts.image_model, artifacts[Predictions]
        images, execution = attackable(artifacts), artifacts.execution
        labels = artifacts.labels.to(images.device)
        gradients = artifacts[LossGradients]
        width = model.bounds[1] - model.bounds[0]
        draws = uniform(artifacts.keys("pgd-linf"), tuple(images.shape[1:]))
        start = torch.from_numpy(2 * draws - 1).to(images)  # (n, c, h, w) in [-1, 1]

        def one_step(rows: Tensor, epsilon: float) -> Tensor:
            return fgsm_linf(
                images[rows], gradients.values[rows], epsilon=epsilon * width, bounds=model.bounds
            )

        def many_steps(rows: Tensor, epsilon: float) -> Tensor:
            return pgd_linf(
                model.logits,
                images[rows],
                labels[rows],
                epsilon=epsilon * width,
                steps=self.steps,
                start=start[rows],
                bounds=model.bounds,
                search=plain_search(artifacts),
                batch_size=execution.batch_size,
            )

        flips = escalate(
            model.logits,
            images,
            labels,
            clean.correct.to(images.device),
            attacks=(one_step, many_steps),
            budgets=sorted({*self.epsilons, UNBOUNDED}),
            batch_size=execution.batch_size,
        )
        smallest = flips.budget.cpu().numpy()
        return Records(
            artifacts.ids,
            examples=list(linf_examples(artifacts, smallest, flips.points, self.epsilons)),
            correct=clean.correct.numpy(),
            flip_epsilon=smallest,
            smallest_epsilon=np.full(len(artifacts), min(self.epsilons)),  # that was tried
            usable_gradient=gradients.usable.numpy(),
        ).with_inputs([linf_found(artifacts, smallest, flips.points, self.epsilons)])

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held at every epsilon, and what the controls say of the attack."""
        if records.count("correct") == 0:
            return NotApplicable("no input is classified correctly before the attack")
        flips = records["flip_epsilon"]
        blind = zero_gradients(self, records, level=context.level)
        unbounded = self.share(
            "unbounded_robust_accuracy",
            int((flips > UNBOUNDED).sum()),
            n=len(records),
            level=context.level,
        )
        evidence = linf_evidence(records, self.epsilons, context)
        held = robustness(
            self,
            flips,
            self.epsilons,
            name="epsilon",
            evidence=list(evidence),
            controls=[blind.id, unbounded.id, *OF_PLAIN_DESCENT],
            level=context.level,
        )
        return Measured(
            findings=[*held, blind, unbounded],
            evidence=evidence,
            headline=at_the_middle_budget(held),
        )
