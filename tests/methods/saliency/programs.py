"""One network as a user may hand it in: written out, compiled, traced, exported, hooked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.methods.saliency.nets import noise


class Written(nn.Module):
    """Convolutions, ReLU, GELU, pooling and a linear layer, as functions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 8, 3, padding=1)
        self.last = nn.Linear(8 * 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = torch.max_pool2d(torch.relu(self.first(images)), 2)
        x = torch.max_pool2d(functional.gelu(self.second(x)), 2)
        return self.last(x.flatten(1))


class Squashed(torch.autograd.Function):
    """ReLU as an autograd function of its own."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *slopes: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        return slopes[0] * (x > 0)


class OwnFunction(Written):
    """The same network, its ReLU an autograd function."""

    def forward(self, images: Tensor) -> Tensor:
        x = torch.max_pool2d(Squashed.apply(self.first(images)), 2)  # pyright: ignore
        x = torch.max_pool2d(functional.gelu(self.second(x)), 2)
        return self.last(x.flatten(1))


def exported() -> nn.Module:
    some = {0: torch.export.Dim("n")}
    return torch.export.export(Written(), (noise(2, 1, 8, 8),), dynamic_shapes=(some,)).module()


def hooked() -> nn.Module:
    """A network on which guided backpropagation was left behind."""
    module = Written()
    module.second.register_full_backward_hook(lambda _, given, __: (given[0].clamp(min=0),))
    return module


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(Written())


def traced() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.trace(Written(), noise(1, 1, 8, 8))  # pyright: ignore


def compiled() -> nn.Module:
    return torch.compile(deepcopy(Written()), backend="eager")  # pyright: ignore


SEEN: dict[str, Callable[[], nn.Module]] = {
    "compiled": compiled,
    "exported": exported,
    "fx": lambda: torch.fx.symbolic_trace(Written()),
}
OUT_OF_SIGHT: dict[str, Callable[[], nn.Module]] = {
    "scripted": scripted,
    "traced": traced,
    "own function": OwnFunction,
    "hook on slopes": hooked,
}
