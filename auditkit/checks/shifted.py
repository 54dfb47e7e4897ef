"""Deployment data: samples besides the audited one that a user names, with or without labels.

A check that reads them has the parameters `shift` (what follows `--shift`: "DATA" or "NAME=DATA"),
`columns` and `most`, and does three things:

1. `applies` calls `shifted(...)`, which loads the data now, so that a mistyped name is an error
   before anything is measured, and is not applicable with `MISSING` where there is none;
2. `measure` calls `recorded(artifacts, sets, columns_of)`: every shard of the audited sample takes
   its share of every named set, in pieces of at most `PIECE` inputs. `columns_of` is given a piece
   as `Artifacts`, so `piece[Predictions]` and `piece[Features]` are there, and returns arrays
   (m, ...). Facts of a piece are computed once per process for all checks that ask with the same
   parameters; its inputs are let go. What comes back goes into the records: `.with_beside(...)`;
3. `summarise` finds the merged columns of all shards in `records.beside[name]`, with the sentences
   that say where the inputs come from.

Inputs without labels have the label `labels.UNKNOWN` (-1), all of them: ask `Shifted.labelled`, and
never count their `Predictions.correct`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from auditkit.artifacts.base import Artifacts
from auditkit.artifacts.features import read_alike
from auditkit.checks.base import NotApplicable
from auditkit.checks.beside import Beside
from auditkit.checks.named_data import content_hash, named_data
from auditkit.data.catalogue import DATA
from auditkit.data.dataset import Dataset
from auditkit.errors import ConfigError
from auditkit.models.classifier import Classifier
from auditkit.plurals import count
from auditkit.types import Params

MISSING = "no deployment data were given; name some with --shift DATA"
PIECE = 250  # inputs in memory at a time
_HINT = "Name them apart: --shift spring=a.csv --shift autumn=b.csv"


@final
@dataclass(frozen=True)
class Shifted:
    """One deployment sample.

    Parameters
    ----------
    name : str
        What the user calls it.
    source : str
        A known data set, or a path.
    data : Dataset
        The sample that is looked at.
    """

    name: str
    source: str
    data: Dataset

    @property
    def labelled(self) -> bool:
        """Whether the true classes are known."""
        return self.data.labelled

    @property
    def slice_name(self) -> str:
        """The slice of findings about it."""
        return slice_of(self.name)

    @property
    def notes(self) -> tuple[str, ...]:
        """Where it comes from, in sentences."""
        data = self.data
        some = count(len(data), "input")
        if data.available > len(data):
            some += f", drawn from {data.available}"
        return (f"{self.source}: {some}, SHA-256 {data.sha256}.", *data.notes)

    def pieces(self, artifacts: Artifacts) -> Iterator[Artifacts]:
        """Yield the share of one shard, a piece at a time; its inputs are then let go.

        The shard has to be a run of the sample, as all shards of an audit are.
        """
        n, m = len(artifacts.data), len(self.data)
        first, last = int(artifacts.positions[0]), int(artifacts.positions[-1])
        start, stop = first * m // n, (last + 1) * m // n
        for low in range(start, stop, PIECE):
            piece = self._piece(artifacts, low, min(stop, low + PIECE))
            yield piece
            piece.forget_inputs()

    def _piece(self, artifacts: Artifacts, low: int, high: int) -> Artifacts:
        return artifacts.once(
            ("shifted", self.source, self.data.sha256, len(self.data), low, high),
            lambda: Artifacts(
                artifacts.classifier,
                self.data,
                np.arange(low, high),
                seed=artifacts.seed,
                execution=artifacts.execution,
                shared=read_alike(artifacts),
            ),
        )


def slice_of(name: str) -> str:
    """Return the slice of findings about a deployment sample."""
    return f"shift={name}"


def shifted(
    check: str,
    shift: Sequence[str],
    model: Classifier,
    *,
    columns: Sequence[str] = (),
    most: int,
    seed: int = 0,
) -> tuple[Shifted, ...]:
    """Return the deployment samples that a user named; a process loads each once.

    Parameters
    ----------
    check : str
        Who asks, for messages.
    shift : sequence of str
        "NAME=DATA" or "DATA", whose name is then that of the data set or file.
    model : Classifier
        Will read them.
    columns : sequence of str
        As `--columns`, for tables; the label column may be absent.
    most : int
        Inputs of each, at least 1; drawn at random, by label where there are labels.
    seed : int
        The run's seed.

    Raises
    ------
    ConfigError
        If two have one name, or `most` is below 1.
    DataError
        If one cannot be read, or does not fit the model.
    """
    if most < 1:
        raise ConfigError(f"{check}: most is {most}, expected at least 1.")
    found: dict[str, Shifted] = {}
    for name, source in map(_named, shift):
        if name in found:
            raise ConfigError(f"{check}: two deployment samples are called {name!r}.", hint=_HINT)
        data = named_data("--shift", source, tuple(columns), model, unlabelled=True)
        found[name] = Shifted(name, source, data.sample(most, seed=seed))
    return tuple(found.values())


def _named(text: str) -> tuple[str, str]:
    """Return name and source; a path that holds "=" is one all the same."""
    name, sign, source = text.partition("=")
    if sign and name and source and not Path(text).exists():
        return name, source
    if not text or (sign and not Path(text).exists()):
        raise ConfigError(
            f"--shift is {text!r}, expected DATA or NAME=DATA.",
            hint="Write, for example: --shift spring=march.csv",
        )
    return Path(text).name if text not in DATA else text, text


def hash_of(shift: Sequence[str]) -> Params:
    """Return what was named and the hash of its files as parameters, nothing where none is named.

    A known data set has its name for a hash.
    """
    if not shift:
        return {}
    sources = [_named(one)[1] for one in shift]
    return {
        "shift": ", ".join(shift),
        "shift_sha256": ", ".join(map(content_hash, sources)),
    }


def none_named(shift: Sequence[str]) -> NotApplicable | None:
    """Return why there is nothing to look at, where nothing is named."""
    return None if shift else NotApplicable(MISSING)


def recorded(
    artifacts: Artifacts,
    sets: Sequence[Shifted],
    columns_of: Callable[[Artifacts], Mapping[str, NDArray[Any]]],
) -> dict[str, Beside]:
    """Return what is measured of a shard's share of every deployment sample, by its name."""
    found: dict[str, Beside] = {}
    for one in sets:
        parts = [Beside(piece.ids, columns_of(piece), one.notes) for piece in one.pieces(artifacts)]
        if parts:
            found[one.name] = Beside.merged(parts)
    return found
