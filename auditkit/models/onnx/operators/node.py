"""One operation of an ONNX graph as the torch versions of the operators see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from torch import Tensor

from auditkit.errors import ModelError

NUMBERS_LIMIT = 2**28  # of one tensor that a shape operator makes

Attribute: TypeAlias = int | float | str | list[int] | list[float] | Tensor
Values: TypeAlias = Sequence[Tensor | None]
Result: TypeAlias = Tensor | tuple[Tensor, ...]


class UnsupportedError(Exception):
    """An operator, or a use of one, that has no torch version here."""


@final
@dataclass(frozen=True, kw_only=True)
class Node:
    """What an operation is, without its inputs.

    Parameters
    ----------
    op : str
        Name of the operator.
    opset : int
        Version of the operators that the file asks for.
    attributes : dict
        By name; those that the file leaves out are absent.
    n_outputs : int
        How many outputs it has.
    """

    op: str
    opset: int
    attributes: Mapping[str, Attribute]
    n_outputs: int = 1

    def integer(self, name: str, default: int) -> int:
        """Return a whole number."""
        value = self.attributes.get(name, default)
        assert isinstance(value, int)
        return value

    def real(self, name: str, default: float) -> float:
        """Return a number."""
        value = self.attributes.get(name, default)
        assert isinstance(value, int | float)
        return float(value)

    def word(self, name: str, default: str) -> str:
        """Return a text."""
        value = self.attributes.get(name, default)
        assert isinstance(value, str)
        return value

    def integers(self, name: str) -> list[int] | None:
        """Return whole numbers, None where the file leaves them out."""
        value = self.attributes.get(name)
        return [int(v) for v in value] if isinstance(value, list) else None

    def require(self, name: str, wanted: object, default: object) -> None:
        """Refuse any but one value of an attribute.

        Raises
        ------
        UnsupportedError
            If it has another.
        """
        value = self.attributes.get(name, default)
        if value != wanted:
            raise UnsupportedError(f"{self.op} with {name} = {value}")


Operator: TypeAlias = Callable[[Node, Values], Result]


def value(values: Values, position: int) -> Tensor:
    """Return an input that must be there."""
    found = optional(values, position)
    if found is None:
        raise UnsupportedError(f"an operator without its input {position}")
    return found


def optional(values: Values, position: int) -> Tensor | None:
    """Return an input that may be left out."""
    return values[position] if position < len(values) else None


def whole_numbers(tensor: Tensor) -> list[int]:
    """Return what a shape, axes or positions hold."""
    return [int(v) for v in tensor.reshape(-1).tolist()]


def together(*tensors: Tensor) -> list[Tensor]:
    """Return tensors on one device: shapes stay on the CPU, and may meet what lies on a GPU."""
    home = next((one.device for one in tensors if one.device.type != "cpu"), tensors[0].device)
    return [one if one.device == home else one.to(home) for one in tensors]


def bounded(shape: Sequence[int]) -> list[int]:
    """Return a shape after checking that it is not absurdly large.

    Raises
    ------
    ModelError
        If it is.
    """
    numbers = 1
    for size in shape:
        numbers *= max(1, int(size))
    if numbers > NUMBERS_LIMIT:
        raise ModelError(f"An operation makes a tensor of shape {tuple(shape)}.")
    return [int(size) for size in shape]


def axis_of(node: Node, tensor: Tensor, default: int) -> int:
    """Return the attribute axis, counted from the front."""
    axis = node.integer("axis", default)
    return axis + tensor.ndim if axis < 0 else axis


DTYPES: dict[int, torch.dtype] = {  # by the code in a file
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}


def dtype_of(code: int) -> torch.dtype:
    """Return the torch kind of number of a code."""
    if code not in DTYPES:
        raise UnsupportedError(f"numbers of kind {code}")
    return DTYPES[code]
