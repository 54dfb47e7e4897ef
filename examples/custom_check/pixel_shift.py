"""Do predictions survive a shift of the image by a pixel?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import Check, Context, Measured, Meta, Records
from auditkit.errors import ConfigError
from auditkit.findings import Metric


@final
@dataclass(frozen=True, kw_only=True)
class PixelShift(Check):
    """Accuracy when every image is moved left, right, up and down.

    Parameters
    ----------
    pixels : int
        How far; what comes in from the rim repeats the rim.

    Raises
    ------
    ConfigError
        If `pixels` is below 1.
    """

    meta: ClassVar[Meta] = Meta(
        id="pixel-shift",
        family="shift",
        question="Do predictions survive a shift of the image by a pixel?",
        explanation="Every image is moved left, right, up and down. It survives if all four are"
        " classified correctly, and so is the image itself.",
        not_shown="Larger shifts, and shifts by a part of a pixel.",
        remedy="Train on randomly shifted images.",
        metrics={
            "shift_accuracy": Metric(
                label="accuracy under shift",
                definition="Share of all inputs classified correctly before and after each shift.",
                unit="share",
                better="higher",
            )
        },
        headline="pixel-shift/shift_accuracy/all",
        modalities=("image",),
    )
    pixels: int = 1

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise ConfigError(f"pixel-shift: pixels is {self.pixels}, expected at least 1.")

    def measure(self, artifacts: Artifacts) -> Records:
        """Return which images of a shard survive."""
        survives = artifacts[Predictions].correct.clone()  # (n,)
        for right, down in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            moved = shifted(artifacts.images, right * self.pixels, down * self.pixels)
            predicted = artifacts.classifier.predict(
                moved, batch_size=artifacts.execution.batch_size
            ).argmax(dim=1)
            survives &= predicted == artifacts.labels
        return Records(artifacts.ids, survives=survives.numpy())

    def summarise(self, records: Records, context: Context) -> Measured:
        """Count them over all shards."""
        count, n = records.count("survives"), len(records)
        return Measured(findings=[self.share("shift_accuracy", count, n=n, level=context.level)])


def shifted(images: Tensor, right: int, down: int) -> Tensor:
    """Move images (n, c, h, w); the rim is repeated."""
    height, width = images.shape[2:]
    x, y = abs(right), abs(down)
    padded = functional.pad(images, (x, x, y, y), mode="replicate")
    top, left = y - down, x - right
    return padded[:, :, top : top + height, left : left + width]
