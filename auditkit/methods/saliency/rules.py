"""Attribution rules that are attached to functions, whatever module or spelling calls them.

While a model runs inside an `Interception`, every torch function passes through it: a module, a
function, a method of a tensor and their in-place forms are one and the same there. The model is
not touched, so there is nothing to put back, also when it raises. A tensor that requires a gradient
depends on the input; parameters must not require one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from auditkit.methods.saliency.composites import COMPOSITES

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


# One number in, one number out, each place for itself; parameters are constants.
POINTWISE = frozenset(
    "abs absolute acos acosh arctan asin asinh atan atanh celu clamp clamp_max clamp_min clip cos"
    " cosh elu erf erfc exp exp2 expm1 float_power gelu hardshrink hardsigmoid hardswish hardtanh"
    " leaky_relu log log10 log1p log2 log_sigmoid logit logsigmoid mish nan_to_num pow prelu"
    " reciprocal relu relu6 rpow rrelu rsqrt selu sigmoid silu sin sinh softplus softshrink"
    " softsign special_expit sqrt square tan tanh tanhshrink threshold".split()
)
# Those that only jump: their slope is zero, or does not exist.
STEPS = frozenset("ceil fix floor round sgn sign trunc".split())
# Pointwise functions that let positive numbers through and hold back negative ones.
RECTIFIERS = frozenset(
    "celu elu gelu hardswish leaky_relu mish prelu relu relu6 rrelu selu silu softplus".split()
)
# Linear in each of their tensors: a product as soon as two of them depend on the input.
PRODUCTS = frozenset(
    "bilinear bmm chain_matmul conv1d conv2d conv3d conv_transpose1d conv_transpose2d"
    " conv_transpose3d convolution dot einsum inner kron linear linalg_multi_dot linalg_vecdot"
    " matmul mm mul multiply mv ger outer rmatmul rmul tensordot vdot vecdot".split()
)
# Products with weights, which make a layer.
LAYERS = frozenset(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution linear"
    " matmul mm mv bmm einsum".split()
)
CONVOLUTIONS = frozenset(one for one in LAYERS if one.startswith("conv"))
# Each place of the result is one of two constants' or tensors', as a mask that is fixed says.
GATES = frozenset("masked_fill mul multiply rmul where".split())
MAXIMA = frozenset(
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d amax max max_pool1d max_pool2d"
    " max_pool3d".split()
)
QUOTIENTS = frozenset("div divide rdiv rtruediv true_divide truediv".split())
SOFTMAX = frozenset("softmax log_softmax".split())
# Functions that need no rule: linear in all their tensors taken together, or merely moving them.
LINEAR = frozenset(
    "abs_backward adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d add addbmm_bias"
    " adjoint alias alpha_dropout as_strided as_subclass as_tensor atleast_1d atleast_2d"
    " atleast_3d avg_pool1d avg_pool2d avg_pool3d batch_norm bfloat16 block_diag broadcast_tensors"
    " broadcast_to cat channel_shuffle chunk clone column_stack concat concatenate contiguous copy"
    " cpu cuda cumsum data_ptr deg2rad diag diag_embed diagflat diagonal diff double dropout"
    " dropout1d dropout2d dropout3d dsplit dstack embedding_renorm expand expand_as feature_dropout"
    " feature_alpha_dropout fft_fft2 fill fill_diagonal flatten flip fliplr flipud float fold"
    " gather get getitem grid_sampler_fixed half hsplit hstack iadd im2col col2im index"
    " index_add index_copy index_fill index_put index_select interpolate isub iter lerp_fixed mH mT"
    " masked_scatter masked_select mean meshgrid moveaxis movedim narrow narrow_copy nanmean nansum"
    " neg negative nn_functional numpy_T pad permute pixel_shuffle pixel_unshuffle positive"
    " put radd ravel real repeat repeat_interleave requires_grad reshape reshape_as resize_as"
    " retain_grad roll rot90 rsub scatter scatter_add select select_scatter set setitem"
    " slice_scatter split split_with_sizes squeeze stack sub subtract sum sum_to_size swapaxes"
    " swapdims t take take_along_dim tensor_split tile to trace transpose tril triu type type_as"
    " unbind unflatten unfold unsafe_chunk unsafe_split unsqueeze upsample upsample_bilinear"
    " upsample_nearest view view_as vsplit vstack zero constant_pad_nd".split()
)


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
        args, kwargs = _mapped((self.args, self.kwargs), lambda _: next(left))
        return self.function(*args, **kwargs)

    def value(self) -> object:
        """Return what the function gives, without any gradient."""
        with torch.no_grad():
            return self.at([one.detach() for one in self.tensors])


class Interception(TorchFunctionMode, ABC):
    """A mode in which functions get the gradients that an attribution method wants.

    Each method of this class answers a call with a result whose gradient is the rule's, or with
    None where the function's own gradient is wanted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unruled: set[str] = set()

    def __torch_function__(
        self,
        func: Function,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Answer one call of a torch function; the mode itself is off meanwhile."""
        kwargs = kwargs or {}
        name = bare_name(func)
        depends = any(one.requires_grad for one in tensors_in((args, kwargs)))
        if not depends or name in LINEAR or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        call = call_of(name, func, args, kwargs)
        result = self._answer(call)
        if result is None:
            return func(*args, **kwargs)
        if call.written is not None:
            assert isinstance(result, Tensor)
            return call.written.copy_(result)
        return result

    def _answer(self, call: Call) -> object | None:
        name, n_sources = call.name, len(call.sources)
        if name in GATES and n_sources == len(call.tensors) == 1:
            return None  # only numbers beside the input
        if name in PRODUCTS and n_sources > 1:
            return self.product(call)
        if name in GATES:
            return self.gate(call)
        if name in PRODUCTS:
            return self.layer(call) if name in LAYERS else None
        if name in QUOTIENTS and "rounding_mode" not in call.kwargs:
            return self._quotient(call)
        if name in POINTWISE | STEPS and n_sources == 1:
            return self.pointwise(call)
        if name == "detach":
            return self.detached(call)
        if name in SOFTMAX:
            return self.softmax(call)
        if name == "logsumexp":
            return self.logsumexp(call)
        if name in MAXIMA and n_sources == 1 and isinstance(call.args[0], Tensor):
            if not isinstance(call.argument(1, "other"), Tensor):
                return self.maximum(call)
        if name in COMPOSITES:
            with self:  # its parts come back here
                result = COMPOSITES[name](*call.args, **call.kwargs)
            if result is not NotImplemented:
                return result
        return self._unknown(call)

    def _quotient(self, call: Call) -> object | None:
        above, below = call.args[:2]
        if call.name in ("rdiv", "rtruediv"):
            above, below = below, above
        if not isinstance(below, Tensor):
            return None
        if not below.requires_grad:
            return self.gate(call)
        with self:
            return self.quotient(above, below)

    def _unknown(self, call: Call) -> object | None:
        value = call.run()
        if not any(one.requires_grad for one in tensors_in(value)):
            return value if call.written is None else None  # an order, a shape, a comparison
        self.unruled.add(call.name)
        return self.unknown(call)

    @abstractmethod
    def pointwise(self, call: Call) -> Tensor | None:
        """Answer a function in `POINTWISE` or `STEPS` of one tensor that depends on the input."""

    def product(self, call: Call) -> Tensor | None:
        """Answer a function in `PRODUCTS` of two or more tensors that depend on the input."""
        return None

    def quotient(self, above: object, below: Tensor) -> object:
        """Return above / below with the mode on, where `below` depends on the input."""
        return torch.true_divide(above, below.detach())  # pyright: ignore[reportArgumentType]

    def gate(self, call: Call) -> Tensor | None:
        """Answer a function in `GATES`, or a quotient whose divisor is fixed, of one tensor or more that depend on the input."""
        return None

    def layer(self, call: Call) -> Tensor | None:
        """Answer a function in `LAYERS`, of one tensor that depends on the input."""
        return None

    def maximum(self, call: Call) -> object | None:
        """Answer a maximum over windows or dimensions."""
        return None

    def softmax(self, call: Call) -> Tensor | None:
        """Answer softmax or its logarithm."""
        return None

    def logsumexp(self, call: Call) -> Tensor | None:
        """Answer the logarithm of a sum of exponentials."""
        return None

    def detached(self, call: Call) -> Tensor | None:
        """Answer a call that cuts the gradient, though not the dependence, on purpose."""
        return None

    def unknown(self, call: Call) -> object | None:
        """Answer a function that is on no list."""
        return None


def call_of(name: str, func: Function, args: tuple[object, ...], kwargs: dict[str, object]) -> Call:
    """Return a call without side effects, and what the caller wants written."""
    spelled = getattr(func, "__name__", "")
    in_place = spelled.endswith("_") and not spelled.endswith("__")
    in_place = in_place or (spelled.startswith("__i") and spelled[3:-2] == name)
    asked = kwargs.get("inplace") is True
    call = Call(name=name, function=func, args=args, kwargs=kwargs)
    if not (in_place or asked):
        return call
    written = args[0]
    assert isinstance(written, Tensor)
    function = func if asked else _without_side_effects(func, name)
    if asked:
        kwargs = {**kwargs, "inplace": False}
    args = (written.clone(), *args[1:])
    return replace(call, function=function, args=args, kwargs=kwargs, written=written)


def bare_name(func: Function) -> str:
    """Return what a function is called without the marks of its spelling.

    Examples
    --------
    >>> bare_name(torch.relu_), bare_name(torch.Tensor.__rmul__), bare_name(torch.nn.functional.elu)
    ('relu', 'rmul', 'elu')
    """
    name: str = getattr(func, "__name__", type(func).__name__)
    bare = name.strip("_").removesuffix("_with_indices")
    if bare in ("imul", "itruediv", "idiv", "ipow", "imatmul"):
        return bare[1:]
    return bare


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
    def forward(ctx: object, value: list[Tensor], pull: Pull, *sources: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.pull = pull  # pyright: ignore[reportAttributeAccessIssue]
        return value.pop()

    @staticmethod
    def backward(ctx: object, slope: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        pull: Pull = ctx.pull  # pyright: ignore[reportAttributeAccessIssue]
        return (None, None, *pull(slope))


def _without_side_effects(func: Function, name: str) -> Function:
    """Return the function that computes what an in-place one writes."""
    for home in (torch.Tensor, torch, torch.nn.functional):
        in_home = getattr(home, getattr(func, "__name__", ""), None)
        if in_home is func or (home is torch.Tensor and in_home is not None):
            found = getattr(home, name, None)
            if found is not None:
                return found
    return getattr(torch.nn.functional, name, None) or getattr(torch, name)


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
