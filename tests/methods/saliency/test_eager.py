"""Mirrors auditkit/methods/saliency/eager.py."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.saliency.eager import eager
from tests.methods.saliency.nets import noise


def test_a_compiled_function_runs_as_it_was_written_within_the_block_alone():
    ran: list[str] = []

    def backend(graph: torch.fx.GraphModule, _: list[Tensor]) -> torch.fx.GraphModule:
        ran.append("compiled")
        return graph

    double = torch.compile(lambda x: 2 * x, backend=backend)
    x = noise(3)
    with eager():
        assert torch.equal(double(x), 2 * x)
    assert ran == []
    assert torch.equal(double(x), 2 * x)
    assert ran == ["compiled"]
