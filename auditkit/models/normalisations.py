"""The normalisations of images that most training scripts use, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from auditkit.errors import ConfigError, near_miss

Numbers = tuple[float, ...]


@final
@dataclass(frozen=True)
class Normalisation:
    """What is subtracted from a pixel and what it is divided by, per channel; None for nothing."""

    mean: Numbers | None = None
    std: Numbers | None = None

    def fits(self, channels: int) -> bool:
        """Say whether it has one value, or one for every channel."""
        return all(one is None or len(one) in (1, channels) for one in (self.mean, self.std))

    def scaled(self, bounds: tuple[float, float]) -> Normalisation:
        """Return the same for pixels within other bounds than [0, 1]."""
        low, high = bounds
        if self.mean is None or self.std is None or bounds == (0.0, 1.0):
            return self
        return Normalisation(
            tuple(low + one * (high - low) for one in self.mean),
            tuple(one * (high - low) for one in self.std),
        )

    def after(self, factor: float) -> Normalisation:
        """Return the same with pixels multiplied by a factor before."""
        mean = None if self.mean is None else tuple(one / factor for one in self.mean)
        return Normalisation(mean, tuple(one / factor for one in self.std or (1.0,)))


# For pixels in [0, 1].
NORMALISATIONS = {
    "none": Normalisation(),
    "half": Normalisation((0.5,), (0.5,)),  # to [-1, 1]
    "imagenet": Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": Normalisation((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    # The spread that most scripts for CIFAR-10 divide by: the mean of that of single images.
    "cifar10-scripts": Normalisation((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "mnist": Normalisation((0.1307,), (0.3081,)),
    "fashion-mnist": Normalisation((0.2860,), (0.3530,)),
}
_GREY = ("mnist", "fashion-mnist")


def usual(channels: int) -> dict[str, Normalisation]:
    """Return the normalisations that images of so many channels usually get, by name."""
    return {
        name: one
        for name, one in NORMALISATIONS.items()
        if one.fits(channels) and (channels == 1 or name not in _GREY)
    }


def normalisation_of(
    *,
    name: str | None,
    mean: Numbers | None,
    std: Numbers | None,
    scale: float | None,
    bounds: tuple[float, float],
    channels: int,
) -> Normalisation | None:
    """Return what the options ask for, for raw pixels within bounds, or None where none does.

    Parameters
    ----------
    name : str, optional
        Of `NORMALISATIONS`.
    mean, std : tuple of float, optional
        Instead of a name.
    scale : float, optional
        What a raw pixel is multiplied by before.
    bounds : (low, high)
        Range of a raw pixel.
    channels : int
        Of an image.

    Raises
    ------
    ConfigError
        If the name is unknown or does not fit the channels, or stands beside mean or std.
    """
    if name is None and mean is None and std is None and scale is None:
        return None
    found = Normalisation(mean, std)
    if name is not None:
        found = _named(name, channels)
        if mean is not None or std is not None:
            raise ConfigError(
                f"--normalise {name} stands beside --mean or --std.", hint="Leave out one of them."
            )
        # A scale brings the pixels to [0, 1] first; without one, the bounds say how far they are.
        found = found if scale is not None else found.scaled(bounds)
    return found if scale is None else found.after(scale)


def _named(name: str, channels: int) -> Normalisation:
    if name not in NORMALISATIONS:
        raise ConfigError(
            f"There is no normalisation {name!r}.{near_miss(name, NORMALISATIONS)}",
            hint=f"Known: {', '.join(NORMALISATIONS)}; or give --mean and --std.",
        )
    found = NORMALISATIONS[name]
    if not found.fits(channels):
        raise ConfigError(
            f"--normalise {name} is for 3 channels, and the model reads {channels}.",
            hint=f"Use one of {', '.join(usual(channels))}; or give --mean and --std.",
        )
    return found
