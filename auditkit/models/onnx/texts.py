"""An ONNX network of token ids in torch, its word embedding a layer of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, final

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from auditkit.errors import ModelError
from auditkit.models.classifier import Identity, TextClassifier
from auditkit.models.onnx.facts import read_onnx
from auditkit.models.onnx.graph import OnnxGraph, compare, tensor_of
from auditkit.models.onnx.operators.node import UnsupportedError
from auditkit.models.onnx.reading import DTYPES, open_inputs, reads_tokens
from auditkit.models.onnx.rewrite import (
    read_model,
    refuse_bombs,
    to_bytes,
    with_output,
    without_last_squashing,
)
from auditkit.models.onnx.session import Array, Session, as_rows
from auditkit.models.texts.load import text_classifier

if TYPE_CHECKING:
    from auditkit.models.load import ModelSpec

Role: TypeAlias = Literal["ids", "mask", "types", "lengths"]
_VECTORS = "auditkit_word_vectors"
_ROLES: dict[Role, tuple[str, ...]] = {
    "types": ("type", "segment"),
    "lengths": ("len",),
    "mask": ("mask", "pad"),
    "ids": ("ids", "token", "text", "word", "input", "x"),
}
_EXPORT = "Export it for any number of texts and tokens (dynamic axes 0 and 1 of every input)."


@final
@dataclass(frozen=True)
class Port:
    """An input of the graph, and what it is for."""

    name: str
    role: Role
    dtype: torch.dtype

    def filled(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return what it gets for ids (n, t) under mask (n, t), True at real tokens."""
        given = {
            "ids": ids,
            "mask": mask,
            "types": torch.zeros_like(ids),
            "lengths": mask.sum(dim=1),
        }
        return given[self.role].to(self.dtype)


class OnnxTexts(nn.Module):
    """A converted graph that reads token ids; its word embedding is a layer that can be replaced.

    Parameters
    ----------
    graph : OnnxGraph
        Reads the vectors of the words in place of looking them up.
    table : Tensor
        (words, features), the vectors.
    ports : sequence of Port
        Its other inputs.
    """

    def __init__(self, graph: OnnxGraph, table: Tensor, ports: tuple[Port, ...]) -> None:
        super().__init__()
        self.graph = graph
        self.words = nn.Embedding.from_pretrained(table)
        self.ports = ports

    def scores(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return scores (n, k) of token ids (n, t) under a mask (n, t), True at real tokens."""
        given = {one.name: one.filled(ids, mask) for one in self.ports}
        return self.graph({**given, _VECTORS: self.words(ids)})


@final
class OnnxPlainTexts(OnnxTexts):
    """A graph that is told nothing but the ids."""

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids (n, t) to scores (n, k)."""
        return self.scores(ids, torch.ones_like(ids, dtype=torch.bool))


@final
class OnnxMaskedTexts(OnnxTexts):
    """A graph that is told which tokens are real."""

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map token ids (n, t) under a mask (n, t), true at real tokens, to scores (n, k)."""
        return self.scores(ids, mask.bool())


def load_onnx_texts(path: Path, spec: ModelSpec, *, sha256: str) -> TextClassifier:
    """Return the classifier of an ONNX file that reads token ids.

    Parameters
    ----------
    path : Path
        A file that was inspected and found safe.
    spec : ModelSpec
        Vocabulary, classes and what else the user typed.
    sha256 : str
        Hash of the file, and of numbers beside it.

    Raises
    ------
    ModelError
        If it does not read token ids, torch cannot compute it, or the vocabulary does not fit.
    """
    facts, model = read_onnx(path), read_model(path)
    refuse_bombs(model)
    ports = _ports(path, model.graph)
    plain, k = _with_scores(model, ports, spec)
    changed, ending = without_last_squashing(plain)
    if ending == "sigmoid" and k > 1:
        raise ModelError(
            f"{path} ends in a Sigmoid of {k} scores: it gives several labels to one text.",
            hint="auditkit audits models that choose one class.",
        )
    module, gap = _module(path, changed, ports)
    notes = [
        f"Computed by torch, with gradients: the largest difference from onnxruntime is {gap:.2g}."
    ]
    if ending != "scores":
        notes.append(f"Its last {ending.title()} was taken off, so that its scores are logits.")
    identity = Identity(
        name=path.stem,
        architecture=f"ONNX graph by {facts.producer}" if facts.producer else "ONNX graph",
        sha256=sha256,
        notes=(*notes, *spec.notes),
        loose=True,
    )
    return text_classifier(path, module, spec, identity)


def _ports(path: Path, graph: onnx.GraphProto) -> tuple[Port, ...]:
    if not reads_tokens(graph):
        raise ModelError(
            f"{path} reads no token ids, so --vocabulary says nothing about it.",
            hint="Leave out --vocabulary.",
        )
    inputs = open_inputs(graph)
    kinds = [DTYPES.get(one.type.tensor_type.elem_type, torch.bool) for one in inputs]
    found = [
        Port(one.name, "ids" if len(inputs) == 1 else _role(one.name), kind)
        for one, kind in zip(inputs, kinds, strict=True)
    ]
    roles = [one.role for one in found]
    if roles.count("ids") != 1 or len(set(roles)) < len(roles):
        raise ModelError(
            f"{path} has the inputs {', '.join(one.name for one in found)}, expected token ids,"
            " and at"
            " most a mask, token types and lengths beside.",
            hint="Export it with the names input_ids, attention_mask, token_type_ids.",
        )
    for one in inputs:
        sizes = [d.dim_value for d in one.type.tensor_type.shape.dim if d.HasField("dim_value")]
        if sizes:
            raise ModelError(
                f"{path} is for {sizes[0]} texts or tokens at a time (input {one.name!r}).",
                hint=_EXPORT,
            )
    return tuple(found)


def _role(name: str) -> Role:
    for role, words in _ROLES.items():
        if any(word in name.lower() for word in words):
            return role
    return "ids"


def _with_scores(
    model: onnx.ModelProto, ports: tuple[Port, ...], spec: ModelSpec
) -> tuple[onnx.ModelProto, int]:
    """Return the model with the output of one score per class alone, and how many it has."""
    try:
        answers = Session(to_bytes(model), batch=None).answers(_arrays(ports, 3, 5))
    except ModelError as error:
        raise ModelError(
            f"The ONNX model cannot read 3 texts of 5 tokens: {error.message}", hint=_EXPORT
        ) from error
    widths = {
        name: one.shape[-1] if one.ndim == 2 else 1
        for name, one in answers.items()
        if isinstance(one, np.ndarray) and one.dtype.kind == "f" and one.shape in _shapes(one, 3)
    }
    if len(widths) > 1 and spec.classes is not None:
        widths = {name: k for name, k in widths.items() if max(k, 2) == len(spec.classes)}
    if len(widths) != 1:
        listed = ", ".join(f"{name} {getattr(one, 'shape', '')}" for name, one in answers.items())
        raise ModelError(
            f"The ONNX model answers 3 texts with {listed}; expected one output (3, k).",
            hint="Name as many --classes as the right output has scores, or keep it alone:"
            " onnx.utils.extract_model",
        )
    ((name, k),) = widths.items()
    return with_output(model, name), k


def _shapes(answer: Array, n: int) -> tuple[tuple[int, ...], ...]:
    return (n,), (n, answer.shape[-1] if answer.ndim else 0)


def _arrays(ports: tuple[Port, ...], n: int, t: int) -> Mapping[str, Array]:
    ids = torch.arange(n * t).reshape(n, t) % 7 + 1
    mask = torch.arange(t)[None] < torch.tensor([[t], *([max(1, t - 2)],) * (n - 1)])
    return {one.name: one.filled(ids, mask).numpy() for one in ports}


def _module(path: Path, model: onnx.ModelProto, ports: tuple[Port, ...]) -> tuple[OnnxTexts, float]:
    """Return the network in torch, and how far it is from onnxruntime."""
    output = model.graph.output[0].name
    (ids,) = (one.name for one in ports if one.role == "ids")
    try:
        changed, table = _split(path, model, ids)
        names = (_VECTORS, *(one.name for one in ports))
        graph = OnnxGraph(changed, input_name=names, output_name=output)
        masked = any(one.role in ("mask", "lengths") for one in ports)
        module = (OnnxMaskedTexts if masked else OnnxPlainTexts)(graph, table, ports).eval()
        return module, _compared(module, Session(to_bytes(model), batch=None))
    except UnsupportedError as error:
        raise ModelError(
            f"{path} cannot be computed with gradients, which audits of texts need: torch has no"
            f" version here of {error}.",
            hint="Audit the torch network it was made from, with --arch and --vocabulary.",
        ) from error


def _split(path: Path, model: onnx.ModelProto, ids: str) -> tuple[onnx.ModelProto, Tensor]:
    """Return the model with the vectors of the words as an input, and their table."""
    changed = copy.deepcopy(model)
    tables = {one.name: one for one in changed.graph.initializer}
    aliases = {ids}  # also behind a Cast
    for node in changed.graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in aliases:
            aliases.add(node.output[0])
    lookups = [
        node
        for node in changed.graph.node
        if node.op_type == "Gather" and node.input[0] in tables and node.input[1] in aliases
    ]
    if len(lookups) != 1 or len(tables[lookups[0].input[0]].dims) != 2:
        raise ModelError(
            f"{path} looks its token ids {ids!r} up in {len(lookups)} tables of numbers,"
            " expected one:"
            " there the network is split.",
            hint="Audit the torch network it was made from, with --arch and --vocabulary.",
        )
    lookup = lookups[0]
    table = tensor_of(tables[lookup.input[0]])
    lookup.CopyFrom(onnx.helper.make_node("Identity", [_VECTORS], [lookup.output[0]]))
    return changed, table


@torch.no_grad()
def _compared(module: OnnxTexts, session: Session) -> float:
    """Compare with onnxruntime on texts of several lengths; return the largest difference."""
    largest = 0.0
    for n, t in ((1, 5), (3, 8), (2, 16)):
        arrays = _arrays(module.ports, n, t)
        given = {name: torch.from_numpy(np.asarray(one)) for name, one in arrays.items()}
        ids = next(given[one.name] for one in module.ports if one.role == "ids")
        try:
            answer = np.asarray(next(iter(session.answers(arrays).values())))
            scores = module.graph({**given, _VECTORS: module.words(ids.long())})
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            reason = str(error).partition("\n")[0][:200]
            raise UnsupportedError(f"{type(error).__name__}: {reason}") from error
        found = compare(scores.reshape(n, -1), torch.from_numpy(as_rows(answer, n)), scores.dtype)
        largest = max(largest, found.largest)
        if not found.equal:
            raise UnsupportedError(
                f"its graph: scores differ from onnxruntime by {found.largest:.2g}"
            )
    return largest
