"""What makes an ONNX file unsafe to load, as far as that can be said without running it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from auditkit.errors import ModelError
from auditkit.models.onnx.external import place_of
from auditkit.models.onnx.facts import Graph, Numbers, OnnxFile, Operation, Port

NUMBERS_LIMIT = 2**26  # of one tensor that an operation makes: 256 MiB in single precision
TURNS_LIMIT = 100_000  # of a loop
KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # those of onnxruntime itself
REPEATING = ("Loop", "Scan")


def odd_parts(file: OnnxFile, path: Path) -> Iterator[str]:
    """Say why a file is not loaded; nothing for a file that is."""
    yield from _odd_domains(file)
    for one in file.numbers():
        yield from _odd_numbers(one, path)
    yield from _odd_ports(file.graph.inputs)
    yield from _odd_graph(file.graph, frozenset(), {})
    for body in file.functions.values():
        yield from _odd_sizes(body, {})


def unforeseeable(file: OnnxFile) -> str:
    """Name the operators whose work depends on what they compute, or return an empty string."""
    found = {one.op for one in file.operations() if one.op in REPEATING}
    return ", ".join(sorted(found))


def _odd_domains(file: OnnxFile) -> Iterator[str]:
    own = {*file.functions}
    foreign = {
        one.title
        for one in file.operations()
        if one.domain not in KNOWN_DOMAINS and f"{one.domain}.{one.op}" not in own
    }
    if foreign:
        yield f"it needs operators that are not ONNX's: {', '.join(sorted(foreign)[:5])}"


def _odd_numbers(numbers: Numbers, path: Path) -> Iterator[str]:
    if any(size < 0 for size in numbers.shape) or len(numbers.shape) > 32:
        yield f"the tensor {numbers.name!r} has the shape {numbers.shape[:8]}"
        return
    if numbers.external is not None:
        try:
            place_of(numbers, path)
        except ModelError as error:
            yield error.message
        return
    wanted = math.prod(numbers.shape) if numbers.packed else numbers.n_bytes
    wrong = numbers.stored < wanted if numbers.packed else numbers.stored != wanted
    if wrong and numbers.dtype != "string":
        yield (
            f"the tensor {numbers.name!r} of shape {numbers.shape} claims"
            f" {math.prod(numbers.shape):,} numbers, {numbers.stored:,} bytes are stored"
        )


def _odd_ports(ports: tuple[Port, ...]) -> Iterator[str]:
    for port in ports:
        sizes = [size for size in port.shape or () if isinstance(size, int)]
        if any(size < 0 for size in sizes) or math.prod(sizes) > NUMBERS_LIMIT:
            yield f"the input {port.name!r} has the shape {port.shape}"


def _odd_graph(
    graph: Graph, outer: frozenset[str], constants: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """Say which operation reads what is not made yet, or makes far too much."""
    known = dict(constants)
    known |= {one.name: one.few for one in graph.initialisers if one.few is not None}
    made = {*outer, *(one.name for one in (*graph.inputs, *graph.initialisers))}
    for one in graph.operations:
        early = next((name for name in one.inputs if name and name not in made), None)
        if early is not None:
            yield f"{one.op} reads {early!r}, which is not made before: the graph runs in a circle"
            return
        made.update(one.outputs)
    yield from _odd_sizes(graph.operations, known)
    for one in graph.operations:
        for inner in one.attributes.values():
            if isinstance(inner, Graph):
                yield from _odd_graph(inner, frozenset(made), known)
    if lost := next((one.name for one in graph.outputs if one.name not in made), None):
        yield f"nothing makes the output {lost!r}"


def _odd_sizes(
    operations: tuple[Operation, ...], known: dict[str, tuple[int, ...]]
) -> Iterator[str]:
    """Say which operation makes far too much; `known` grows by the constants on the way."""
    for one in operations:
        yield from _odd_operation(one, known)
        if one.op == "Constant" and (value := _constant(one)) is not None:
            known.update(dict.fromkeys(one.outputs, value))


def _constant(one: Operation) -> tuple[int, ...] | None:
    for value in one.attributes.values():
        if isinstance(value, Numbers):
            return value.few
        if isinstance(value, tuple):
            return value
        if isinstance(value, int):
            return (value,)
    return None


def _odd_operation(one: Operation, known: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    size = _SIZES.get(one.op)
    if size is None:
        return
    given = [known.get(name) for name in one.inputs]
    amount = size(given)
    if amount is None:
        return
    limit = TURNS_LIMIT if one.op == "Loop" else NUMBERS_LIMIT
    if amount > limit:
        what = "turns" if one.op == "Loop" else "numbers"
        yield f"{one.op} makes {amount:,} {what}, more than {limit:,}"


_Given = list[tuple[int, ...] | None]


def _product(position: int) -> Callable[[_Given], int | None]:
    def size(given: _Given) -> int | None:
        values = given[position] if len(given) > position else None
        return None if values is None else math.prod(abs(v) for v in values)

    return size


def _range(given: _Given) -> int | None:
    match given:
        case [(start,), (limit,), (step,)] if step != 0:
            return max(0, -(-(limit - start) // step))
        case _:
            return None


def _pad(given: _Given) -> int | None:
    values = given[1] if len(given) > 1 else None
    return None if values is None else max((abs(v) for v in values), default=0)


# Numbers that an operation makes at least, from those of its inputs that the file states.
_SIZES: dict[str, Callable[[_Given], int | None]] = {
    "ConstantOfShape": _product(0),
    "Expand": _product(1),
    "Tile": _product(1),
    "Reshape": _product(1),
    "Resize": _product(3),
    "OneHot": _product(1),
    "Range": _range,
    "Pad": _pad,
    "Loop": _product(0),
}
