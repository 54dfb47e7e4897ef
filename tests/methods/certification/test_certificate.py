"""Mirrors auditkit/methods/certification/certificate.py."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import nn

from auditkit.methods.certification import certificate
from auditkit.methods.certification.balls import Inputs, Norm
from auditkit.methods.certification.certificate import (
    BOUNDS,
    CROWN,
    INTERVAL,
    REFINED,
    ZONOTOPE,
    Certifier,
)
from auditkit.methods.certification.crown import lower_bounds
from tests.methods.certification.nets import CLASSES, NETS, SHAPE, certifier, made, points


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_linear_model_is_proved_exactly_as_far_as_it_holds(
    norm: Norm, dual: int, seed: int
) -> None:
    """The nearest wrong answer lies at the smallest margin / ||w_label - w_other||_dual."""
    layer = nn.Linear(12, 3)
    network = made(lambda: nn.Sequential(nn.Flatten(), layer), seed)
    layer.bias[0] += 10.0  # a margin that is large beside what rounding takes off
    weight = layer.weight.double()
    rng = torch.Generator().manual_seed(seed)
    one = 0.5 + 0.1 * torch.rand(1, 3, 2, 2, generator=rng)
    scores = weight @ one.double().flatten() + layer.bias.double()
    label = int(scores.argmax())
    others = [j for j in range(3) if j != label]
    assert label == 0
    exact = min(
        float((scores[label] - scores[j]) / (weight[label] - weight[j]).norm(p=dual))
        for j in others
    )
    prover = certifier(network, (3, 2, 2), bounds=(-100.0, 100.0))
    for factor, holds in ((1 - 3e-5, True), (1 + 1e-7, False)):
        assert prover.margins(one, label, epsilon=factor * exact, norm=norm).holds is holds
    found = prover.radius(
        one, label, epsilons=[exact * one for one in np.linspace(0.1, 1.9, 19)], norm=norm
    )
    assert found.radius == pytest.approx(exact * 0.9)
    assert found.bound == INTERVAL


def test_bounds_of_pixels_cut_the_ball() -> None:
    """At a rim of the bounds the attacker has less room, and more is proved."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).requires_grad_(False)
    network[1].weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))  # type: ignore[union-attr]
    one = torch.tensor([[[[0.0, 0.1]]]])
    prover = certifier(network, (1, 1, 2))
    assert prover.margins(one, 0, epsilon=0.0999).holds
    assert not certifier(network, (1, 1, 2), bounds=(-1.0, 1.0)).margins(one, 0, epsilon=0.06).holds


@cache
def known(name: str) -> tuple[nn.Module, Certifier]:
    """Return one network of a name with its bounds."""
    network = made(NETS[name], 5)
    return network, certifier(network)


def smallest_margin(network: nn.Sequential, one: torch.Tensor, label: int, epsilon: float) -> float:
    """The exact minimum over a box of a network with one ReLU layer: one program per pattern."""
    first, last = network[1], network[3]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    w1, b1 = first.weight.double().numpy(), first.bias.double().numpy()
    w2, b2 = last.weight.double().numpy(), last.bias.double().numpy()
    x = one.double().flatten().numpy()
    box = [(a - epsilon, a + epsilon) for a in x]
    least = np.inf
    for pattern in itertools.product([0.0, 1.0], repeat=len(b1)):
        on = np.array(pattern)
        rows = np.where(on[:, None] > 0, -w1, w1)  # w x + b >= 0 where on, <= 0 where off
        limit = np.where(on > 0, b1, -b1)
        for other in set(range(len(b2))) - {label}:
            c = (w2[label] - w2[other]) * on
            found = linprog(c @ w1, A_ub=rows, b_ub=limit, bounds=box)
            if found.status == 0:
                least = min(least, found.fun + c @ b1 + b2[label] - b2[other])
    return least


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("epsilon", [0.02, 0.2, 0.6])
def test_two_layers_against_every_activation_pattern(seed: int, epsilon: float) -> None:
    network = made(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3)), seed
    )
    assert isinstance(network, nn.Sequential)
    one = torch.rand(1, 1, 1, 3, generator=torch.Generator().manual_seed(seed))
    label = int(network(one).argmax())
    exact = smallest_margin(network, one, label, epsilon)
    found = certifier(network, (1, 1, 3), bounds=(-9.0, 9.0)).margins(one, label, epsilon=epsilon)
    proved = float(found.margins.min())
    assert proved <= exact + 1e-9
    assert found.holds <= (exact > 0)
    if epsilon == 0.02:  # no unit changes its sign: lines are exact
        assert proved > 0 or proved == pytest.approx(exact, abs=1e-5)


@given(
    seed=st.integers(0, 10_000),
    epsilon=st.sampled_from([1e-4, 0.01, 0.1, 0.4]),
    norm=st.sampled_from(["linf", "l2"]),
)
@settings(deadline=None, max_examples=2)
@pytest.mark.parametrize("name", sorted(NETS))
def test_no_point_of_the_ball_leaves_any_bound(
    name: str, seed: int, epsilon: float, norm: Norm
) -> None:
    """Intervals of the logits and lower bounds of the margins, for every way to bound."""
    network, prover = known(name)
    one = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(seed))
    inputs = Inputs.around(one, epsilon=epsilon, norm=norm, bounds=(0.0, 1.0))
    weights = (torch.eye(CLASSES) - torch.roll(torch.eye(CLASSES), 1, 0)).double()[:, None]
    with torch.no_grad():
        proved = {
            kind: (
                boxes[prover.output],
                lower_bounds(
                    prover.operations, boxes, inputs, weights,
                    start=prover.output, relaxed=kind != INTERVAL,
                ),
            )
            for kind, boxes in prover._bounds(inputs)
        }  # fmt: skip
    assert list(proved) == list(BOUNDS)
    for batch in points(network, one, epsilon, norm=norm, seed=seed):
        with torch.no_grad():
            logits = network(batch).double()
        margins = logits @ weights[:, 0].T
        for kind, (box, lower) in proved.items():
            assert (logits >= box.low).all(), kind
            assert (logits <= box.high).all(), kind
            assert (margins >= lower).all(), kind


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("name", sorted(NETS))
def test_rounding_of_the_model_is_part_of_the_bounds(name: str, scale: float) -> None:
    """At radius 0 only rounding is left: float32 logits, in batches of any size, must be inside."""
    network, prover = known(name)
    ones = scale * torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(5))
    together = network(ones.repeat(17, 1, 1, 1)).double()
    for i in range(len(ones)):
        inputs = Inputs.around(ones[i : i + 1], epsilon=0.0, norm="linf", bounds=(0.0, scale))
        for kind, boxes in prover._bounds(inputs):
            box = boxes[prover.output]
            for logits in (together[i], network(ones[i : i + 1]).double()[0]):
                assert (logits >= box.low[0]).all(), kind
                assert (logits <= box.high[0]).all(), kind
            if name in TIGHT:
                assert float((box.high - box.low).max()) < 2e-3 * scale, kind


TIGHT = ("relu", "leaky-relu", "max-pool", "average-pool", "batch-norm", "residual", "transposed")


@pytest.mark.parametrize("name", ["relu", "tanh", "max-pool", "batch-norm", "residual", "gelu"])
def test_every_bound_is_at_least_as_tight_as_the_one_before(name: str) -> None:
    network = made(NETS[name], 3)
    one = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(3))
    label = int(network(one).argmax())
    prover = certifier(network)
    inputs = Inputs.around(one, epsilon=0.02, norm="linf", bounds=(0.0, 1.0))
    widths: list[torch.Tensor] = []
    for _, boxes in prover._bounds(inputs):
        widths.append(torch.stack([(box.high - box.low).sum() for box in boxes]))
    for looser, tighter in itertools.pairwise(widths):
        assert (tighter <= looser + 1e-12).all()
    intervals = prover.margins(one, label, epsilon=1e-9)
    assert intervals.bound == INTERVAL
    assert (prover.margins(one, label, epsilon=0.02).margins <= intervals.margins + 1e-6).all()


def test_lines_prove_more_than_intervals_and_more_effort_proves_more() -> None:
    """Two layers in which the input cancels: intervals cannot see that, lines can."""
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
    )
    reached: dict[float, float] = {}
    for effort in (0.0, 1e9):
        radii: list[float] = []
        for seed in range(6):
            net = made(lambda: network, seed)
            one = torch.rand(1, 1, 2, 2, generator=torch.Generator().manual_seed(seed))
            label = int(net(one).argmax())
            prover = certifier(net, (1, 2, 2), bounds=(-9.0, 9.0), effort=effort)
            radii.append(
                prover.radius(one, label, epsilons=np.linspace(0.01, 2, 60).tolist()).radius
            )
        reached[effort] = sum(radii)
    assert reached[1e9] > reached[0.0] > 0


def test_what_a_search_by_halves_finds_is_proved() -> None:
    network = made(NETS["relu"], 1)
    one = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(1))
    label = int(network(one).argmax())
    prover = certifier(network)
    epsilons = [0.001 * 1.5**i for i in range(12)]
    found = prover.radius(one, label, epsilons=epsilons)
    assert 0 < found.radius < epsilons[-1]
    assert found.bound in BOUNDS
    assert prover.margins(one, label, epsilon=found.radius).holds
    wrong = (label + 1) % CLASSES
    nothing = prover.radius(one, wrong, epsilons=epsilons)
    assert (nothing.radius, nothing.bound) == (0.0, "")


def test_symbols_are_left_out_where_they_would_cost_too_much() -> None:
    network = made(NETS["relu"], 1)
    cheap, dear = certifier(network, effort=1e3), certifier(network, effort=1e9)
    assert cheap.symbols == 0
    assert dear.symbols >= 72
    assert certifier(network, effort=dear.needed).symbols >= 72
    assert certifier(network, effort=0.99 * dear.needed).symbols == 0
    one = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(1))
    inputs = Inputs.around(one, epsilon=0.1, norm="linf", bounds=(0.0, 1.0))
    assert [name for name, _ in cheap._bounds(inputs)] == [INTERVAL, CROWN, REFINED]
    assert ZONOTOPE in [name for name, _ in dear._bounds(inputs)]


def test_too_many_numbers_leave_symbols_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "NUMBERS", 72 * 143)
    prover = certifier(made(NETS["relu"], 1))
    assert prover.symbols == 0
    assert prover.needed == np.inf
