"""DeepLIFT: the change of a class score from a reference, handed back from function to function.

Shrikumar et al., 2017, arXiv:1704.02685, section 3: the rescale rule. What that paper leaves open
is filled so that each function hands back exactly its change: products of two paths share theirs
in halves, a maximum is shared between those who held it before and after (as in Lundberg's SHAP),
and a softmax by the mean of its slopes along the straight path between the two inputs (Aumann and
Shapley, 1974), closed by the smallest correction that makes it exact.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from auditkit.methods.saliency.rules import (
    STEPS,
    Call,
    Interception,
    Pull,
    Ruled,
    attached,
    finite,
    slope_of,
    tensors_in,
)
from auditkit.methods.saliency.scores import score_of
from auditkit.models.classifier import Logits

_NODES = 16  # of a path through a softmax, or through a function without a rule
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
    scores, change, delta = (torch.cat([part[i] for part in parts]) for i in range(3))
    return Ruled(scores, change, delta, tuple(sorted({x for part in parts for x in part.unruled})))


def _some(logits: Logits, inputs: Tensor, reference: Tensor, target: Tensor) -> Ruled:
    first = _Recording()
    with torch.enable_grad(), first:
        start = score_of(logits, reference.detach().clone().requires_grad_(True), target).detach()
    second = _Rescale(first.records, len(inputs))
    leaf = inputs.detach().clone().requires_grad_(True)
    with torch.enable_grad(), second:
        score = score_of(logits, leaf, target)
    (slope,) = torch.autograd.grad(score.sum(), leaf)
    scores = slope * (leaf.detach() - reference)
    change = score.detach() - start
    missed = scores.double().flatten(1).sum(dim=1).to(change.device) - change
    return Ruled(scores, change, missed.to(change), tuple(sorted(second.unruled)))


@dataclass(frozen=True, kw_only=True)
class _Record:
    """What a function was given and what it gave for the reference."""

    name: str
    tensors: list[Tensor]
    values: list[Tensor]

    def fits(self, call: Call) -> bool:
        now = [one.shape for one in call.tensors]
        return self.name == call.name and now == [one.shape for one in self.tensors]


class _Paired(Interception):
    """What both passes have in common: which functions are paired, and how they are split."""

    def paired(self, call: Call) -> object | None:
        raise NotImplementedError

    pointwise = product = gate = softmax = logsumexp = maximum = unknown = paired  # pyright: ignore[reportAssignmentType]

    def detached(self, call: Call) -> Tensor:
        """Return the tensor: what is said of slopes does not matter to changes."""
        (x,) = call.sources
        return attached(x.detach().clone(), [x], lambda slope: [slope])

    def quotient(self, above: object, below: Tensor) -> object:
        """Return above times the reciprocal: a product and a pointwise function."""
        return torch.reciprocal(below) * above  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]


@final
class _Recording(_Paired):
    """The pass of the reference."""

    def __init__(self) -> None:
        super().__init__()
        self.records: deque[_Record] = deque()

    def paired(self, call: Call) -> object:
        value = call.run()
        self.records.append(
            _Record(
                name=call.name,
                tensors=[one.detach().clone() for one in call.tensors],
                values=[one.detach().clone() for one in tensors_in(value)],
            )
        )
        return value

    pointwise = product = gate = softmax = logsumexp = maximum = unknown = paired  # pyright: ignore[reportAssignmentType]


@final
class _Rescale(_Paired):
    """The pass of the input, whose slopes are changes over changes."""

    def __init__(self, records: deque[_Record], n: int) -> None:
        super().__init__()
        self.records, self.n = records, n

    def _partner(self, call: Call) -> _Record | None:
        """Return what the same call met for the reference, unless the two passes differ."""
        record = self.records.popleft() if self.records else None
        if record is None or not record.fits(call):
            self.unruled.add(f"{call.name} (other shapes at the reference)")
            return None
        return record

    def pointwise(self, call: Call) -> Tensor | None:
        record = self._partner(call)
        if record is None:
            return None
        (x,) = call.sources
        (place,) = _places(call)
        y, y0, x0 = _value(call), record.values[0], record.tensors[place]
        if call.name in STEPS:
            return self._step(call, x, x.detach() - x0, y, y - y0)
        rate = _rate(call, x.detach(), x0, y, y0)
        return attached(y, [x], lambda slope: [_like(slope * rate, x)])

    def _step(self, call: Call, x: Tensor, dx: Tensor, y: Tensor, dy: Tensor) -> Tensor:
        """Answer a rounding as if it were not there, and share out what it adds.

        A change over a change would be the noise of the rounding, many times as large.
        """
        base = 0.0 if call.name in ("sign", "sgn") else 1.0

        def pull(slope: Tensor) -> list[Tensor]:
            return self._closed([base * slope], [dx], slope * dy)

        return attached(y, [x], pull)

    def _closed(self, slopes: list[Tensor], moved: list[Tensor], owed: Tensor) -> list[Tensor]:
        """Return slopes changed as little as possible so that each input's scores add up.

        Parameters
        ----------
        slopes, moved : list of Tensor
            Per source: slopes, and changes from the reference; the first dimension is made of
            the n inputs, otherwise nothing is changed.
        owed : Tensor
            What the scores are to add up to, summed over each input.
        """
        if any(one.ndim == 0 or len(one) % self.n for one in (*moved, owed)):
            return slopes
        moved = [finite(one) for one in moved]
        rows = [one.reshape(self.n, -1) for one in moved]
        had = sum((a.reshape(self.n, -1) * b).sum(1) for a, b in zip(slopes, rows, strict=True))
        length = sum((one * one).sum(1) for one in rows)
        more = finite((finite(owed).reshape(self.n, -1).sum(1) - had) / length)  # (n,)
        return [
            one + (more[:, None] * row).view(one.shape)
            for one, row in zip(slopes, rows, strict=True)
        ]

    def product(self, call: Call) -> Tensor | None:
        record = self._partner(call)
        if record is None:
            return None
        nodes = (len(call.sources) + 1) // 2  # exact for a polynomial of that degree
        return attached(_value(call), call.sources, _along_path(call, record, nodes))

    def unknown(self, call: Call) -> object | None:
        record = self._partner(call)
        result = call.value()
        if record is None or not (isinstance(result, Tensor) or _is_values_and_places(result)):
            return None
        y = tensors_in(result)[0]
        path = _along_path(call, record, _NODES)
        moved = [x.detach() - record.tensors[i] for i, x in _sources(call)]
        dy = y - record.values[0]

        def pull(slope: Tensor) -> list[Tensor]:
            return self._closed(path(slope), moved, slope * dy)

        return _with_first(result, attached(y, call.sources, pull))

    def gate(self, call: Call) -> Tensor | None:
        """Answer a mask or a product with constants, which may differ from the reference's.

        At places where they do, whichever tensor changed most answers for the whole change.
        """
        record = self._partner(call)
        if record is None:
            return None
        y, sources = _value(call), call.sources
        changed = torch.zeros_like(y, dtype=torch.bool)
        for one, was in zip(call.tensors, record.tensors, strict=True):
            if not one.requires_grad and not torch.equal(one, was):
                changed = changed | (one != was)
        if not changed.any():
            return None
        dy = y - record.values[0]
        moved = [finite(x.detach() - record.tensors[i]).expand_as(y) for i, x in _sources(call)]
        most = torch.stack([one.abs() for one in moved]).argmax(dim=0)
        rates = [
            torch.where(changed, finite(torch.where(most == i, dy / dx, 0.0)), own)
            for i, (dx, own) in enumerate(zip(moved, _own_slopes(call, y), strict=True))
        ]

        def pull(slope: Tensor) -> list[Tensor]:
            return [_like(slope * rate, x) for rate, x in zip(rates, sources, strict=True)]

        return attached(y, sources, pull)

    def softmax(self, call: Call) -> Tensor | None:
        """Answer exp(z - logsumexp z), or its exponent: the first factor is a rescale rule."""
        record = self._partner(call)
        if record is None:
            return None
        (x,) = call.sources
        dim = call.argument(1, "dim", -1)
        assert isinstance(dim, int)
        z, z0 = x.detach(), record.tensors[0]
        y, shares = _value(call), _mean_softmax(z, z0, dim)
        if call.name == "softmax":
            log, log0 = z.log_softmax(dim), z0.log_softmax(dim)
            close = (log - log0).abs() < 1e-3  # exp is as good as straight there
            rate = torch.where(close, (log / 2 + log0 / 2).exp(), (y - record.values[0]) / (log - log0))
            rate = finite(rate)
        else:
            rate = torch.ones_like(y)

        def pull(slope: Tensor) -> list[Tensor]:
            passed = slope * rate
            return [_like(passed - shares * passed.sum(dim, keepdim=True), x)]

        return attached(y, [x], pull)

    def logsumexp(self, call: Call) -> Tensor | None:
        record = self._partner(call)
        dim = call.argument(1, "dim")
        if record is None or not isinstance(dim, int):
            return None
        (x,) = call.sources
        kept = call.argument(2, "keepdim", False)
        shares = _mean_softmax(x.detach(), record.tensors[0], dim)
        return attached(
            _value(call),
            [x],
            lambda slope: [_like(shares * (slope if kept else slope.unsqueeze(dim)), x)],
        )

    def maximum(self, call: Call) -> object | None:
        """Answer a maximum: who rises to it gets its rise, who falls from it its fall."""
        record = self._partner(call)
        if record is None:
            return None
        (x,) = call.sources
        now, before = x.detach().flatten(), record.tensors[0].flatten()
        result = call.value()
        y, y0 = tensors_in(result)[0], record.values[0]
        held, held0 = _holders(call, x.detach()), _holders(call, record.tensors[0])
        high = torch.maximum(y, y0)
        rise = _share(high - y0, now[held] - before[held], held == held0)
        fall = _share(y - high, now[held0] - before[held0], torch.zeros_like(held == held0))
        rise = torch.where(held == held0, 1.0, rise)
        fall = torch.where(held == held0, 0.0, fall)

        def pull(slope: Tensor) -> list[Tensor]:
            back = torch.zeros_like(now)
            back = back.index_add(0, held.flatten(), (slope * rise).to(back).flatten())
            back = back.index_add(0, held0.flatten(), (slope * fall).to(back).flatten())
            return [back.view_as(x)]

        return _with_first(result, attached(y, [x], pull))


def _is_values_and_places(result: object) -> bool:
    """Return whether a function gave floats and then whole numbers, such as `Tensor.sort`."""
    found = tensors_in(result)
    return isinstance(result, tuple) and [one.is_floating_point() for one in found] == [True, False]


def _with_first(result: object, first: Tensor) -> object:
    """Return what a function gave, with its first tensor replaced."""
    if isinstance(result, Tensor):
        return first
    assert isinstance(result, tuple)
    named = type(result) is not tuple  # such as torch.return_types.max  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return type(result)((first, *result[1:])) if named else (first, *result[1:])  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def _share(change: Tensor, moved: Tensor, same: Tensor) -> Tensor:
    """Return change / moved, which lies in [0, 1]; 0 where nothing moved."""
    return finite(torch.where(change == 0, 0.0, change / moved)).clamp(0, 1)


def _holders(call: Call, x: Tensor) -> Tensor:
    """Return where in the flattened tensor each of its maxima stands."""
    where = torch.arange(x.numel(), device=x.device).view(x.shape)
    if "pool" in call.name:
        n_spatial = int(call.name[-2])
        return _pooled(call, x, where, n_spatial)
    dim, kept = call.argument(1, "dim", ()), call.argument(2, "keepdim", False)
    dims = [dim] if isinstance(dim, int) else list(dim or range(x.ndim))  # pyright: ignore[reportUnknownVariableType, reportArgumentType, reportCallIssue]
    dims = sorted(one % x.ndim for one in dims) if x.ndim else []
    rest = [one for one in range(x.ndim) if one not in dims]
    best = x.permute(*rest, *dims).flatten(len(rest)).argmax(-1, keepdim=True)
    places = where.permute(*rest, *dims).flatten(len(rest)).gather(-1, best).squeeze(-1)
    if kept:
        for one in dims:
            places = places.unsqueeze(one)
    return places


def _pooled(call: Call, x: Tensor, where: Tensor, n_spatial: int) -> Tensor:
    pool = getattr(functional, call.name)
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    names = ("output_size",) if call.name.startswith("adaptive") else names
    given = dict(zip(names, call.args[1:], strict=False))
    given |= {name: call.kwargs[name] for name in names if name in call.kwargs}
    _, places = pool(x, **given, return_indices=True)  # within each plane
    lead = where.flatten(-n_spatial)[..., :1]  # (..., 1) where each plane begins
    return (places.flatten(-n_spatial) + lead).view(places.shape)


def _along_path(call: Call, record: _Record, nodes: int) -> Pull:
    """Return the mean slopes along the straight path from the reference."""
    now = [one.detach().clone() for one in call.tensors]  # the caller may change them later
    sources, places = call.sources, _places(call)

    def pull(slope: Tensor) -> list[Tensor]:
        total = [torch.zeros_like(one) for one in sources]
        for t, weight in _gauss_legendre(nodes):
            point = [_between(was, one, t) for one, was in zip(now, record.tensors, strict=True)]
            leaves = [point[i].requires_grad_(True) for i in places]
            with torch.enable_grad():
                value = tensors_in(call.at(point))[0]
                slopes = torch.autograd.grad(value, leaves, slope, allow_unused=True)
            for part, one in zip(total, slopes, strict=True):
                if one is not None:
                    part += weight * finite(one)
        return total

    return pull


def _gauss_legendre(nodes: int) -> list[tuple[float, float]]:
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return [(float((x + 1) / 2), float(w / 2)) for x, w in zip(points, weights, strict=True)]


def _between(start: Tensor, end: Tensor, t: float) -> Tensor:
    if not end.is_floating_point():
        return end
    return torch.where(start == end, end, start + t * (end - start))


def _mean_softmax(z: Tensor, z0: Tensor, dim: int) -> Tensor:
    """Return weights w whose products with z - z0 add up to the change of logsumexp; sum(w) = 1."""
    moved = finite(z - z0)  # masked places, at minus infinity in both, do not move
    shares = torch.zeros_like(z)
    for t, weight in _gauss_legendre(_NODES):
        shares += weight * _between(z0, z, t).softmax(dim)
    change = z.logsumexp(dim, keepdim=True) - z0.logsumexp(dim, keepdim=True)
    mean = (shares * moved).sum(dim, keepdim=True)
    away = shares * (moved - mean)
    spread = (away * moved).sum(dim, keepdim=True)
    return shares + away * finite((change - mean) / spread)


def _rate(call: Call, x: Tensor, x0: Tensor, y: Tensor, y0: Tensor) -> Tensor:
    """Return (y - y0) / (x - x0), the slope where both are as good as equal."""
    dx = x - x0
    close = dx.abs() <= _CLOSE * torch.maximum(x.abs(), x0.abs())
    rate = (y - y0) / dx
    if close.any():
        rate = torch.where(close, slope_of(call, x0 + dx / 2), rate)
    return finite(rate)


def _own_slopes(call: Call, y: Tensor) -> list[Tensor]:
    """Return the slope of each place of a function in `GATES` to that place of its sources."""
    with torch.enable_grad():
        tensors = [
            one.detach().expand_as(y).clone().requires_grad_(True) if one.requires_grad else one
            for one in call.tensors
        ]
        leaves = [one for one in tensors if one.requires_grad]
        value = call.at(tensors)
        assert isinstance(value, Tensor)
        return list(torch.autograd.grad(value.sum(), leaves, materialize_grads=True))


def _value(call: Call) -> Tensor:
    value = call.value()
    assert isinstance(value, Tensor)
    return value


def _places(call: Call) -> list[int]:
    """Return which of the call's tensors depend on the input."""
    return [i for i, one in enumerate(call.tensors) if one.requires_grad]


def _sources(call: Call) -> list[tuple[int, Tensor]]:
    return [(i, one) for i, one in enumerate(call.tensors) if one.requires_grad]


def _like(slope: Tensor, source: Tensor) -> Tensor:
    """Return a slope of the shape of its source, which may have been broadcast."""
    return slope.sum_to_size(source.shape).to(source.dtype)
