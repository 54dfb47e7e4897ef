"""Does what fools another model fool this one?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.past_masks import search_of
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, NotApplicable, Records
from auditkit.checks.other_model import MISSING, comparable, hash_of, other_model
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._flips import ascending
from auditkit.checks.robustness._images import attackable
from auditkit.data.dataset import Dataset
from auditkit.findings import Metric, Note
from auditkit.methods.attacks.active_set import judged
from auditkit.methods.attacks.apgd import apgd
from auditkit.methods.attacks.ball import LinfBall
from auditkit.models.classifier import Classifier, ImageClassifier, Logits
from auditkit.randomness import uniform
from auditkit.types import Params


@final
@dataclass(frozen=True, kw_only=True)
class Transfer(Check):
    """Images made to fool another model, shown to this one, and the other way round.

    An attacker who has no access to a model can train or fetch one of their own.

    Parameters
    ----------
    other : str
        The second model: a built-in name or a file, read as `audit run` would read it; it must
        take the same images and name the same classes. Empty: there is none.
    epsilon : float
        Radius of the Linf ball as a share of the input range, in (0, 1].
    steps : int
        Gradient steps per image, at least 1.

    Raises
    ------
    ConfigError
        If epsilon or steps is outside its range.
    ModelError
        If the other model cannot be loaded, or reads other images or classes.

    References
    ----------
    Papernot et al., 2016, arXiv:1605.07277.
    """

    meta: ClassVar[Meta] = Meta(
        id="transfer",
        version=2,
        family="robustness",
        question="Does what fools another model fool this one?",
        explanation="Images that both models classify correctly are changed within the ball until"
        " the other model is wrong, by someone who knows that model alone, and are then shown to"
        " this one. The same is done in the other direction. Beside it stands what noise of the"
        " same size does, which knows neither.",
        not_shown="An attacker with a better stand-in, or several, may find more. A low rate says"
        " nothing about attacks on the model itself.",
        remedy="Do not count on a model being secret: make it robust against attacks on itself.",
        metrics={
            "transfer_rate": Metric(
                label="share that the other model's attack changed",
                definition="Share of the images that both models classify correctly which, changed"
                " to fool the other model, this one classifies wrongly.",
                unit="share",
                better="lower",
            ),
            "transfer_back_rate": Metric(
                label="share of the other model that this one's attack changed",
                definition="Share of the same images which, changed to fool this model, the other"
                " one classifies wrongly.",
                unit="share",
                better="neither",
            ),
            "other_attack_success_rate": Metric(
                label="share on which the other model was fooled",
                definition="Share of the same images on which the attack fooled the model it was"
                " made for. Where it is low, little could transfer.",
                unit="share",
                better="neither",
            ),
            "noise_rate": Metric(
                label="share that noise of the same size changed",
                definition="Share of the same images that this model classifies wrongly at a random"
                " corner of the ball.",
                unit="share",
                better="lower",
            ),
        },
        headline="transfer/transfer_rate/all/*",
        modalities=("image",),
        references=("Papernot et al., 2016, arXiv:1605.07277",),
    )
    other: str = ""
    epsilon: float = 0.05
    steps: int = 36

    def __post_init__(self) -> None:
        ascending("transfer", "epsilon", (self.epsilon,), most=1.0)
        require_least(self, steps=1)

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Where a second model is named, which is loaded now: a mistyped name is an error."""
        obstacle = super().applies(model, data)
        if obstacle is not None:
            return obstacle
        if not self.other:
            return NotApplicable(MISSING)
        if not self._other(model).differentiable:
            return NotApplicable(f"{self.other} has no gradients, which an attack on it needs")
        return None

    def parameters(self) -> Params:
        """Return the parameters, with the hash of the other model."""
        return super().parameters() | hash_of(self.other)

    def measure(self, artifacts: Artifacts) -> Records:
        """Attack each model, and show the result to the other."""
        model, other = artifacts.image_model, self._other(artifacts.image_model)
        images = attackable(artifacts)
        labels = artifacts.labels.to(images.device)
        right = other.predict(images, batch_size=artifacts.execution.batch_size).argmax(dim=1)
        both = artifacts[Predictions].correct & (right == artifacts.labels)
        (rows,) = torch.where(both.to(images.device))
        draws = uniform(artifacts.keys("transfer"), tuple(images.shape[1:]))
        start = torch.from_numpy(2 * draws - 1).to(images)[rows]
        width = model.bounds[1] - model.bounds[0]
        ball = LinfBall(images[rows], epsilon=self.epsilon * width, bounds=model.bounds)
        columns = {
            name: np.zeros(len(artifacts), dtype=bool)
            for name in ("fooled_other", "transferred", "transferred_back", "noise")
        }

        def ascent(victim: ImageClassifier, search: Logits | None) -> Tensor:
            return apgd(
                victim.logits,
                labels[rows],
                ball=ball,
                start=ball.start(start),
                steps=self.steps,
                search=search,
                batch_size=artifacts.execution.batch_size,
            ).points

        def wrong(victim: ImageClassifier, points: Tensor) -> np.ndarray:
            return judged(
                victim.logits, points, labels[rows], batch_size=artifacts.execution.batch_size
            ).numpy(force=True)

        if len(rows):
            at = rows.numpy(force=True)
            against_other = ascent(other, None)
            columns["fooled_other"][at] = wrong(other, against_other)
            columns["transferred"][at] = wrong(model, against_other)
            if model.differentiable:
                against_this = ascent(model, search_of(artifacts))
                columns["transferred_back"][at] = wrong(other, against_this)
            corners = ball.project(ball.inputs + ball.epsilon * start.sign())
            columns["noise"][at] = wrong(model, corners)
        return Records(
            artifacts.ids,
            examples=(),
            both=both.numpy(),
            gradients=np.full(len(artifacts), model.differentiable),
            **columns,
        )

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what each attack did to the model it was not made for."""
        n = records.count("both")
        if n == 0:
            return NotApplicable("no input is classified correctly by both models")
        counted = {
            "transfer_rate": "transferred",
            "transfer_back_rate": "transferred_back",
            "other_attack_success_rate": "fooled_other",
            "noise_rate": "noise",
        }
        if not records["gradients"].all():
            del counted["transfer_back_rate"]
        findings = [
            self.share(
                metric,
                records.count(column),
                n=n,
                swept={"epsilon": self.epsilon},
                evidence=["other"],
                level=context.level,
            )
            for metric, column in counted.items()
        ]
        identity = other_model(self.other).identity
        said = f"{identity.name} ({identity.architecture}), SHA-256 {identity.sha256}."
        return Measured(
            findings=findings, evidence={"other": Note(title="The other model", text=said)}
        )

    def _other(self, model: Classifier) -> ImageClassifier:
        other = comparable("transfer", self.other, model)
        assert isinstance(other, ImageClassifier)  # it reads what the audited model reads
        return other
