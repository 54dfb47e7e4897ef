"""The same inputs under a change: what the model says to them then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from auditkit.artifacts.base import Artifacts
from auditkit.checks.changed import corrupted, logits_of
from auditkit.errors import ConfigError, near_miss
from auditkit.methods.corruptions.catalogue import CORRUPTIONS
from auditkit.methods.corruptions.severity import require_severity
from auditkit.methods.corruptions.typos import typos
from auditkit.models.classifier import Inputs
from auditkit.types import Modality, Params

_TYPOS = "typos"


class Change(NamedTuple):
    """A kind of change at a severity from 1 to 5."""

    kind: str
    severity: int

    @property
    def swept(self) -> Params:
        """What tells its findings apart."""
        return {"corruption": self.kind, "severity": self.severity}

    def column(self, name: str) -> str:
        """Return the column of the records that holds something under this change."""
        return f"{self.kind}-{self.severity}-{name}"


def require_changes(check: str, kinds: Sequence[str], severities: Sequence[int]) -> None:
    """Raise ConfigError if a kind or severity is unknown or named twice; none at all is allowed."""
    for severity in severities:
        require_severity(severity)
    for kind in kinds:
        if kind not in CORRUPTIONS:
            raise ConfigError(
                f"{check}: there is no corruption {kind!r}.{near_miss(kind, CORRUPTIONS)}",
                hint=f"The corruptions are {', '.join(CORRUPTIONS)}.",
            )
    for name, chosen in (("kinds", kinds), ("severities", severities)):
        if len(set(chosen)) < len(chosen):
            raise ConfigError(f"{check}: {name} names something twice.", hint="Name it once.")


def changes_for(
    modality: Modality, kinds: Sequence[str], severities: Sequence[int]
) -> list[Change]:
    """Return what inputs are changed by: images are corrupted, texts mistyped, others nothing."""
    of: dict[Modality, Sequence[str]] = {"image": kinds, "text": (_TYPOS,)}
    return [
        Change(kind, severity) for kind in of.get(modality, ()) for severity in sorted(severities)
    ]


def changed_logits(artifacts: Artifacts, change: Change) -> Tensor:
    """Return the logits (n, k) of a shard's inputs under a change.

    An input is changed as in the checks `corruptions` and `typos` of the same seed. Checks of one
    run share them.

    Raises
    ------
    ModelError
        If a logit is NaN or infinite.
    """
    return artifacts.once_per_shard(
        ("logits", change),
        lambda: logits_of(
            artifacts,
            _changed(artifacts, change),
            f"{change.kind} at severity {change.severity}",
            hint="set severities = [] for this check",
        ),
    )


def _changed(artifacts: Artifacts, change: Change) -> Inputs:
    if change.kind == _TYPOS:
        mistyped = typos(artifacts.texts, change.severity, artifacts.keys(_TYPOS))
        return [one.text for one in mistyped]
    return corrupted(artifacts, artifacts.images, change.kind, change.severity)
