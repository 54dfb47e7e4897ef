"""What an ONNX file holds, in words for `audit inspect`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from auditkit.models.onnx.facts import OnnxFile, Port
from auditkit.models.onnx.oddities import unforeseeable

_SHOWN = 10  # inputs, outputs


def described(file: OnnxFile) -> dict[str, str]:
    """Return what the file says of itself, by name, in the order in which people ask."""
    opsets = ", ".join(f"{domain or 'ai.onnx'} {v}" for domain, v in file.opsets.items())
    said = {
        "producer": file.producer,
        "format": f"ONNX, IR version {file.ir_version}, operators of {opsets or 'no version'}",
        "inputs": _ports(file.graph.open_inputs),
        "outputs": _ports(file.graph.outputs),
        "operators": _counted(one.title for one in file.operations()),
        "own functions": ", ".join(file.functions),
        "numbers outside": _outside(file),
        "not followed": _unknown(file),
    }
    return {name: text for name, text in said.items() if text}


def reads_tokens(file: OnnxFile) -> bool:
    """Say whether a file reads whole numbers (n, t) that it looks up in a table, as words are."""
    names = {
        one.name
        for one in file.graph.open_inputs
        if one.dtype in ("int32", "int64") and one.shape is not None and len(one.shape) == 2
    }
    for operation in file.graph.operations:
        if operation.op in ("Cast", "Identity") and names & set(operation.inputs):
            names.update(operation.outputs)
    lookups = (one.inputs for one in file.graph.operations if one.op == "Gather")
    return any(len(inputs) > 1 and inputs[1] in names for inputs in lookups)


def _ports(ports: tuple[Port, ...]) -> str:
    shown = "; ".join(port.in_words() for port in ports[:_SHOWN])
    more = len(ports) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _counted(titles: Iterable[str]) -> str:
    counts = Counter(titles)
    return ", ".join(f"{name} {n}" if n > 1 else name for name, n in sorted(counts.items()))


def _outside(file: OnnxFile) -> str:
    places = Counter(
        one.external.get("location", "") for one in file.numbers() if one.external is not None
    )
    return ", ".join(f"{n} tensors in {name!r}" for name, n in sorted(places.items())[:_SHOWN])


def _unknown(file: OnnxFile) -> str:
    repeating = unforeseeable(file)
    if not repeating:
        return ""
    return f"{repeating}: how often it repeats, and how much it makes, shows only when it runs"
