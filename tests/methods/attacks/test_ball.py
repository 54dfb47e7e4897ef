"""Mirrors auditkit/methods/attacks/ball.py."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from auditkit.methods.attacks.ball import linf_ball


@given(
    seed=st.integers(0, 999),
    epsilon=st.floats(1e-4, 300),
    bounds=st.sampled_from([(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0), (0.0, 0.1)]),
)
def test_no_point_of_the_box_leaves_the_ball_or_the_bounds(
    seed: int, epsilon: float, bounds: tuple[float, float]
) -> None:
    low, high = bounds
    rng = torch.Generator().manual_seed(seed)
    inputs = (low + (high - low) * torch.rand(5, 2, 3, 3, generator=rng)).clamp(low, high)
    box = linf_ball(inputs, epsilon=epsilon, bounds=bounds)
    for corner in box:
        exact = corner.double()
        assert ((exact - inputs.double()).abs() <= epsilon).all()  # not even by rounding
        assert (exact >= low).all()
        assert (exact <= high).all()
    reach = torch.minimum(torch.tensor(epsilon), torch.maximum(high - inputs, inputs - low))
    assert torch.allclose(
        torch.maximum(box.high - inputs, inputs - box.low), reach, atol=1e-5 * (high - low)
    )


def test_clamp_uses_the_rows_that_are_named() -> None:
    inputs = torch.tensor([[0.2], [0.8]])
    box = linf_ball(inputs, epsilon=0.1, bounds=(0.0, 1.0))
    assert box.clamp(torch.tensor([[0.0]]), torch.tensor([1])).item() == box.low[1].item()
