"""What the checks that perturb images share: inputs to attack, and rows to show."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.galleries import answer
from auditkit.errors import DataError
from auditkit.findings import ImageRow
from auditkit.methods.pictures import picture
from auditkit.plurals import count
from auditkit.types import Ints

SLACK = 1e-4  # share of the range that rounding may leave an image outside its bounds


def attackable(artifacts: Artifacts) -> Tensor:
    """Return the images (n, c, h, w) on the model's device, within the bounds.

    Raises
    ------
    DataError
        If an image leaves the bounds by more than rounding: no ball would then mean anything.
    """
    return _within_bounds(artifacts, artifacts.images, artifacts.ids)


def attackable_at(artifacts: Artifacts, positions: Ints) -> Tensor:
    """Return the same of the images at some positions of the whole sample (m, c, h, w)."""
    images = artifacts.data.read(positions)
    assert not isinstance(images, list)
    ids = [artifacts.data.ids[i] for i in positions.tolist()]
    return _within_bounds(artifacts, torch.from_numpy(images), ids)


def _within_bounds(artifacts: Artifacts, images: Tensor, ids: Sequence[str]) -> Tensor:
    model = artifacts.image_model
    low, high = model.bounds
    slack = SLACK * (high - low)
    outside = ((images < low - slack) | (images > high + slack)).flatten(1).any(dim=1)
    if outside.any():
        first = int(outside.nonzero()[0, 0])
        seen = images[first]
        raise DataError(
            f"{count(int(outside.sum()), 'image')} outside the model's bounds"
            f" [{low:g}, {high:g}]: the first is {ids[first]!r} with values"
            f" {float(seen.min()):g} to {float(seen.max()):g}.",
            hint="Give the raw pixel range with --bounds LOW,HIGH, or rescale the images.",
        )
    return images.clamp(low, high).to(model.device)


def perturbed_row(
    artifacts: Artifacts, position: int, perturbed: Tensor, *, amplify: float, change: str
) -> ImageRow:
    """Return clean image, perturbed image and their amplified difference.

    Parameters
    ----------
    perturbed : Tensor
        (c, h, w) within the bounds.
    amplify : float
        Factor on the difference as a share of the input range; no change is mid-grey.
    change : str
        The size of the change in words, such as "epsilon 0.02".
    """
    model, clean = artifacts.image_model, artifacts[Predictions]
    low, high = model.bounds
    image, perturbed = artifacts.images[position], perturbed.cpu()
    difference = (0.5 + amplify * (perturbed - image) / (high - low)).clamp(0, 1)
    after = model.predict(perturbed[None])[0]
    return ImageRow(
        id=artifacts.ids[position],
        caption=f"true class {model.classes[int(clean.labels[position])]};"
        f" clean: {answer(model.classes, clean.logits[position])};"
        f" {change}: {answer(model.classes, after)}",
        panels=[
            picture(image, model.bounds, "clean"),
            picture(perturbed, model.bounds, "perturbed"),
            picture(difference, (0.0, 1.0), f"difference x {amplify:.3g}"),
        ],
    )
