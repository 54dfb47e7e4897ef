"""Mirrors auditkit/methods/certification/zonotope.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from auditkit.methods.certification.balls import Inputs, Norm
from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.certificate import Certifier
from auditkit.methods.certification.interval_bounds import interval_bounds
from auditkit.methods.certification.refinement import refined_bounds
from auditkit.methods.certification.zonotope import zonotope_bounds
from tests.methods.certification.nets import NETS, SHAPE, certifier, made, points

Bounds = Callable[[Certifier, list[Interval], Inputs], list[Interval]]
NAMES = ("relu", "tanh", "residual", "dense", "max-pool", "gate", "batch-norm", "difference")


def few(prover: Certifier, boxes: list[Interval], inputs: Inputs) -> list[Interval]:
    """Only the symbols of the input: all else goes into the box."""
    return zonotope_bounds(prover.operations, boxes, inputs, symbols=72)


def some(prover: Certifier, boxes: list[Interval], inputs: Inputs) -> list[Interval]:
    return zonotope_bounds(prover.operations, boxes, inputs, symbols=100)


def many(prover: Certifier, boxes: list[Interval], inputs: Inputs) -> list[Interval]:
    return zonotope_bounds(prover.operations, boxes, inputs, symbols=5000)


def lines(prover: Certifier, boxes: list[Interval], inputs: Inputs) -> list[Interval]:
    return refined_bounds(prover.operations, boxes, inputs, effort=1e9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_numbers_of_every_step_stay_within_and_more_effort_tightens(
    name: str, norm: Norm
) -> None:
    network = made(NETS[name], 2)
    prover = certifier(network)
    one = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(2))
    inputs = Inputs.around(one, epsilon=0.05, norm=norm, bounds=(0.0, 1.0))
    boxes = interval_bounds(prover.operations, inputs.box)
    found = {
        "intervals": boxes,
        **{how.__name__: how(prover, boxes, inputs) for how in (few, some, many, lines)},
    }
    for batch in points(network, one, 0.05, norm=norm):
        for point in batch[:4]:
            values = [point[None].double()]
            for step in prover.steps[1:]:
                values.append(step([values[parent] for parent in step.parents]))
            for how, kinds in found.items():
                for value, box in zip(values, kinds, strict=True):
                    assert (value >= box.low).all(), how
                    assert (value <= box.high).all(), how
    widths = {
        how: float((kinds[prover.output].high - kinds[prover.output].low).sum())
        for how, kinds in found.items()
    }
    assert widths["few"] <= widths["intervals"] * (1 + 1e-9)
    if name not in ("gate", "max-pool"):
        assert widths["many"] < 0.9 * widths["intervals"]


def test_of_a_chain_of_products_a_zonotope_is_exact() -> None:
    """Without curves the symbols of the input remember everything."""
    layers = (nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    network = made(lambda: nn.Sequential(*layers), 4)
    one = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(4))
    prover = certifier(network)
    inputs = Inputs.around(one, epsilon=0.1, norm="linf", bounds=(-9.0, 9.0))
    box = few(prover, interval_bounds(prover.operations, inputs.box), inputs)[prover.output]
    jacobian = torch.autograd.functional.jacobian(network, one)  # (1, 3, 1, 2, 6, 6)
    assert isinstance(jacobian, torch.Tensor)
    reach = 0.1 * jacobian.abs().flatten(2).sum(dim=2)
    torch.testing.assert_close(box.radius.float(), reach, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(box.middle.float(), network(one), rtol=1e-3, atol=1e-4)
