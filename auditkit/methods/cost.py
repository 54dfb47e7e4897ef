"""What one reading of a model costs: operations, and memory at the moment that needs most."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@final
@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one call.

    Parameters
    ----------
    flops : int
        Floating-point operations of matrix products, convolutions and attention; a product and a
        sum are two.
    uncounted : mapping
        Calls by name of functions that compute and whose operations are not in `flops`: mostly
        element by element.
    peak_bytes : int
        Of tensors that were made during the call and lived at the same time.
    """

    flops: int
    uncounted: Mapping[str, int]
    peak_bytes: int


@torch.no_grad()
def cost_of(call: Callable[[], object]) -> Cost:
    """Return what a call costs, without reading a clock: the same every time.

    Only what torch does is seen, on whatever device; scratch memory inside a function is not.

    Examples
    --------
    >>> a = torch.ones(2, 3)
    >>> cost = cost_of(lambda: (a @ a.T).relu())
    >>> cost.flops, dict(cost.uncounted), cost.peak_bytes
    (24, {'relu': 1}, 32)
    """
    watch = _Watch()
    with FlopCounterMode(display=False) as counter:
        watch.known = {str(one) for one in counter.flop_registry}
        with watch:
            kept = call()
    del kept
    watch.forget()
    return Cost(
        flops=counter.get_total_flops(), uncounted=dict(watch.uncounted), peak_bytes=watch.peak
    )


class _Watch(TorchDispatchMode):
    """Adds up the storage of new tensors, and counts functions that the counter does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.known: set[str] = set()
        self.uncounted: Counter[str] = Counter()
        self.peak = 0
        self._alive = 0
        self._waiting: dict[int, weakref.finalize[..., Any]] = {}
        self._seen: set[int] = set()  # storages that are there: inputs, weights and new ones

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        for one in tree_leaves((args, kwargs or {})):
            if isinstance(one, Tensor):
                self._there(one, 0)
        result = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        name = str(packet).removeprefix("aten.")
        if str(packet) not in self.known and not func.is_view and name not in _NO_WORK:
            self.uncounted[name] += 1
        for one in tree_leaves(result):
            if isinstance(one, Tensor):
                self._there(one, one.untyped_storage().nbytes())
        return result

    def forget(self) -> None:
        """Stop waiting for what is still there."""
        for one in self._waiting.values():
            one.detach()

    def _there(self, tensor: Tensor, size: int) -> None:
        """Add the storage of a tensor unless it is known; its name is free once it is gone."""
        storage = tensor.untyped_storage()
        name = storage._cdata  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if name in self._seen:
            return
        self._seen.add(name)
        self._alive += size
        self.peak = max(self.peak, self._alive)
        self._waiting[name] = weakref.finalize(storage, self._gone, name, size)

    def _gone(self, name: int, size: int) -> None:
        self._seen.discard(name)
        self._waiting.pop(name, None)
        self._alive -= size


_NO_WORK = frozenset(  # moves or makes tensors
    ("_to_copy", "clone", "copy_", "detach", "empty", "empty_like", "zeros", "zeros_like", "ones",
     "ones_like", "full", "full_like", "arange", "cat", "stack", "scalar_tensor", "_unsafe_view",
     "lift_fresh", "constant_pad_nd", "contiguous", "index_select", "_local_scalar_dense",
     "new_zeros", "new_empty", "fill_", "zero_", "_reshape_copy", "equal", "is_same_size"),
)  # fmt: skip
