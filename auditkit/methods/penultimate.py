"""The numbers that a network's last linear layer reads: what it knows of an input at the end.

Functions are watched while the network runs, not modules, as in `saliency.activations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from auditkit.errors import ModelError
from auditkit.methods.saliency.watch import Watch
from auditkit.models.classifier import Classifier, Inputs

_LINEAR = frozenset({"linear", "addmm", "matmul", "mm"})


class Penultimate(NamedTuple):
    """What a network holds of n inputs before it answers."""

    values: Tensor  # (n, d) float32, on the CPU
    words: str  # which layer it is
    of_logits: bool  # whether they are only the logits again
    logits: Tensor  # (n, k) float32, on the CPU
    matrix: Tensor | None  # (d, k), or (d, 1), that the values are multiplied with; None if unseen


@torch.no_grad()
def penultimate(
    classifier: Classifier, inputs: Inputs, *, batch_size: int, width: int | None = None
) -> Penultimate:
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
    width : int, optional
        What was found for other inputs, so that these are read alike: so many numbers of the last
        linear layer that reads as many, or 0 for the logits.

    Raises
    ------
    ModelError
        If no linear layer reads `width` numbers of these inputs.

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
    matrix: Tensor | None = None
    for start in range(0, len(inputs), batch_size):
        some = inputs[start : start + batch_size]
        watch = _Watch(len(some), len(classifier.classes), width)
        with watch:
            logits.append(classifier.logits(some).float().cpu())
        if watch.read is not None:
            read.append(watch.read.float().cpu())
            matrix = watch.matrix
    answers = torch.cat(logits)
    if width and len(read) < len(logits):
        raise ModelError(
            f"The model reads other inputs by a last linear layer of {width} numbers, and some of"
            " these without it: its features cannot be compared.",
            hint="Leave out the checks of features, or let the model compute all inputs alike.",
        )
    if width != 0 and len(read) == len(logits) and len({one.shape[1] for one in read}) == 1:
        values = torch.cat(read)
        words = f"what the last linear layer reads ({values.shape[1]} numbers)"
        return Penultimate(values, words, False, answers, matrix)
    centred = answers - answers.mean(dim=1, keepdim=True)
    words = f"the logits, less their mean ({centred.shape[1]} numbers)"
    return Penultimate(centred, words, True, answers, None)


@final
class _Watch(Watch):
    """Remembers what the last linear function that makes one answer per input was given."""

    def __init__(self, n: int, k: int, width: int | None) -> None:
        super().__init__()
        self.width = width
        self.shapes = {(n, k)} | ({(n, 1)} if k == 2 else set())
        self.read: Tensor | None = None
        self.matrix: Tensor | None = None

    def saw(self, name: str, given: Sequence[object], output: object) -> None:
        """Remember what a function was given, if it turns vectors into answers."""
        if name in _LINEAR and isinstance(output, Tensor) and tuple(output.shape) in self.shapes:
            at = 1 if name == "addmm" else 0
            read, weight = given[at], given[at + 1]
            if isinstance(read, Tensor) and read.ndim == 2 and self._fits(read, len(output)):
                self.read = read
                self.matrix = _matrix(weight, (read.shape[1], output.shape[1]), name)

    def _fits(self, read: Tensor, n: int) -> bool:
        return len(read) == n and (self.width is None or read.shape[1] == self.width)


def _matrix(weight: object, shape: tuple[int, int], name: str) -> Tensor | None:
    """Return the matrix (d, k) that a linear function multiplied with, where it is one."""
    if not isinstance(weight, Tensor) or weight.ndim != 2:
        return None
    matrix = weight.T if name == "linear" else weight
    return matrix.detach().float().cpu() if tuple(matrix.shape) == shape else None
