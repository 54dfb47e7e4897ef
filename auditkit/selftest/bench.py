"""Plants every flaw with every seed, and counts what is caught and what is cried wolf."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import auditkit
from auditkit.errors import ModelError
from auditkit.models.classifier import Classifier
from auditkit.policy import Policy
from auditkit.result import LimitStatus
from auditkit.selftest.base import Flaw, Twins
from auditkit.selftest.limits import frozen_limits
from auditkit.selftest.measure import held_against
from auditkit.selftest.report import Count, Held, Row, Selftest, Standing, Trial
from auditkit.selftest.store import Store

SEEDS = (0, 1, 2, 3, 4)  # never used to choose a limit
QUICK_SEEDS = SEEDS[:2]  # whose networks come with auditkit
TUNING_SEEDS = (100, 101)  # that limits were chosen on


def run_bench(
    flaws: Sequence[Flaw],
    seeds: Sequence[int],
    store: Store,
    *,
    limits: Mapping[str, Policy] | None = None,
    quick: bool = False,
    told: Callable[[str], None] = lambda _line: None,
) -> Selftest:
    """Return the table of these flaws.

    Parameters
    ----------
    flaws : sequence of Flaw
        The rows.
    seeds : sequence of int
        Training seeds, at least one.
    store : Store
        Where networks are.
    limits : mapping, optional
        What the twins of each flaw are held against, by name; the frozen ones by default.
    quick : bool
        Whether this is the small set; only said in the result.
    told : callable
        Called with a line for each flaw and seed.

    Raises
    ------
    ModelError
        If a network of a flaw that some check can reveal was not trained.
    """
    held = frozen_limits() if limits is None else limits
    rows: list[Row] = []
    for flaw in flaws:
        trials: list[Trial] = []
        for seed in seeds:
            told(f"{flaw.name}, seed {seed}")
            trials.append(_trial(flaw, seed, store, held.get(flaw.name)))
        rows.append(row_of(flaw, trials))
    return Selftest(
        auditkit=auditkit.__version__,
        quick=quick,
        seeds=list(seeds),
        sentence=_sentence(rows),
        exit_code=1 if any(one.standing == "red" for one in rows) else 0,
        rows=rows,
    )


def _trial(flaw: Flaw, seed: int, store: Store, policy: Policy | None) -> Trial:
    try:
        twins = flaw.plant(seed, store)
    except ModelError:
        if policy is not None:
            raise
        return Trial(seed=seed, flawed=Held(), sound=Held())  # only the symptom is unknown
    flawed, sound = (_held(flaw, one, twins, policy) for one in (twins.flawed, twins.sound))
    return Trial(seed=seed, flawed=flawed, sound=sound)


def _held(flaw: Flaw, model: Classifier, twins: Twins, policy: Policy | None) -> Held:
    symptom = round(flaw.symptom.measure(model, twins), 4)
    if policy is None:
        return Held(symptom=symptom)
    taught = None if flaw.taught is None else flaw.taught(model, twins)
    verdict = held_against(policy, model, flaw.data(), parent=twins.parent, taught=taught)
    judgements = [*verdict.decided_by, *verdict.passed]
    return Held(
        status=_worst([one.status for one in judgements]), judgements=judgements, symptom=symptom
    )


def _worst(statuses: Sequence[LimitStatus]) -> LimitStatus:
    order: tuple[LimitStatus, ...] = ("fail", "incomplete", "pass")
    return next(one for one in order if one in statuses)


def row_of(flaw: Flaw, trials: Sequence[Trial]) -> Row:
    """Return the counts of one flaw."""
    n = len(trials)
    caught, undecided = (_count(trials, "flawed", one) for one in ("fail", "incomplete"))
    cried_wolf, unsure = (_count(trials, "sound", one) for one in ("fail", "incomplete"))
    return Row(
        flaw=flaw.id,
        variant=flaw.variant,
        modality=flaw.modality,
        planted=flaw.planted,
        twin=flaw.twin,
        must_reveal=flaw.must_reveal,
        revealed_by=flaw.revealed_by,
        symptom=flaw.symptom.label,
        standing=_standing(trials, caught, cried_wolf),
        caught=Count(count=caught, n=n),
        missed=Count(count=n - caught - undecided, n=n),
        undecided=Count(count=undecided, n=n),
        cried_wolf=Count(count=cried_wolf, n=n),
        unsure=Count(count=unsure, n=n),
        trials=list(trials),
    )


def _count(trials: Sequence[Trial], twin: Literal["flawed", "sound"], status: str) -> int:
    held = [one.flawed if twin == "flawed" else one.sound for one in trials]
    return sum(one.status == status for one in held)


def _standing(trials: Sequence[Trial], caught: int, cried_wolf: int) -> Standing:
    if all(one.flawed.status is None for one in trials):
        return "no check"
    return "green" if caught == len(trials) and cried_wolf == 0 else "red"


def _sentence(rows: Sequence[Row]) -> str:
    checked = [one for one in rows if one.standing != "no check"]
    red = [one.name for one in checked if one.standing == "red"]
    open_ = len(rows) - len(checked)
    later = f" For {open_} more no check exists: they count as missed." if open_ else ""
    if not checked:
        return f"No check exists for any of these flaws.{later}"
    if red:
        return f"{len(red)} of {len(checked)} flaws with a check are not told from their sound" + (
            f" twins every time: {', '.join(red)}.{later}"
        )
    return (
        f"All {len(checked)} flaws with a check are caught every time, and no sound twin fails."
        f"{later}"
    )
