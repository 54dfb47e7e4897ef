"""The network of an ONNX classifier: in torch where that computes the same, else onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from auditkit.models.blackbox import BlackBox, Output
from auditkit.models.onnx.graph import Comparison, OnnxGraph, compare
from auditkit.models.onnx.operators.node import UnsupportedError
from auditkit.models.onnx.reading import Reading
from auditkit.models.onnx.scores import SIZES, Chosen, Raw, Scorer, array
from auditkit.models.onnx.session import Array

_FLOOR = 1e-38  # of a probability, so that its logarithm is finite


@final
@dataclass(frozen=True)
class Converted:
    """What takes the place of the network in the classifier."""

    module: nn.Module
    notes: tuple[str, ...]


@final
class OnnxNetwork(nn.Module):
    """A converted graph with the way its inputs are read, the batches and the kind of scores.

    Parameters
    ----------
    graph : OnnxGraph
        The converted graph.
    reading : Reading
        How inputs are handed over.
    batch : int, optional
        How many it takes at a time; None takes any number.
    output : {"logits", "probabilities"}
        What its scores are.
    """

    def __init__(
        self, graph: OnnxGraph, reading: Reading, *, batch: int | None, output: Output
    ) -> None:
        super().__init__()
        self.graph, self.reading, self.batch, self.output = graph, reading, batch, output
        self.mapped = True  # whether batches are computed side by side rather than in turn
        self.mixed = True  # whether it computes in lower precision where asked to

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (n, k), or (n, 1) for two classes."""
        if self.mixed or not torch.is_autocast_enabled(inputs.device.type):
            return self._logits(inputs)
        with torch.autocast(inputs.device.type, enabled=False):
            return self._logits(inputs)

    def _logits(self, inputs: Tensor) -> Tensor:
        prepared = self.reading.prepare(inputs)
        scores = self.raw(prepared)
        if self.output == "logits":
            return scores
        return scores.float().clamp(min=_FLOOR).log()

    def raw(self, prepared: Tensor) -> Tensor:
        """Return scores (n, k) of inputs as the file declares them."""
        n = len(prepared)
        if self.batch is None:
            return _rows(self.graph(prepared), n)
        if n == 0:
            return _rows(self.graph(prepared.new_zeros(self.batch, *prepared.shape[1:])), -1)[:0]
        lacking = -n % self.batch
        if lacking:
            prepared = torch.cat([prepared, prepared[-1:].expand(lacking, *prepared.shape[1:])])
        parts = prepared.reshape(-1, self.batch, *prepared.shape[1:])
        if self.mapped:
            scores = torch.vmap(self.graph)(parts).flatten(0, 1)
        else:
            scores = torch.cat([self.graph(part) for part in parts])
        return _rows(scores, len(prepared))[:n]


def _rows(scores: Tensor, n: int) -> Tensor:
    """Return scores as (n, k), like `as_rows` does for onnxruntime's."""
    while scores.ndim > 2 and scores.shape[-1] == 1:
        scores = scores[..., 0]
    if scores.ndim == 1:
        scores = scores[:, None]
    if n >= 0 and (scores.ndim != 2 or len(scores) != n):
        raise UnsupportedError(f"scores of shape {tuple(scores.shape)} for {n} inputs")
    return scores


def convert(
    chosen: Chosen, scorer: Scorer, probe: Raw, *, parameters: int | None = None
) -> Converted:
    """Return a torch network if it computes what onnxruntime does, else onnxruntime itself.

    `parameters` is how many trained numbers the file holds, which onnxruntime does not say.
    """
    found = _converted(chosen, scorer, probe)
    if isinstance(found.module, BlackBox):
        found.module.n_parameters = parameters
    return found


def _converted(chosen: Chosen, scorer: Scorer, probe: Raw) -> Converted:
    reading = scorer.reading
    try:
        graph = OnnxGraph(scorer.model, input_name=reading.name, output_name=chosen.name)
        module = OnnxNetwork(graph, reading, batch=reading.batch, output=chosen.output).eval()
        found = _fitted(module, scorer, probe)
    except UnsupportedError as error:
        return _opaque(chosen, scorer, f"torch has no version here of: {error}")
    except Exception as error:  # noqa: BLE001 - a graph may break any torch function
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
        return _opaque(chosen, scorer, f"its torch version fails: {reason}")
    if not found.equal:
        why = (
            f"its torch version differs from onnxruntime by {found.largest:.2g}, more than"
            f" rounding ({found.allowed:.2g})"
        )
        return _opaque(chosen, scorer, why)
    if not _has_gradient(module, reading, probe):
        return _opaque(chosen, scorer, "its scores have no gradient")
    module.mixed = _computes_mixed(module, probe)
    note = (
        "Computed by torch, with gradients: on random inputs the largest difference from"
        f" onnxruntime is {found.largest:.2g}; up to {found.allowed:.2g} counts as rounding."
    )
    batches = [scorer.note] if scorer.note else []
    if module.batch is not None:
        batches = [_on_batches(module.batch, mapped=module.mapped)]
    return Converted(module, (*batches, note))


def _on_batches(batch: int, *, mapped: bool) -> str:
    inputs = "1 input" if batch == 1 else f"{batch} inputs"
    how = "side by side" if mapped else "in turn"
    return f"The file is for {inputs} at a time; torch computes batches {how}."


def _fitted(module: OnnxNetwork, scorer: Scorer, probe: Raw) -> Comparison:
    """Compare with onnxruntime, on several batch sizes, in the way that works."""
    if module.batch is not None:
        try:
            return _compared(module, scorer, probe)
        except Exception:  # noqa: BLE001 - vmap refuses what a loop can do
            module.mapped = False
    return _compared(module, scorer, probe)


def _compared(module: OnnxNetwork, scorer: Scorer, probe: Raw) -> Comparison:
    worst: Comparison | None = None
    reading = scorer.reading
    with torch.no_grad():
        for seed, n in enumerate((*SIZES, 8)):
            inputs = probe(n, seed)
            wanted = torch.from_numpy(scorer.session.scores(array(reading, inputs)))
            found = module.raw(reading.prepare(inputs))
            if found.shape != wanted.shape:
                raise UnsupportedError(f"scores of shape {tuple(found.shape)}")
            one = compare(found, wanted, _precision(module))
            if worst is None or one.largest / one.allowed >= worst.largest / worst.allowed:
                worst = one
    assert worst is not None
    return worst


def _precision(module: nn.Module) -> torch.dtype:
    """Return the lowest precision of the numbers in a network."""
    kinds = {p.dtype for p in (*module.parameters(), *module.buffers())}
    low = [one for one in (torch.bfloat16, torch.float16) if one in kinds]
    if low:
        return low[0]
    return torch.float64 if kinds == {torch.float64} else torch.float32


def _has_gradient(module: OnnxNetwork, reading: Reading, probe: Raw) -> bool:
    inputs = probe(4, 0).to(torch.float64 if reading.dtype == torch.float64 else torch.float32)
    inputs.requires_grad_(True)
    scores = module(inputs)
    if not scores.requires_grad:
        return False
    weights = torch.randn(scores.shape, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((scores * weights).sum(), inputs, materialize_grads=True)
    return bool(gradient.isfinite().all() and (gradient != 0).any())


def _computes_mixed(module: OnnxNetwork, probe: Raw) -> bool:
    inputs = probe(2, 0).requires_grad_(True)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            scores = module(inputs)
        torch.autograd.grad(scores.float().sum(), inputs)
    except RuntimeError:
        return False
    return True


def _opaque(chosen: Chosen, scorer: Scorer, why: str) -> Converted:
    def predict(inputs: Array) -> Array:
        images = torch.from_numpy(np.asarray(inputs))
        return scorer.session.scores(array(scorer.reading, images))

    note = f"Computed by onnxruntime, without gradients, so only checks of scores apply: {why}."
    notes = (scorer.note, note) if scorer.note else (note,)
    return Converted(BlackBox(predict, output=chosen.output), notes)
