"""An ONNX graph as a torch network, so that it has gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from auditkit.models.onnx.operators.arithmetic import ARITHMETIC
from auditkit.models.onnx.operators.layers import LAYERS
from auditkit.models.onnx.operators.node import (
    Attribute,
    Node,
    Operator,
    UnsupportedError,
)
from auditkit.models.onnx.operators.resize import RESIZE
from auditkit.models.onnx.operators.shapes import SHAPES

OPERATORS: dict[str, Operator] = {**ARITHMETIC, **LAYERS, **RESIZE, **SHAPES}
# Numbers of a layer that are measured, not trained: torch keeps them as buffers, too.
_MEASURED = {"BatchNormalization": (3, 4)}
_Step: TypeAlias = "tuple[Operator, Node, tuple[str, ...], tuple[str, ...], tuple[str, ...]]"


@final
class OnnxGraph(nn.Module):
    """Computes one output of a graph from its inputs, operation by operation.

    Initialisers of more than one floating number are parameters, all other floating constants
    buffers. Whole numbers are mostly shapes: they stay on the CPU.

    Parameters
    ----------
    model : ModelProto
        With all numbers inside and no functions of its own.
    input_name : str or sequence of str
        What is given.
    output_name : str
        What is asked for.

    Raises
    ------
    UnsupportedError
        If an operator has no torch version.
    """

    def __init__(
        self, model: onnx.ModelProto, *, input_name: str | Sequence[str], output_name: str
    ) -> None:
        super().__init__()
        self.input_names = (input_name,) if isinstance(input_name, str) else tuple(input_name)
        self.output_name = output_name
        nodes = _needed(model.graph.node, output_name)
        _refuse_unknown(nodes)
        opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
        self._whole: dict[str, Tensor] = {}
        self._slots: dict[str, str] = {}  # parameter or buffer of each value's name
        self._add_constants(model.graph, nodes)
        self._steps = self._compiled(nodes, opset)

    def _add_constants(self, graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
        used = {name for node in nodes for name in node.input}
        measured = {
            node.input[i]
            for node in nodes
            for i in _MEASURED.get(node.op_type, ())
            if i < len(node.input)
        }
        for proto in graph.initializer:
            if proto.name in used and proto.name not in self.input_names:
                numbers = tensor_of(proto)
                trained = numbers.numel() > 1 and proto.name not in measured
                self._add(proto.name, numbers, trained=trained)

    def _add(self, name: str, numbers: Tensor, *, trained: bool) -> None:
        if not numbers.is_floating_point():
            self._whole[name] = numbers
            return
        slot = f"value_{len(self._slots)}"  # names in files hold dots and slashes
        self._slots[name] = slot
        if trained:
            self.register_parameter(slot, nn.Parameter(numbers, requires_grad=False))
        else:
            self.register_buffer(slot, numbers)

    def _compiled(self, nodes: list[onnx.NodeProto], opset: int) -> list[_Step]:
        """Return the steps of `forward`; what depends on whole constants alone is done now."""
        steps: list[_Step] = []
        last_use = {name: i for i, node in enumerate(nodes) for name in node.input}
        last_use[self.output_name] = len(nodes)
        for i, proto in enumerate(nodes):
            node, outputs = _node_of(proto, opset), tuple(proto.output)
            operator = OPERATORS[node.op]
            if node.op == "Constant" or all(one in self._whole or not one for one in proto.input):
                self._fold(operator, node, tuple(proto.input), outputs)
                continue
            constant = {*self._slots, *self._whole}
            over = (one for one in (*proto.input, *outputs) if last_use.get(one, i) == i)
            done = tuple(one for one in over if one and one not in constant)
            steps.append((operator, node, tuple(proto.input), outputs, done))
        return steps

    def _fold(
        self, operator: Operator, node: Node, inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> None:
        found = operator(node, [self._whole.get(name) for name in inputs])
        results = found if isinstance(found, tuple) else (found,)
        for name, result in zip(outputs, results, strict=False):
            self._add(name, result.contiguous(), trained=False)

    def forward(self, inputs: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the output for inputs of the shape and kind that the file declares, by name."""
        values = dict(self._whole)
        values |= {name: getattr(self, slot) for name, slot in self._slots.items()}
        values |= {self.input_names[0]: inputs} if isinstance(inputs, Tensor) else inputs
        for operator, node, names, outputs, over in self._steps:
            found = operator(node, [values[name] if name else None for name in names])
            results = found if isinstance(found, tuple) else (found,)
            values.update(zip(outputs, results, strict=False))
            for name in over:
                values.pop(name, None)  # lets memory go where no gradient is asked for
        return values[self.output_name]


def tensor_of(proto: onnx.TensorProto) -> Tensor:
    """Return the numbers of an initialiser or attribute.

    Raises
    ------
    UnsupportedError
        If torch has no such numbers.
    """
    array = np.array(numpy_helper.to_array(proto))  # a copy that may be written to
    if proto.data_type == onnx.TensorProto.BFLOAT16:
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    try:
        return torch.from_numpy(array)
    except TypeError as error:
        raise UnsupportedError(f"numbers of the kind {array.dtype}") from error


def _needed(nodes: Iterable[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """Return the operations that the output depends on, in their order."""
    wanted = {output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(list(nodes)):
        if wanted & set(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _refuse_unknown(nodes: list[onnx.NodeProto]) -> None:
    unknown = {
        node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        for node in nodes
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS
    }
    if unknown:
        more = ", ..." if len(unknown) > 5 else ""
        raise UnsupportedError(", ".join(sorted(unknown)[:5]) + more)


def _node_of(proto: onnx.NodeProto, opset: int) -> Node:
    attributes = {one.name: _attribute(one) for one in proto.attribute}
    n_outputs = max((i + 1 for i, name in enumerate(proto.output) if name), default=0)
    return Node(op=proto.op_type, opset=opset, attributes=attributes, n_outputs=n_outputs)


def _attribute(proto: onnx.AttributeProto) -> Attribute:
    kinds = onnx.AttributeProto
    match proto.type:
        case kinds.FLOAT:
            return proto.f
        case kinds.INT:
            return proto.i
        case kinds.STRING:
            return proto.s.decode("utf-8", errors="replace")
        case kinds.INTS:
            return list(proto.ints)
        case kinds.FLOATS:
            return list(proto.floats)
        case kinds.TENSOR:
            return tensor_of(proto.t)
        case _:
            raise UnsupportedError(f"the attribute {proto.name}")


@final
@dataclass(frozen=True)
class Comparison:
    """How far two ways of computing the same scores are apart."""

    largest: float
    allowed: float

    @property
    def equal(self) -> bool:
        """Whether the difference is rounding."""
        return self.largest <= self.allowed


# Rounding that is allowed, as a share of the largest score and at least of 1.
TOLERANCES = {torch.float16: 2e-2, torch.bfloat16: 1e-1, torch.float64: 1e-8}
TOLERANCE = 1e-4


def compare(scores: Tensor, wanted: Tensor, dtype: torch.dtype) -> Comparison:
    """Hold scores against those of onnxruntime."""
    scale = max(1.0, float(wanted.abs().max()))
    largest = float((scores.double() - wanted.double()).abs().max())
    return Comparison(largest, TOLERANCES.get(dtype, TOLERANCE) * scale)
