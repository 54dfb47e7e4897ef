"""Does one and the same small change fool it on most images?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.past_masks import plain_search
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.halves import searched_half, searched_on, too_few
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ascending,
    at_the_middle_budget,
    robustness,
)
from auditkit.checks.robustness._held_out import beside_chance, fallen_outside
from auditkit.checks.robustness._images import attackable, attackable_at
from auditkit.checks.robustness._linf import linf_examples, linf_found, linf_galleries
from auditkit.data.dataset import Dataset
from auditkit.findings import Curve, Finding, Metric
from auditkit.methods.attacks.ball import linf_ball
from auditkit.methods.attacks.universal import universal_linf
from auditkit.models.classifier import Classifier
from auditkit.randomness import uniform
from auditkit.types import Bools, Floats


@final
@dataclass(frozen=True, kw_only=True)
class Universal(Check):
    """Robust accuracy under one change for all images, found on other images.

    Parameters
    ----------
    epsilons : tuple of float
        Largest change of a pixel as shares of the input range, increasing, in (0, 1].
    steps : int
        Gradient steps for each of them.
    inputs : int
        Images of the searched half that are used at most.

    Raises
    ------
    ConfigError
        If the radii do not increase within (0, 1], or steps or inputs is below 1.

    References
    ----------
    Moosavi-Dezfooli et al., 2017, arXiv:1610.08401. Shafahi et al., 2020, arXiv:1811.11304.
    """

    meta: ClassVar[Meta] = Meta(
        id="universal",
        version=2,
        family="robustness",
        question="Does one and the same small change fool it on most images?",
        explanation="One change of at most epsilon per pixel is searched on one random half of the"
        " images, by following the mean gradient of the loss, and added to every image of the other"
        " half. An attacker prepares it once and needs neither the model nor time when the image"
        " comes. An image that falls to the change of one epsilon counts as fallen at every larger"
        " one. Random signs of the same size tell what size alone does.",
        not_shown="An upper bound: a better change may exist. A change made for each image by"
        " itself is far stronger, see pgd-linf.",
        remedy="Train on adversarial examples; universal changes are cheap to make and to train"
        " against.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY.model_copy(
                update={
                    "plain": "Of all images, {value} are read correctly and stay so when one"
                    " and the same change of up to {epsilon} of the range is added to each",
                    "definition": "Share of the held-out images that are classified correctly and"
                    " stay so under the one change within the budget. An upper bound: a better"
                    " change can only lower it.",
                }
            ),
            "attack_success_rate": ATTACK_SUCCESS_RATE.model_copy(
                update={
                    "definition": "Share of the correctly classified held-out images whose answer"
                    " the one change within the budget made wrong."
                }
            ),
            "noise_success_rate": Metric(
                label="success rate of random signs",
                definition="Share of the correctly classified held-out images whose answer is made"
                " wrong by random signs of the same size, the same for all images. For comparison:"
                " what size alone does.",
                unit="share",
                better="lower",
            ),
        },
        headline="universal/robust_accuracy/all/*",
        modalities=("image",),
        needs_gradients=True,
        references=(
            "Moosavi-Dezfooli et al., 2017, arXiv:1610.08401",
            "Shafahi et al., 2020, arXiv:1811.11304",
        ),
    )
    epsilons: tuple[float, ...] = (0.02, 0.05, 0.1)
    steps: int = 100
    inputs: int = 256

    def __post_init__(self) -> None:
        ascending("universal", "epsilons", self.epsilons, most=1.0)
        require_least(self, steps=1, inputs=1, hint="The defaults are steps 100, inputs 256.")

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where both halves hold enough images."""
        return super().applies(model, data) or too_few(data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the smallest epsilon whose change, or random signs, fool each held-out image."""
        changes, half = artifacts.once(self, lambda: self._searched(artifacts))
        held_out = ~half[artifacts.positions]
        images = attackable(artifacts)
        flips, points = self._added(artifacts, images, held_out, changes)
        noise, _ = self._added(artifacts, images, held_out, self._random(artifacts))
        fallen = np.where(held_out, flips, 0.0)
        return Records(
            artifacts.ids,
            examples=list(linf_examples(artifacts, fallen, points, self.epsilons)),
            held_out=held_out,
            correct=artifacts[Predictions].correct.numpy(),
            flip_epsilon=flips,
            noise_epsilon=noise,
        ).with_inputs([linf_found(artifacts, fallen, points, self.epsilons)])

    def _searched(self, artifacts: Artifacts) -> tuple[dict[float, Tensor], Bools]:
        """Return one change per epsilon, each from where the one before ended, and the half."""
        model, execution = artifacts.image_model, artifacts.execution
        rows = searched_on(artifacts, "universal", self.inputs)
        images = attackable_at(artifacts, rows)
        width = model.bounds[1] - model.bounds[0]
        change = torch.zeros_like(images[0])
        changes: dict[float, Tensor] = {}
        for epsilon in self.epsilons:
            changes[epsilon] = change = universal_linf(
                model.logits,
                images,
                torch.from_numpy(artifacts.data.labels[rows]).long().to(images.device),
                epsilon=epsilon * width,
                bounds=model.bounds,
                start=change,
                steps=self.steps,
                search=plain_search(artifacts),
                batch_size=execution.batch_size,
            )
        return changes, searched_half(artifacts, "universal")

    def _random(self, artifacts: Artifacts) -> dict[float, Tensor]:
        """Return random signs of every size."""
        model = artifacts.image_model
        key = np.array([artifacts.key("universal", "noise")], dtype=np.uint64)
        draws = torch.from_numpy(uniform(key, model.input_shape)[0])
        signs = (draws - 0.5).sign().to(model.device, torch.float32)
        width = model.bounds[1] - model.bounds[0]
        return {epsilon: epsilon * width * signs for epsilon in self.epsilons}

    def _added(
        self,
        artifacts: Artifacts,
        images: Tensor,
        held_out: Bools,
        changes: dict[float, Tensor],
    ) -> tuple[Floats, Tensor]:
        """Return the smallest epsilon at which each image falls (n,), NaN if it was searched on."""
        model = artifacts.image_model
        width = model.bounds[1] - model.bounds[0]

        def add(rows: Tensor, epsilon: float) -> Tensor:
            box = linf_ball(images[rows], epsilon=epsilon * width, bounds=model.bounds)
            return box.clamp(images[rows] + changes[epsilon])

        return fallen_outside(artifacts, held_out, add, self.epsilons)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held on the other half, beside random signs."""
        held_out = records["held_out"]
        flips = records["flip_epsilon"][held_out]
        noise = records["noise_epsilon"][held_out]
        if not (flips > 0).any():
            return NotApplicable("no held-out input is classified correctly before the attack")
        held = robustness(
            self,
            flips,
            self.epsilons,
            name="epsilon",
            evidence=["curve"],
            controls=[],
            level=context.level,
        )
        return Measured(
            findings=[*held, *(self._noise(noise, one, context) for one in self.epsilons)],
            evidence={"curve": self._curve(flips, noise, context), **linf_galleries(records)},
            headline=at_the_middle_budget(held),
        )

    def _noise(self, noise: Floats, epsilon: float, context: Context) -> Finding:
        return self.share(
            "noise_success_rate",
            int(((noise > 0) & (noise <= epsilon)).sum()),
            n=int((noise > 0).sum()),
            swept={"epsilon": epsilon},
            level=context.level,
        )

    def _curve(self, flips: Floats, noise: Floats, context: Context) -> Curve:
        return beside_chance(
            {"one change for all": flips, "random signs": noise},
            self.epsilons,
            title="Robust accuracy over epsilon, on images that the change was not made from",
            x_label="epsilon, share of the input range",
            level=context.level,
        )
