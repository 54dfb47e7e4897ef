"""ONNX files: what exporters write, and what none should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from torch.nn import functional

from tests.formats.making import CLASSES, Example, Shape, Truth, Writer, images, labelled, with_data
from tests.models.onnx import hostile
from tests.models.onnx.files import attention, cnn, port, weights, write
from tests.models.onnx.test_load import (
    cast_first,
    mlp,
    sklearn_like,
    softmax,
    turned,
    without_batches,
)

ONNX, FILE, DATA = "ONNX", "model.onnx", "--data test.npz"
SMALL: Shape = (1, 6, 6)  # what `cnn` reads
COLUMNS = ("a", "b", "c", "d", "e")
TABLE = "--features a,b,c,d,e --classes low,mid,high --data test.csv"


def _parameter(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(weights(*shape, seed=seed))


# --- the same in torch ---------------------------------------------------------------------------


def _cnn(x: Tensor) -> Tensor:
    maps = functional.conv2d(x, _parameter(2, 1, 3, 3), _parameter(2, seed=1), padding=1).relu()
    return maps.flatten(1) @ _parameter(3, 72, seed=2).T + _parameter(3, seed=3)


def _attention(x: Tensor) -> Tensor:
    t = x.flatten(1).reshape(-1, 4, 4)
    queries, keys = t @ _parameter(4, 4), t @ _parameter(4, 4, seed=1)
    r = (queries @ keys.transpose(1, 2)).softmax(dim=-1) @ t + t
    normal = functional.layer_norm(r, (4,), _parameter(4, seed=2), _parameter(4, seed=3))
    return normal.mean(dim=1) @ _parameter(4, 3, seed=4)


def _without_batches(x: Tensor) -> Tensor:
    t = x.reshape(-1, 6, 6)
    mixed = (t @ t.transpose(1, 2)).softmax(dim=-1) @ t
    return mixed.mean(dim=1) @ _parameter(6, 3)


def _mlp(x: Tensor) -> Tensor:
    return x @ _parameter(5, 3)


def _regression(x: Tensor) -> Tensor:
    return x @ _parameter(15).reshape(3, 5).T + torch.tensor([0.1, 0.2, 0.3])


# --- files ---------------------------------------------------------------------------------------


def _centred(
    model: onnx.ModelProto,
    bias: str,
    shape: Shape,
    truth: Truth,
    prepared: Truth = lambda x: x,
) -> Truth:
    """Shift the last bias, so that every class is the answer to some images."""
    shift = truth(prepared(images(shape, 400, seed=1))).mean(dim=0)
    (one,) = (t for t in model.graph.initializer if t.name == bias)
    values = numpy_helper.to_array(one) - shift.numpy().astype(np.float32)
    one.CopyFrom(numpy_helper.from_array(values.astype(np.float32), bias))
    return lambda x: truth(x) - shift


def _images(make: Callable[[], onnx.ModelProto]) -> Writer:
    """A variant of the small CNN, and images that it tells apart."""

    def write_both(folder: Path) -> Truth:
        model = make()
        truth = _centred(model, "d", SMALL, _cnn)
        write(model, folder / FILE)
        return with_data(folder, truth, SMALL)

    return write_both


def _uncentred(make: Callable[[], onnx.ModelProto], truth: Truth, shape: Shape) -> Writer:
    def write_both(folder: Path) -> Truth:
        write(make(), folder / FILE)
        return with_data(folder, truth, shape)

    return write_both


def _normalised(folder: Path) -> Truth:
    """Trained on pixels from -1 to 1, and asked with pixels from 0 to 1."""
    model = cnn()
    truth = _centred(model, "d", SMALL, _cnn, lambda x: 2 * x - 1)
    write(model, folder / FILE)
    x, y = labelled(lambda images: truth(2 * images - 1), SMALL, sure=False)
    np.savez(folder / "test.npz", x=x, y=y, class_names=np.array(CLASSES[:3]))
    return truth


def _whole_pixels(folder: Path) -> Truth:
    """Pixels from 0 to 255, divided in the network."""
    model = cast_first(TensorProto.UINT8)
    model.graph.node[0].output[0] = "bytes"
    model.graph.node.insert(1, helper.make_node("Div", ["bytes", "most"], ["floats"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "most"))
    truth = _centred(model, "d", SMALL, _cnn)
    write(model, folder / FILE)
    return with_data(folder, lambda x: truth(x.round() / 255), SMALL, high=255)


def _outside(folder: Path) -> Truth:
    model = cnn()
    truth = _centred(model, "d", SMALL, _cnn)
    onnx.save_model(
        model, folder / FILE, save_as_external_data=True, location="w.bin", size_threshold=0
    )
    return with_data(folder, truth, SMALL)


def _unconverted() -> onnx.ModelProto:
    """With an operator that auditkit has no torch version of; it changes nothing here."""
    odd = helper.make_node("ThresholdedRelu", ["logits"], ["y"], alpha=-1e9)
    return cnn(ending=[odd], output="y")


def _labelled() -> onnx.ModelProto:
    model = cnn(ending=[helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0)])
    model.graph.output.insert(0, port("label", ["n"], TensorProto.INT64))
    return model


def _several_inputs(*, default: bool) -> onnx.ModelProto:
    model = cnn(ending=[helper.make_node("Add", ["logits", "more"], ["y"])], output="y")
    model.graph.input.append(port("more", [3]))
    if default:
        zeros = numpy_helper.from_array(np.zeros(3, np.float32), "more")
        model.graph.initializer.append(zeros)
    return model


def _any_size() -> onnx.ModelProto:
    model = cnn()
    model.graph.input[0].CopyFrom(port("x", ["n", 1, "h", "w"]))
    return model


def _several_labels() -> onnx.ModelProto:
    return cnn(ending=[helper.make_node("Sigmoid", ["logits"], ["p"])], output="p")


def _half() -> onnx.ModelProto:
    """Everything in half precision, inputs and scores too."""
    model = cnn()
    for one in model.graph.initializer:
        values = numpy_helper.to_array(one)
        if values.dtype == np.float32:
            one.CopyFrom(numpy_helper.from_array(values.astype(np.float16), one.name))
    for one in (model.graph.input[0], model.graph.output[0]):
        one.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def _half_precision(folder: Path) -> Truth:
    model = _half()
    write(model, folder / FILE)
    return with_data(folder, _cnn, SMALL)


def _table(model: onnx.ModelProto, truth: Truth) -> Writer:
    def write_both(folder: Path) -> Truth:
        write(model, folder / FILE)
        rows = torch.randn(90, 5, generator=torch.Generator().manual_seed(0)).round(decimals=3)
        labels = truth(rows).argmax(dim=1)
        frame = pd.DataFrame(rows.numpy(), columns=list(COLUMNS))
        frame["label"] = [("low", "mid", "high")[i] for i in labels]
        frame.to_csv(folder / "test.csv", index=False)
        return truth

    return write_both


def _alone(make: Callable[[], onnx.ModelProto]) -> Writer:
    """A file that is refused, whatever the data."""

    def write_both(folder: Path) -> None:
        write(make(), folder / FILE)
        x, y = labelled(_cnn, SMALL)
        np.savez(folder / "test.npz", x=x, y=y)

    return write_both


def _row(special: str, write: Writer, *said: str, options: str = DATA, **more: Any) -> Example:
    return Example(
        format=ONNX, special=special, write=write, file=FILE, options=options, said=said, **more
    )


def _of_operators(version: int) -> Example:
    return _row(
        f"operators of version {version}", _images(lambda: cnn(opset=version)), "with gradients"
    )


def _hostile(name: str, special: str, *, inspected: int = 1) -> Example:
    def write_file(folder: Path) -> None:
        hostile.FILES[name][0](folder / FILE)

    return _row(special, write_file, hostile.FILES[name][1], options="", outcome="refused",
                inspected=inspected)  # fmt: skip


GRAPHS = (
    *map(_of_operators, (11, 13, 17, 21)),
    _row("for one image at a time", _images(lambda: cnn(batch=1)), "freed of that"),
    _row("for one image at a time, which cannot be freed of that",
         _uncentred(without_batches, _without_batches, SMALL), "side by side", right=1.0),
    _row("for four images at a time", _images(lambda: cnn(batch=4)), "4 inputs at a time"),
    _row("attention and layer normalisation, as in transformers",
         _uncentred(attention, _attention, (1, 4, 4)), "with gradients"),
    _row("colours last (NHWC)", _images(turned), "(n, h, w, c)"),
    _row("whole pixels, 0 to 255 (uint8)", _whole_pixels, "uint8", "rounded"),
    _row("half precision (float16)", _half_precision, "float16"),
    _row("trained on pixels from -1 to 1, not said", _normalised,
         "did you mean --normalise half?", right=None),
    _row("images of any size, size not given", _alone(_any_size), "--input-shape",
         outcome="refused"),
    _row("images of any size", _images(_any_size), options=f"--input-shape 1,6,6 {DATA}"),
    _row("two inputs, one with a default", _images(lambda: _several_inputs(default=True))),
    _row("two inputs", _alone(lambda: _several_inputs(default=False)), "2 inputs (x, more)",
         outcome="refused"),
    _row("Softmax at the end", _images(lambda: cnn(ending=[softmax()], output="p")), "Softmax"),
    _row("labels beside the scores", _images(_labelled), "'logits' was taken"),
    _row("several labels per image (Sigmoid at the end)", _alone(_several_labels),
         "several labels", outcome="refused"),
    _row("an operator that torch has no version of here", _images(_unconverted),
         "without gradients", "ThresholdedRelu"),
    _row("numbers beside the file (external data)", _outside),
    _row("a table", _table(mlp(), _mlp), options=TABLE),
    _row("a table, columns not named", _table(mlp(), _mlp), "--features",
         options="--data test.csv", outcome="refused"),
    _row("scikit-learn's logistic regression, as skl2onnx writes it",
         _table(sklearn_like(maps=True), _regression), "without gradients",
         options="--features a,b,c,d,e --data test.csv"),
)  # fmt: skip
HOSTILE = (
    _hostile("absolute", "numbers beside the file, in /etc/passwd"),
    _hostile("dotted", "numbers beside the file, in ../secret.bin"),
    _hostile("link", "numbers beside the file, behind a link out of the folder"),
    _hostile("absent", "numbers beside the file that are not there"),
    _hostile("huge dims", "a tensor of 10^24 numbers"),
    _hostile("filled", "a graph that fills a tensor of 10^12 numbers"),
    _hostile("computed", "a graph that computes the size of such a tensor", inspected=0),
    _hostile("endless", "a loop of 2^62 turns"),
    _hostile("circle", "a graph that runs in a circle"),
    _hostile("foreign", "an operator that runs Python"),
    _hostile("cut off", "cut off", inspected=2),
)
