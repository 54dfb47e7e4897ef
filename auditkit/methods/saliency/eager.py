"""A compiled network, run as it was written."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def eager() -> Generator[None]:
    """Within the block `torch.compile` is as if it were not there.

    A compiled network hides its functions from the methods that watch them. Nothing is imported
    where nothing was compiled.
    """
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
