"""How much memory an audit may use: told from an error, estimated from the model, limited."""

from __future__ import annotations

import sys
from pathlib import Path
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


def resident() -> int:
    """Return the bytes of memory this process holds, 0 where the system does not say."""
    return _statm()[1]


def limit_memory(limit: int) -> bool:
    """Let this process map no more than the rest of `limit` bytes; return whether it is enforced.

    What is mapped already, libraries above all, is much more than what is in use, so the limit is
    on what is added: today's address space plus what is left of the limit.
    """
    size, used = _statm()
    if size == 0:
        return False
    import resource

    room = max(0, limit - used)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = size + room if hard == resource.RLIM_INFINITY else min(hard, size + room)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    return True


def lift_limit() -> None:
    """Let this process map what it was allowed before `limit_memory`."""
    if _statm()[0]:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _statm() -> tuple[int, int]:
    """Return bytes mapped and bytes in use; zeros where there is no /proc."""
    if not sys.platform.startswith("linux"):
        return 0, 0
    import resource

    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0, 0
    size = resource.getpagesize()
    return int(pages[0]) * size, int(pages[1]) * size
