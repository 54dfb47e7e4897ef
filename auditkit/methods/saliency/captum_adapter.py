"""What captum's perturbation methods ask for, so that they serve inputs of any modality.

They see u numbers, 1 for a unit that is there and 0 for one that is not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import Tensor

from auditkit.methods.saliency.occlusion import Value
from auditkit.types import Floats


def kept(value: Value) -> Callable[[Tensor], Tensor]:
    """Return the score (m,) as a function of which units are there (m, u)."""
    return lambda there: torch.from_numpy(value(there.cpu().numpy() < 0.5)).float()


def array(found: Tensor) -> Floats:
    """Return scores (1, u) as an array (u,)."""
    return found[0].detach().double().numpy()


@contextmanager
def drawn(seed: int) -> Generator[None]:
    """Within the block captum's draws, which come from the global state, are those of a seed."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about few samples
        torch.manual_seed(seed % (1 << 63))
        yield
