"""What a classifier computes, as a list of single operations on tensors."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, fx
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.node import map_arg
from torch.nn.attention import SDPBackend, sdpa_kernel

from auditkit.methods.certification.rounding import product_error, unit_of

_TRIED = 3  # inputs on which the list is held against the model

Logits: TypeAlias = Callable[[Tensor], Tensor]
Argument: TypeAlias = Any  # what torch.fx stores: numbers, lists of them, tensors, steps

_FIRST_OF_SEVERAL = {  # their other outputs are for training
    "aten.native_batch_norm.default",
    "aten._native_batch_norm_legit.default",
    "aten._native_batch_norm_legit_no_training.default",
    "aten.cudnn_batch_norm.default",
    "aten.native_layer_norm.default",
    "aten.native_group_norm.default",
    "aten.max_pool2d_with_indices.default",
}


_OF_THE_SHAPE = {  # constants, although they are asked of a variable
    "aten.zeros_like.default",
    "aten.ones_like.default",
    "aten.full_like.default",
    "aten.new_zeros.default",
    "aten.new_ones.default",
    "aten.new_full.default",
}


class UnsupportedError(Exception):
    """Bounds of this model cannot be computed; the message says why, as half a sentence."""


@final
@dataclass(frozen=True)
class Variable:
    """An argument that depends on the input: the step of this number."""

    step: int


@final
@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation.

    Parameters
    ----------
    name : str
        Of the operator, such as "aten.convolution.default"; "input" for the input itself.
    arguments, keywords : tuple, dict
        Numbers, lists, constant tensors, and a `Variable` for what depends on the input.
    parents : tuple of int
        Steps it reads, in the order in which its arguments name them.
    reads : tuple of tuple of int
        Their shapes.
    shape : tuple of int
        Of its output, with the batch.
    dtype, device : torch.dtype, torch.device
        In which and where the model computes it.
    pick : int, optional
        Which of several outputs.
    """

    name: str
    target: Callable[..., Any]
    arguments: tuple[Argument, ...]
    keywords: dict[str, Argument]
    parents: tuple[int, ...]
    reads: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    pick: int | None = None

    @property
    def unit(self) -> float:
        """The unit roundoff of its numbers."""
        return unit_of(self.dtype, self.device)

    @property
    def tiny(self) -> float:
        """What its numbers may round to zero."""
        return torch.finfo(self.dtype).tiny

    def product_error(self, terms: int, size: Tensor) -> Tensor:
        """Return a bound on the rounding of sums of products whose absolute values sum to size."""
        return product_error(terms, size, unit=self.unit, tiny=self.tiny)

    def __call__(self, values: Sequence[Tensor]) -> Tensor:
        """Return the output in float64 for other values of what it reads."""
        given = dict(zip(self.parents, values, strict=True))

        def filled(one: Argument) -> Argument:
            if isinstance(one, Variable):
                return given[one.step]
            if isinstance(one, Tensor) and one.is_floating_point():
                return one.double()
            if isinstance(one, list | tuple):
                return type(one)(filled(each) for each in one)  # pyright: ignore
            return one

        keywords = {name: filled(one) for name, one in self.keywords.items()}
        output = self.target(*map(filled, self.arguments), **keywords)
        if self.name in _FIRST_OF_SEVERAL:
            return output[0]
        return output if self.pick is None else output[self.pick]


@final
@dataclass(frozen=True)
class Program:
    """All that a classifier computes for one input; views in the network may depend on that."""

    steps: tuple[Step, ...]  # the first is the input
    output: int  # the step of the logits (1, k)


def trace(logits: Logits, shape: tuple[int, ...], *, device: torch.device) -> Program:
    """Return what a classifier computes for one input of some shape.

    Parameters
    ----------
    logits : callable
        Maps inputs (n, *shape) to logits (n, k).
    shape : tuple of int
        Of one input.
    device : torch.device
        Where the model computes.

    Raises
    ------
    UnsupportedError
        If it cannot be written as a fixed list of operations, or not for each input alone.
    """
    module = _traced(logits, torch.zeros(1, *shape, device=device))
    program = _Writer(module).program()
    rng = torch.Generator().manual_seed(0)
    inputs = torch.rand(_TRIED, *shape, generator=rng).to(device)
    try:
        with torch.no_grad():
            _check_alone(logits, inputs)
            _check_same(logits, module, inputs)
    except UnsupportedError:
        raise
    except Exception as error:
        raise UnsupportedError(
            f"it fails on inputs made up to try it ({type(error).__name__})"
        ) from error
    return program


def _traced(logits: Logits, example: Tensor) -> fx.GraphModule:
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # attention in single operations
    try:
        with torch.no_grad(), warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
            warnings.simplefilter("ignore")
            written = _written(lambda x: logits(x), example)  # noqa: PLW0108
            # Operations in place become others; only now, for while the model's own code ran they
            # would have hidden that it took numbers out.
            module = _written(functionalize(written), example)
            module.graph.eliminate_dead_code()
            return module
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnsupportedError(
            f"its computation cannot be written down as a fixed list of operations ({reason[:120]})"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _written(function: Logits, example: Tensor) -> fx.GraphModule:
    """Return what a function computes; fake tensors hold no numbers that could slip in."""
    return make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)(example)


def _check_alone(logits: Logits, inputs: Tensor) -> None:
    """Make sure that no input has a say in the answer to another.

    The first input is not a number; wherever that shows, it has arrived.
    """
    if not bool(logits(inputs).isfinite().all()):
        raise UnsupportedError("it answers with NaN or infinite logits")
    broken = inputs.clone()
    broken[0] = torch.nan
    if bool(logits(broken)[1:].isnan().any()):
        raise UnsupportedError("its answer to an input depends on the others of its batch")


def _check_same(logits: Logits, module: fx.GraphModule, inputs: Tensor) -> None:
    """Make sure that the list gives what the model gives, on inputs it was not made from."""
    expected, found = logits(inputs), torch.cat([module(one[None]) for one in inputs])
    if not torch.allclose(expected, found, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise UnsupportedError("its operations, written down, do not give what the model gives")


@final
class _Writer:
    """Turns a traced module into steps; what does not depend on the input becomes a constant."""

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self.steps: list[Step] = []
        self.numbers: dict[fx.Node, int] = {}
        self.constants: dict[fx.Node, object] = {}
        self.several: dict[fx.Node, tuple[Step, ...]] = {}

    def program(self) -> Program:
        """Return all steps."""
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                self._append(node, name="input", target=_same, parents=())
            elif node.op == "get_attr":
                self.constants[node] = operator.attrgetter(str(node.target))(self.module)
            elif node.op == "call_function":
                self._write(node)
            else:
                (last,) = node.args
                if last not in self.numbers:
                    raise UnsupportedError("its logits do not depend on the input")
                return Program(tuple(self.steps), self.numbers[last])
        raise AssertionError("a traced module ends with its output")

    def _write(self, node: fx.Node) -> None:
        if node.target is operator.getitem:
            self._pick(node)
            return
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise UnsupportedError(f"it draws random numbers ({node.target})")
        if str(node.target) in _OF_THE_SHAPE:
            arguments, keywords = map_arg((node.args, node.kwargs), self._shaped)  # pyright: ignore
            self.constants[node] = node.target(*arguments, **keywords)  # pyright: ignore
            return
        if not any(one in self.numbers or one in self.several for one in node.all_input_nodes):
            arguments, keywords = self._filled(node)
            self.constants[node] = node.target(*arguments, **keywords)  # pyright: ignore
            return
        name = str(node.target)
        if isinstance(node.meta["val"], Tensor) or name in _FIRST_OF_SEVERAL:
            self._append(node, name=name, target=node.target, parents=None)
        else:
            self.several[node] = ()

    def _pick(self, node: fx.Node) -> None:
        whole, index = node.args
        assert isinstance(whole, fx.Node)
        assert isinstance(index, int)
        if whole in self.constants:
            self.constants[node] = self.constants[whole][index]  # pyright: ignore
        elif whole in self.numbers:
            if index:
                raise UnsupportedError(f"it uses output {index} of the operator {whole.target}")
            self.numbers[node] = self.numbers[whole]
        else:
            name = str(whole.target)
            self._append(node, name=name, target=whole.target, parents=None, pick=index)

    def _append(
        self,
        node: fx.Node,
        *,
        name: str,
        target: Any,
        parents: tuple[int, ...] | None,
        pick: int | None = None,
    ) -> None:
        source = node if pick is None else node.args[0]
        assert isinstance(source, fx.Node)
        value = node.meta["val"]
        value = value if isinstance(value, Tensor) else value[0]
        arguments, keywords = self._filled(source)
        read = dict.fromkeys(
            self.numbers[one] for one in source.all_input_nodes if one in self.numbers
        )
        parents = tuple(read) if parents is None else parents
        self.numbers[node] = len(self.steps)
        step = Step(
            name=name,
            target=target,
            arguments=tuple(arguments),
            keywords=dict(keywords),
            parents=parents,
            reads=tuple(self.steps[one].shape for one in parents),
            shape=tuple(value.shape),
            dtype=value.dtype,
            device=value.device,
            pick=pick,
        )
        self.steps.append(step)

    def _shaped(self, node: fx.Node) -> Any:
        """Return a constant, or zeros in place of a variable."""
        if node not in self.numbers:
            return self.constants[node]
        step = self.steps[self.numbers[node]]
        return torch.zeros(step.shape, dtype=step.dtype, device=step.device)

    def _filled(self, node: fx.Node) -> tuple[tuple[Argument, ...], dict[str, Argument]]:
        """Return the arguments of a node, with constants and variables in their places."""

        def found(one: fx.Node) -> Any:
            if one in self.numbers:
                return Variable(self.numbers[one])
            if one in self.constants:
                return self.constants[one]
            raise UnsupportedError(f"it passes on all outputs of the operator {one.target}")

        arguments, keywords = map_arg((node.args, node.kwargs), found)  # pyright: ignore
        return tuple(arguments), dict(keywords)  # pyright: ignore


def _same(x: Tensor) -> Tensor:
    return x
