"""What a planted flaw is: how it is planted, what its sound twin has instead, how it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

from auditkit.data.dataset import Dataset
from auditkit.models.classifier import Classifier
from auditkit.selftest.store import Store
from auditkit.types import Modality


@final
@dataclass(frozen=True, kw_only=True)
class Twins:
    """A model with a flaw and one without, alike in everything else.

    Parameters
    ----------
    seed : int
        That both were trained with.
    flawed, sound : Classifier
        The two.
    parent : Classifier, optional
        What both were made from, where the flaw is a change for the worse.
    """

    seed: int
    flawed: Classifier
    sound: Classifier
    parent: Classifier | None = None


Plant: TypeAlias = Callable[[int, Store], Twins]
Measure: TypeAlias = Callable[[Classifier, Twins], float]
Taught: TypeAlias = Callable[[Classifier, Twins], Dataset]


@final
@dataclass(frozen=True, kw_only=True)
class Symptom:
    """What somebody who knows the planting can measure: it shows that the flaw is really there.

    Parameters
    ----------
    label : str
        What is measured; a share, near 0 on the sound twin.
    measure : callable
        Maps one of the twins, and both, to the value.
    """

    label: str
    measure: Measure


@final
@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One way to plant one flaw: one row of the table.

    Parameters
    ----------
    id : str
        The file name with dashes.
    variant : str
        Which way, in one word.
    modality : Modality
        What the models read.
    planted, twin : str
        How it is planted, and what the sound twin has instead.
    must_reveal : str
        What has to notice it.
    revealed_by : str
        What of that exists, and what it does not see; empty where nothing exists.
    symptom : Symptom
        Shows that the flaw is there.
    plant : callable
        Maps a seed, and where trained networks are kept, to twins.
    data : callable
        Returns what both are audited on.
    taught : callable, optional
        Maps one of the twins, and both, to what it was taught, where a check has to know.
    quick : bool
        Whether its networks come with auditkit, for `audit selftest --quick`.
    """

    id: str
    variant: str
    modality: Modality
    planted: str
    twin: str
    must_reveal: str
    revealed_by: str = ""
    symptom: Symptom
    plant: Plant
    data: Callable[[], Dataset]
    taught: Taught | None = None
    quick: bool = False

    @property
    def name(self) -> str:
        """Id and variant, as limits.toml has them: `shortcut.tag`."""
        return f"{self.id}.{self.variant}"
