"""Attacks of many kinds on the same images at one radius, to see what a plain one misses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import final

import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.past_masks import past_masks, plain_search
from auditkit.artifacts.surrogate import surrogate
from auditkit.checks.robustness._images import attackable
from auditkit.methods.attacks.active_set import judged, loss_gradients
from auditkit.methods.attacks.apgd import apgd
from auditkit.methods.attacks.averaging import averaged
from auditkit.methods.attacks.ball import LinfBall
from auditkit.methods.attacks.fgsm_linf import fgsm_linf
from auditkit.methods.attacks.losses import Loss, log_odds_against, logits_ratio
from auditkit.methods.attacks.pgd_linf import pgd_linf
from auditkit.methods.attacks.square import square_linf
from auditkit.models.classifier import Logits
from auditkit.randomness import uniform
from auditkit.types import Bools

UNSTABLE = 1e-4  # between two answers, their logits scaled to length 1
AVERAGED = 16  # answers that the averaged model is made of
TRIAL_STEP = 0.5  # share of the radius by which a gradient must raise the loss
_ASCENT = 36  # steps of ascent with step sizes of its own
_UNBOUNDED = 1.0  # the radius that holds every image


@final
class Trial:
    """Attacks on some correctly classified images of a shard.

    Parameters
    ----------
    artifacts : Artifacts
        The shard.
    rows : Tensor
        (m,) positions in the shard, at least one.
    epsilon : float
        Radius as a share of the input range.
    steps, queries, draws : int
        Gradient steps, random squares and random corners per image.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        rows: Tensor,
        *,
        epsilon: float,
        steps: int,
        queries: int,
        draws: int,
    ) -> None:
        self._artifacts, self._rows = artifacts, rows
        self._model, execution = artifacts.image_model, artifacts.execution
        self._images = attackable(artifacts)[rows]
        self._labels = artifacts.labels[rows].to(self._images.device)
        self._batch_size = execution.batch_size
        self._width = self._model.bounds[1] - self._model.bounds[0]
        self._epsilon, self._steps, self._queries, self._draws = epsilon, steps, queries, draws
        self._white = self._model.differentiable
        plain = plain_search(artifacts)
        unmasked = past_masks(artifacts) if self._white else None
        self.masks = unmasked.masks if unmasked else ()
        self._plain, self._best = plain, unmasked if self.masks else plain

    def fell(self) -> Bools:
        """Return which images (m,) the plain attack changes."""
        everyone = torch.ones(len(self._images), dtype=torch.bool, device=self._images.device)
        plain = partial(self._descent, self._plain) if self._white else self._squares
        return _on_the_cpu(self._fallen(everyone, plain))

    def tried(self, held: Bools) -> dict[str, Bools]:
        """Return by name which images (m,) each attempt changed, or each fault was seen on.

        Attempts after "unmasked" are made on all images that the attack past masks left, each for
        itself.

        Parameters
        ----------
        held : ndarray
            (m,) bool, which images the plain attack left.
        """
        found: dict[str, Tensor] = {}
        left = torch.from_numpy(held).to(self._images.device)
        if self.masks:
            found["unmasked"] = self._fallen(left, partial(self._descent, self._best))
            left = left & ~found["unmasked"]
        main = partial(self._descent, self._best) if self._white else self._squares
        attempts: dict[str, Attempt] = {
            "more_steps": partial(main, times=2),
            "random": self._corners,
            "transfer": self._transferred,
        }
        if self._white:
            attempts |= {
                "one_step": self._one_step,
                "other_losses": self._ascents,
                "black_box": self._squares,
            }
        for name, attempt in attempts.items():
            found[name] = self._fallen(left, attempt)
        found["larger_ball"] = self._saved_by_a_larger_ball(left, main)
        freely = partial(main, epsilon=_UNBOUNDED)
        found["unbounded"] = left & ~self._fallen(left, freely)
        found |= self._slopes(left) if self._white else {}
        return {name: _on_the_cpu(one) for name, one in found.items()}

    def _saved_by_a_larger_ball(self, left: Tensor, main: Callable[..., Tensor]) -> Tensor:
        """Return which images hold, and fall with half the radius, or fall, and hold with twice."""
        half = partial(main, purpose="half", epsilon=self._epsilon / 2)
        twice = partial(main, purpose="twice", epsilon=min(2 * self._epsilon, _UNBOUNDED))
        return self._fallen(left, half) | (~left & ~self._fallen(~left, twice))

    def _fallen(self, among: Tensor, attempt: Attempt) -> Tensor:
        """Return which of some images (m,) an attempt changes."""
        (rows,) = torch.where(among)
        fallen = torch.zeros_like(among)
        if len(rows):
            points = attempt(rows)
            fallen[rows] = judged(
                self._model.logits, points, self._labels[rows], batch_size=self._batch_size
            )
        return fallen

    def _draw(self, purpose: str, rows: Tensor) -> Tensor:
        """Return draws in [-1, 1] that belong to the images, shape of the images."""
        keys = self._artifacts.keys(f"attack-controls/{purpose}")[self._rows[rows.cpu()].numpy()]
        return torch.from_numpy(2 * uniform(keys, self._images.shape[1:]) - 1).to(self._images)

    def _ball(self, rows: Tensor, epsilon: float | None = None) -> LinfBall:
        radius = (epsilon or self._epsilon) * self._width
        return LinfBall(self._images[rows], epsilon=radius, bounds=self._model.bounds)

    def _descent(
        self,
        search: Logits | None,
        rows: Tensor,
        *,
        purpose: str = "start",
        times: int = 1,
        epsilon: float | None = None,
    ) -> Tensor:
        return pgd_linf(
            self._model.logits,
            self._images[rows],
            self._labels[rows],
            epsilon=(epsilon or self._epsilon) * self._width,
            steps=times * self._steps,
            start=self._draw(purpose, rows),
            bounds=self._model.bounds,
            patience=None,  # or twice the steps would only end where they did before
            search=search,
            batch_size=self._batch_size,
        )

    def _squares(
        self,
        rows: Tensor,
        *,
        purpose: str = "squares",
        times: int = 1,
        epsilon: float | None = None,
    ) -> Tensor:
        keys = self._artifacts.keys(f"attack-controls/{purpose}")[self._rows[rows.cpu()].numpy()]
        return square_linf(
            self._model.logits,
            self._labels[rows],
            ball=self._ball(rows, epsilon),
            keys=keys,
            queries=times * self._queries,
            batch_size=self._batch_size,
        )

    def _one_step(self, rows: Tensor) -> Tensor:
        return fgsm_linf(
            self._images[rows],
            self._gradients(rows),
            epsilon=self._epsilon * self._width,
            bounds=self._model.bounds,
        )

    def _ascents(self, rows: Tensor) -> Tensor:
        """Return where ascent on the log odds ended, then, of what held, on the ratio."""
        points = self._ascent(rows, log_odds_against, "log odds", self._best)
        held = ~judged(self._model.logits, points, self._labels[rows], batch_size=self._batch_size)
        if held.any():
            points[held] = self._ascent(rows[held], logits_ratio, "ratio", self._best)
        return points

    def _ascent(self, rows: Tensor, loss: Loss, purpose: str, search: Logits | None) -> Tensor:
        ball = self._ball(rows)
        return apgd(
            self._model.logits,
            self._labels[rows],
            ball=ball,
            start=ball.start(self._draw(purpose, rows)),
            steps=_ASCENT,
            loss=loss,
            search=search,
            batch_size=self._batch_size,
        ).points

    def _transferred(self, rows: Tensor) -> Tensor:
        stand_in = surrogate(self._artifacts)
        return self._ascent(rows, log_odds_against, "transfer", stand_in)

    def _corners(self, rows: Tensor) -> Tensor:
        """Return the first misclassified corner of each ball, or the last that was drawn."""
        ball = self._ball(rows)
        points = ball.inputs.clone()
        left = torch.arange(len(rows), device=rows.device)
        for draw in range(self._draws):
            signs = self._draw(f"corner {draw}", rows[left]).sign()
            points[left] = ball.project(ball.inputs[left] + ball.epsilon * signs, left)
            fallen = judged(
                self._model.logits,
                points[left],
                self._labels[rows[left]],
                batch_size=self._batch_size,
            )
            left = left[~fallen]
            if len(left) == 0:
                break
        return points

    def _gradients(self, rows: Tensor) -> Tensor:
        return loss_gradients(
            self._best or self._model.logits,
            self._images[rows],
            self._labels[rows],
            batch_size=self._batch_size,
        )

    def _losses(self, points: Tensor) -> Tensor:
        logits = self._best or self._model.logits
        with torch.no_grad():
            parts = [logits(one) for one in points.split(self._batch_size)]
        return log_odds_against(torch.cat(parts), self._labels)

    def _slopes(self, held: Tensor) -> dict[str, Tensor]:
        """Return what is wrong with the gradients at the images, and with what was reached."""
        everyone = torch.arange(len(self._images), device=self._images.device)
        gradients = self._gradients(everyone)
        flat, clean = gradients.flatten(1), self._losses(self._images)
        zero = ~(flat.isfinite().all(dim=1) & (flat != 0).any(dim=1))
        moved = fgsm_linf(
            self._images,
            gradients,
            epsilon=TRIAL_STEP * self._epsilon * self._width,
            bounds=self._model.bounds,
        )
        unraised = held.clone()
        (rows,) = torch.where(held)
        if len(rows):
            ended = self._images.clone()
            ended[rows] = self._ascent(rows, log_odds_against, "log odds", self._best)
            unraised = held & ~(self._losses(ended) > clean)
        return {
            "zero_gradient": zero,
            "misleading_gradient": ~(self._losses(moved) > clean),
            "unraised_loss": unraised,
        }

    def unstable(self) -> Bools:
        """Return which answers (m,) change when the same images are asked about again."""
        with torch.no_grad():
            first, second = (
                torch.cat([self._model.logits(one) for one in self._images.split(self._batch_size)])
                for _ in range(2)
            )
        first, second = (one / one.norm(dim=1, keepdim=True) for one in (first, second))
        return _on_the_cpu(~((first - second).norm(dim=1) <= UNSTABLE))

    def averaged_held(self) -> Bools:
        """Return which images (m,) the averaged model classifies correctly, also when attacked."""
        mean = averaged(self._model.logits, draws=AVERAGED)
        everyone = torch.arange(len(self._images), device=self._images.device)
        ball = self._ball(everyone)
        reached = apgd(
            mean,
            self._labels,
            ball=ball,
            start=ball.start(self._draw("averaged", everyone)),
            steps=_ASCENT,
            batch_size=self._batch_size,
        )
        clean = judged(mean, self._images, self._labels, margin=0.0, batch_size=self._batch_size)
        return _on_the_cpu(~(clean | reached.fooled))


def _on_the_cpu(flags: Tensor) -> Bools:
    return flags.cpu().numpy()


Attempt = Callable[[Tensor], Tensor]
"""Maps rows of the tested images (r,) to their perturbed images."""
