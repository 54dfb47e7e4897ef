"""Mirrors auditkit/models/onnx/texts.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from auditkit.errors import ModelError
from auditkit.models.classifier import TextClassifier
from auditkit.models.inspect import inspect_file
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.texts.options import TextOptions
from tests.models.onnx.files import graph_of, model_of, port, weights, write

WORDS, WIDTH = 60, 4
INT64, INT32 = TensorProto.INT64, TensorProto.INT32
VOCABULARY = {"<pad>": 0, "<unk>": 1, **{f"w{i}": i for i in range(2, WORDS)}}


def texts(
    *,
    mask: bool = True,
    types: bool = False,
    ending: str = "",
    kind: int = INT64,
    shape: tuple[Any, ...] = ("n", "t"),
    strange: str = "",
    k: int = 3,
) -> onnx.ModelProto:
    """Token ids (n, t) to k scores: vectors of the words, their mean under the mask, Gemm."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["looked"])]
    if strange:
        nodes.append(helper.make_node(strange, ["looked"], ["vectors"]))
    else:
        nodes.append(helper.make_node("Identity", ["looked"], ["vectors"]))
    ports = [port("input_ids", shape, kind)]
    if mask:
        ports.append(port("attention_mask", shape, INT64))
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["real", "last"], ["weights"]),
            helper.make_node("Mul", ["vectors", "weights"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "one"], ["sum"], keepdims=0),
            helper.make_node("ReduceSum", ["real", "one"], ["count"], keepdims=1),
            helper.make_node("Div", ["sum", "count"], ["mean"]),
        ]
    else:
        nodes.append(helper.make_node("ReduceMean", ["vectors"], ["mean"], axes=[1], keepdims=0))
    inner = "scores"
    if types:
        ports.append(port("token_type_ids", shape, INT64))
        nodes += [
            helper.make_node("Gather", ["kinds", "token_type_ids"], ["kind"]),
            helper.make_node("ReduceMean", ["kind"], ["kind mean"], axes=[1], keepdims=0),
            helper.make_node("Add", ["mean", "kind mean"], ["both"]),
        ]
    nodes.append(helper.make_node("Gemm", ["both" if types else "mean", "v", "d"], [inner]))
    if ending:
        nodes.append(helper.make_node(ending, [inner], ["logits"]))
    else:
        nodes.append(helper.make_node("Identity", [inner], ["logits"]))
    constants = {
        "table": weights(WORDS, WIDTH),
        "kinds": weights(2, WIDTH, seed=5),
        "last": np.array([2]),
        "one": np.array([1]),
        "v": weights(WIDTH, k, seed=2),
        "d": weights(k, seed=3),
    }
    return model_of(graph_of(nodes, ports, [port("logits", ["n", k])], constants))


def load(folder: Path, model: onnx.ModelProto, **options: Any) -> TextClassifier:
    path = write(model, folder / "m.onnx")
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    given = {"vocabulary": str(folder / "vocab.json"), **options}
    classes = given.pop("classes", ("a", "b", "c"))
    found = load_model(ModelSpec(source=str(path), classes=classes, texts=TextOptions(**given)))
    assert isinstance(found, TextClassifier)
    return found


def runtime(model: onnx.ModelProto, ids: list[list[int]], mask: list[list[int]]) -> torch.Tensor:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    wanted = {one.name: one.type for one in session.get_inputs()}
    arrays = {
        name: np.asarray(given[name], np.int32 if "int32" in kind else np.int64)
        for name, kind in wanted.items()
    }
    return torch.from_numpy(session.run(None, arrays)[0])


@pytest.mark.parametrize("types", [False, True])
@pytest.mark.parametrize("kind", [INT64, INT32])
def test_texts_are_answered_as_by_onnxruntime(tmp_path: Path, types: bool, kind: int) -> None:
    file = texts(types=types, kind=kind)
    model = load(tmp_path, file)
    truth = runtime(file, [[5, 1, 7, 0], [9, 0, 0, 0]], [[1, 1, 1, 0], [1, 0, 0, 0]])
    torch.testing.assert_close(model.logits(["W5 film w7", "w9"]), truth, rtol=1e-5, atol=1e-6)
    assert not model.padded
    encoded = model.encode(["w5 w6", "w7"])
    embeddings = model.embed(encoded.ids).requires_grad_(True)
    logits = model.logits_from_embeddings(embeddings, encoded.mask)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), embeddings)
    assert gradient[encoded.mask].abs().sum(-1).min() > 0
    assert any("Computed by torch, with gradients" in one for one in model.identity.notes)


def test_without_a_mask_padding_counts(tmp_path: Path) -> None:
    file = texts(mask=False)
    with pytest.raises(ModelError, match=r"change with the padding .* --max-length"):
        load(tmp_path, file)
    model = load(tmp_path, file, max_length=6)
    truth = runtime(file, [[5, 7, 0, 0, 0, 0]], [[1, 1, 0, 0, 0, 0]])
    torch.testing.assert_close(model.logits(["w5 w7"]), truth, rtol=1e-5, atol=1e-6)


def test_a_last_softmax_is_taken_off(tmp_path: Path) -> None:
    file = texts(ending="Softmax")
    model = load(tmp_path, file)
    truth = runtime(file, [[5, 7]], [[1, 1]])
    torch.testing.assert_close(model.logits(["w5 w7"]).softmax(1), truth, rtol=1e-4, atol=1e-6)
    assert any("Softmax was taken off" in one for one in model.identity.notes)
    with pytest.raises(ModelError, match="several labels to one text"):
        load(tmp_path, texts(ending="Sigmoid"))


def test_one_score_stands_for_the_second_class(tmp_path: Path) -> None:
    file = texts(ending="Sigmoid", k=1)
    model = load(tmp_path, file, classes=("no", "yes"))
    truth = runtime(file, [[5, 7]], [[1, 1]])
    torch.testing.assert_close(
        model.logits(["w5 w7"]).softmax(1)[:, 1:], truth, rtol=1e-4, atol=1e-6
    )


def test_without_a_vocabulary_it_is_asked_for(tmp_path: Path) -> None:
    path = write(texts(), tmp_path / "m.onnx")
    with pytest.raises(
        ModelError, match=r"reads token ids \(input_ids, attention_mask\).*--vocabulary"
    ):
        load_model(ModelSpec(source=str(path)))
    assert inspect_file(path).next_command == (
        f"audit run {path} --vocabulary vocab.json --data DATA"
    )


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (texts(shape=(1, "t")), r"is for 1 texts or tokens at a time \(input 'input_ids'\)"),
        (texts(shape=("n", 16)), "is for 16 texts or tokens at a time"),
        (texts(strange="HardSwish"), None),
        (texts(strange="Hardmax"), "torch has no version here of Hardmax"),
    ],
)
def test_what_cannot_be_split_is_refused(
    tmp_path: Path, model: onnx.ModelProto, said: str | None
) -> None:
    if said is None:
        load(tmp_path, model)
        return
    with pytest.raises(ModelError, match=said):
        load(tmp_path, model)


def test_two_lookups_of_the_ids_are_refused(tmp_path: Path) -> None:
    file = texts()
    file.graph.node.insert(1, helper.make_node("Gather", ["table", "input_ids"], ["again"]))
    file.graph.node[2].CopyFrom(helper.make_node("Add", ["looked", "again"], ["vectors"]))
    with pytest.raises(ModelError, match="up in 2 tables of numbers, expected one"):
        load(tmp_path, file)


def test_a_model_of_images_needs_no_vocabulary(tmp_path: Path) -> None:
    from tests.models.onnx.files import cnn

    with pytest.raises(ModelError, match="reads no token ids"):
        load(tmp_path, cnn())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the exporter
def test_an_exported_bert_answers_as_before(tmp_path: Path) -> None:
    folders = pytest.importorskip("tests.models.huggingface.folders")
    folder = folders.bert(tmp_path / "m")
    network = folders.transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager"
    ).eval()
    ids = torch.tensor([[2, 5, 6, 3, 0], [2, 7, 8, 9, 3]])
    n, t = torch.export.Dim("n"), torch.export.Dim("t", max=40)
    torch.onnx.export(
        network,
        (ids, (ids != 0).long()),
        str(tmp_path / "bert.onnx"),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_shapes={"input_ids": {0: n, 1: t}, "attention_mask": {0: n, 1: t}},
        dynamo=True,
        verbose=False,
    )
    given = TextOptions(vocabulary=str(folder / "tokenizer.json"))
    classes = ("negative", "neutral", "positive")
    model = load_model(ModelSpec(source=str(tmp_path / "bert.onnx"), classes=classes, texts=given))
    whole = load_model(ModelSpec(source=str(folder)))
    lines = ["A good film!", "the plot, the plot"]
    torch.testing.assert_close(model.logits(lines), whole.logits(lines), rtol=1e-4, atol=1e-5)
