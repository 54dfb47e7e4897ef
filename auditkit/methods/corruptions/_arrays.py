"""Tensors as arrays and back: random numbers, codecs and matrix stacks are numpy's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from auditkit.types import Floats

_VALUES_AT_ONCE = 1 << 17  # intermediate results of a block stay in the processor's cache


def array_of(images: Tensor) -> Floats:
    """Return the images (n, c, h, w) as float32 on the processor; memory may be shared."""
    return np.ascontiguousarray(images.detach().to("cpu", torch.float32).numpy())


def tensor_like(images: Tensor, changed: Floats) -> Tensor:
    """Return an array as a tensor of the images' device and type."""
    return torch.from_numpy(np.ascontiguousarray(changed)).to(images.device, images.dtype)


def blocks(n: int, values: int) -> Iterator[slice]:
    """Yield the slices of n images that are worked on at once, each image of so many values."""
    count = max(1, _VALUES_AT_ONCE // values)
    for start in range(0, n, count):
        yield slice(start, min(start + count, n))
