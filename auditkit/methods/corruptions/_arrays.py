"""Tensors as arrays and back: random numbers, codecs and matrix stacks are numpy's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from auditkit.types import Floats


def array_of(images: Tensor) -> Floats:
    """Return the images (n, c, h, w) as float32 on the processor; memory may be shared."""
    return np.ascontiguousarray(images.detach().to("cpu", torch.float32).numpy())


def tensor_like(images: Tensor, changed: Floats) -> Tensor:
    """Return an array as a tensor of the images' device and type."""
    return torch.from_numpy(np.ascontiguousarray(changed)).to(images.device, images.dtype)
