"""Mirrors auditkit/methods/saliency/rules.py: every spelling meets the same rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.methods.saliency.function_kinds import Kind
from auditkit.methods.saliency.rules import (
    Call,
    Interception,
    attached,
    bare_name,
    scaled,
    slope_of,
    tensors_in,
)

X = torch.tensor([[-2.0, -0.5, 0.5, 2.0]])


def seen(function: Callable[[Tensor], object], kinds: tuple[Kind, ...]) -> list[tuple[str, Kind]]:
    """Names and kinds of the calls that met a rule."""
    met: list[tuple[str, Kind]] = []

    def watch(kind: Kind) -> Callable[[Call], None]:
        return lambda call: met.append((call.name, kind))

    with Interception({kind: watch(kind) for kind in kinds}):
        function(X.clone().requires_grad_(True).clone())
    return met


SPELLINGS: dict[str, tuple[Callable[[Tensor], object], ...]] = {
    "relu": (
        nn.ReLU(), nn.ReLU(inplace=True), functional.relu, functional.relu_, torch.relu,
        torch.relu_, Tensor.relu, Tensor.relu_, lambda x: functional.relu(x, True),
        lambda x: functional.relu(input=x), lambda x: torch.relu(input=x),
    ),
    "leaky_relu": (nn.LeakyReLU(), nn.LeakyReLU(inplace=True), functional.leaky_relu_),
    "elu": (nn.ELU(), nn.ELU(inplace=True), functional.elu_),
    "hardtanh": (nn.ReLU6(), nn.ReLU6(inplace=True), nn.Hardtanh(), functional.hardtanh_),
    "gelu": (nn.GELU(), nn.GELU("tanh"), functional.gelu),
    "silu": (nn.SiLU(), nn.SiLU(inplace=True), functional.silu),
    "softplus": (nn.Softplus(), functional.softplus),
    "hardswish": (nn.Hardswish(), nn.Hardswish(inplace=True)),
    "hardsigmoid": (nn.Hardsigmoid(), nn.Hardsigmoid(inplace=True)),
    "sigmoid": (nn.Sigmoid(), torch.sigmoid, Tensor.sigmoid_, functional.sigmoid),
    "tanh": (nn.Tanh(), torch.tanh_, functional.tanh),
    "clamp": (lambda x: x.clamp_(min=0), lambda x: torch.clamp(x, 0, 1)),
    "pow": (lambda x: x**2, lambda x: x.pow_(2), lambda x: torch.pow(x, 3)),
    "prelu": (nn.PReLU().requires_grad_(False),),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_all_spellings_of_an_activation_are_one(name: str):
    for function in SPELLINGS[name]:
        assert seen(function, ("pointwise", "unknown")) == [(name, "pointwise")]


W = torch.eye(4)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x * x, ("mul", "product")),
        (lambda x: x.mul_(x + 1), ("mul", "product")),
        (lambda x: x @ x.mT, ("matmul", "product")),
        (lambda x: torch.einsum("nd,nd->n", x, x), ("einsum", "product")),
        (lambda x: x[None] @ x.mT[None], ("matmul", "product")),
        (lambda x: torch.bmm(x[None], x.mT[None]), ("bmm", "product")),
        (lambda x: functional.linear(x, x), ("linear", "product")),
        (lambda x: functional.linear(x, W), ("linear", "layer")),
        (lambda x: W @ x[0], ("matmul", "layer")),
        (lambda x: x / x.sum(), ("div", "quotient")),
        (lambda x: 2 / x, ("rdiv", "quotient")),
        (lambda x: x / W, ("div", "gate")),
        (lambda x: x * W, ("mul", "gate")),
        (lambda x: torch.where(x > 0, x, 0.0), ("where", "gate")),
        (lambda x: x.masked_fill(x > 0, 1.0), ("masked_fill", "gate")),
        (lambda x: functional.max_pool1d(x, 2), ("max_pool1d", "maximum")),
        (lambda x: functional.max_pool1d(x, 2, return_indices=True), ("max_pool1d", "maximum")),
        (lambda x: nn.AdaptiveMaxPool1d(2)(x), ("adaptive_max_pool1d", "maximum")),
        (lambda x: x.amax(1), ("amax", "maximum")),
        (lambda x: x.max(dim=1), ("max", "maximum")),
        (lambda x: x.softmax(1), ("softmax", "softmax")),
        (lambda x: nn.LogSoftmax(1)(x), ("log_softmax", "softmax")),
        (lambda x: x.logsumexp(1), ("logsumexp", "logsumexp")),
        (lambda x: x.round(), ("round", "step")),
        (lambda x: x.detach(), ("detach", "detach")),
        (lambda x: x.sort(dim=1), ("sort", "unknown")),
        (lambda x: x.cumprod(1), ("cumprod", "unknown")),
    ],
)
def test_kinds(function: Callable[[Tensor], object], expected: tuple[str, Kind]):
    kinds: tuple[Kind, ...] = (
        "pointwise", "step", "product", "quotient", "layer", "gate",
        "softmax", "logsumexp", "maximum", "detach", "unknown",
    )  # fmt: skip
    assert seen(function, kinds) == [expected]


def test_linear_functions_shapes_and_comparisons_need_no_rule():
    def function(x: Tensor) -> None:
        y = torch.cat([x.mT.reshape(1, 4), 2 * x - 1], dim=1).flip(1)[:, :3] / 4
        y += functional.avg_pool1d(y, 1).mean()
        y[:, 0] = 0
        functional.batch_norm(x, torch.zeros(4), torch.ones(4))
        functional.dropout(x, 0.5, training=False)
        assert y.shape == (1, 3)
        assert y.argmax(1).shape == (1,)
        assert bool((y > 9).sum() == 0)
        assert x.unsqueeze(0).size(0) == 1

    assert seen(function, ("pointwise", "product", "layer", "gate", "unknown")) == []


def test_what_does_not_depend_on_the_input_is_left_alone():
    def function(x: Tensor) -> None:
        W.relu().softmax(1)
        with torch.no_grad():
            x.relu()

    assert seen(function, ("pointwise", "softmax")) == []


@pytest.mark.parametrize("name", SPELLINGS)
def test_in_place_functions_still_write(name: str):
    """The tensor a caller holds changes as it would, and carries the rule's slope."""
    for function in SPELLINGS[name]:
        expected = X.clone()
        assert torch.equal(tensors_in(function(expected))[0], tensors_in(function(X.clone()))[0])
        leaf = X.clone().requires_grad_(True)
        with Interception({"pointwise": lambda call: scaled(tensors_in(call.run())[0], _thrice)}):
            held = leaf.clone()
            result = function(held)
        assert torch.equal(held, expected)
        slope = torch.autograd.grad(tensors_in(result)[0].sum(), leaf)[0]
        own = X.clone().requires_grad_(True)
        plain = torch.autograd.grad(tensors_in(function(own.clone()))[0].sum(), own)[0]
        assert torch.allclose(slope, 3 * plain)


def _thrice(slope: Tensor) -> Tensor:
    return 3 * slope


def test_writing_into_a_part_reaches_the_whole():
    leaf = X.clone().requires_grad_(True)
    with Interception({"pointwise": lambda call: scaled(tensors_in(call.run())[0], _thrice)}):
        whole = leaf.clone()
        whole[:, 2:].sigmoid_()
        whole[:, :1].mul_(5)
    slope = torch.autograd.grad(whole.sum(), leaf)[0]
    part = X[:, 2:].sigmoid() * (1 - X[:, 2:].sigmoid())
    assert torch.allclose(slope, torch.cat([torch.tensor([[5.0, 1.0]]), 3 * part], dim=1))


def test_an_attached_value_may_be_changed_later():
    leaf = X.clone().requires_grad_(True)
    value = attached(X * 2, [leaf], lambda slope: [7 * slope])
    value += 1
    value *= 2
    assert torch.equal(value, (X * 2 + 1) * 2)
    assert (torch.autograd.grad(value.sum(), leaf)[0] == 14).all()


def test_slopes_of_pointwise_functions():
    def slope(function: Callable[..., Tensor], point: Tensor) -> Tensor:
        leaf = X.clone().requires_grad_(True)
        return slope_of(Call(name="", function=function, args=(leaf,), kwargs={}), point)

    assert torch.allclose(slope(torch.tanh, X), 1 - X.tanh() ** 2)
    assert slope(torch.sqrt, torch.zeros(1, 4)).tolist() == [[0, 0, 0, 0]]  # not infinite
    assert slope(lambda x: x**0, X).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (Tensor.__imul__, "mul"),
        (Tensor.__itruediv__, "div"),
        (Tensor.__ipow__, "pow"),
        (Tensor.__getitem__, "getitem"),
        (functional.max_pool2d, "max_pool2d"),
        (functional.max_pool2d_with_indices, "max_pool2d"),
    ],
)
def test_names(function: Callable[..., object], name: str):
    assert bare_name(function) == name


def test_what_only_exists_in_place_is_left_alone_and_named():
    mode, leaf = Interception({}), X.clone().requires_grad_(True)
    with mode:
        nn.init.constant_(leaf.clone(), 3.0)
    assert mode.unruled == {"constant"}


def test_after_an_error_torch_is_itself_again():
    leaf = X.clone().requires_grad_(True)
    attention = nn.MultiheadAttention(4, 2).requires_grad_(False)
    mode = Interception({"layer": lambda _: 1 // 0})
    with pytest.raises(ZeroDivisionError), mode:
        attention(leaf, leaf, leaf)
    assert torch.autograd.grad(leaf.relu().sum(), leaf)[0].tolist() == [[0, 0, 1, 1]]
    assert seen(lambda x: x.relu(), ("pointwise",)) == [("relu", "pointwise")]
