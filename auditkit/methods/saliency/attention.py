"""Which tokens a transformer attends to, layer by layer, and the slope of a score there.

Attention is found by watching functions while the network runs, not modules: the fused function of
torch, `MultiheadAttention` and attention that is written out are seen alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import FunctionType
from typing import Literal, NamedTuple, TypeAlias, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from auditkit.methods.saliency.rules import bare_name, tensors_in
from auditkit.methods.saliency.scores import score_of
from auditkit.methods.saliency.slopes import slopes_at
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.models.classifier import Logits

# Who looks at whom: the tokens of the input at each other; the tokens that are written, or a
# query that is learnt, at those of the input; the written ones at each other.
LayerKind: TypeAlias = Literal["self", "cross", "written"]

_SOFTMAX = frozenset({"softmax"})
_PRODUCTS = frozenset({"matmul", "bmm", "einsum", "baddbmm"})
_SAME_NUMBERS = frozenset(  # what may happen to the weights between the softmax and the product
    {
        "to", "type", "type_as", "float", "half", "bfloat16", "double", "dropout", "contiguous",
        "clone", "view", "reshape", "expand", "flatten", "unflatten", "unsqueeze", "squeeze",
        "transpose", "permute", "swapaxes", "nan_to_num", "masked_fill", "get",
    }
)  # fmt: skip
_SAME_SHAPE = frozenset({"mul", "div", "truediv"})  # heads or tokens weighed once more


class Layer(NamedTuple):
    """One layer of attention: n inputs, q queries, s keys."""

    weights: Tensor  # (n, heads, q, s), each row adds up to 1
    slopes: Tensor  # (n, heads, q, s), of the explained score
    kind: LayerKind


@final
@dataclass(frozen=True, kw_only=True)
class Attended:
    """All attention that leads to a score.

    Parameters
    ----------
    layers : tuple of Layer
        In the order in which they ran.
    read : Tensor
        (n, q) share of each query of the last layer in the answer: one for the token that the
        answer is read from, equal shares where it is read from several.
    read_from : str
        The same in words.
    """

    layers: tuple[Layer, ...]
    read: Tensor
    read_from: str

    @property
    def tokens(self) -> int:
        """Tokens of the input, t."""
        return self.layers[0].weights.shape[3]

    @property
    def answering(self) -> int | None:
        """The one token of the input that the answer is read from, if it is one alone."""
        where = self.read.gt(0).any(dim=0).nonzero()[:, 0].tolist()
        alone = len(where) == 1 and self.layers[-1].kind == "self"
        return int(where[0]) if alone else None

    def seen_from_answer(self, relevance: Tensor) -> Tensor:
        """Return what the answer has of each token, (n, t), of relevance (n, q, t)."""
        return (self.read[:, :, None] * relevance).sum(dim=1)


def attended(logits: Logits, inputs: Tensor, target: Tensor) -> Attended | Unsuited:
    """Return the attention of every layer and the slope of the target logit there.

    Which tokens the answer is read from is known by the slopes: behind the last layer each token
    is treated alone, so that of the queries there only those that are read have any.

    Parameters
    ----------
    logits : callable
        Maps inputs (n, ...) to (n, k); within it a transformer runs once.
    inputs : Tensor
        Images (n, c, h, w) or embeddings (n, t, d).
    target : Tensor
        (n,) class whose logit is explained.

    Returns
    -------
    Attended or Unsuited
        `Unsuited` where no attention between tokens is seen, or where its layers do not follow on
        each other.
    """
    leaf = inputs.detach().clone().requires_grad_(True)
    tap = AttentionTap()
    with torch.enable_grad(), tap:
        score = score_of(logits, leaf, target).sum()
    if not tap.maps:
        return Unsuited("no attention between tokens was seen while the model ran")
    slopes = slopes_at(score, tap.maps)
    used = list(zip(tap.maps, slopes, strict=True))
    used = [one for one in used if one[1] is not None] or used  # the rest leads elsewhere
    reason = _why_no_chain([one for one, _ in used], len(inputs))
    if reason:
        return Unsuited(reason)
    layers = tuple(_layers(used, len(inputs)))
    read, read_from = _read(layers[-1])
    return Attended(layers=layers, read=read, read_from=read_from)


@final
class AttentionTap(TorchFunctionMode):
    """Within the block, every attention leaves its weights in `maps`, joined to the graph.

    The fused function is replaced by the same written out, so that outputs are the same up to
    rounding. Nothing is patched: other threads and the model see nothing of it.

    Attributes
    ----------
    maps : list of Tensor
        (n, heads, q, s), or (n * heads, q, s) as some networks have it, in the order of use. A
        gradient with respect to each exists, unless the network itself forbids gradients.

    Examples
    --------
    >>> tokens = torch.zeros(1, 2, 3, 4)
    >>> with AttentionTap() as tap:
    ...     _ = functional.scaled_dot_product_attention(tokens, tokens, tokens)
    >>> tap.maps[0][0, 0, 0].tolist()
    [0.3333333432674408, 0.3333333432674408, 0.3333333432674408]
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []
        self._weights: list[tuple[Tensor, Tensor]] = []  # (as it is now, as the softmax made it)

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Call the function, or its counterpart that shows its weights."""
        kwargs = kwargs or {}
        if bare_name(func) == "scaled_dot_product_attention":
            return self._attend(*args, **kwargs)  # pyright: ignore[reportArgumentType]
        if func is functional.multi_head_attention_forward:
            return self._multi_head(*args, **kwargs)
        output = func(*args, **kwargs)
        name = bare_name(func)
        if name in _PRODUCTS:
            self._note_product(args, kwargs)
        elif isinstance(output, Tensor) and output.ndim >= 3:
            if name in _SOFTMAX and _along_last(output, args, kwargs):
                return self._candidate(output)
            self._follow(name, args, output)
        return output

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Scaled dot product attention as torch defines it, written out."""
        if enable_gqa:  # several heads of queries share one of keys
            key, value = (
                one.repeat_interleave(query.shape[-3] // one.shape[-3], -3) for one in (key, value)
            )
        factor = query.shape[-1] ** -0.5 if scale is None else scale
        scores = query @ key.transpose(-2, -1) * factor
        if is_causal:
            attn_mask = scores.new_ones(scores.shape[-2:], dtype=torch.bool).tril()
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -torch.inf)
        elif attn_mask is not None:
            scores = scores + attn_mask
        nothing = (scores == -torch.inf).all(dim=-1, keepdim=True)  # a query that may look nowhere
        weights = scores.masked_fill(nothing, 0.0).softmax(dim=-1).masked_fill(nothing, 0.0)
        kept, weights = _differentiable(weights)
        self.maps.append(kept)
        return functional.dropout(weights, dropout_p) @ value

    def _multi_head(self, *args: object, **kwargs: object) -> tuple[Tensor, Tensor | None]:
        """Run torch's own function on the attention above.

        It is compiled code with a fused path inside, where a mode does not look, so a copy of the
        function runs whose names lead here.
        """
        asked = functional.multi_head_attention_forward
        names = {
            **asked.__globals__,
            "has_torch_function": lambda _: False,  # pyright: ignore[reportUnknownLambdaType]
            "scaled_dot_product_attention": self._attend,
        }
        copy = FunctionType(asked.__code__, names, asked.__name__, asked.__defaults__)
        wants_weights = kwargs.get("need_weights", True)
        if wants_weights and kwargs.get("attn_mask") is not None:
            kwargs["is_causal"] = False  # only a hint; the path with weights goes by the mask
        before = len(self.maps)
        output, _ = copy(*args, **{**kwargs, "need_weights": False})
        if not wants_weights or len(self.maps) == before:
            return output, None
        weights = self.maps[-1]  # (n, heads, q, s)
        if kwargs.get("average_attn_weights", True):
            weights = weights.mean(dim=1)
        return output, weights if output.ndim == 3 else weights[0]

    def _candidate(self, weights: Tensor) -> Tensor:
        kept, weights = _differentiable(weights)
        self._weights.append((weights, kept))
        return weights

    def _follow(self, name: str, args: Sequence[object], output: Tensor) -> None:
        """Remember that `output` still holds the weights that the first argument held."""
        source = args[0] if args else None
        origin = self._origin(source)
        if origin is None or not isinstance(source, Tensor):
            return
        same_shape = name in _SAME_SHAPE and output.shape == source.shape and output.ndim == 4
        if same_shape or (name in _SAME_NUMBERS and output.numel() == source.numel()):
            self._weights.append((output, origin))

    def _note_product(self, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        """Weights that something is multiplied with are attention; others were gates."""
        for one in tensors_in([*args, *kwargs.values()]):
            origin = self._origin(one)
            if origin is not None and not any(origin is known for known in self.maps):
                self.maps.append(origin)

    def _origin(self, value: object) -> Tensor | None:
        return next((origin for now, origin in self._weights if now is value), None)


def _differentiable(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights to keep and weights to go on with, made from the former.

    Weights that do not depend on the input get a slope too. What goes on is a copy then: a network
    may write into it, which is not allowed in a leaf.
    """
    if weights.requires_grad or not torch.is_grad_enabled():
        return weights, weights
    kept = weights.detach().requires_grad_(True)
    return kept, kept.clone()


def _along_last(output: Tensor, args: Sequence[object], kwargs: Mapping[str, object]) -> bool:
    dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
    return dim in (-1, output.ndim - 1)


def _why_no_chain(maps: Sequence[Tensor], n: int) -> str:
    """Return why layers of attention do not follow on each other, or an empty text."""
    if any(
        one.ndim not in (3, 4) or len(one) % n or (one.ndim == 4 and len(one) != n) for one in maps
    ):
        return "attention is confined to windows, so that no layer sees all tokens"
    tokens = maps[0].shape[-1]
    kinds = [_kind(one, tokens) for one in maps]
    if None in kinds:
        return "the number of tokens changes from layer to layer"
    chain = [one for one, kind in zip(maps, kinds, strict=True) if kind == "self"]
    if not all(_depends(late, early) for early, late in pairwise(chain)):
        return "its layers of attention do not follow on each other, as in two towers of tokens"
    return ""


def _kind(weights: Tensor, tokens: int) -> LayerKind | None:
    queries, keys = weights.shape[-2:]
    if keys == tokens:
        return "self" if queries == tokens else "cross"
    return "written" if queries == keys else None


def _depends(late: Tensor, early: Tensor) -> bool:
    if not late.requires_grad:
        return not early.requires_grad  # the network forbids gradients: nothing can be known
    if not early.requires_grad:
        return True
    return slopes_at(late.sum(), [early])[0] is not None


def _layers(used: Sequence[tuple[Tensor, Tensor | None]], n: int) -> Iterator[Layer]:
    tokens = used[0][0].shape[-1]
    for weights, slopes in used:
        kind = _kind(weights, tokens)
        assert kind is not None  # seen to by `_why_no_chain`
        known = torch.zeros_like(weights) if slopes is None else slopes
        yield Layer(_per_head(weights.detach(), n), _per_head(known, n), kind)


def _per_head(weights: Tensor, n: int) -> Tensor:
    """Return (n, heads, q, s) of that or of (n * heads, q, s)."""
    return weights.unflatten(0, (n, -1)) if weights.ndim == 3 else weights


def _read(last: Layer) -> tuple[Tensor, str]:
    """Return the share (n, q) of each query in the answer, and where it is read from in words."""
    read = last.slopes.ne(0).any(dim=3).any(dim=1)  # (n, q)
    blind = ~read.any(dim=1)
    read[blind] = True
    shares = read / read.sum(dim=1, keepdim=True)
    if last.kind != "self":
        return shares, "a query of its own"
    if blind.all():
        return shares, "all tokens, as no slope tells which"
    if bool((read.sum(dim=1) == 1).all()):
        first = bool(read[:, 0].all())
        return shares, "the first token" if first else "one token of each input"
    return shares, "the mean of several tokens"
