"""Do predictions survive one gradient-sign step?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.loss_gradients import LossGradients
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
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
from auditkit.methods.attacks.escalation import escalate
from auditkit.methods.attacks.fgsm_linf import fgsm_linf


@final
@dataclass(frozen=True, kw_only=True)
class FgsmLinf(Check):
    """Robust accuracy under the fast gradient sign method: one gradient per image.

    A weak upper bound on true robustness; `pgd-linf` tries the same step and many more.

    Parameters
    ----------
    epsilons : tuple of float
        Radii of the Linf ball as shares of the input range, increasing, in (0, 1].

    Raises
    ------
    ConfigError
        If the radii do not increase within (0, 1].

    References
    ----------
    Goodfellow et al., 2015, arXiv:1412.6572, section 4.
    """

    meta: ClassVar[Meta] = Meta(
        id="fgsm-linf",
        family="robustness",
        question="Do predictions survive one gradient-sign step?",
        explanation="Every pixel moves by epsilon, a share of the pixel range, to the side that the"
        " gradient of the loss at the clean image points to. The cheapest attack there is: a model"
        " that falls here is easy to fool. An image that falls at one epsilon counts as fallen at"
        " every larger one. A control counts the images whose gradient is zero.",
        not_shown="Holding against one step says little: a weak upper bound. A model that holds"
        " here and falls under pgd-linf has curved or masked gradients.",
        remedy="Train on adversarial examples made with several steps (PGD training, TRADES);"
        " training on single steps tends to mask gradients.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY.model_copy(
                update={
                    "plain": "Of all images, {value} are read correctly and stay so when one step"
                    " of an attack may change every pixel by {epsilon} of its range"
                }
            ),
            "attack_success_rate": ATTACK_SUCCESS_RATE,
            "zero_gradient_share": ZERO_GRADIENT_SHARE,
        },
        headline="fgsm-linf/robust_accuracy/all/*",
        modalities=("image",),
        needs_gradients=True,
        references=("Goodfellow et al., 2015, arXiv:1412.6572",),
    )
    epsilons: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1)

    def __post_init__(self) -> None:
        ascending("fgsm-linf", "epsilons", self.epsilons, most=1.0)

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the smallest epsilon at which each image falls."""
        model, clean = artifacts.image_model, artifacts[Predictions]
        images, gradients = attackable(artifacts), artifacts[LossGradients]
        width = model.bounds[1] - model.bounds[0]

        def one_step(rows: Tensor, epsilon: float) -> Tensor:
            return fgsm_linf(
                images[rows], gradients.values[rows], epsilon=epsilon * width, bounds=model.bounds
            )

        flips = escalate(
            model.logits,
            images,
            artifacts.labels.to(images.device),
            clean.correct.to(images.device),
            attacks=(one_step,),
            budgets=self.epsilons,
            batch_size=artifacts.execution.batch_size,
        )
        smallest = flips.budget.cpu().numpy()
        return Records(
            artifacts.ids,
            examples=list(linf_examples(artifacts, smallest, flips.points, self.epsilons)),
            correct=clean.correct.numpy(),
            flip_epsilon=smallest,
            usable_gradient=gradients.usable.numpy(),
        ).with_inputs([linf_found(artifacts, smallest, flips.points, self.epsilons)])

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held at every epsilon."""
        if records.count("correct") == 0:
            return NotApplicable("no input is classified correctly before the attack")
        blind = zero_gradients(self, records, level=context.level)
        evidence = linf_evidence(records, self.epsilons, context)
        held = robustness(
            self,
            records["flip_epsilon"],
            self.epsilons,
            name="epsilon",
            evidence=list(evidence),
            controls=[blind.id],
            level=context.level,
        )
        return Measured(
            findings=[*held, blind], evidence=evidence, headline=at_the_middle_budget(held)
        )
