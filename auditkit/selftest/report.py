"""What a selftest came to, as versioned plain data: rows of flaws, trials of seeds."""

from __future__ import annotations

import json
from typing import Literal, TypeAlias, final

from pydantic import Field, computed_field

from auditkit.findings import Frozen
from auditkit.result import Judgement, LimitStatus
from auditkit.statistics import LEVEL, clopper_pearson
from auditkit.types import Modality

SCHEMA = 1
Standing: TypeAlias = Literal["green", "red", "no check"]


@final
class Held(Frozen):
    """One twin held against the limits of its flaw.

    Parameters
    ----------
    status : {"pass", "fail", "incomplete"}
        Fail where any limit fails; None where no check exists.
    judgements : list of Judgement
        One per limit and finding.
    symptom : float, optional
        What somebody who knows the planting measures; None where there is no network to measure.
    """

    status: LimitStatus | None = None
    judgements: list[Judgement] = []
    symptom: float | None = None


@final
class Trial(Frozen):
    """The twins of one training seed."""

    seed: int
    flawed: Held
    sound: Held


@final
class Count(Frozen):
    """So many of so many seeds, with the exact interval of the share."""

    count: int
    n: int

    @computed_field
    @property
    def low(self) -> float:
        """Lower end of the Clopper-Pearson interval."""
        return clopper_pearson(self.count, self.n).low

    @computed_field
    @property
    def high(self) -> float:
        """Upper end of the Clopper-Pearson interval."""
        return clopper_pearson(self.count, self.n).high


@final
class Row(Frozen):
    """One way to plant one flaw, and how often it was noticed.

    Parameters
    ----------
    flaw, variant, modality, planted, twin, must_reveal, revealed_by, symptom
        See `Flaw`.
    standing : {"green", "red", "no check"}
        Green where every seed was caught and no sound twin failed.
    caught, missed, undecided : Count
        Flawed twins of which a limit failed, none failed, or none failed and some were incomplete.
        Without a check all count as missed.
    cried_wolf, unsure : Count
        Sound twins of which a limit failed, or none failed and some were incomplete.
    trials : list of Trial
        One per seed.
    """

    flaw: str
    variant: str
    modality: Modality
    planted: str
    twin: str
    must_reveal: str
    revealed_by: str
    symptom: str
    standing: Standing
    caught: Count
    missed: Count
    undecided: Count
    cried_wolf: Count
    unsure: Count
    trials: list[Trial]

    @property
    def name(self) -> str:
        """Flaw and variant."""
        return f"{self.flaw}.{self.variant}"

    def mean_symptom(self, twin: Literal["flawed", "sound"]) -> float | None:
        """Return the mean over seeds, where it was measured."""
        held = [one.flawed if twin == "flawed" else one.sound for one in self.trials]
        known = [one.symptom for one in held if one.symptom is not None]
        return sum(known) / len(known) if known else None


@final
class Selftest(Frozen):
    """The whole table."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    auditkit: str
    quick: bool
    seeds: list[int]
    level: float = LEVEL
    sentence: str
    exit_code: Literal[0, 1]
    rows: list[Row]


def to_json(selftest: Selftest) -> str:
    """Return the table as JSON text; the same table always gives the same text."""
    return json.dumps(selftest.model_dump(mode="json", by_alias=True), indent=1) + "\n"
