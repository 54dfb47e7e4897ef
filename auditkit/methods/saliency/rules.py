"""Attribution rules that are attached to functions, whatever module or spelling calls them.

While a model runs inside an `Interception`, every torch function passes through it: a module, a
function, a method of a tensor and their in-place forms are one and the same there. The model is
not touched, so there is nothing to put back, also when it raises. A tensor that requires a gradient
depends on the input; parameters must not require one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from auditkit.methods.saliency.composites import COMPOSITES
from auditkit.methods.saliency.function_kinds import (
    GATES,
    LAYERS,
    LINEAR,
    MAXIMA,
    MULTILINEAR,
    POINTWISE,
    QUOTIENTS,
    SOFTMAX,
    STEPS,
    Kind,
)

Function: TypeAlias = Callable[..., object]
Pull: TypeAlias = Callable[[Tensor], Sequence[Tensor]]  # slopes of an output to those of its inputs


class Ruled(NamedTuple):
    """Scores that promise to add up to a change, by how much they miss it, and a reason for that.

    The first three are those of `Attributed`.
    """

    scores: Tensor  # of the shape of the inputs
    change: Tensor  # (n,) what the scores are to add up to
    delta: Tensor  # (n,) sum of the scores less the change
    unruled: tuple[str, ...]  # functions met that no exact rule exists for, sorted
    unseen: tuple[str, ...] = ()  # functions that ran where no rule reaches, sorted


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a function, spelled without side effects.

    Parameters
    ----------
    name : str
        Bare name: `relu` for `nn.ReLU`, `functional.relu`, `Tensor.relu_` and all others.
    function : callable
        What computes the result and leaves its arguments as they are.
    args, kwargs
        As they were given; where the call works in place, the first is a copy.
    written : Tensor, optional
        What the caller expects to hold the result.
    """

    name: str
    function: Function
    args: tuple[object, ...]
    kwargs: dict[str, object]
    written: Tensor | None = None

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors among the arguments, in order."""
        return tensors_in((self.args, self.kwargs))

    @property
    def sources(self) -> list[Tensor]:
        """Those that depend on the input."""
        return [one for one in self.tensors if one.requires_grad]

    def argument(self, place: int, name: str, default: object = None) -> object:
        """Return an argument by place or by name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)

    def run(self) -> object:
        """Return what the function gives, with its own gradient."""
        return self.function(*self.args, **self.kwargs)

    def at(self, tensors: Sequence[Tensor]) -> object:
        """Return what the function gives for other tensors in the places of `self.tensors`."""
        left = iter(tensors)
        args = [_mapped(one, lambda _: next(left)) for one in self.args]
        kwargs = {name: _mapped(one, lambda _: next(left)) for name, one in self.kwargs.items()}
        return self.function(*args, **kwargs)

    def value(self) -> object:
        """Return what the function gives, without any gradient."""
        with torch.no_grad():
            return self.at([one.detach() for one in self.tensors])


Rule: TypeAlias = Callable[[Call], object | None]


class Interception(TorchFunctionMode):
    """A mode in which functions get the gradients that an attribution method wants.

    Parameters
    ----------
    rules : mapping of kind of function to callable
        A rule answers a call with a result whose gradient is the rule's, or with None where the
        function's own gradient is wanted, as for kinds without a rule. Composites are taken apart
        before, and their parts are answered.
    """

    def __init__(self, rules: Mapping[Kind, Rule]) -> None:
        super().__init__()
        self.rules = rules
        self.unruled: set[str] = set()
        self._seen: set[Node] = set()  # steps backward of the functions that passed through

    def __torch_function__(
        self,
        func: Function,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Answer one call of a torch function; the mode itself is off meanwhile."""
        kwargs = kwargs or {}
        given = tensors_in((args, kwargs))
        if not (torch.is_grad_enabled() and any(one.requires_grad for one in given)):
            return func(*args, **kwargs)
        if bare_name(func) in _LEAVES_TORCH:
            return func(
                *(one.detach() if isinstance(one, Tensor) else one for one in args), **kwargs
            )
        before = _steps_of(given)
        result = self._called(func, args, kwargs)
        self._seen |= _steps_between((before, self._seen), [*tensors_in(result), *given])
        return result

    def unseen(self, score: Tensor) -> tuple[str, ...]:
        """Return the functions between input and score that did not pass through here, by name.

        A compiled program, an autograd function of the network's own and a hook on slopes work out
        of sight: no rule reaches them. Functions that merely add or move numbers are left out.
        """
        steps = _steps_between((), [score]) - self._seen
        names = {_function_of(one) for one in steps}
        return tuple(sorted(one for one in names if one not in LINEAR | _BOOKKEEPING))

    def _called(
        self, func: Function, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> object:
        name = bare_name(func)
        if name in LINEAR:
            return func(*args, **kwargs)
        call = call_of(name, func, args, kwargs)
        if call is None:
            self.unruled.add(name)
            return func(*args, **kwargs)
        result = self._answer(call)
        if result is None:
            return func(*args, **kwargs)
        if call.written is not None:
            assert isinstance(result, Tensor)
            return call.written.copy_(result)
        return result

    def _answer(self, call: Call) -> object | None:
        kind = kind_of(call)
        if kind == "composite":
            with self:  # its parts come back here
                result = COMPOSITES[call.name](*call.args, **call.kwargs)
            if result is not NotImplemented:
                return result
            kind = "unknown"
        if kind == "unknown":
            value = call.run()
            if not any(one.requires_grad for one in tensors_in(value)):
                return value if call.written is None else None  # an order, a shape, a comparison
            self.unruled.add(call.name)
        rule = self.rules.get(kind)
        return None if rule is None else rule(call)


# Steps backward that belong to no function: leaves, and views that were written to.
_BOOKKEEPING = frozenset({"accumulate_grad", "copy_slices", "to_copy", "unsafe_view", "slice"})


def _function_of(step: Node) -> str:
    """Return what made a step backward: `max_pool2d` for `MaxPool2DWithIndicesBackward0`."""
    bare = re.sub(r"Backward\d*$", "", step.name().rpartition("::")[2])
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", bare)
    return words.lower().strip("_").removesuffix("_with_indices")


def _steps_of(tensors: Sequence[Tensor]) -> set[Node]:
    return {one.grad_fn for one in tensors if one.grad_fn is not None}


def _steps_between(known: Sequence[Set[Node]], end: Sequence[Tensor]) -> set[Node]:
    """Return the steps backward from some tensors, up to those in any of some sets."""
    found: set[Node] = set()
    ahead = list(_steps_of(end))
    while ahead:
        step = ahead.pop()
        if step not in found and not any(step in some for some in known):
            found.add(step)
            ahead += [one for one, _ in step.next_functions if one is not None]
    return found


def kind_of(call: Call) -> Kind:
    """Return which kind of function a call is of, given what depends on the input."""
    name, n_sources = call.name, len(call.sources)
    if name in MULTILINEAR and n_sources > 1:
        return "product"
    if name in QUOTIENTS and "rounding_mode" not in call.kwargs:
        below = divided(call)[1]
        held = isinstance(below, Tensor) and below.requires_grad
        return "quotient" if held else _gate_of(call)
    if name in GATES:
        return _gate_of(call)
    if name in MULTILINEAR:
        return "layer" if name in LAYERS else "linear"
    if n_sources == 1 and name in POINTWISE | STEPS:
        return "step" if name in STEPS else "pointwise"
    if name in SOFTMAX:
        return "softmax"
    if name in MAXIMA and n_sources == 1 and not isinstance(call.argument(1, "other"), Tensor):
        return "maximum"
    match name:
        case "logsumexp" | "detach":
            return name
        case _:
            return "composite" if name in COMPOSITES else "unknown"


def _gate_of(call: Call) -> Kind:
    return "linear" if len(call.tensors) == 1 else "gate"  # plain numbers are the same every time


def divided(call: Call) -> tuple[object, object]:
    """Return what is divided, and by what."""
    above, below = call.args[0], call.argument(1, "other")
    return (below, above) if call.name in ("rdiv", "rtruediv") else (above, below)


def call_of(
    name: str, func: Function, args: tuple[object, ...], kwargs: dict[str, object]
) -> Call | None:
    """Return a call without side effects, or None where a function has no such form."""
    if not args and "input" in kwargs:
        args = (kwargs["input"],)
        kwargs = {key: one for key, one in kwargs.items() if key != "input"}
    spelled = _spelled(func)
    asked = kwargs.get("inplace") is True
    if asked:
        kwargs = {**kwargs, "inplace": False}
    elif spelled in _IN_PLACE or (spelled.endswith("_") and not spelled.endswith("__")):
        homes = (Tensor, torch, torch.nn.functional)
        func = next((getattr(one, name) for one in homes if hasattr(one, name)), func)
    else:
        return Call(name=name, function=func, args=args, kwargs=kwargs)
    written = args[0] if args else None
    still = not asked and _spelled(func) == spelled
    if still or not isinstance(written, Tensor):
        return None
    args = (written.clone(), *args[1:])
    return Call(name=name, function=func, args=args, kwargs=kwargs, written=written)


_LEAVES_TORCH = frozenset({"numpy", "array"})  # what a rule kept attached is let go there
_IN_PLACE = {"__imul__": "mul", "__idiv__": "div", "__itruediv__": "div", "__ipow__": "pow"}


def bare_name(func: Function) -> str:
    """Return what a function is called without the marks of its spelling.

    Examples
    --------
    >>> bare_name(torch.relu_), bare_name(torch.Tensor.__rmul__), bare_name(torch.nn.functional.elu)
    ('relu', 'rmul', 'elu')
    """
    name = _spelled(func)
    return _IN_PLACE.get(name) or name.strip("_").removesuffix("_with_indices")


def _spelled(func: Function) -> str:
    """Return the name of a function; exported programs add an overload, as in `relu.default`."""
    name: str = getattr(func, "__name__", type(func).__name__)
    return name.partition(".")[0]


def tensors_in(value: object) -> list[Tensor]:
    """Return the tensors of nested lists, tuples and mappings, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [one for part in value for one in tensors_in(part)]  # pyright: ignore[reportUnknownVariableType]
    return []


def attached(value: Tensor, sources: Sequence[Tensor], pull: Pull) -> Tensor:
    """Return `value` as a function of `sources` whose gradient is what `pull` says.

    Parameters
    ----------
    value : Tensor
        The result; its own gradient, where it has one, is cut.
    sources : sequence of Tensor
        What it depends on.
    pull : callable
        Maps the slope with respect to the value to one slope per source, each of its shape.
    """
    return _Attached.apply([value.detach()], pull, *sources)  # pyright: ignore[reportReturnType, reportUnknownMemberType, reportUnknownVariableType]


def scaled(value: Tensor, factor: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `value` with its own gradient, whose slopes pass through `factor` first."""
    return attached(value, [value], lambda slope: [factor(slope)])


def rounding_slope(call: Call) -> float:
    """Return the slope of a step as if it did not round: 1, or 0 for a sign.

    Quantised networks are trained with such slopes (Bengio et al., 2013, arXiv:1308.3432).
    """
    return 0.0 if call.name in ("sgn", "sign") else 1.0


def slope_of(call: Call, point: Tensor) -> Tensor:
    """Return the derivative of a pointwise function at each number of `point`, 0 where none is."""
    with torch.enable_grad():
        leaf = point.detach().clone().requires_grad_(True)
        tensors = [leaf if one.requires_grad else one for one in call.tensors]
        value = call.at(tensors)
        assert isinstance(value, Tensor)
        if not value.requires_grad:  # such as a power of zero
            return torch.zeros_like(leaf)
        (slope,) = torch.autograd.grad(value.sum(), leaf)
    return finite(slope)


def finite(values: Tensor) -> Tensor:
    """Return `values` with zero for all that is not a finite number."""
    return values.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


class _Attached(torch.autograd.Function):
    """The value comes in a list, so that it is no input and may later be changed in place."""

    @staticmethod
    def forward(ctx: object, value: list[Tensor], pull: Pull, *_: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.pull = pull  # pyright: ignore[reportAttributeAccessIssue]
        return value.pop()

    @staticmethod
    def backward(ctx: object, slope: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        pull: Pull = ctx.pull  # pyright: ignore[reportAttributeAccessIssue]
        return (None, None, *pull(slope))


def _mapped(value: object, change: Callable[[Tensor], Tensor]) -> object:
    """Return nested lists, tuples and mappings with each tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(one, change) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        parts = [_mapped(one, change) for one in value]  # pyright: ignore[reportUnknownVariableType]
        return parts if isinstance(value, list) else tuple(parts)
    return value
