"""DeepLIFT: the change of a class score from a reference, handed back from function to function.

Shrikumar et al., 2017, arXiv:1704.02685, section 3: the rescale rule. What that paper leaves open
is filled so that each function hands back exactly its change: products of two paths share theirs
in halves, a maximum is shared between those who held it before and after (as in Lundberg's SHAP),
and a softmax by the mean of its slopes along the straight path between the two inputs (Aumann and
Shapley, 1974), closed by the smallest correction that makes it exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias, final

import torch
from torch import Tensor

from auditkit.methods.saliency.function_kinds import Kind
from auditkit.methods.saliency.maxima import holders
from auditkit.methods.saliency.paths import NODES, along_path, mean_softmax
from auditkit.methods.saliency.rules import (
    Call,
    Interception,
    Rule,
    Ruled,
    attached,
    divided,
    finite,
    rounding_slope,
    slope_of,
    tensors_in,
)
from auditkit.methods.saliency.scores import score_of
from auditkit.models.classifier import Logits

# Below this change, relative to the numbers that changed, float32 differences are mostly rounding.
_CLOSE = 1e-5


def deeplift(
    logits: Logits,
    inputs: Tensor,
    target: Tensor,
    *,
    reference: Tensor,
    batch_size: int = 128,
) -> Ruled:
    """Return scores that add up to the change of the target logit from the reference.

    Two forward passes, of the references and of the inputs, and one backward pass. Their functions
    are paired in the order of the calls, so that no layout of tensors is presumed. A function
    without an exact rule is followed along the straight path between its two inputs, at 16
    Gauss-Legendre nodes, and named in the answer; so is one whose tensors have another shape for
    the input than for the reference (tokens routed elsewhere), which keeps its own gradient.

    Parameters
    ----------
    logits : callable
        Maps inputs (m, ...) to (m, k); its parameters require no gradient.
    inputs, reference : Tensor
        (n, ...) of one shape; n at least 1.
    target : Tensor
        (n,) class whose logit is explained.
    batch_size : int
        Inputs per forward pass.

    Returns
    -------
    Ruled
        `delta` is left by rounding, by jumps that no slope shows (a mask made from the input) and
        by functions in `unruled`.

    Examples
    --------
    >>> image = torch.full((1, 1, 1, 2), 2.0)
    >>> product = lambda x: x.flatten(1).relu().square().sum(dim=1, keepdim=True)
    >>> start = torch.zeros_like(image)
    >>> found = deeplift(product, image, torch.tensor([0]), reference=start)
    >>> found.scores.flatten().tolist(), found.change.tolist()
    ([4.0, 4.0], [8.0])
    """
    parts = [
        _some(logits, inputs[rows], reference[rows], target[rows])
        for rows in (slice(i, i + batch_size) for i in range(0, len(inputs), batch_size))
    ]
    return Ruled(
        torch.cat([one.scores for one in parts]),
        torch.cat([one.change for one in parts]),
        torch.cat([one.delta for one in parts]),
        tuple(sorted({name for one in parts for name in one.unruled})),
        tuple(sorted({name for one in parts for name in one.unseen})),
    )


def _some(logits: Logits, inputs: Tensor, reference: Tensor, target: Tensor) -> Ruled:
    first = _Recording()
    with torch.enable_grad(), first:
        start = score_of(logits, reference.detach().clone().requires_grad_(True), target)
    second = _Rescale(first.records, len(inputs))
    leaf = inputs.detach().clone().requires_grad_(True)
    with torch.enable_grad(), second:
        score = score_of(logits, leaf, target)
    (slope,) = torch.autograd.grad(score.sum(), leaf)
    scores = slope * (leaf.detach() - reference)
    change = score.detach() - start.detach()  # outside of the mode, in which nothing detaches
    missed = scores.double().flatten(1).sum(dim=1).to(change) - change
    return Ruled(scores, change, missed, tuple(sorted(second.unruled)), second.unseen(score))


@final
class _Recording(Interception):
    """The pass of the reference."""

    def __init__(self) -> None:
        super().__init__(_paired(self._record, self._quotient))
        self.records: deque[_Record] = deque()

    def _record(self, _: _PairedRule, call: Call) -> object:
        value = call.run()
        tensors, values = (
            [one.detach().clone() for one in tensors_in(part)] for part in (call.tensors, value)
        )  # copies: the model may change its own in place
        self.records.append(_Record(call.name, tensors, values))
        return value

    def _quotient(self, call: Call) -> object:
        with self:
            return _by_reciprocal(call)


@final
class _Rescale(Interception):
    """The pass of the input, whose slopes are changes over changes."""

    def __init__(self, records: deque[_Record], n: int) -> None:
        super().__init__(_paired(self._answer_with, self._quotient))
        self.records, self.n = records, n

    def _answer_with(self, rule: _PairedRule, call: Call) -> object | None:
        record = self.records.popleft() if self.records else None
        if record is None or not record.fits(call):
            self.unruled.add(f"{call.name} (other shapes at the reference)")
            return None
        return rule(_Pair(call, record.tensors, record.values, self.n))

    def _quotient(self, call: Call) -> object:
        with self:
            return _by_reciprocal(call)


class _Record(NamedTuple):
    """What a function was given and what it gave for the reference."""

    name: str
    tensors: list[Tensor]
    values: list[Tensor]

    def fits(self, call: Call) -> bool:
        shapes = [one.shape for one in self.tensors]
        return self.name == call.name and shapes == [one.shape for one in call.tensors]


@final
@dataclass(frozen=True)
class _Pair:
    """One call of a function, for the inputs and for the references."""

    call: Call
    start: list[Tensor]  # its tensors for the references
    values: list[Tensor]  # what it gave for them
    n: int  # inputs

    @property
    def places(self) -> list[int]:
        """Which of the call's tensors depend on the input."""
        return [i for i, one in enumerate(self.call.tensors) if one.requires_grad]

    @property
    def x(self) -> Tensor:
        """The only tensor that depends on the input."""
        (x,) = self.call.sources
        return x

    @property
    def x0(self) -> Tensor:
        """The same for the references."""
        (place,) = self.places
        return self.start[place]

    @property
    def y0(self) -> Tensor:
        """The value for the references."""
        return self.values[0]

    def y(self) -> Tensor:
        """Return the value for the inputs."""
        return tensors_in(self.call.value())[0]

    def moved(self) -> list[Tensor]:
        """Return by how much each tensor that depends on the input differs."""
        tensors = self.call.tensors
        return [finite(tensors[i].detach() - self.start[i]) for i in self.places]


_PairedRule: TypeAlias = Callable[[_Pair], object | None]
_Way: TypeAlias = Callable[[_PairedRule, Call], object | None]


def _paired(way: _Way, quotient: Rule) -> dict[Kind, Rule]:
    """Return the rules, each of which is reached in a certain way."""
    rules: dict[Kind, _PairedRule] = {
        "pointwise": _pointwise,
        "step": _step,
        "product": _product,
        "gate": _gate,
        "softmax": _softmax,
        "logsumexp": _logsumexp,
        "maximum": _maximum,
        "unknown": _unknown,
    }
    found: dict[Kind, Rule] = {"detach": _undetached, "quotient": quotient}
    for kind, rule in rules.items():
        found[kind] = partial(way, rule)
    return found


def _by_reciprocal(call: Call) -> object:
    """Return a quotient as a product of a pointwise function."""
    above, below = divided(call)
    assert isinstance(below, Tensor)
    return below.reciprocal() * above  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]


def _undetached(call: Call) -> Tensor:
    """Return the tensor itself: what a model says of its slopes does not matter to changes."""
    (x,) = call.sources
    return attached(x.detach().clone(), [x], lambda slope: [slope])


def _pointwise(pair: _Pair) -> Tensor:
    """Answer by change over change, or by the slope where both are as good as equal."""
    x, x0, y = pair.x.detach(), pair.x0, pair.y()
    dx = x - x0
    close = dx.abs() <= _CLOSE * torch.maximum(x.abs(), x0.abs())
    rate = (y - pair.y0) / dx
    if close.any():
        rate = torch.where(close, slope_of(pair.call, x0 + dx / 2), rate)
    rate, source = finite(rate), pair.x
    return attached(y, [source], lambda slope: [_like(slope * rate, source)])


def _step(pair: _Pair) -> Tensor:
    """Answer a rounding as if it were not there, and share out what it adds.

    A change over a change would be the noise of the rounding, many times as large.
    """
    y, moved, base = pair.y(), pair.moved(), rounding_slope(pair.call)
    dy = y - pair.y0
    return attached(y, [pair.x], lambda slope: _closed([base * slope], moved, slope * dy, pair.n))


def _product(pair: _Pair) -> Tensor:
    """Answer a polynomial by the mean of its slopes: for two factors, each gets one half."""
    nodes = (len(pair.places) + 1) // 2  # exact for a polynomial of that degree
    return attached(pair.y(), pair.call.sources, along_path(pair.call, pair.start, nodes))


def _gate(pair: _Pair) -> Tensor | None:
    """Answer a mask or a factor that is constant, but may be another one for the reference.

    At places where it is, whichever tensor changed most answers for the whole change.
    """
    y, sources = pair.y(), pair.call.sources
    changed = torch.zeros_like(y, dtype=torch.bool)
    for one, was in zip(pair.call.tensors, pair.start, strict=True):
        if not one.requires_grad and not torch.equal(one, was):
            changed = changed | (one != was)
    if not changed.any():
        return None
    dy = y - pair.y0
    moved = [one.expand_as(y) for one in pair.moved()]
    most = torch.stack([one.abs() for one in moved]).argmax(dim=0)
    rates = [
        torch.where(changed, finite(torch.where(most == i, dy / dx, 0.0)), own)
        for i, (dx, own) in enumerate(zip(moved, _own_slopes(pair.call, y), strict=True))
    ]

    def pull(slope: Tensor) -> list[Tensor]:
        return [_like(slope * rate, x) for rate, x in zip(rates, sources, strict=True)]

    return attached(y, sources, pull)


def _softmax(pair: _Pair) -> Tensor:
    """Answer exp(z - logsumexp z), or its exponent: a pointwise function of a path's mean."""
    y, z, z0, source = pair.y(), pair.x.detach(), pair.x0, pair.x
    dim = pair.call.argument(1, "dim", -1)
    assert isinstance(dim, int)
    shares, rate = mean_softmax(z, z0, dim), torch.ones_like(y)
    if pair.call.name == "softmax":
        log, log0 = z.log_softmax(dim), z0.log_softmax(dim)
        close = (log - log0).abs() < 1e-3  # there exp halfway misses by one in ten million
        rate = torch.where(close, (log / 2 + log0 / 2).exp(), (y - pair.y0) / (log - log0))
        rate = finite(rate)

    def pull(slope: Tensor) -> list[Tensor]:
        passed = slope * rate
        return [_like(passed - shares * passed.sum(dim, keepdim=True), source)]

    return attached(y, [source], pull)


def _logsumexp(pair: _Pair) -> object | None:
    source, dim = pair.x, pair.call.argument(1, "dim")
    if not isinstance(dim, int):
        return _unknown(pair)
    kept = pair.call.argument(2, "keepdim", False)
    shares = mean_softmax(source.detach(), pair.x0, dim)

    def pull(slope: Tensor) -> list[Tensor]:
        return [_like(shares * (slope if kept else slope.unsqueeze(dim)), source)]

    return attached(pair.y(), [source], pull)


def _maximum(pair: _Pair) -> object:
    """Answer by who holds the maximum: its rise goes to who has it now, its fall to who had it."""
    result, source = pair.call.value(), pair.x
    y, now, before = tensors_in(result)[0], source.detach().flatten(), pair.x0.flatten()
    held, held0 = holders(pair.call, source.detach()), holders(pair.call, pair.x0)
    high, same = torch.maximum(y, pair.y0), held == held0
    rise = torch.where(same, 1.0, _share(high - pair.y0, now[held] - before[held]))
    fall = torch.where(same, 0.0, _share(y - high, now[held0] - before[held0]))

    def pull(slope: Tensor) -> list[Tensor]:
        back = torch.zeros_like(now)
        for where, rate in ((held, rise), (held0, fall)):
            back = back.index_add(0, where.flatten(), (slope * rate).to(back).flatten())
        return [back.view(source.shape)]

    return _with_first(result, attached(y, [source], pull))


def _share(change: Tensor, moved: Tensor) -> Tensor:
    """Return change / moved, which lies in [0, 1]; 0 where nothing changed."""
    return finite(torch.where(change == 0, 0.0, change / moved)).clamp(0, 1)


def _unknown(pair: _Pair) -> object | None:
    """Answer any function by the mean of its slopes along a path, and share out the rest."""
    result = pair.call.value()
    if not (isinstance(result, Tensor) or _is_values_and_places(result)):
        return None
    y, moved = tensors_in(result)[0], pair.moved()
    dy, path = y - pair.y0, along_path(pair.call, pair.start, NODES)

    def pull(slope: Tensor) -> list[Tensor]:
        return _closed(path(slope), moved, slope * dy, pair.n)

    return _with_first(result, attached(y, pair.call.sources, pull))


def _closed(
    slopes: Sequence[Tensor], moved: Sequence[Tensor], owed: Tensor, n: int
) -> list[Tensor]:
    """Return slopes changed as little as possible so that each input's scores add up.

    Parameters
    ----------
    slopes, moved : sequence of Tensor
        Per source: slopes, and changes from the reference. Where their first dimension cannot be
        made of the inputs, nothing is changed.
    owed : Tensor
        What the scores are to add up to, summed over each input.
    n : int
        Inputs.
    """
    if any(one.ndim == 0 or len(one) % n for one in (*moved, owed)):
        return list(slopes)
    rows = [one.reshape(n, -1) for one in moved]
    had = torch.stack([(s.reshape(n, -1) * r).sum(1) for s, r in zip(slopes, rows, strict=True)])
    length = torch.stack([(row * row).sum(1) for row in rows]).sum(0)
    more = finite((finite(owed).reshape(n, -1).sum(1) - had.sum(0)) / length)  # (n,)
    return [
        slope + (more[:, None] * row).view(slope.shape)
        for slope, row in zip(slopes, rows, strict=True)
    ]


def _is_values_and_places(result: object) -> bool:
    """Return whether a function gave floats and then whole numbers, such as `Tensor.sort`."""
    found = [one.is_floating_point() for one in tensors_in(result)]
    return isinstance(result, tuple) and found == [True, False]


def _with_first(result: object, first: Tensor) -> object:
    """Return what a function gave, with its first tensor replaced."""
    if isinstance(result, Tensor):
        return first
    assert isinstance(result, tuple)
    rest: tuple[object, ...] = result[1:]
    kind: Callable[[tuple[object, ...]], object] = type(result)  # such as torch.return_types.max
    return kind((first, *rest))


def _own_slopes(call: Call, y: Tensor) -> list[Tensor]:
    """Return the slope of each place of a gate to that place of its sources."""
    with torch.enable_grad():
        tensors = [
            one.detach().expand_as(y).clone().requires_grad_(True) if one.requires_grad else one
            for one in call.tensors
        ]
        leaves = [one for one in tensors if one.requires_grad]
        (value,) = tensors_in(call.at(tensors))
        return list(torch.autograd.grad(value.sum(), leaves, materialize_grads=True))


def _like(slope: Tensor, source: Tensor) -> Tensor:
    """Return a slope of the shape of its source, which may have been broadcast."""
    return slope.sum_to_size(source.shape).to(source.dtype)
