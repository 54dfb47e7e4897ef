"""What checks over severities share: cells, paired drops, the mean error, the worst rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.predictions import Predictions
from auditkit.checks.base import GALLERY_SIZE, Check, Records
from auditkit.checks.changed import logits_of
from auditkit.checks.parameters import require_choice
from auditkit.findings import Finding, Series, Token
from auditkit.methods.corruptions.severity import require_severity
from auditkit.methods.corruptions.typos import Mistyped
from auditkit.models.classifier import Inputs
from auditkit.statistics import Interval, bounded_mean, clopper_pearson, paired_difference
from auditkit.types import Bools, Floats, Ints, Params


def require_severities(check: str, severities: Sequence[int]) -> None:
    """Raise ConfigError unless the severities are distinct whole numbers from 1 to 5."""
    for severity in severities:
        require_severity(severity)
    require_choice(check, "severities", severities)


@final
@dataclass(frozen=True)
class Cell:
    """What the model says to one shard under one kind of change at one severity."""

    predicted: Ints  # (n,)
    confidence: Floats  # (n,) of the predicted class
    correct: Bools  # (n,)

    @classmethod
    def read(cls, artifacts: Artifacts, changed: Inputs, name: str) -> Cell:
        """Run the model on the changed inputs of a shard.

        Raises
        ------
        ModelError
            If a logit is NaN or infinite.
        """
        logits = logits_of(artifacts, changed, name, hint="leave this change out with kinds")
        confidence, predicted = logits.softmax(dim=1).max(dim=1)
        correct = predicted == artifacts.labels
        return cls(predicted.numpy(), confidence.numpy(), correct.numpy())


@final
@dataclass(frozen=True)
class Fallen:
    """An input that the model reads rightly when clean and wrongly when changed."""

    id: str
    position: int  # in the shard
    kind: str
    severity: int
    predicted: int
    confidence: float

    @property
    def score(self) -> float:
        """The earlier it falls and the surer the wrong answer is, the worse."""
        return self.confidence - self.severity


def fallen_in(artifacts: Artifacts, cell: Cell, kind: str, severity: int) -> list[Fallen]:
    """Return the inputs of a cell that may be shown, the surest wrong answers first."""
    clean = artifacts[Predictions].correct.numpy()
    positions = np.flatnonzero(clean & ~cell.correct)
    order = sorted(positions, key=lambda i: (-cell.confidence[i], artifacts.ids[i]))
    return [
        Fallen(
            artifacts.ids[i], int(i), kind, severity,
            int(cell.predicted[i]), float(cell.confidence[i]),
        )
        for i in order[:GALLERY_SIZE]
    ]  # fmt: skip


def worst(fallen: Iterable[Fallen]) -> list[Fallen]:
    """Return the worst of them, every input at most once."""
    best: dict[str, Fallen] = {}
    for one in fallen:
        if one.id not in best or one.score > best[one.id].score:
            best[one.id] = one
    return sorted(best.values(), key=lambda one: (-one.score, one.id))[:GALLERY_SIZE]


def mean_error(correct: Sequence[Bools], *, seed: int, level: float) -> tuple[float, Interval, str]:
    """Return the mean error over cells, its interval by input, and the interval's name.

    The cells of one input are one cluster: whole inputs are drawn.
    """
    return bounded_mean(1 - np.mean(np.stack(correct), axis=0), seed=seed, level=level)


def accuracy_and_drop(
    check: Check,
    column: str,
    records: Records,
    *,
    swept: Params,
    evidence: Sequence[str],
    evidence_of_drop: Sequence[str] | None = None,
    metrics: tuple[str, str] = ("accuracy", "accuracy_drop"),
    level: float,
) -> list[Finding]:
    """Return the accuracy under a change, and what is lost to the same inputs when clean.

    Parameters
    ----------
    column : str
        Of the records: which inputs are right under the change; `correct` holds which are clean.
    swept : dict
        Settings that tell the findings apart.
    evidence, evidence_of_drop : sequence of str
        What both show, or the second of them alone.
    metrics : tuple of str
        What both are called.
    """
    drop, interval = paired_difference(records["correct"], records[column], level=level)
    shown = evidence if evidence_of_drop is None else evidence_of_drop
    n = len(records)
    return [
        check.share(
            metrics[0], records.count(column), n=n, swept=swept, evidence=evidence, level=level
        ),
        check.value(
            metrics[1], drop, n=n, interval=interval, method="newcombe-paired", swept=swept,
            evidence=shown, level=level,
        ),
    ]  # fmt: skip


def accuracy_series(
    name: str, columns: Mapping[int, Bools] | Mapping[float, Bools], *, level: float
) -> Series:
    """Return accuracy with intervals over severity, 0 being the clean inputs, or over a number."""
    intervals = [clopper_pearson(int(one.sum()), len(one), level=level) for one in columns.values()]
    return Series(
        name=name,
        x=[float(severity) for severity in columns],
        y=[float(one.mean()) for one in columns.values()],
        low=[one.low for one in intervals],
        high=[one.high for one in intervals],
    )


def marked(changed: Mistyped) -> list[Token]:
    """Return the text as pieces, every change a piece of its own that names what it was."""
    pieces: list[Token] = []
    done = 0
    for change in changed.changes:
        before = changed.text[done : change.start]
        kept = before.rstrip()
        if kept:
            pieces.append(Token(text=kept))
        space = before[len(kept) :]
        word = changed.text[change.start : change.end]
        pieces.append(Token(text=space + word, was=change.was))
        done = change.end
    if changed.text[done:]:
        pieces.append(Token(text=changed.text[done:]))
    return pieces
