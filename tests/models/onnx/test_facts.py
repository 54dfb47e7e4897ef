"""Mirrors auditkit/models/onnx/facts.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from auditkit.errors import ModelError
from auditkit.models.onnx.facts import SIZE_LIMIT, Graph, Numbers, read_onnx
from tests.models.onnx.files import attention, cnn, graph_of, model_of, port, weights, write


@pytest.mark.parametrize("model", [cnn(), cnn(batch=4), attention(opset=18)], ids=str)
def test_it_reads_what_the_library_reads(tmp_path: Path, model: onnx.ModelProto) -> None:
    file = read_onnx(write(model, tmp_path / "m"))
    assert (file.ir_version, file.producer) == (model.ir_version, "by hand")
    assert file.opsets == {"": model.opset_import[0].version}
    proto = model.graph
    assert [one.op for one in file.graph.operations] == [one.op_type for one in proto.node]
    assert [one.inputs for one in file.graph.operations] == [tuple(n.input) for n in proto.node]
    for mine, theirs in zip(file.graph.initialisers, proto.initializer, strict=True):
        array = numpy_helper.to_array(theirs)
        assert (mine.name, mine.shape, mine.dtype) == (theirs.name, array.shape, str(array.dtype))
        assert mine.n_bytes == mine.stored == array.nbytes
        if array.dtype == np.int64:
            assert mine.few == tuple(array.tolist())
    dims = proto.input[0].type.tensor_type.shape.dim
    wanted = tuple(d.dim_value or d.dim_param for d in dims)
    assert file.graph.inputs[0].shape == wanted
    assert file.graph.inputs[0].in_words() == f"x float32 ({', '.join(map(str, wanted))})"


def test_trained_numbers_are_counted_as_torch_counts_them(tmp_path: Path) -> None:
    assert read_onnx(write(cnn(), tmp_path / "m")).parameters() == 2 * 9 + 2 + 3 * 72 + 3
    model = cnn(ending=[helper.make_node("BatchNormalization", [
        "logits", "scale", "shift", "mean", "var"], ["y"])], output="y")  # fmt: skip
    for name in ("scale", "shift", "mean", "var"):
        model.graph.initializer.append(numpy_helper.from_array(weights(3), name))
    more = helper.make_node("Constant", [], ["more"], value=numpy_helper.from_array(weights(2, 5)))
    model.graph.node.append(more)
    found = read_onnx(write(model, tmp_path / "m")).parameters()
    assert found == 239 + 3 + 3 + 10, "statistics are not trained, constants may be"


def test_eight_bit_weights_count_and_operators_with_weights_inside_are_unknown(
    tmp_path: Path,
) -> None:
    model = cnn()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((4, 4), np.int8), "q"))
    assert read_onnx(write(model, tmp_path / "m")).parameters() == 239 + 16
    tree = helper.make_node("TreeEnsembleClassifier", ["logits"], ["y"], domain="ai.onnx.ml")
    model.graph.node.append(tree)
    assert read_onnx(write(model, tmp_path / "m")).parameters() is None


def test_attributes_inner_graphs_and_functions_are_read(tmp_path: Path) -> None:
    inner = graph_of([helper.make_node("Neg", ["x"], ["y"])], [], [port("y", None)])
    nodes = [
        helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner),
        helper.make_node(
            "Mine", ["z"], ["out"], domain="d", real=0.5, whole=-3, word="ab", many=[1, -2]
        ),
    ]
    model = model_of(graph_of(nodes, [port("x", [1])], [port("out", None)], {"c": np.True_}))
    body = [helper.make_node("Abs", ["a"], ["b"])]
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("d", "Mine", ["a"], ["b"], body, imports))
    file = read_onnx(write(model, tmp_path / "m"))
    branch, mine = file.graph.operations
    assert isinstance(branch.attributes["then_branch"], Graph)
    assert [one.op for one in file.operations()] == ["If", "Neg", "Neg", "Mine", "Abs"]
    assert mine.attributes == {"real": 0.5, "whole": -3, "word": "ab", "many": (1, -2)}
    assert mine.title == "d.Mine"
    assert [*file.functions] == ["d.Mine"]


def test_numbers_in_lists_and_outside_are_described(tmp_path: Path) -> None:
    listed = helper.make_tensor("listed", TensorProto.INT64, [3], [1, -2, 300])
    outside = TensorProto(name="outside", dims=[2], data_type=TensorProto.FLOAT)
    outside.data_location = TensorProto.EXTERNAL
    entry = outside.external_data.add()
    entry.key, entry.value = "location", "w.bin"
    graph = graph_of([], [port("x", None)], [port("x", None)])
    graph.initializer.extend([listed, outside])
    first, second = read_onnx(write(model_of(graph), tmp_path / "m")).graph.initialisers
    assert first == Numbers(
        name="listed", shape=(3,), dtype="int64", stored=13, packed=True, few=(1, -2, 300)
    )
    assert second.external == {"location": "w.bin"}


def test_a_file_longer_than_the_format_allows_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "m"
    with path.open("wb") as file:
        file.truncate(SIZE_LIMIT + 1)  # a hole: takes no room on the disk
    with pytest.raises(ModelError, match="allows 2 GiB"):
        read_onnx(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_damaged(tmp_path: Path, share: float) -> None:
    data = cnn().SerializeToString()
    path = tmp_path / "m"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match=r"cut off or damaged|0 graphs"):
        read_onnx(path)


def test_two_graphs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(cnn().SerializeToString() * 2)
    with pytest.raises(ModelError, match="2 graphs"):
        read_onnx(path)


def test_graphs_within_graphs_have_a_limit(tmp_path: Path) -> None:
    graph = graph_of([], [port("x", None)], [port("x", None)])
    for _ in range(20):
        node = helper.make_node("If", ["x"], ["y"], then_branch=graph, else_branch=graph)
        graph = graph_of([node], [port("x", None)], [port("y", None)])
        del node.attribute[1]
        graph.node[0].CopyFrom(node)
    with pytest.raises(ModelError, match="16 deep"):
        read_onnx(write(model_of(graph), tmp_path / "m"))


def test_open_inputs_have_no_default(tmp_path: Path) -> None:
    graph = graph_of([], [port("x", None), port("w", None)], [port("x", None)], {"w": weights(2)})
    file = read_onnx(write(model_of(graph), tmp_path / "m"))
    assert [one.name for one in file.graph.open_inputs] == ["x"]
