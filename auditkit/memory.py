"""How much memory an audit needs: told from an error, estimated from the model."""

from __future__ import annotations

from typing import Any, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from auditkit.models.classifier import Classifier, Inputs

_SAID = (
    "not enough memory: you tried to allocate",  # torch on the CPU
    "defaultcpuallocator",
    "out of memory",  # CUDA and others
    "alloc_failed",  # cuBLAS
    "bad_alloc",  # C++, onnxruntime
    "bad allocation",
    "failed to allocate memory",  # onnxruntime
    "cannot allocate memory",
    "can't allocate memory",
    "could not create a memory",  # oneDNN
)
_SAMPLE = 2  # inputs that the estimate runs
_BACKWARD = 2  # what a forward pass keeps, and its gradients


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from, is for want of memory.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"))
    True
    >>> is_out_of_memory(ValueError("no memory of this name"))
    False
    """
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        if isinstance(now, MemoryError | torch.OutOfMemoryError):
            return True
        text = str(now).lower()
        if isinstance(now, RuntimeError | OSError) and any(said in text for said in _SAID):
            return True
        seen.add(id(now))
        now = now.__cause__ or now.__context__
    return False


def free_memory() -> None:
    """Give back what a failed step held."""
    import gc

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@final
class _Counter(TorchDispatchMode):
    """Adds up the bytes of everything that operations return."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, tuple | list) else (result,):
            if isinstance(one, torch.Tensor) and not func.is_view:
                self.bytes += one.numel() * one.element_size()
        return result


def bytes_per_input(model: Classifier, inputs: Inputs) -> int:
    """Return roughly how many bytes one more input in a batch takes, forward and backward.

    Everything a forward pass computes is counted as if nothing were freed, twice for the gradients.
    What happens outside torch, as in a black box, is not seen.
    """
    some = inputs[:_SAMPLE]
    with _Counter() as counter, torch.no_grad():
        model.logits(some)
    return _BACKWARD * max(1, counter.bytes // max(1, len(some)))


def fitting_batch(limit: int, per_input: int, *, used: int, most: int) -> int:
    """Return the largest power-of-two share of `most` that fits between `used` and `limit` bytes.

    Examples
    --------
    >>> fitting_batch(1000, 20, used=200, most=128)
    32
    """
    batch = most
    while batch > 1 and used + batch * per_input > limit:
        batch //= 2
    return batch
