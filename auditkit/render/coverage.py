"""What was tested and what was not: counts for the first screen, and reasons said once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from auditkit.render import outline, words
from auditkit.render.outline import Reading
from auditkit.result import Result
from auditkit.types import Status

ORDER: tuple[Status, ...] = ("measured", "errored", "skipped", "not_applicable")
NAMED = 400  # units that the bar is wide


class Part(NamedTuple):
    """Checks of one status, and where their piece of the bar lies, out of `NAMED`."""

    status: Status
    n: int
    start: float
    width: float


@dataclass(frozen=True)
class Missing:
    """Checks that gave no number for the same reason.

    Parameters
    ----------
    status : str
        Errored, skipped or not applicable.
    reason : str
        Where it names the check, and there are several, `ID` stands for the name.
    readings : sequence of Reading
        At least one.
    """

    status: Status
    reason: str
    readings: Sequence[Reading]

    @property
    def checks(self) -> list[str]:
        """Their names."""
        return [one.outcome.check for one in self.readings]


def parts(result: Result) -> list[Part]:
    """Return how many checks gave numbers, errored, were skipped or did not apply."""
    statuses = [one.status for one in result.outcomes]
    found: list[Part] = []
    start = 0.0
    for status in ORDER:
        if n := statuses.count(status):
            width = NAMED * n / len(statuses)
            found.append(Part(status, n, round(start, 2), round(width, 2)))
            start += width
    return found


def sentence(result: Result) -> str:
    """Return the counts as a sentence.

    Checks that do not apply are named apart from those that would have applied and are missing.
    """
    counts = {one.status: one.n for one in parts(result)}
    measured = counts.get("measured", 0)
    possible = sum(counts.values()) - counts.get("not_applicable", 0)
    applies = "applies" if possible == 1 else "apply"
    verb = "gives" if measured == 1 else "give"
    said = f"{measured:,} of {words.count(possible, 'check')} that {applies} here {verb} numbers"
    rest = [
        f"{counts[one]:,} {outline.STATUSES[one].lower()}"
        for one in ("errored", "skipped", "not_applicable")
        if one in counts
    ]
    return f"{'; '.join([said, ', '.join(rest)])}." if rest else f"{said}."


def missing(result: Result) -> list[Missing]:
    """Return the checks without a number, those with the same status and reason together.

    Errored checks come first, then skipped ones, then those that do not apply; within a status the
    order is that of the result.
    """
    found: dict[tuple[Status, str], list[Reading]] = {}
    for one in outline.untested(result):
        found.setdefault((one.outcome.status, _reason(one)), []).append(one)
    return [
        Missing(status, reason if len(members) > 1 else _own_reason(members[0]), members)
        for (status, reason), members in found.items()
    ]


def _own_reason(reading: Reading) -> str:
    return words.line(reading.outcome.reason or "") or "No reason was recorded."


def _reason(reading: Reading) -> str:
    """Return the reason with the check's own name, as a word, replaced by `ID`."""
    name = re.escape(words.line(reading.outcome.check))
    return re.sub(rf"(?<![\w-]){name}(?![\w-])", "ID", _own_reason(reading))
