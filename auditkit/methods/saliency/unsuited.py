"""Why a method has no map for a model: an answer, not an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Unsuited:
    """A method that does not fit a model, and why, as the end of "not applicable: ...".

    Examples
    --------
    >>> Unsuited("no activation between input and logits keeps the layout of the image").reason
    'no activation between input and logits keeps the layout of the image'
    """

    reason: str
