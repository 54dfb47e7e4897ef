"""The numbers that a network's last linear layer reads: what it knows of an input at the end.

Functions are watched while the network runs, not modules, as in `saliency.activations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from auditkit.methods.saliency.watch import Watch
from auditkit.models.classifier import Classifier, Inputs

_LINEAR = frozenset({"linear", "addmm", "matmul", "mm"})


class Penultimate(NamedTuple):
    """What a network holds of n inputs before it answers."""

    values: Tensor  # (n, d) float32, on the CPU
    words: str  # which layer it is
    of_logits: bool  # whether they are only the logits again


@torch.no_grad()
def penultimate(classifier: Classifier, inputs: Inputs, *, batch_size: int) -> Penultimate:
    """Return what the last linear layer reads; of a model without one, its centred logits.

    A linear model has nothing before its answer but its inputs, as it reads them: these are
    returned. Of trees, of functions and of models that only answer nothing else than the logits can
    be seen.

    Parameters
    ----------
    classifier : Classifier
        The model.
    inputs : n raw inputs
        Any modality.
    batch_size : int
        Inputs at a time.

    Examples
    --------
    >>> from torch import nn
    >>> from auditkit.models.classifier import ImageClassifier
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 3))
    >>> model = ImageClassifier(net, classes=["a", "b", "c"], input_shape=(1, 2, 2))
    >>> penultimate(model, torch.rand(5, 1, 2, 2), batch_size=2).values.shape
    torch.Size([5, 7])
    """
    read: list[Tensor] = []
    logits: list[Tensor] = []
    for start in range(0, len(inputs), batch_size):
        some = inputs[start : start + batch_size]
        watch = _Watch(len(some), len(classifier.classes))
        with watch:
            logits.append(classifier.logits(some).float().cpu())
        if watch.read is not None:
            read.append(watch.read.float().cpu())
    if len(read) == len(logits) and len({one.shape[1] for one in read}) == 1:
        return _named(torch.cat(read), "what the last linear layer reads", of_logits=False)
    answers = torch.cat(logits)
    centred = answers - answers.mean(dim=1, keepdim=True)
    return _named(centred, "the logits, less their mean", of_logits=True)


def _named(values: Tensor, words: str, *, of_logits: bool) -> Penultimate:
    return Penultimate(values, f"{words} ({values.shape[1]} numbers)", of_logits)


@final
class _Watch(Watch):
    """Remembers what the last linear function that makes one answer per input was given."""

    def __init__(self, n: int, k: int) -> None:
        super().__init__()
        self.shapes = {(n, k)} | ({(n, 1)} if k == 2 else set())
        self.read: Tensor | None = None

    def saw(self, name: str, given: Sequence[object], output: object) -> None:
        """Remember what a function was given, if it turns vectors into answers."""
        if name in _LINEAR and isinstance(output, Tensor) and tuple(output.shape) in self.shapes:
            read = given[1 if name == "addmm" else 0]
            if isinstance(read, Tensor) and read.ndim == 2 and len(read) == len(output):
                self.read = read
