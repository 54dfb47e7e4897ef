"""How the tests of `drift` do on parts of the audited data, where the truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias, final

import numpy as np

from auditkit.checks.base import Context
from auditkit.checks.beside import Beside
from auditkit.checks.shift._two_samples import Known, random_parts, standardised, together
from auditkit.methods.drift.label_shift import answers_p
from auditkit.randomness import generator

if TYPE_CHECKING:
    from auditkit.checks.shift.drift import Drift

Test: TypeAlias = tuple[str, str]  # what is looked at, and how
ANSWERS: Test = ("answers", "chi-square")


@final
@dataclass(frozen=True)
class Power:
    """Alarms among parts that differ, one number for each size."""

    sizes: Sequence[float]
    apart: list[float]  # by how much they really differ, on average
    alarms: Mapping[str, list[int]]  # by test
    together: list[int]  # of the tests on one thing, corrected for their number


@final
@dataclass(frozen=True)
class Trials:
    """What came of parting the audited data at random; None is all tests together."""

    alarms: Mapping[Test | None, int]
    powers: Mapping[str, Power]

    @classmethod
    def run(
        cls,
        check: Drift,
        context: Context,
        reference: Beside,
        spaces: Sequence[str],
        size: int,
    ) -> Self:
        """Part the audited data again and again, the second part holding `size` of them."""
        known: dict[str, Known] = {}
        for space in spaces:
            values = reference[space]
            own = standardised(values, values[:0])
            if len(own.kept):
                known[space] = Known(own.first, size, permutations=check.permutations)
        powers = {
            space: _power(check, one, generator(context.key("drift", "power", space, size)))
            for space, one in known.items()
        }
        rng = generator(context.key("drift", "splits", size))
        classes = len(context.data.classes)
        return cls(_false_alarms(check, known, reference, classes, size, rng), powers)


def _false_alarms(
    check: Drift,
    known: Mapping[str, Known],
    reference: Beside,
    classes: int,
    size: int,
    rng: np.random.Generator,
) -> Mapping[Test | None, int]:
    predicted = reference["predicted"]
    counts: dict[Test | None, int] = {None: 0}
    for parts in random_parts(len(reference), size, check.splits, rng):
        found: dict[Test, float] = {
            (space, test): p
            for space, one in known.items()
            for test, p in one.p_values(parts, rng).items()
        }
        halves = [np.bincount(predicted[one], minlength=classes) for one in (parts, ~parts)]
        found[ANSWERS] = answers_p(halves[0], halves[1], permutations=check.permutations, rng=rng)
        for test, p in found.items():
            counts[test] = counts.get(test, 0) + (p <= check.alpha)
        counts[None] += together(found.values()) <= check.alpha
    return counts


def _power(check: Drift, known: Known, rng: np.random.Generator) -> Power:
    sizes = sorted(check.sizes)
    found = Power(sizes, [], {}, [])
    alarms: dict[str, list[int]] = {}
    for size in sizes:
        drawn = [known.apart(size, rng) for _ in range(check.repetitions)]
        found.apart.append(float(np.mean([known.difference(parts) for parts in drawn])))
        p_values = [known.p_values(parts, rng) for parts in drawn]
        for test in p_values[0]:
            count = sum(one[test] <= check.alpha for one in p_values)
            alarms.setdefault(test, []).append(count)
        found.together.append(sum(together(one.values()) <= check.alpha for one in p_values))
    return Power(sizes, found.apart, alarms, found.together)
