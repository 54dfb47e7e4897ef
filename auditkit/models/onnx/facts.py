"""What an ONNX file says of itself, read without the packages that run it."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, final

from auditkit.errors import ModelError
from auditkit.models.onnx.wire import Content, Fuel, fields, integer, integers, message, real, text

SIZE_LIMIT = 2**31 - 1  # bytes: protocol buffers are not longer
DEPTH_LIMIT = 16  # of graphs within graphs
_FEW = 64  # numbers of a tensor that are looked at
_MEASURED = {"BatchNormalization": (3, 4)}  # inputs that are measured rather than trained
_TRAINED = ("float", "bfloat", "int8", "uint8", "int4", "uint4")  # other whole numbers are shapes

# Name and bits of each kind of number, by its code in the file.
DTYPES: dict[int, tuple[str, float]] = {
    1: ("float32", 32),
    2: ("uint8", 8),
    3: ("int8", 8),
    4: ("uint16", 16),
    5: ("int16", 16),
    6: ("int32", 32),
    7: ("int64", 64),
    8: ("string", 0),
    9: ("bool", 8),
    10: ("float16", 16),
    11: ("float64", 64),
    12: ("uint32", 32),
    13: ("uint64", 64),
    14: ("complex64", 64),
    15: ("complex128", 128),
    16: ("bfloat16", 16),
    17: ("float8e4m3fn", 8),
    18: ("float8e4m3fnuz", 8),
    19: ("float8e5m2", 8),
    20: ("float8e5m2fnuz", 8),
    21: ("uint4", 4),
    22: ("int4", 4),
    23: ("float4e2m1", 4),
    24: ("float8e8m0", 8),
    25: ("uint2", 2),
    26: ("int2", 2),
}
Attribute: TypeAlias = "int | float | str | tuple[int, ...] | Numbers | Graph | None"


@final
@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A tensor in the file, or a reference to one outside of it.

    Parameters
    ----------
    name : str
        Of the initialiser.
    shape : tuple of int
        As it is claimed.
    dtype : str
        Kind of number.
    stored : int
        Bytes that the file holds of it; of packed whole numbers at most so many numbers.
    packed : bool
        Whether it is stored as a list of numbers of varying length.
    external : dict, optional
        Where it lies outside: location, offset, length.
    few : tuple of int, optional
        The numbers themselves, if they are whole and at most 64.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    stored: int
    packed: bool = False
    external: dict[str, str] | None = None
    few: tuple[int, ...] | None = None

    @property
    def n_bytes(self) -> int:
        """Bytes that the claimed shape needs."""
        bits = next((bits for name, bits in DTYPES.values() if name == self.dtype), 8)
        return math.ceil(math.prod(self.shape) * bits / 8)


@final
@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output of the graph; a dimension is a number, a name, or "?"."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None

    def in_words(self) -> str:
        """Return name, kind of number and shape in one line."""
        shape = "unknown shape" if self.shape is None else f"({', '.join(map(str, self.shape))})"
        return f"{self.name} {self.dtype} {shape}"


@final
@dataclass(frozen=True, kw_only=True)
class Operation:
    """One node of a graph."""

    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]

    @property
    def title(self) -> str:
        """The operator, with its domain where that is not ONNX's own."""
        return self.op if self.domain in ("", "ai.onnx") else f"{self.domain}.{self.op}"


@final
@dataclass(frozen=True, kw_only=True)
class Graph:
    """Operations in their order, and what goes in and out."""

    operations: tuple[Operation, ...]
    initialisers: tuple[Numbers, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def open_inputs(self) -> tuple[Port, ...]:
        """The inputs that have no default."""
        defaults = {one.name for one in self.initialisers}
        return tuple(one for one in self.inputs if one.name not in defaults)

    def all_operations(self) -> Iterator[Operation]:
        """Yield every operation, those of inner graphs too."""
        for one in self.operations:
            yield one
            for value in one.attributes.values():
                if isinstance(value, Graph):
                    yield from value.all_operations()

    def all_numbers(self) -> Iterator[Numbers]:
        """Yield every tensor that is stored: initialisers and constants, of inner graphs too."""
        yield from self.initialisers
        for one in self.operations:
            for value in one.attributes.values():
                if isinstance(value, Numbers):
                    yield value
                elif isinstance(value, Graph):
                    yield from value.all_numbers()


@final
@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """A whole file.

    Parameters
    ----------
    ir_version : int
        Version of the format.
    producer : str
        The program that wrote it, as it says.
    opsets : dict
        Version of the operators, by domain.
    graph : Graph
        What it computes.
    functions : dict
        Operators that the file defines itself, by "domain.name".
    """

    ir_version: int
    producer: str
    opsets: dict[str, int]
    graph: Graph
    functions: dict[str, tuple[Operation, ...]] = field(
        default_factory=dict["str", "tuple[Operation, ...]"]
    )

    def operations(self) -> Iterator[Operation]:
        """Yield every operation of the graph and of the functions."""
        yield from self.graph.all_operations()
        for body in self.functions.values():
            yield from body

    def parameters(self) -> int | None:
        """Count the trained numbers; None where operators keep them among their attributes."""
        if any(one.domain == "ai.onnx.ml" for one in self.operations()):
            return None
        measured = {
            one.inputs[i]
            for one in self.operations()
            for i in _MEASURED.get(one.op, ())
            if i < len(one.inputs)
        }
        sizes = (
            math.prod(one.shape)
            for one in self.numbers()
            if one.dtype.startswith(_TRAINED) and one.name not in measured
        )
        return sum(size for size in sizes if size > 1)

    def numbers(self) -> Iterator[Numbers]:
        """Yield every stored tensor of the graph and of the functions."""
        yield from self.graph.all_numbers()
        for body in self.functions.values():
            for one in body:
                yield from (v for v in one.attributes.values() if isinstance(v, Numbers))


def read_onnx(path: Path) -> OnnxFile:
    """Return what an ONNX file says of itself; weights are not read.

    Raises
    ------
    ModelError
        If it is no ONNX file, cut off, damaged or longer than 2 GiB.
    """
    size = path.stat().st_size
    if size > SIZE_LIMIT:
        raise ModelError(
            f"The ONNX file has {size:,} bytes; the format allows 2 GiB, with more in a file beside"
            " it."
        )
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return _model(view, Fuel())


def _model(data: memoryview, fuel: Fuel) -> OnnxFile:
    ir_version, producer, opsets = 0, ["", ""], dict[str, int]()
    graphs: list[Graph] = []
    functions: dict[str, tuple[Operation, ...]] = {}
    for number, content in fields(data, fuel):
        match number:
            case 1:
                ir_version = integer(content)
            case 2 | 3:
                producer[number - 2] = text(content)
            case 7:
                graphs.append(_graph(message(content), fuel, depth=0))
            case 8:
                domain, version = _opset(message(content), fuel)
                opsets[domain] = version
            case 25:
                name, body = _function(message(content), fuel)
                functions[name] = body
            case _:
                pass
    if len(graphs) != 1:  # readers disagree about two
        raise ModelError(f"The file has {len(graphs)} graphs, an ONNX model has one.")
    return OnnxFile(
        ir_version=ir_version,
        producer=" ".join(part for part in producer if part),
        opsets=opsets,
        graph=graphs[0],
        functions=functions,
    )


def _opset(data: memoryview, fuel: Fuel) -> tuple[str, int]:
    domain, version = "", 0
    for number, content in fields(data, fuel):
        if number == 1:
            domain = text(content)
        elif number == 2:
            version = integer(content)
    return ("" if domain == "ai.onnx" else domain), version


def _function(data: memoryview, fuel: Fuel) -> tuple[str, tuple[Operation, ...]]:
    name = domain = ""
    body: list[Operation] = []
    for number, content in fields(data, fuel):
        if number == 1:
            name = text(content)
        elif number == 10:
            domain = text(content)
        elif number == 7:
            body.append(_operation(message(content), fuel, depth=0))
    return f"{domain}.{name}", tuple(body)


def _graph(data: memoryview, fuel: Fuel, *, depth: int) -> Graph:
    if depth > DEPTH_LIMIT:
        raise ModelError(f"Graphs lie in graphs more than {DEPTH_LIMIT} deep.")
    operations: list[Operation] = []
    initialisers: list[Numbers] = []
    ports: dict[int, list[Port]] = {11: [], 12: []}
    for number, content in fields(data, fuel):
        if number == 1:
            operations.append(_operation(message(content), fuel, depth=depth))
        elif number == 5:
            initialisers.append(_numbers(message(content), fuel))
        elif number in ports:
            ports[number].append(_port(message(content), fuel))
        elif number == 15:
            initialisers.append(_sparse(message(content), fuel))
    return Graph(
        operations=tuple(operations),
        initialisers=tuple(initialisers),
        inputs=tuple(ports[11]),
        outputs=tuple(ports[12]),
    )


def _operation(data: memoryview, fuel: Fuel, *, depth: int) -> Operation:
    words = {4: "", 7: ""}
    names: dict[int, list[str]] = {1: [], 2: []}
    attributes: dict[str, Attribute] = {}
    for number, content in fields(data, fuel):
        if number in words:
            words[number] = text(content)
        elif number in names:
            names[number].append(text(content))
        elif number == 5:
            name, value = _attribute(message(content), fuel, depth=depth)
            attributes[name] = value
    return Operation(
        op=words[4],
        domain=words[7],
        inputs=tuple(names[1]),
        outputs=tuple(names[2]),
        attributes=attributes,
    )


def _attribute(data: memoryview, fuel: Fuel, *, depth: int) -> tuple[str, Attribute]:
    name, value = "", None
    several: list[int] = []
    for number, content in fields(data, fuel):
        match number:
            case 1:
                name = text(content)
            case 2:
                value = real(content)
            case 3:
                value = integer(content)
            case 4:
                value = text(content)
            case 5:
                value = _numbers(message(content), fuel)
            case 6 | 11:
                value = _graph(message(content), fuel, depth=depth + 1)
            case 8:
                several += integers(content)
            case 22:
                value = _sparse(message(content), fuel)
            case _:
                pass
    return name, tuple(several) if several else value


def _numbers(data: memoryview, fuel: Fuel) -> Numbers:
    shape: list[int] = []
    code, name, stored, packed, outside = 0, "", 0, False, False
    external: dict[str, str] = {}
    few: tuple[int, ...] | None = None
    for number, content in fields(data, fuel):
        match number:
            case 1:
                shape += integers(content)
            case 2:
                code = integer(content)
            case 4 | 9 | 10:  # floats, raw bytes, doubles
                stored += len(message(content))
            case 5 | 7 | 11:  # whole numbers
                stored += 1 if isinstance(content, int) else len(content)
                packed = True
                if number == 7 and stored <= _FEW:
                    few = (*(few or ()), *integers(content))
            case 6:
                stored += 1
            case 8:
                name = text(content)
            case 13:
                key, value = _pair(message(content), fuel)
                external[key] = value
            case 14:
                outside = integer(content) == 1
            case _:
                pass
        if number == 9 and code == 7 and len(message(content)) <= 8 * _FEW:
            raw = bytes(message(content))
            few = tuple(
                int.from_bytes(raw[i : i + 8], "little", signed=True) for i in range(0, len(raw), 8)
            )
    return Numbers(
        name=name,
        shape=tuple(shape),
        dtype=DTYPES.get(code, (f"unknown ({code})", 8))[0],
        stored=stored,
        packed=packed,
        external=external if outside or external else None,
        few=few,
    )


def _sparse(data: memoryview, fuel: Fuel) -> Numbers:
    """Return a tensor of which only some numbers are stored, as large as it becomes."""
    values: Numbers | None = None
    shape: list[int] = []
    for number, content in fields(data, fuel):
        if number == 1:
            values = _numbers(message(content), fuel)
        elif number == 3:
            shape += integers(content)
    name, dtype = (values.name, values.dtype) if values else ("", "float32")
    return Numbers(
        name=name, shape=tuple(shape), dtype=dtype, stored=values.stored if values else 0
    )


def _pair(data: memoryview, fuel: Fuel) -> tuple[str, str]:
    found = {1: "", 2: ""}
    for number, content in fields(data, fuel):
        found[number] = text(content)
    return found[1], found[2]


def _port(data: memoryview, fuel: Fuel) -> Port:
    name = ""
    dtype, shape = "unknown", None
    for number, content in fields(data, fuel):
        if number == 1:
            name = text(content)
        elif number == 2:
            dtype, shape = _type(message(content), fuel)
    return Port(name=name, dtype=dtype, shape=shape)


_OTHER_TYPES = {4: "sequence", 5: "map", 7: "opaque", 8: "sparse tensor", 9: "optional"}


def _type(data: memoryview, fuel: Fuel) -> tuple[str, tuple[int | str, ...] | None]:
    dtype, shape = "unknown", None
    for number, content in fields(data, fuel):
        if number == 1:
            for inner, value in fields(message(content), fuel):
                if inner == 1:
                    dtype = DTYPES.get(integer(value), ("unknown", 8))[0]
                elif inner == 2:
                    shape = tuple(
                        _dimension(part, fuel) for n, part in _each(value, fuel) if n == 1
                    )
        elif number in _OTHER_TYPES:
            dtype = _OTHER_TYPES[number]
    return dtype, shape


def _each(content: Content, fuel: Fuel) -> Iterator[tuple[int, Content]]:
    yield from fields(message(content), fuel)


def _dimension(content: Content, fuel: Fuel) -> int | str:
    for number, value in fields(message(content), fuel):
        if number == 1:
            return integer(value)
        if number == 2:
            return text(value) or "?"
    return "?"
