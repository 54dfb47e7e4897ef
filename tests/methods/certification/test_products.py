"""Mirrors auditkit/methods/certification/products.py."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.methods.certification.box import Interval
from auditkit.methods.certification.operations import Operation
from auditkit.methods.certification.products import (
    GroupNorm,
    LayerNorm,
    LogSoftmax,
    MatrixProduct,
    Product,
    Quotient,
    Rising,
    Softmax,
)
from tests.methods.certification.nets import NETS, certifier, made

WHERE: dict[type[Operation], str] = {
    LayerNorm: "layer-norm", GroupNorm: "group-norm", Softmax: "softmax",
    LogSoftmax: "log-softmax", MatrixProduct: "attention", Product: "gate", Quotient: "quotient",
    Rising: "quotient",
}  # fmt: skip


def rule_of(kind: type[Operation]) -> Operation:
    known = certifier(made(NETS[WHERE[kind]], 0)).operations
    return next(one for one in known if isinstance(one, kind))


RULES = {kind: rule_of(kind) for kind in WHERE}


@pytest.mark.parametrize("kind", list(RULES), ids=lambda kind: kind.__name__)
@given(seed=st.integers(0, 9999), width=st.sampled_from([1e-3, 0.1, 1.0, 10.0]))
@settings(deadline=None, max_examples=15)
def test_no_corner_of_the_box_leaves_the_interval(
    kind: type[Operation], seed: int, width: float
) -> None:
    """Above all where one number is lowest and all others are highest, and the other way round."""
    rule, rng = RULES[kind], torch.Generator().manual_seed(seed)
    starts = [torch.randn(shape, generator=rng).double() for shape in rule.step.reads]
    boxes = [Interval(one, one + width * torch.rand(one.shape, generator=rng)) for one in starts]
    exact, computed = rule.interval(boxes), rule.bounded(boxes)
    for i in range(60):
        picks = [torch.rand(one.shape, generator=rng) < (0.5, 0.02, 0.98)[i % 3] for one in starts]
        values = [
            torch.where(pick, box.low, box.high) for pick, box in zip(picks, boxes, strict=True)
        ]
        output = rule.step(values)
        slack = 1e-9 * (1 + output.abs())
        assert (output >= exact.low - slack).all()
        assert (output <= exact.high + slack).all()
        if kind in (Softmax, LogSoftmax, Rising):  # in the model's own precision
            single = rule.step.target(values[0].float(), *rule.step.arguments[1:])
            held = Interval(boxes[0].low.float().double(), boxes[0].high.float().double())
            wider = rule.bounded([held])
            assert (single.double() >= wider.low).all()
            assert (single.double() <= wider.high).all()
    assert (computed.low <= exact.low).all()
    assert (computed.high >= exact.high).all()


def test_shares_of_a_spread_are_bounded_however_wide_the_box() -> None:
    rule = RULES[LayerNorm]
    (shape,) = rule.step.reads
    wide = Interval(torch.full(shape, -1e3).double(), torch.full(shape, 1e3).double())
    found = rule.interval([wide])
    assert float(found.size.max()) <= (shape[-1] - 1) ** 0.5 + 1e-6


def test_numbers_that_overflow_are_unknown() -> None:
    rule = RULES[LayerNorm]
    (shape,) = rule.step.reads
    huge = Interval(torch.full(shape, -1e30).double(), torch.full(shape, 1e30).double())
    assert rule.bounded([huge]).size.isinf().all()


def test_a_quotient_by_what_may_be_zero_is_unknown() -> None:
    rule = RULES[Quotient]
    ones = [torch.ones(shape).double() for shape in rule.step.reads]
    boxes = [Interval(-ones[0], ones[0]), Interval(-ones[1], ones[1])]
    assert rule.bounded(boxes).size.isinf().all()
