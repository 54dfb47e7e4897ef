"""Mirrors auditkit/models/onnx/load.py."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from auditkit.errors import MissingExtraError, ModelError
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.models.inspect import inspect_file
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.onnx import graph as graph_module
from auditkit.models.onnx import session as session_module
from auditkit.models.onnx.network import OnnxNetwork
from auditkit.models.onnx.session import Session
from auditkit.models.tabular import TabularClassifier
from auditkit.result import read_result
from tests.faults.commands import audit
from tests.models.onnx.files import (
    attention,
    cnn,
    graph_of,
    looping,
    model_of,
    port,
    weights,
    write,
)

IMAGES = torch.rand(7, 1, 6, 6, generator=torch.Generator().manual_seed(0))
ROWS = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
NAMES = ("a", "b", "c", "d", "e")


def loaded(model: onnx.ModelProto, folder: Path, **options: Any) -> Classifier:
    return load_model(ModelSpec(source=str(write(model, folder / "m.onnx")), **options))


def refused(model: onnx.ModelProto, folder: Path, **options: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        loaded(model, folder, **options)
    return caught.value


def answers(model: onnx.ModelProto, inputs: np.ndarray, batch: int = 1) -> torch.Tensor:
    """What onnxruntime says of each input alone."""
    return torch.from_numpy(Session(model.SerializeToString(), batch=batch).scores(inputs))


def said(model: Classifier, words: str) -> bool:
    return any(words in note for note in model.identity.notes)


def gradient(model: Classifier, inputs: torch.Tensor) -> torch.Tensor:
    leaf = inputs.clone().requires_grad_(True)
    return torch.autograd.grad(model.logits(leaf).square().sum(), leaf)[0]


def mlp(
    *nodes: onnx.NodeProto,
    inputs: Sequence[Any] = (port("x", ["n", 5]),),
    outputs: Sequence[Any] = (port("logits", ["n", 3]),),
    **constants: Any,
) -> onnx.ModelProto:
    """Rows (n, 5) to 3 scores "logits", then further nodes."""
    first = helper.make_node("Gemm", ["x", "w"], ["logits"])
    given = {"w": weights(5, 3), **constants}
    return model_of(graph_of([first, *nodes], inputs, outputs, given), 17, ai_onnx_ml=3)


# --- gradients -----------------------------------------------------------------------------------


def test_a_network_is_computed_by_torch_and_says_so(tmp_path: Path) -> None:
    model = loaded(cnn(), tmp_path)
    assert isinstance(model, ImageClassifier)
    assert model.input_shape == (1, 6, 6)
    assert model.classes == ("0", "1", "2")
    assert model.differentiable
    assert model.identity.architecture == "ONNX graph by by hand"
    assert said(model, "Computed by torch, with gradients")
    assert said(model, "Pixels are assumed to lie in [0, 1]")
    assert said(model, "taken for logits")
    torch.testing.assert_close(model.predict(IMAGES), answers(cnn(batch=1), IMAGES.numpy()))
    assert model.parameters == 2 * 9 + 2 + 3 * 72 + 3


def test_its_gradient_is_that_of_the_scores(tmp_path: Path) -> None:
    model = loaded(attention(), tmp_path)
    images = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    step = torch.zeros_like(images)
    step[0, 0, 1, 2] = 1e-2
    with torch.no_grad():
        scores = [model.logits(images + s).square().sum() for s in (step, -step)]
    slope = (scores[0] - scores[1]) / 2e-2
    assert gradient(model, images)[0, 0, 1, 2].item() == pytest.approx(slope.item(), rel=2e-2)


def test_an_unknown_operator_costs_only_the_gradients(tmp_path: Path) -> None:
    odd = helper.make_node("ThresholdedRelu", ["logits"], ["y"], alpha=0.1)
    model = loaded(mlp(odd, outputs=[port("y", ["n", 3])]), tmp_path, features=NAMES)
    assert not model.differentiable
    assert isinstance(model.module, BlackBox)
    assert said(model, "Computed by onnxruntime, without gradients")
    assert said(model, "torch has no version here of: ThresholdedRelu.")
    wanted = answers(mlp(odd, outputs=[port("y", ["n", 3])]), ROWS.numpy())
    torch.testing.assert_close(model.predict(ROWS), wanted)


def test_parameters_are_counted_by_whoever_computes(tmp_path: Path) -> None:
    odd = helper.make_node("ThresholdedRelu", ["logits"], ["y"], alpha=0.1)
    opaque = loaded(cnn(ending=[odd], output="y"), tmp_path)
    assert not opaque.differentiable
    assert opaque.parameters == loaded(cnn(), tmp_path).parameters == 239
    assert inspect_file(tmp_path / "m.onnx").parameters == 239
    trees = loaded(sklearn_like(maps=False), tmp_path, features=NAMES)
    assert trees.parameters is None
    found = inspect_file(tmp_path / "m.onnx")
    assert found.parameters is None
    assert "0 parameters" not in found.as_text()


@pytest.mark.parametrize(
    ("options", "loose"), [({}, True), ({"normalise": "half"}, False), ({"scale": 2.0}, False)]
)
def test_preprocessing_that_nobody_gave_is_open(
    tmp_path: Path, options: dict[str, Any], loose: bool
) -> None:
    assert loaded(cnn(), tmp_path, **options).identity.loose == loose
    assert not loaded(cast_first(TensorProto.UINT8), tmp_path).identity.loose


def test_an_inner_graph_costs_the_gradients(tmp_path: Path) -> None:
    branches: dict[str, Any] = {
        f"{name}_branch": graph_of(
            [helper.make_node("Mul", ["logits", f"f_{name}"], [name])],
            [],
            [port(name, None)],
            {f"f_{name}": np.float32(factor)},
        )
        for name, factor in (("then", 2), ("else", 3))
    }
    node = helper.make_node("If", ["yes"], ["y"], **branches)
    graph = mlp(node, outputs=[port("y", ["n", 3])], yes=np.array(True))
    model = loaded(graph, tmp_path, features=NAMES)
    assert said(model, "no version here of: If")
    torch.testing.assert_close(model.predict(ROWS), 2 * answers(mlp(), ROWS.numpy()))


def test_a_torch_version_that_differs_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = lambda _, values: torch.relu(values[0] - 0.01)  # noqa: E731
    monkeypatch.setitem(graph_module.OPERATORS, "Relu", wrong)
    model = loaded(cnn(), tmp_path)
    assert not model.differentiable
    assert said(model, "its torch version differs from onnxruntime by 0.0")
    torch.testing.assert_close(model.predict(IMAGES), answers(cnn(batch=1), IMAGES.numpy()))


def test_a_torch_version_that_raises_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> torch.Tensor:
        raise RuntimeError("sizes do not fit")

    monkeypatch.setitem(graph_module.OPERATORS, "Relu", broken)
    assert said(loaded(cnn(), tmp_path), "its torch version fails: RuntimeError: sizes do not fit")


def test_scores_without_a_gradient_are_left_to_onnxruntime(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Round", ["logits"], ["r"]),
        helper.make_node("Mul", ["r", "two"], ["y"]),
    ]
    graph = mlp(*nodes, outputs=[port("y", ["n", 3])], two=np.float32(2))
    assert said(loaded(graph, tmp_path, features=NAMES), "its scores have no gradient")


# --- batches -------------------------------------------------------------------------------------


def test_a_file_for_one_image_is_freed_where_that_answers_alike(tmp_path: Path) -> None:
    model = loaded(cnn(batch=1), tmp_path)
    assert said(model, "for 1 input at a time; freed of that")
    assert isinstance(model.module, OnnxNetwork)
    assert model.module.batch is None
    torch.testing.assert_close(model.predict(IMAGES), answers(cnn(batch=1), IMAGES.numpy()))


def without_batches() -> onnx.ModelProto:
    """One image, whose batch of 1 disappears on the way, so that nothing can free it."""
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["t"]),
        helper.make_node("Transpose", ["t"], ["u"]),
        helper.make_node("MatMul", ["t", "u"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "t"], ["a"]),
        helper.make_node("ReduceMean", ["a"], ["m"], axes=[0], keepdims=1),
        helper.make_node("Gemm", ["m", "v"], ["logits"]),
    ]
    constants = {"rows": np.array([6, 6]), "v": weights(6, 3)}
    ports = [port("x", [1, 1, 6, 6])], [port("logits", [1, 3])]
    return model_of(graph_of(nodes, *ports, constants))


def test_a_file_for_one_image_is_mapped_where_it_cannot_be_freed(tmp_path: Path) -> None:
    model = loaded(without_batches(), tmp_path)
    assert said(model, "for 1 input at a time; torch computes batches side by side")
    assert model.differentiable
    torch.testing.assert_close(model.predict(IMAGES), answers(without_batches(), IMAGES.numpy()))
    each = torch.cat([gradient(model, IMAGES[i : i + 1]) for i in range(7)])
    torch.testing.assert_close(gradient(model, IMAGES), each)


def test_a_file_for_one_image_without_torch_is_asked_image_by_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(graph_module.OPERATORS, "ReduceMean")
    model = loaded(without_batches(), tmp_path)
    assert said(model, "for 1 input at a time, and is asked so")
    torch.testing.assert_close(model.predict(IMAGES), answers(without_batches(), IMAGES.numpy()))


@pytest.mark.parametrize("torch_too", [True, False])
def test_a_file_for_four_images_gets_its_last_batch_filled_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch_too: bool
) -> None:
    if not torch_too:
        monkeypatch.delitem(graph_module.OPERATORS, "Gemm")
    model = loaded(cnn(batch=4), tmp_path)
    assert model.differentiable == torch_too
    assert said(model, "for 4 inputs at a time")
    for n in (1, 4, 7):
        wanted = answers(cnn(batch=1), IMAGES[:n].numpy())
        torch.testing.assert_close(model.predict(IMAGES[:n]), wanted)


def test_a_broken_promise_of_any_number_is_found_out(tmp_path: Path) -> None:
    graph = cnn(batch=2)
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    graph.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "n"
    model = loaded(graph, tmp_path)
    assert said(model, "promises any number of inputs, but takes 2 at a time")
    torch.testing.assert_close(model.predict(IMAGES), answers(cnn(batch=1), IMAGES.numpy()))


def mixing(batch: int | str) -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["logits"], ["m"], axes=[0]),
        helper.make_node("Sub", ["logits", "m"], ["y"]),
    ]
    return mlp(*nodes, inputs=[port("x", [batch, 5])], outputs=[port("y", [batch, 3])])


def test_a_model_that_mixes_a_batch_is_refused(tmp_path: Path) -> None:
    error = refused(mixing(4), tmp_path, features=NAMES)
    assert "depend on the others in its batch" in error.message
    assert "model.eval()" in error.hint


def test_a_model_that_could_mix_a_batch_is_asked_input_by_input(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMax", ["logits"], ["m"], axes=[0]),
        helper.make_node("Add", ["logits", "m"], ["y"]),
    ]
    graph = mlp(*nodes, outputs=[port("y", ["n", 3])])
    model = loaded(graph, tmp_path, features=NAMES)
    assert said(model, "1 input at a time")
    torch.testing.assert_close(model.predict(ROWS), 2 * answers(mlp(), ROWS.numpy()))


# --- inputs --------------------------------------------------------------------------------------


def turned(*, transposed: bool = True, shape: Sequence[int | str | None] = ("n", 6, 6, 1)) -> Any:
    """The CNN with colours last, as other frameworks have it."""
    inner = cnn()
    inner.graph.node[0].input[0] = "turned"
    node = helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 3, 1, 2])
    inner.graph.node.insert(0, node)
    inner.graph.input[0].CopyFrom(port("x", shape))
    return inner


@pytest.mark.parametrize("shape", [("n", 6, 6, 1), ("n", None, None, None)])
def test_colours_may_come_last(tmp_path: Path, shape: Sequence[int | str | None]) -> None:
    options = {} if shape[1] else {"input_shape": (1, 6, 6)}
    model = loaded(turned(shape=shape), tmp_path, **options)
    assert isinstance(model, ImageClassifier)
    assert model.input_shape == (1, 6, 6)
    assert said(model, "images (n, h, w, c)")
    torch.testing.assert_close(model.predict(IMAGES), answers(cnn(batch=1), IMAGES.numpy()))
    assert gradient(model, IMAGES).shape == IMAGES.shape


def cast_first(kind: int) -> onnx.ModelProto:
    inner = cnn()
    inner.graph.node[0].input[0] = "floats"
    inner.graph.node.insert(0, helper.make_node("Cast", ["x"], ["floats"], to=TensorProto.FLOAT))
    inner.graph.input[0].CopyFrom(port("x", ["n", 1, 6, 6], kind))
    return inner


def test_whole_pixels_run_from_0_to_255_and_are_rounded(tmp_path: Path) -> None:
    model = loaded(cast_first(TensorProto.UINT8), tmp_path)
    assert isinstance(model, ImageClassifier)
    assert model.bounds == (0.0, 255.0)
    assert model.differentiable
    assert said(model, "pixels are rounded")
    assert said(model, "uint8")
    raw = IMAGES * 255
    wanted = answers(cnn(batch=1), raw.round().numpy())
    torch.testing.assert_close(model.predict(raw), wanted, rtol=1e-5, atol=1e-4)
    assert (gradient(model, raw) != 0).any()


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_other_precisions_are_declared_and_kept(tmp_path: Path, kind: str) -> None:
    graph = mlp()
    code = {"float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE}[kind]
    one = graph.graph.initializer[0]
    one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one).astype(kind), one.name))
    for one in (graph.graph.input[0], graph.graph.output[0]):
        one.type.tensor_type.elem_type = code
    model = loaded(graph, tmp_path, features=NAMES)
    assert said(model, f"{kind}.")
    assert str(model.dtype) == f"torch.{kind}"
    assert model.differentiable
    tolerance = 2e-2 if kind == "float16" else 1e-5
    wanted = answers(mlp(), ROWS.numpy())
    torch.testing.assert_close(model.predict(ROWS), wanted, atol=tolerance, rtol=tolerance)


def test_grey_images_may_lack_the_axis_of_colours(tmp_path: Path) -> None:
    graph = cnn()
    node = helper.make_node("Unsqueeze", ["x", "one"], ["u"])
    graph.graph.node[0].input[0] = "u"
    graph.graph.node.insert(0, node)
    graph.graph.initializer.append(numpy_helper.from_array(np.array([1]), "one"))
    graph.graph.input[0].CopyFrom(port("x", ["n", 6, 6]))
    model = loaded(graph, tmp_path)
    torch.testing.assert_close(model.predict(IMAGES), answers(cnn(batch=1), IMAGES.numpy()))


def test_images_of_any_size_need_an_option(tmp_path: Path) -> None:
    graph = cnn()
    graph.graph.input[0].CopyFrom(port("x", ["n", 1, "h", "w"]))
    error = refused(graph, tmp_path)
    assert "images of any size" in error.message
    assert error.hint == "Add: --input-shape C,H,W"
    assert loaded(graph, tmp_path, input_shape=(1, 6, 6)).predict(IMAGES).shape == (7, 3)


def test_a_shape_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    assert "--input-shape says (1, 8, 8)" in refused(cnn(), tmp_path, input_shape=(1, 8, 8)).message


def test_flattened_images_need_their_shape(tmp_path: Path) -> None:
    model = loaded(mlp(), tmp_path, input_shape=(1, 1, 5))
    assert isinstance(model, ImageClassifier)
    wanted = answers(mlp(), ROWS.numpy())
    torch.testing.assert_close(model.predict(ROWS.reshape(7, 1, 1, 5)), wanted)
    assert "takes 5 numbers" in refused(mlp(), tmp_path, input_shape=(1, 2, 3)).message


def test_rows_of_a_table_need_the_names_of_their_columns(tmp_path: Path) -> None:
    model = loaded(mlp(), tmp_path, features=NAMES)
    assert isinstance(model, TabularClassifier)
    assert model.schema.names == NAMES
    assert model.differentiable
    torch.testing.assert_close(model.predict(ROWS), answers(mlp(), ROWS.numpy()))
    error = refused(mlp(), tmp_path)
    assert "rows of 5 numbers" in error.message
    assert "--features NAME,NAME" in error.hint
    assert "--features names 2" in refused(mlp(), tmp_path, features=("a", "b")).message


def test_options_that_do_not_belong_to_it_are_refused(tmp_path: Path) -> None:
    assert "names columns of a table" in refused(cnn(), tmp_path, features=NAMES).message
    assert "holds its own architecture" in refused(cnn(), tmp_path, arch="a:b").message
    assert (
        "--bounds is about images"
        in refused(mlp(), tmp_path, features=NAMES, bounds=(0.0, 1.0)).message
    )


def test_several_inputs_are_named(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["logits", "bias"], ["y"])
    ports = [port("x", ["n", 5]), port("bias", [3])]
    outputs = [port("y", ["n", 3])]
    error = refused(mlp(node, inputs=ports, outputs=outputs), tmp_path, features=NAMES)
    assert "2 inputs (x, bias), expected one" in error.message
    given = mlp(node, inputs=ports, outputs=outputs, bias=weights(3))
    model = loaded(given, tmp_path, features=NAMES)
    wanted = answers(mlp(), ROWS.numpy()) + torch.from_numpy(weights(3))
    torch.testing.assert_close(model.predict(ROWS), wanted)


def test_inspect_says_what_to_type(tmp_path: Path) -> None:
    for number, model in enumerate((cnn(), cnn(batch=1), mlp(), sklearn_like(maps=True))):
        path = write(model, tmp_path / f"{number}.onnx")
        assert inspect_file(path).next_command == f"audit run {path} --data DATA"


def test_token_numbers_need_a_tokenizer(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["e"]),
        helper.make_node("ReduceMean", ["e"], ["logits"], axes=[1], keepdims=0),
    ]
    ports = [port("x", ["n", 8], TensorProto.INT64)], [port("logits", ["n", 3])]
    graph = model_of(graph_of(nodes, *ports, {"table": weights(9, 3)}))
    assert (
        "does not hold the tokenizer"
        in refused(graph, tmp_path, features=tuple("abcdefgh")).message
    )


# --- outputs -------------------------------------------------------------------------------------


def softmax(name: str = "p") -> onnx.NodeProto:
    return helper.make_node("Softmax", ["logits"], [name], axis=1)


@pytest.mark.parametrize("torch_too", [True, False])
def test_a_last_softmax_becomes_log_p(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch_too: bool
) -> None:
    if not torch_too:
        monkeypatch.delitem(graph_module.OPERATORS, "LogSoftmax")
    model = loaded(cnn(ending=[softmax()], output="p"), tmp_path)
    assert said(model, "It ends in a Softmax")
    wanted = answers(cnn(batch=1), 1000 * IMAGES.numpy()).log_softmax(dim=1)
    assert wanted.min() < -100  # where p itself is 0
    torch.testing.assert_close(model.predict(1000 * IMAGES), wanted, rtol=1e-4, atol=1e-3)


def test_a_last_sigmoid_of_one_score_is_left_out(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceSum", ["logits", "axis"], ["z"], keepdims=1),
        helper.make_node("Sigmoid", ["z"], ["p"]),
    ]
    model = loaded(
        mlp(*nodes, outputs=[port("p", ["n", 1])], axis=np.array([1])), tmp_path, features=NAMES
    )
    assert said(model, "It ends in a Sigmoid")
    assert model.classes == ("0", "1")
    z = answers(mlp(), ROWS.numpy()).sum(dim=1)
    torch.testing.assert_close(model.predict(ROWS), torch.stack([torch.zeros(7), z], dim=1))


def test_several_labels_at_once_are_refused(tmp_path: Path) -> None:
    graph = mlp(helper.make_node("Sigmoid", ["logits"], ["p"]), outputs=[port("p", ["n", 3])])
    assert "several labels" in refused(graph, tmp_path, features=NAMES).message


@pytest.mark.parametrize("torch_too", [True, False])
def test_other_probabilities_become_log_p(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch_too: bool
) -> None:
    if not torch_too:
        monkeypatch.delitem(graph_module.OPERATORS, "Exp")
    nodes = [
        helper.make_node("Exp", ["logits"], ["e"]),
        helper.make_node("ReduceSum", ["e", "axis"], ["s"], keepdims=1),
        helper.make_node("Div", ["e", "s"], ["p"]),
    ]
    model = loaded(
        mlp(*nodes, outputs=[port("p", ["n", 3])], axis=np.array([1])), tmp_path, features=NAMES
    )
    assert said(model, "Its scores are probabilities")
    assert model.differentiable == torch_too
    wanted = answers(mlp(), ROWS.numpy()).log_softmax(dim=1)
    torch.testing.assert_close(model.predict(ROWS), wanted)


def test_scores_may_have_empty_axes_behind(tmp_path: Path) -> None:
    node = helper.make_node("Unsqueeze", ["logits", "axes"], ["y"])
    graph = mlp(node, outputs=[port("y", ["n", 3, 1, 1])], axes=np.array([2, 3]))
    model = loaded(graph, tmp_path, features=NAMES)
    torch.testing.assert_close(model.predict(ROWS), answers(mlp(), ROWS.numpy()))


def test_of_several_outputs_the_one_with_scores_is_taken(tmp_path: Path) -> None:
    node = helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0)
    outputs = [port("label", ["n"], TensorProto.INT64), port("logits", ["n", 3])]
    model = loaded(mlp(node, outputs=outputs), tmp_path, features=NAMES)
    assert said(model, "Of the outputs label, logits, 'logits' was taken")
    torch.testing.assert_close(model.predict(ROWS), answers(mlp(), ROWS.numpy()))


def test_of_several_scores_the_number_of_classes_decides(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["logits", "v"], ["more"])
    outputs = [port("logits", ["n", 3]), port("more", ["n", 4])]
    graph = mlp(node, outputs=outputs, v=weights(3, 4))
    error = refused(graph, tmp_path, features=NAMES)
    assert "several outputs of shape (n, k); it gives logits (2, 3), more (2, 4)" in error.message
    assert "--classes" in error.hint
    model = loaded(graph, tmp_path, features=NAMES, classes=tuple("wxyz"))
    assert said(model, "'more' was taken")
    assert model.predict(ROWS).shape == (7, 4)


def test_a_file_without_scores_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0)
    graph = mlp(node, outputs=[port("label", ["n"], TensorProto.INT64)])
    assert "no output of shape (n, k)" in refused(graph, tmp_path, features=NAMES).message


def test_scores_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("Mul", ["logits", "nan"], ["y"])
    graph = mlp(node, outputs=[port("y", ["n", 3])], nan=np.float32(np.nan))
    assert "not finite" in refused(graph, tmp_path, features=NAMES).message


def sklearn_like(*, maps: bool) -> onnx.ModelProto:
    """What skl2onnx writes for a logistic regression: label, and a map of probabilities."""
    ml = {"domain": "ai.onnx.ml"}
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["x"],
            ["label", "raw"],
            coefficients=weights(15).tolist(),
            intercepts=[0.1, 0.2, 0.3],
            classlabels_strings=["low", "mid", "high"],
            post_transform="SOFTMAX",
            multi_class=1,
            **ml,
        ),
        helper.make_node("Normalizer", ["raw"], ["p"], norm="L1", **ml),
    ]
    probabilities = port("p", ["n", 3])
    if maps:
        labels = ["low", "mid", "high"]
        nodes.append(helper.make_node("ZipMap", ["p"], ["maps"], classlabels_strings=labels, **ml))
        kind = helper.make_map_type_proto(
            TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
        )
        probabilities = helper.make_value_info("maps", helper.make_sequence_type_proto(kind))
    outputs = [port("label", ["n"], TensorProto.STRING), probabilities]
    return model_of(graph_of(nodes, [port("x", ["n", 5])], outputs), 17, ai_onnx_ml=3)


@pytest.mark.parametrize("maps", [True, False])
def test_what_scikit_learn_becomes_is_asked_for_its_probabilities(
    tmp_path: Path, maps: bool
) -> None:
    model = loaded(sklearn_like(maps=maps), tmp_path, features=NAMES)
    assert model.classes == (("low", "mid", "high") if maps else ("0", "1", "2"))
    assert said(model, "no version here of: ai.onnx.ml.LinearClassifier")
    w = torch.from_numpy(weights(15).reshape(3, 5))
    wanted = (ROWS @ w.T + torch.tensor([0.1, 0.2, 0.3])).log_softmax(dim=1)
    torch.testing.assert_close(model.predict(ROWS), wanted, rtol=1e-4, atol=1e-4)


# --- the file ------------------------------------------------------------------------------------


def test_functions_of_the_file_are_followed(tmp_path: Path) -> None:
    graph = mlp(
        helper.make_node("Twice", ["logits"], ["y"], domain="mine"), outputs=[port("y", ["n", 3])]
    )
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    imports = [helper.make_opsetid("", 17)]
    graph.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], body, imports))
    graph.opset_import.append(helper.make_opsetid("mine", 1))
    model = loaded(graph, tmp_path, features=NAMES)
    assert model.differentiable
    torch.testing.assert_close(model.predict(ROWS), 2 * answers(mlp(), ROWS.numpy()))


def test_numbers_beside_the_file_are_read_and_hashed(tmp_path: Path) -> None:
    path, side = tmp_path / "m.onnx", tmp_path / "weights.bin"
    onnx.save_model(cnn(), path, save_as_external_data=True, location=side.name, size_threshold=0)
    model = load_model(ModelSpec(source=str(path)))
    torch.testing.assert_close(model.predict(IMAGES), answers(cnn(batch=1), IMAGES.numpy()))
    data = bytearray(side.read_bytes())
    data[0] ^= 1  # the last digit of a number
    side.write_bytes(data)
    assert load_model(ModelSpec(source=str(path))).identity.sha256 != model.identity.sha256


def endless() -> onnx.ModelProto:
    """A loop of 2^60 turns on every input; the number is computed, so that nobody foresees it."""
    model = looping(2.0**60)
    model.graph.node[-5].CopyFrom(helper.make_node("Ceil", ["top"], ["full"]))
    return model


def test_a_loop_that_does_not_end_is_found_while_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "PATIENCE", 1.0)
    monkeypatch.setattr(session_module, "PER_INPUT", 0.0)
    assert inspect_file(write(endless(), tmp_path / "m.onnx")).safe
    error = refused(endless(), tmp_path)
    assert "m.onnx cannot be asked: its loops did not end within 1 s on 2 inputs." in error.message


@pytest.mark.slow
def test_an_audit_of_an_endless_loop_ends(tmp_path: Path) -> None:
    """While it is loaded, and where only some inputs let it turn on, while a check asks."""
    images = (200 * IMAGES.repeat(20, 1, 1, 1)).numpy().astype(np.uint8)  # no pixel is white
    images[100:] = 255
    np.savez(tmp_path / "test.npz", x=images, y=np.arange(140) % 3)
    for name, model in (("always", endless()), ("white", looping(2.0**60))):
        write(model, tmp_path / f"{name}.onnx")
    options = ["--data", "test.npz", "--policy", "none", "--check", "clean-accuracy"]
    options += ["--normalise", "none", "--workers", "1", "--check-timeout", "5s", "--out", "out"]
    done = audit("run", "always.onnx", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert "it took longer than the time limit of 5 s, outside any check" in done.stderr
    done = audit("run", "white.onnx", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr  # nothing is judged
    (one,) = read_result(tmp_path / "out").outcomes
    assert one.status == "errored"
    assert "it took longer than the time limit of 5 s" in (one.reason or "")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for name in [one for one in sys.modules if one.startswith("auditkit.models.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"{package} is missing") as caught:
        loaded(cnn(), tmp_path)
    assert caught.value.hint == 'Type: pip install "auditkit-ml[onnx]"'


def test_a_graph_that_onnxruntime_cannot_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    graph = mlp(helper.make_node("Nonsense", ["logits"], ["y"]), outputs=[port("y", ["n", 3])])
    error = refused(graph, tmp_path, features=NAMES)
    assert error.message.startswith("onnxruntime cannot run this model:")
    assert "Nonsense" in error.message


def test_classes_and_preprocessing_come_from_the_options(tmp_path: Path) -> None:
    model = loaded(
        cnn(), tmp_path, classes=("x", "y", "z"), bounds=(0.0, 255.0), mean=(9.0,), std=(2.0,)
    )
    assert isinstance(model, ImageClassifier)
    assert (model.classes, model.bounds) == (("x", "y", "z"), (0.0, 255.0))
    wanted = answers(cnn(batch=1), ((IMAGES - 9) / 2).numpy())
    torch.testing.assert_close(model.predict(IMAGES), wanted)
    assert not said(model, "replaced")
    assert "--classes" in refused(cnn(), tmp_path, classes=("x", "y")).hint


def test_another_process_reads_the_same(tmp_path: Path) -> None:
    path = write(cnn(ending=[softmax()], output="p"), tmp_path / "m.onnx")
    code = (
        "import sys, torch; from auditkit.models.load import *\n"
        "m = load_model(ModelSpec(source=sys.argv[1]))\n"
        "print(m.predict(torch.linspace(0, 1, 36).reshape(1, 1, 6, 6)).tolist())"
    )
    done = [
        subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    assert done[0].stdout == done[1].stdout
    assert done[0].stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cnn", "transformer"])
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("batch", [1, None])
@pytest.mark.filterwarnings("ignore")
def test_what_torch_exports_has_gradients(
    tmp_path: Path, kind: str, dynamo: bool, batch: int | None
) -> None:
    from auditkit.models.builtin.digits_cnn import DigitsCnn
    from auditkit.models.builtin.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    network = (DigitsCnn() if kind == "cnn" else VisionTransformer(width=32)).eval()
    images, path = torch.rand(batch or 2, 1, 8, 8), tmp_path / "m.onnx"
    if dynamo:
        dynamic: Any = dict(dynamic_shapes=({0: torch.export.Dim("n")},)) if batch is None else {}
        options: Any = dict(dynamo=True, external_data=False, verbose=False, **dynamic)
    else:
        axes: Any = dict(dynamic_axes={"x": {0: "n"}}) if batch is None else {}
        options = dict(dynamo=False, opset_version=17, input_names=["x"], **axes)
    torch.onnx.export(network, (images,), str(path), **options)
    model = load_model(ModelSpec(source=str(path)))
    assert model.differentiable, model.identity.notes
    images = torch.rand(5, 1, 8, 8)
    torch.testing.assert_close(model.predict(images), network(images), rtol=1e-4, atol=1e-5)
    leaf = images.clone().requires_grad_(True)
    (wanted,) = torch.autograd.grad(network(leaf).square().sum(), leaf)
    torch.testing.assert_close(gradient(model, images), wanted, rtol=1e-3, atol=1e-5)


def test_options_cross_to_another_process() -> None:
    spec = ModelSpec(source="m.onnx", features=("a", "b"))
    assert replace(spec, source="n.onnx").features == ("a", "b")
