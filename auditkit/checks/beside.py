"""What was recorded of inputs that are not of the audited sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class Beside:
    """Columns of m other inputs; they are kept for resuming, and are no part of records.parquet.

    Parameters
    ----------
    ids : tuple of str
        The inputs.
    columns : mapping of ndarray
        One (m, ...) array per name.
    notes : tuple of str
        Where the inputs come from, in sentences.
    """

    ids: tuple[str, ...]
    columns: Mapping[str, NDArray[Any]]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if len(column) != len(self.ids):
                raise ValueError(f"column {name} has {len(column)} rows, not {len(self.ids)}")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]

    @classmethod
    def merged(cls, parts: Sequence[Self]) -> Self:
        """Return one of all inputs, in the order of the parts."""
        names = parts[0].columns
        return cls(
            tuple(one for part in parts for one in part.ids),
            {name: np.concatenate([part[name] for part in parts]) for name in names},
            parts[0].notes,
        )


def merged_by_name(parts: Sequence[Mapping[str, Beside]]) -> dict[str, Beside]:
    """Return what several shards recorded of the same data, name by name."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: Beside.merged([part[name] for part in parts if name in part]) for name in names}


def packed_beside(beside: Mapping[str, Beside]) -> dict[str, NDArray[Any]]:
    """Return plain arrays that `unpacked_beside` turns back."""
    arrays: dict[str, NDArray[Any]] = {"names": np.array(list(beside), dtype=np.str_)}
    for i, one in enumerate(beside.values()):
        arrays |= {f"{i}/ids": np.array(one.ids), f"{i}/notes": np.array(one.notes, dtype=np.str_)}
        arrays |= {f"{i}/of/{name}": column for name, column in one.columns.items()}
    return arrays


def unpacked_beside(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Beside]:
    """Return what `packed_beside` was given."""
    return {
        str(name): Beside(
            tuple(map(str, arrays[f"{i}/ids"])),
            {
                key.removeprefix(f"{i}/of/"): arrays[key]
                for key in arrays
                if key.startswith(f"{i}/of/")
            },
            tuple(map(str, arrays[f"{i}/notes"])),
        )
        for i, name in enumerate(arrays["names"])
    }
