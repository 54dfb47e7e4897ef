"""Runs an audit inside another program and leaves that program's random state as it was."""

from __future__ import annotations

import random
import sys
from collections.abc import Generator
from contextlib import contextmanager

from auditkit.run import Audit, Request, run


def run_inside(request: Request) -> Audit:
    """Audit as `run` does, for a caller that goes on afterwards.

    Random generators (Python's, NumPy's, torch's on every device), number of threads, default
    type, gradient mode and the switches for deterministic algorithms are put back. Ctrl-C, which
    ends an audit with what it has, ends the caller too.

    Raises
    ------
    AuditkitError
        If model, data or policy are wrong.
    KeyboardInterrupt
        If the audit was interrupted; what it had is written.
    """
    with _kept():
        audit = run(request)
    if audit.result.provenance.partial:
        raise KeyboardInterrupt
    return audit


@contextmanager
def _kept() -> Generator[None]:
    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the caller's own
    cpu = torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    gradients = torch.is_grad_enabled()
    exact = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    path = list(sys.path)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if devices is not None:
            torch.cuda.set_rng_state_all(devices)
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        torch.use_deterministic_algorithms(exact, warn_only=warned)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        sys.path[:] = path
