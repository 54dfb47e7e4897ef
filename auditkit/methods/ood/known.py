"""What scores of strangeness are fitted on, and what they read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, final

from auditkit.methods.ood.head import Head
from auditkit.types import Floats, Ints


class Reading(NamedTuple):
    """What a model holds of n inputs."""

    features: Floats  # (n, d) float64, what the last linear layer reads
    logits: Floats  # (n, k) float64


@final
@dataclass(frozen=True, kw_only=True)
class Known:
    """Inputs that the model is made for, to fit a score on.

    Parameters
    ----------
    reading : Reading
        Of n inputs.
    labels : ndarray
        (n,) their true classes.
    head : Head, optional
        The last linear layer, where it could be seen.
    """

    reading: Reading
    labels: Ints
    head: Head | None = None


Score: TypeAlias = Callable[[Reading], Floats]
"""Maps a reading of n inputs to a number of each (n,), larger for stranger ones."""


class Unfit(Exception):  # noqa: N818 - no error of the user's
    """A score cannot be had of this model or from so few inputs; the message says why."""
