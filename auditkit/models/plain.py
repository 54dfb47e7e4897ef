"""Values that training scripts save beside weights, and that hold data and nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.torch_version import TorchVersion

from auditkit.models.pickles import Call, Mapping, Name, Value

_NUMBERS = (*(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8", "b1")
_LONGEST = 100_000  # characters of a text that becomes bytes


def _is_text(value: Value) -> bool:
    return isinstance(value, str) and len(value) < _LONGEST


def _is_namespace(call: Call) -> bool:
    # Anything but a dictionary would be set by setattr, which reaches more than data.
    plain = all(isinstance(state, Mapping) for state in call.states)
    return call.new and call.arguments == () and not call.pairs and plain


def _is_dtype(call: Call) -> bool:
    """numpy.dtype("f8", False, True), and then its byte order and nothing else."""
    match call.arguments:
        case (str() as name, False | 0, True | 1) if name in _NUMBERS:  # the last: a copy
            return not call.new and not call.pairs and all(map(_is_byte_order, call.states))
        case _:
            return False


def _is_byte_order(state: Value) -> bool:
    match state:
        case (3, "<" | ">" | "|" | "=", None, None, None, -1, -1, 0):
            return True
        case _:
            return False


def _is_scalar(call: Call) -> bool:
    match call.arguments:
        case (Call(Name("numpy.dtype")), Call(Name("_codecs.encode"))):
            return _is_bare(call)
        case _:
            return False


def _is_encoded(call: Call) -> bool:
    match call.arguments:
        case (str() as text, "latin1" | "latin-1"):
            return _is_text(text) and _is_bare(call)
        case _:
            return False


def _is_bare(call: Call) -> bool:
    return not (call.new or call.pairs or call.states)


def _is_set(call: Call) -> bool:
    match call.arguments:
        case (list(),):
            return _is_bare(call)
        case _:
            return False


def _is_counter(call: Call) -> bool:
    arguments = call.arguments
    return isinstance(arguments, tuple) and len(arguments) <= 1 and _is_bare(call)


def _is_device(call: Call) -> bool:
    match call.arguments:
        case (str() as kind, *rest) if len(rest) <= 1:
            return _is_text(kind) and all(isinstance(one, int) for one in rest) and _is_bare(call)
        case _:
            return False


def _is_version(call: Call) -> bool:
    match call.arguments:
        case (str(),):
            return call.new and not call.pairs and not call.states
        case _:
            return False


# What each name may be called with.
_PLAIN: dict[str, Callable[[Call], bool]] = {
    "argparse.Namespace": _is_namespace,
    "numpy.dtype": _is_dtype,
    "numpy.core.multiarray.scalar": _is_scalar,
    "numpy._core.multiarray.scalar": _is_scalar,
    "_codecs.encode": _is_encoded,
    "__builtin__.set": _is_set,
    "builtins.set": _is_set,
    "collections.Counter": _is_counter,
    "torch.device": _is_device,
    "torch.torch_version.TorchVersion": _is_version,
}
PLAIN_NAMES = frozenset(_PLAIN)


def is_plain(call: Call) -> bool:
    """Say whether a call makes a plain value: a setting, a number of numpy, a set."""
    match call.function:
        case Name(text) if text in _PLAIN:
            return _PLAIN[text](call)
        case _:
            return False


_Allowed: TypeAlias = Callable[..., Any] | tuple[Callable[..., Any], str]


@contextmanager
def allowed_beside_weights() -> Generator[None]:
    """Within the block `torch.load(weights_only=True)` also makes these values."""
    scalar = np.float64(0).__reduce__()[0]  # its module was renamed in numpy 2
    assert callable(scalar)
    kinds: list[_Allowed] = [type(np.dtype(name)) for name in _NUMBERS]
    with torch.serialization.safe_globals(
        [
            argparse.Namespace,
            TorchVersion,
            np.dtype,
            (scalar, "numpy.core.multiarray.scalar"),
            (scalar, "numpy._core.multiarray.scalar"),
            *dict.fromkeys(kinds),
        ]
    ):
        yield
