"""ONNX files that lie, loop, or reach for what is not theirs; every one is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.models.onnx.files import cnn, graph_of, model_of, port, write

HUGE = 10**12


def outside(location: str, **more: str) -> onnx.ModelProto:
    model = cnn()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return model


def beside(path: Path, location: str, size: int = 72, **more: str) -> None:
    (path.parent / "w.bin").write_bytes(b"\0" * size)
    write(outside(location, **more), path)


def linked(path: Path) -> None:
    target = path.parent.parent / "secret.bin"
    target.write_bytes(b"\0" * 72)
    (path.parent / "w.bin").symlink_to(target)
    write(outside("w.bin"), path)


def linked_folder(path: Path) -> None:
    target = path.parent.parent / "elsewhere"
    target.mkdir(exist_ok=True)
    (target / "w.bin").write_bytes(b"\0" * 72)
    (path.parent / "sub").symlink_to(target)
    write(outside("sub/w.bin"), path)


def made(*nodes: onnx.NodeProto, **constants: object) -> onnx.ModelProto:
    """Pixels plus whatever the nodes make of "y"."""
    last = [
        helper.make_node("ReduceMax", ["y"], ["top"], keepdims=0),
        helper.make_node("Add", ["x", "top"], ["z"]),
    ]
    ports = [port("x", ["n", 3])], [port("z", ["n", 3])]
    return model_of(graph_of([*nodes, *last], *ports, constants))


def filled(*shape: int) -> onnx.ModelProto:
    return made(helper.make_node("ConstantOfShape", ["s"], ["y"]), s=np.array(shape))


def computed() -> onnx.ModelProto:
    """A size that stands nowhere in the file: 10^6 times 10^6."""
    return made(
        helper.make_node("Mul", ["s", "s"], ["t"]),
        helper.make_node("ConstantOfShape", ["t"], ["y"]),
        s=np.array([10**6]),
    )


def endless() -> onnx.ModelProto:
    body = graph_of(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Abs", ["a"], ["b"])],
        [port("i", [], TensorProto.INT64), port("c", [], TensorProto.BOOL), port("a", [])],
        [port("d", [], TensorProto.BOOL), port("b", [])],
    )
    return made(
        helper.make_node("Loop", ["m", "go", "start"], ["y"], body=body),
        m=np.array(2**62),
        go=np.array(True),
        start=np.float32(0),
    )


def circle() -> onnx.ModelProto:
    return made(helper.make_node("Add", ["x", "v"], ["y"]), helper.make_node("Abs", ["y"], ["v"]))


def claiming(*shape: int) -> onnx.ModelProto:
    model = cnn()
    model.graph.initializer[0].dims[:] = shape
    return model


def tensor_in_a_constant() -> onnx.ModelProto:
    tensor = TensorProto(dims=[HUGE], data_type=TensorProto.FLOAT, raw_data=b"\0\0\0\0")
    return made(helper.make_node("Constant", [], ["y"], value=tensor))


def sparse() -> onnx.ModelProto:
    model = cnn()
    one = helper.make_tensor("huge", TensorProto.FLOAT, [1], [1.0])
    place = helper.make_tensor("place", TensorProto.INT64, [1], [3])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(one, place, [HUGE]))
    return model


def foreign() -> onnx.ModelProto:
    node = helper.make_node("PyOp", ["x"], ["y"], domain="ai.onnx.contrib", module="os")
    return made(node)


def huge_input() -> onnx.ModelProto:
    model = cnn()
    model.graph.input[0].CopyFrom(port("x", [1, 3, 10**6, 10**6]))
    return model


def of(model: onnx.ModelProto) -> Callable[[Path], object]:
    return lambda path: write(model, path)


def bytes_of(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


SOUND = cnn().SerializeToString()
# What is written into a folder of its own, and a word of the sentence that refuses it.
FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "absolute": (of(outside("/etc/passwd")), "outside the model's folder"),
    "dotted": (of(outside("../secret.bin")), "outside the model's folder"),
    "dotted within": (of(outside("a/../../secret.bin")), "outside the model's folder"),
    "windows": (of(outside("C:\\secret.bin")), "outside the model's folder"),
    "backslashes": (of(outside("..\\secret.bin")), "outside the model's folder"),
    "nameless": (of(outside("")), "outside the model's folder"),
    "nul": (of(outside("w\0.bin")), "outside the model's folder"),
    "absent": (of(outside("w.bin")), "no file here"),
    "link": (linked, "a link out of the folder"),
    "linked folder": (linked_folder, "a link out of the folder"),
    "a folder as numbers": (of(outside(".")), "no file here"),
    "too short": (lambda path: beside(path, "w.bin", 71), "which has 71"),
    "offset": (lambda path: beside(path, "w.bin", offset=str(2**62)), "lies at bytes"),
    "negative offset": (lambda path: beside(path, "w.bin", offset="-8"), "expected a number"),
    "other length": (lambda path: beside(path, "w.bin", length="9"), "gives 9"),
    "huge dims": (of(claiming(HUGE, HUGE)), "claims"),
    "negative dims": (of(claiming(-2, -9)), "has the shape"),
    "huge constant": (of(tensor_in_a_constant()), "claims"),
    "sparse": (of(sparse()), "claims"),
    "filled": (of(filled(10**6, 10**6)), "ConstantOfShape makes"),
    "computed": (of(computed()), "makes a tensor"),
    "endless": (of(endless()), "Loop makes"),
    "circle": (of(circle()), "in a circle"),
    "foreign": (of(foreign()), "operators that are not ONNX's: ai.onnx.contrib.PyOp"),
    "huge input": (of(huge_input()), "has the shape"),
    "cut off": (bytes_of(SOUND[:400]), "cut off"),
    "one byte": (bytes_of(SOUND[:1] + b"\x08\x3a" + b"\xff" * 9), "damaged"),
    "many parts": (bytes_of(b"\x08\x08\x3a\x04\x0a\x00\x0a\x00" + b"\x28\x00" * 2**20), "parts"),
    "two graphs": (bytes_of(SOUND + SOUND), "2 graphs"),
}
FOUND_AT_LOADING = {"computed"}  # sizes that only following the graph shows


def folder_of(name: str, root: Path) -> Path:
    """Write one of the files into a folder of its own below the root; return its path."""
    path = root / name.replace(" ", "-") / "model.pt"  # not what it is called
    path.parent.mkdir(parents=True)
    FILES[name][0](path)
    return path
