"""Mirrors auditkit/methods/attacks/ball.py."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from auditkit.methods.attacks.ball import BALLS, L1Ball, L2Ball, LinfBall, Norm, linf_ball


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


NORMS = st.sampled_from(["linf", "l2", "l1"])
BOUNDS = st.sampled_from([(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)])


@given(seed=st.integers(0, 999), norm=NORMS, share=st.sampled_from([1e-3, 0.1, 3.0]), bounds=BOUNDS)
def test_nothing_leaves_the_ball_or_the_bounds(
    seed: int, norm: Norm, share: float, bounds: tuple[float, float]
) -> None:
    low, high = bounds
    rng = torch.Generator().manual_seed(seed)
    inputs = (low + (high - low) * torch.rand(6, 2, 5, 5, generator=rng)).clamp(low, high)
    ball = BALLS[norm](inputs, epsilon=share * (high - low), bounds=bounds)
    draws = 2 * torch.rand(inputs.shape, generator=rng) - 1
    rows = torch.tensor([4, 1, 3])
    far = inputs[rows] + 10 * ball.epsilon * torch.randn(3, 2, 5, 5, generator=rng)
    for points, of in (
        (ball.start(draws), torch.arange(6)),
        (ball.project(far, rows), rows),
        (ball.project(inputs[rows] + ball.direction(draws[rows]), rows), rows),
    ):
        assert (ball.distance(points, of) <= ball.epsilon).all()
        assert ((points >= low) & (points <= high)).all()
    inside = ball.project(ball.start(0.1 * draws))
    torch.testing.assert_close(ball.project(inside), inside)
    assert torch.equal(ball.of(rows).project(far), ball.project(far, rows))


@given(seed=st.integers(0, 999), norm=NORMS)
def test_a_direction_is_the_best_step_of_its_length_up_a_linear_slope(
    seed: int, norm: Norm
) -> None:
    rng = torch.Generator().manual_seed(seed)
    gradients = torch.randn(3, 1, 4, 4, generator=rng)
    ball = BALLS[norm](torch.full((3, 1, 4, 4), 0.5), epsilon=0.3, bounds=(0.0, 1.0))
    step = ball.direction(gradients)
    assert ball.size(step).tolist() == pytest.approx([0.3] * 3, rel=1e-5)
    rise = (step * gradients).flatten(1).sum(dim=1)
    for _ in range(20):
        other = torch.randn(3, 1, 4, 4, generator=rng)
        other *= (0.3 / ball.size(other)).float()[:, None, None, None]
        assert (rise >= (other * gradients).flatten(1).sum(dim=1) - 1e-5).all()


def test_directions_of_zero_and_of_broken_gradients_are_finite() -> None:
    gradients = torch.tensor([[0.0, 0.0], [float("nan"), 1.0], [1e-40, 1e-40]])
    for ball_of in (LinfBall, L2Ball, L1Ball):
        ball = ball_of(torch.zeros(3, 2), epsilon=0.5, bounds=(-1.0, 1.0))
        step = ball.direction(gradients)
        assert step.isfinite().all()
        assert ball.size(step)[0] == 0


def test_the_projection_on_the_l1_ball_is_the_nearest_point() -> None:
    """By a closed form without bounds, and by a quadratic program with them."""
    from scipy.optimize import minimize

    ball = L1Ball(torch.tensor([[0.5, 0.5, 0.5]]), epsilon=0.3, bounds=(-10.0, 10.0))
    found = ball.project(torch.tensor([[0.9, 0.7, 0.45]]))[0]
    assert found.tolist() == pytest.approx([0.75, 0.55, 0.5], abs=1e-4)  # each less by 0.15
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        inputs = torch.rand(1, 6, generator=rng)
        wanted = inputs + torch.randn(1, 6, generator=rng)
        found = L1Ball(inputs, epsilon=0.8, bounds=(0.0, 1.0)).project(wanted)
        x, goal = inputs[0].double().numpy(), wanted[0].double().numpy()
        solved = minimize(  # in positive and negative parts of the change
            lambda z, x=x, goal=goal: ((x + z[:6] - z[6:] - goal) ** 2).sum(),
            [0.0] * 12,
            bounds=[(0, 1 - one) for one in x] + [(0, one) for one in x],
            constraints={"type": "ineq", "fun": lambda z: 0.8 - z.sum()},
            method="SLSQP",
        )
        nearest = x + solved.x[:6] - solved.x[6:]
        assert found[0].tolist() == pytest.approx(nearest.tolist(), abs=2e-3)
