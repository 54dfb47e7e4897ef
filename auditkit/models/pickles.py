"""Reads what a pickle would do, without doing it.

A pickle is a program for a stack machine. Here it runs on a machine that only takes notes: where
the real one would import or call something, this one puts down the name and the arguments.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeGuard, final

from auditkit.errors import ModelError

COMPUTED = "(computed)"  # a name that the pickle puts together while it runs


@final
@dataclass(frozen=True, eq=False)
class Name:
    """Something the pickle would import."""

    text: str  # "module.name"


@final
@dataclass(frozen=True, eq=False)
class Call:
    """Something the pickle would call.

    `pairs` are set as items on what it returns, `states` as its attributes; `new` says that it
    is made without its constructor.
    """

    function: Value
    arguments: Value
    pairs: list[tuple[Value, Value]] = field(default_factory=list["tuple[Value, Value]"])
    states: list[Value] = field(default_factory=list["Value"])
    new: bool = False


@final
@dataclass(frozen=True, eq=False)
class Stored:
    """A reference to something beside the pickle, such as the numbers of a tensor."""

    key: Value


@final
@dataclass(frozen=True, eq=False)
class Mapping:
    """A dictionary: pairs in the order in which they are set."""

    pairs: list[tuple[Value, Value]] = field(default_factory=list["tuple[Value, Value]"])


@final
@dataclass(frozen=True, eq=False)
class Unknown:
    """A value that this reading does not follow."""


Value: TypeAlias = (
    str
    | int
    | float
    | bytes
    | Name
    | Call
    | Stored
    | Mapping
    | Unknown
    | list["Value"]
    | tuple["Value", ...]
    | None
)


def is_call(value: Value, name: str) -> TypeGuard[Call]:
    """Say whether a value is what calling `name` returns."""
    match value:
        case Call(Name(text)):
            return text == name
        case _:
            return False


@final
@dataclass(frozen=True, kw_only=True)
class Program:
    """What a pickle would do.

    Parameters
    ----------
    result : Value
        What it would return, as far as it can be followed.
    names : tuple of str
        Everything it would import, sorted; whatever it calls is among them.
    calls : tuple of Call
        Every call, whether or not its result is kept.
    stored : tuple of Stored
        Every reference to something beside the pickle.
    unusual : tuple of str
        Instructions that weights do not need.
    size : int
        Its length in bytes; more may follow in the same file.
    """

    result: Value
    names: tuple[str, ...]
    calls: tuple[Call, ...]
    stored: tuple[Stored, ...]
    unusual: tuple[str, ...]
    size: int


def read_pickle(data: bytes) -> Program:
    """Return what the first pickle in `data` would do.

    Raises
    ------
    ModelError
        If it is not a complete pickle.
    """
    machine = _Machine()
    end = 0
    try:
        with warnings.catch_warnings():
            # Bytes that only look like a pickle may hold odd escapes, which Python warns of.
            warnings.simplefilter("ignore", DeprecationWarning)
            for opcode, argument, position in pickletools.genops(data):
                machine.step(opcode, argument)
                end = (position or 0) + 1
        result = machine.stack.pop()
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        raise ModelError(f"The pickle is broken: {error}.") from error
    return Program(
        result=result,
        names=tuple(sorted(machine.names)),
        calls=tuple(machine.calls),
        stored=tuple(machine.stored),
        unusual=tuple(sorted(machine.unusual)),
        size=end,
    )


@final
class _Machine:
    """The stack, the open marks, the memo and the notes of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Value] = []
        self.below: list[list[Value]] = []  # what lies under each open mark
        self.memo: dict[int, Value] = {}
        self.names: set[str] = set()
        self.calls: list[Call] = []
        self.stored: list[Stored] = []
        self.unusual: set[str] = set()

    def step(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Follow one instruction."""
        if opcode.name in _LITERALS:
            assert argument is None or isinstance(argument, str | int | float | bytes)
            self.stack.append(_CONSTANTS.get(opcode.name, argument))
        elif opcode.name in _STEPS:
            _STEPS[opcode.name](self, argument)
        elif opcode.name not in _SILENT:
            self.unusual.add(opcode.name)
            self.follow_roughly(opcode)

    def follow_roughly(self, opcode: pickletools.OpcodeInfo) -> None:
        """Follow only how an instruction moves the stack."""
        taken = [kind for kind in opcode.stack_before if kind is not pickletools.stackslice]
        if pickletools.markobject in taken:
            self.since_mark()
            taken = taken[: taken.index(pickletools.markobject)]
        for _ in taken:
            self.stack.pop()
        self.stack.extend(Unknown() for _ in opcode.stack_after)

    def push(self, value: Value) -> None:
        self.stack.append(value)  # looked up now: taking what lies above a mark changes the stack

    def open_mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Value]:
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def take(self, count: int) -> list[Value]:
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def name(self, module: Value, name: Value) -> None:
        plain = isinstance(module, str) and isinstance(name, str)
        self.stack.append(Name(f"{module}.{name}" if plain else COMPUTED))
        self.names.add(f"{module}.{name}" if plain else COMPUTED)

    def call(self, function: Value, arguments: Value, *, new: bool = False) -> None:
        self.calls.append(Call(function, arguments, new=new))
        self.stack.append(self.calls[-1])

    def refer(self, key: Value) -> None:
        self.stored.append(Stored(key))
        self.stack.append(self.stored[-1])

    def add(self, items: list[Value]) -> None:
        top = self.stack[-1]
        if isinstance(top, list):
            top.extend(items)
        else:
            self.unusual.add("APPEND to something else than a list")

    def set_items(self, flat: list[Value]) -> None:
        top = self.stack[-1]
        if isinstance(top, Mapping | Call):
            top.pairs.extend(zip(flat[::2], flat[1::2], strict=True))
        else:
            self.unusual.add("SETITEM on something else than a dictionary")

    def build(self) -> None:
        """Set attributes on the object below, which a call has made."""
        (state,) = self.take(1)
        top = self.stack[-1]
        if isinstance(top, Call):
            top.states.append(state)
        else:
            self.unusual.add("BUILD")


_SILENT = {"PROTO", "FRAME", "STOP"}
_CONSTANTS: dict[str, Value] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *_CONSTANTS,
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}


def _put(machine: _Machine, where: object) -> None:
    assert isinstance(where, int)
    machine.memo[where] = machine.stack[-1]


def _get(machine: _Machine, where: object) -> None:
    assert isinstance(where, int)
    machine.stack.append(machine.memo[where])


def _global(machine: _Machine, argument: object) -> None:
    module, _, name = str(argument).partition(" ")  # genops joins the two with a space
    machine.name(module, name)


def _new(machine: _Machine, parts: list[Value]) -> None:
    if len(parts) == 3:
        machine.unusual.add("NEWOBJ_EX")
    arguments = parts[1] if len(parts) == 2 and isinstance(parts[1], tuple) else tuple(parts[1:])
    machine.call(parts[0], arguments, new=True)


def _instance(machine: _Machine, argument: object) -> None:
    machine.unusual.add("INST")
    arguments = tuple(machine.since_mark())
    _global(machine, argument)
    machine.call(machine.take(1)[0], arguments)


# Every instruction that weights need, and those that import or call, whatever they are used for.
_STEPS: dict[str, Callable[[_Machine, object], None]] = {
    "MARK": lambda m, _: m.open_mark(),
    "EMPTY_DICT": lambda m, _: m.push(Mapping()),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.push(tuple(m.take(1))),
    "TUPLE2": lambda m, _: m.push(tuple(m.take(2))),
    "TUPLE3": lambda m, _: m.push(tuple(m.take(3))),
    "APPEND": lambda m, _: m.add(m.take(1)),
    "APPENDS": lambda m, _: m.add(m.since_mark()),
    "SETITEM": lambda m, _: m.set_items(m.take(2)),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": lambda m, _: _put(m, len(m.memo)),
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "GLOBAL": _global,
    "STACK_GLOBAL": lambda m, _: m.name(*m.take(2)),
    "REDUCE": lambda m, _: m.call(*m.take(2)),
    "PERSID": lambda m, argument: m.refer(str(argument)),
    "BINPERSID": lambda m, _: m.refer(m.take(1)[0]),
    "BUILD": lambda m, _: m.build(),
    "NEWOBJ": lambda m, _: _new(m, m.take(2)),
    "NEWOBJ_EX": lambda m, _: _new(m, m.take(3)),
    "INST": _instance,
}
