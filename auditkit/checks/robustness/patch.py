"""Does one printed patch, put anywhere on the image, fool it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.past_masks import search_of
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Example, Measured, Meta, NotApplicable, Records
from auditkit.checks.galleries import answer, galleries, shown
from auditkit.checks.halves import searched_half, searched_on, too_few
from auditkit.checks.parameters import require_least
from auditkit.checks.robustness._flips import (
    ATTACK_SUCCESS_RATE,
    ROBUST_ACCURACY,
    ascending,
    at_the_middle_budget,
    robustness,
    stepwise_scores,
)
from auditkit.checks.robustness._held_out import beside_chance, fallen_outside
from auditkit.checks.robustness._images import attackable, attackable_at
from auditkit.data.dataset import Dataset
from auditkit.findings import Curve, Evidence, Finding, ImageExhibit, ImageRow, Metric, Selection
from auditkit.methods.attacks.patch import CELLS, DRAWS, find_patch, patched, printable
from auditkit.methods.pictures import picture
from auditkit.models.classifier import Classifier
from auditkit.percent import plain_percent
from auditkit.randomness import keys_of, uniform
from auditkit.statistics import paired_difference
from auditkit.types import Bools, Floats, Params

_SHOWN_SIDE = 32  # pixels of a patch in the report


@final
@dataclass(frozen=True, kw_only=True)
class Patch(Check):
    """Robust accuracy under one printable patch for all images, found on other images.

    Parameters
    ----------
    areas : tuple of float
        Shares of the image that the patch covers at full size, increasing, in (0, 0.5].
    steps : int
        Gradient steps for each of them.
    inputs : int
        Images of the searched half that are used at most.

    Raises
    ------
    ConfigError
        If the areas do not increase within (0, 0.5], or steps or inputs is below 1.

    References
    ----------
    Brown et al., 2017, arXiv:1712.09665.
    """

    meta: ClassVar[Meta] = Meta(
        id="patch",
        version=2,
        family="robustness",
        question="Does one printed patch, put anywhere on the image, fool it?",
        explanation="One patch, 8 by 8 colours that blend into each other, is searched on one"
        " random half of the images by following the mean gradient of the loss, each time at"
        " random places. It is then put on every image of the other half once, at a place of its"
        " own: turned by up to 20 degrees, with 80 to 100 % of its side and 80 to 120 % of its"
        " brightness. Its colours keep 5 % of the range away from either end, as what is printed"
        " and photographed does. An image that falls to a small patch counts as fallen at every"
        " larger size. Patches of random colours at the same places tell what covering alone"
        " does.",
        not_shown="An upper bound: a better patch, several of them, or a place chosen for the"
        " image may do more. Nothing was printed and photographed: perspective, shadows and"
        " reflections are not tried. The patch may cover what tells the class, so that compare it"
        " with random colours.",
        remedy="Train on images with patches, best with ones searched anew during training;"
        " classify with parts hidden in turn, and take the majority, which can be certified.",
        metrics={
            "robust_accuracy": ROBUST_ACCURACY.model_copy(
                update={
                    "plain": "Of all images, {value} are read correctly and stay so when one"
                    " patch covers {area} of each",
                    "definition": "Share of the held-out images that are classified correctly and"
                    " stay so with the one patch of this size or a smaller one that is listed, at"
                    " one random place. An upper bound: a better patch can only lower it.",
                }
            ),
            "attack_success_rate": ATTACK_SUCCESS_RATE.model_copy(
                update={
                    "definition": "Share of the correctly classified held-out images whose answer"
                    " the one patch of this size or a smaller one made wrong, at one random place."
                }
            ),
            "occlusion_accuracy": Metric(
                label="accuracy under random colours",
                definition="Share of the held-out images that are classified correctly and stay so"
                " with a patch of random printable colours, drawn anew for each image, of the same"
                " sizes at the same places. For comparison: what covering alone does.",
                unit="share",
                better="higher",
            ),
            "gain_over_occlusion": Metric(
                label="accuracy lost to the patch beyond covering",
                definition="Accuracy under random colours minus robust accuracy, on the same"
                " held-out images and at the same places.",
                unit="share difference",
                better="lower",
            ),
        },
        headline="patch/robust_accuracy/all/*",
        modalities=("image",),
        needs_gradients=True,
        references=("Brown et al., 2017, arXiv:1712.09665",),
    )
    areas: tuple[float, ...] = (0.05, 0.1, 0.2)
    steps: int = 40
    inputs: int = 128

    def __post_init__(self) -> None:
        ascending("patch", "areas", self.areas, most=0.5)
        require_least(self, steps=1, inputs=1, hint="The defaults are steps 40, inputs 128.")

    def applies(self, model: Classifier, data: Dataset) -> NotApplicable | None:
        """Only where both halves hold enough images."""
        return super().applies(model, data) or too_few(data)

    def measure(self, artifacts: Artifacts) -> Records:
        """Return the smallest patch, searched and of random colours, that fools each image."""
        patterns, half = artifacts.once(self, lambda: self._searched(artifacts))
        held_out = ~half[artifacts.positions]
        colours = self._random(artifacts)
        flips, points = self._fallen(artifacts, held_out, patterns)
        covered, _ = self._fallen(artifacts, held_out, dict.fromkeys(self.areas, colours))
        return Records(
            artifacts.ids,
            examples=[
                *_patches(artifacts, patterns),
                *_examples(artifacts, np.where(held_out, flips, 0.0), points, patterns),
            ],
            held_out=held_out,
            correct=artifacts[Predictions].correct.numpy(),
            flip_area=flips,
            occlusion_area=covered,
        )

    def _searched(self, artifacts: Artifacts) -> tuple[dict[float, Tensor], Bools]:
        """Return one pattern per area, each from where the one before ended, and the half."""
        model = artifacts.image_model
        rows = searched_on(artifacts, "patch", self.inputs)
        images = attackable_at(artifacts, rows)
        ids = [artifacts.data.ids[i] for i in rows.tolist()]
        pattern = torch.full(
            (model.input_shape[0], CELLS, CELLS), sum(model.bounds) / 2, device=images.device
        )
        patterns: dict[float, Tensor] = {}
        for area in self.areas:
            patterns[area] = pattern = find_patch(
                model.logits,
                images,
                torch.from_numpy(artifacts.data.labels[rows]).long().to(images.device),
                area=area,
                bounds=model.bounds,
                start=pattern,
                keys=keys_of(artifacts.seed, "patch/search", ids),
                steps=self.steps,
                search=search_of(artifacts),
                batch_size=artifacts.execution.batch_size,
            )
        same = {area: one[None] for area, one in patterns.items()}  # (1, c, r, r) for all images
        return same, searched_half(artifacts, "patch")

    def _random(self, artifacts: Artifacts) -> Tensor:
        """Return random colours for each image (n, c, r, r)."""
        model = artifacts.image_model
        low, high = printable(model.bounds)
        draws = uniform(artifacts.keys("patch/colours"), (model.input_shape[0], CELLS, CELLS))
        return torch.from_numpy(low + (high - low) * draws).to(model.device, torch.float32)

    def _fallen(
        self, artifacts: Artifacts, held_out: Bools, patterns: dict[float, Tensor]
    ) -> tuple[Floats, Tensor]:
        """Return the smallest area at which each image falls (n,), NaN if it was searched on."""
        model, images = artifacts.image_model, attackable(artifacts)
        draws = _places(artifacts)

        def cover(rows: Tensor, area: float) -> Tensor:
            pattern, some = patterns[area], rows.cpu()
            mine = pattern if len(pattern) == 1 else pattern[rows]
            return patched(images[rows], mine, draws[some], area=area, bounds=model.bounds)

        return fallen_outside(artifacts, held_out, cover, self.areas)

    def summarise(self, records: Records, context: Context) -> Measured | NotApplicable:
        """Count what held on the other half, beside random colours."""
        held_out = records["held_out"]
        flips = records["flip_area"][held_out]
        covered = records["occlusion_area"][held_out]
        if not (flips > 0).any():
            return NotApplicable("no held-out input is classified correctly before the attack")
        held = robustness(
            self,
            flips,
            self.areas,
            name="area",
            evidence=["curve", "patches"],
            controls=[],
            level=context.level,
        )
        beside = [
            finding
            for area in self.areas
            for finding in self._beside(flips > area, covered > area, area, context)
        ]
        return Measured(
            findings=[*held, *beside],
            evidence=self._evidence(records, flips, covered, context),
            headline=at_the_middle_budget(held),
        )

    def _beside(
        self, kept: Bools, under_colours: Bools, area: float, context: Context
    ) -> tuple[Finding, Finding]:
        """Return the accuracy under random colours, and how much less the patch leaves."""
        n = len(kept)
        swept: Params = {"area": area}
        gain, interval = paired_difference(under_colours, kept, level=context.level)
        unfooled = int(np.count_nonzero(under_colours))
        return (
            self.share("occlusion_accuracy", unfooled, n=n, swept=swept, level=context.level),
            self.value(
                "gain_over_occlusion",
                gain,
                n=n,
                interval=interval,
                method="newcombe-paired",
                swept=swept,
                evidence=["curve", "patches"],
                level=context.level,
            ),
        )

    def _evidence(
        self, records: Records, flips: Floats, covered: Floats, context: Context
    ) -> dict[str, Evidence]:
        rows = [one for one in records.gallery("patches") if isinstance(one, ImageRow)]
        patches = ImageExhibit(title="The patch of each size", selection="worst", rows=rows)
        titles: dict[Selection, str] = {
            "worst": "Changed by the smallest patch, most confident first",
            "random": "Drawn at random among the changed",
            "boundary": "Changed only by the largest patch, least confident first",
        }
        return {
            "patches": patches,
            "curve": self._curve(flips, covered, context),
            **galleries(records, titles),
        }

    def _curve(self, flips: Floats, covered: Floats, context: Context) -> Curve:
        return beside_chance(
            {"one patch for all": flips, "random colours": covered},
            self.areas,
            title="Robust accuracy over the size of the patch, on images that it was not made from",
            x_label="share of the image that the patch covers",
            level=context.level,
        )


def _places(artifacts: Artifacts) -> Tensor:
    """Return where the patches of the held-out images go (n, 5), the same for every size."""
    return torch.from_numpy(uniform(artifacts.keys("patch/place"), (DRAWS,)))


def _patches(artifacts: Artifacts, patterns: dict[float, Tensor]) -> Iterator[Example]:
    """Yield the patch of each size, from the shard that holds the first image of the sample."""
    if artifacts.positions[0] != 0:
        return
    model, draws = artifacts.image_model, _places(artifacts)[:1]
    image = attackable(artifacts)[:1]
    for area, pattern in patterns.items():
        on_it = patched(image, pattern, draws, area=area, bounds=model.bounds)[0]
        row = ImageRow(
            id=f"area {area:g}",
            caption=f"The patch that covers {plain_percent(area)} of an image, and where it would"
            f" be put on {artifacts.ids[0]}",
            panels=[
                picture(_printed(pattern), model.bounds, "patch"),
                picture(on_it, model.bounds, "on an image"),
            ],
        )
        yield Example(gallery="patches", score=-area, row=row)


def _printed(pattern: Tensor) -> Tensor:
    """Return a pattern (1, c, r, r) as it is printed (c, s, s)."""
    side = [_SHOWN_SIDE, _SHOWN_SIDE]
    return functional.interpolate(pattern, side, mode="bilinear", align_corners=False)[0]


def _examples(
    artifacts: Artifacts, flips: Floats, points: Tensor, patterns: dict[float, Tensor]
) -> Iterator[Example]:
    areas = list(patterns)
    fallen = (flips > 0) & (flips <= areas[-1])
    (rows,) = np.nonzero(fallen)
    model, clean = artifacts.image_model, artifacts[Predictions]
    logits = torch.zeros(len(flips), len(model.classes))
    logits[rows] = model.predict(points[rows], batch_size=artifacts.execution.batch_size)
    confidence = np.where(fallen, logits.softmax(dim=1).amax(dim=1).numpy(), 0.0)
    scores = stepwise_scores(flips, areas, confidence, uniform(artifacts.keys("gallery"), ()))
    for gallery, i, score in shown(artifacts.ids, scores, fallen):
        area = float(flips[i])
        row = ImageRow(
            id=artifacts.ids[i],
            caption=f"true class {model.classes[int(clean.labels[i])]};"
            f" clean: {answer(model.classes, clean.logits[i])};"
            f" patch on {plain_percent(area)}: {answer(model.classes, logits[i])}",
            panels=[
                picture(artifacts.images[i], model.bounds, "clean"),
                picture(points[i], model.bounds, "with the patch"),
                picture(_printed(patterns[area]), model.bounds, "patch"),
            ],
        )
        yield Example(gallery=gallery, score=score, row=row)
