"""Mirrors auditkit/methods/certification/activations.py."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.methods.certification.activations import Activation
from auditkit.methods.certification.box import Interval
from tests.methods.certification.nets import NETS, certifier, made

NAMES = (
    "relu", "leaky-relu", "relu6", "clamp", "abs", "tanh", "sigmoid", "silu", "gelu", "gelu-tanh",
    "round",
)  # fmt: skip
RULES = {
    name: next(
        one for one in certifier(made(NETS[name], 0)).operations if isinstance(one, Activation)
    )
    for name in NAMES
}


def boxes(low: float, width: float) -> tuple[Interval, torch.Tensor]:
    """Return an interval and points all over it, (101, 1)."""
    box = Interval(
        torch.tensor([low], dtype=torch.float64), torch.tensor([low + width], dtype=torch.float64)
    )
    return box, box.low + torch.linspace(0, 1, 1001, dtype=torch.float64)[:, None] * width


@pytest.mark.parametrize("name", NAMES)
@given(low=st.floats(-30, 30), width=st.floats(0, 40) | st.floats(0, 1e-3) | st.floats(0, 2))
@settings(deadline=None, max_examples=60)
def test_lines_and_intervals_hold_over_the_whole_interval(
    name: str, low: float, width: float
) -> None:
    rule, (box, x) = RULES[name], boxes(low, width)
    y = rule.step([x]) if rule.step.parents else x
    lines, ends = rule.lines(box), rule.interval([box])
    assert (lines.low_slope * x + lines.low_start <= y).all()
    assert (lines.high_slope * x + lines.high_start >= y).all()
    assert (ends.low <= y).all()
    assert (ends.high >= y).all()


@pytest.mark.parametrize("name", NAMES)
def test_lines_are_no_looser_than_twice_the_chord_suggests(name: str) -> None:
    """On narrow intervals both lines come within what curvature leaves, or a kink."""
    rule = RULES[name]
    for low in (-3.0, -1.0, -0.3, -0.05, 0.2, 2.0):
        box, x = boxes(low, 0.1)
        lines = rule.lines(box)
        gap = (lines.high_slope - lines.low_slope) * x + lines.high_start - lines.low_start
        assert float(gap.max()) <= (1.0 if name == "round" else 0.11)
        if name in ("tanh", "sigmoid", "silu", "gelu", "gelu-tanh"):
            assert float(gap.max()) < 0.003


def test_relu_has_the_lines_of_crown() -> None:
    """Upper: the chord. Lower: the identity or zero, whichever leaves the smaller triangle."""
    for low, high, slope in ((-1.0, 3.0, 1.0), (-3.0, 1.0, 0.0)):
        box, _ = boxes(low, high - low)
        lines = RULES["relu"].lines(box)
        assert float(lines.low_slope) == slope
        assert float(lines.low_start) == pytest.approx(0, abs=1e-12)
        assert float(lines.high_slope) == pytest.approx(high / (high - low))
        assert float(lines.high_start) == pytest.approx(-low * high / (high - low))


@pytest.mark.parametrize("name", NAMES)
def test_computed_numbers_lie_within_the_error_of_exact_ones(name: str) -> None:
    rule = RULES[name]
    single = torch.cat([torch.linspace(-20, 20, 20001), torch.linspace(-0.5, 0.5, 20001)])
    box = Interval(single.double(), single.double())
    with torch.no_grad():
        computed = rule.step.target(single, *rule.step.arguments[1:], **rule.step.keywords)
    assert computed.dtype == torch.float32
    found = rule.bounded([box])
    assert (computed.double() >= found.low).all()
    assert (computed.double() <= found.high).all()
    assert float((found.high - found.low).max()) < 1e-3
