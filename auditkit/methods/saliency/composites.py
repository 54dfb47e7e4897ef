"""Functions of torch that are made of others, written out, so that rules reach their parts."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return scaled-dot-product attention (..., t, d) of query (..., t, d), key, value (..., s, d).

    See `torch.nn.functional.scaled_dot_product_attention`.
    """
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = (one.repeat_interleave(repeats, dim=-3) for one in (key, value))
    fits = query @ key.transpose(-2, -1) * (scale or query.shape[-1] ** -0.5)  # (..., t, s)
    weights = _masked(fits, attn_mask, causal=is_causal).softmax(dim=-1)
    return functional.dropout(weights, dropout_p) @ value


def _masked(fits: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    if causal:
        allowed = torch.ones(fits.shape[-2:], dtype=torch.bool, device=fits.device).tril()
        fits = fits.masked_fill(~allowed, -math.inf)
    if mask is None:
        return fits
    return fits.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else fits + mask


def multi_head_attention(*args: object, **kwargs: object) -> object:
    """Return tokens (t, n, d), or (t, d), and weights; see `nn.MultiheadAttention`.

    Arguments are those of `torch.nn.functional.multi_head_attention_forward`. Static keys, added
    zeros and key biases, which hardly anyone uses, are left alone.
    """
    bound = _MULTI_HEAD.bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    rare = ("bias_k", "bias_v", "static_k", "static_v")
    if given["add_zero_attn"] or any(given[name] is not None for name in rare):
        return NotImplemented
    query, key, value = given["query"], given["key"], given["value"]
    batched = query.ndim == 3
    if not batched:
        query, key, value = (one.unsqueeze(1) for one in (query, key, value))
    heads: int = given["num_heads"]
    weights, biases = _projections(given)
    projected = [
        _per_head(functional.linear(one, weight, bias), heads)
        for one, weight, bias in zip((query, key, value), weights, biases, strict=True)
    ]  # each (n, heads, t or s, d / heads)
    q, k, v = projected
    fits = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
    fits = _with_masks(fits, given["attn_mask"], given["key_padding_mask"])
    shares = fits.softmax(dim=3)  # (n, heads, t, s)
    kept = functional.dropout(shares, given["dropout_p"], given["training"])
    mixed = (kept @ v).permute(2, 0, 1, 3).flatten(2)  # (t, n, d)
    result = functional.linear(mixed, given["out_proj_weight"], given["out_proj_bias"])
    shown = kept.mean(dim=1) if given["average_attn_weights"] else kept
    if not batched:
        result, shown = result.squeeze(1), shown.squeeze(0)
    return result, shown if given["need_weights"] else None


_MULTI_HEAD = inspect.signature(functional.multi_head_attention_forward)


def _projections(given: dict[str, object]) -> tuple[list[Tensor], list[Tensor | None]]:
    """Return weights and biases for query, key and value."""
    if given["use_separate_proj_weight"]:
        weights = [given[f"{one}_proj_weight"] for one in "qkv"]
    else:
        joint = given["in_proj_weight"]
        assert isinstance(joint, Tensor)
        weights = list(joint.chunk(3))
    bias = given["in_proj_bias"]
    biases: list[Tensor | None] = [None] * 3
    if isinstance(bias, Tensor):
        biases = [*bias.chunk(3)]
    return [one for one in weights if isinstance(one, Tensor)], biases


def _per_head(x: Tensor, heads: int) -> Tensor:
    """Split (t, n, d) into (n, heads, t, d / heads)."""
    return x.unflatten(2, (heads, -1)).permute(1, 2, 0, 3)


def _with_masks(fits: Tensor, mask: Tensor | None, padding: Tensor | None) -> Tensor:
    """Return (n, heads, t, s) less what may not be looked at; here True means forbidden."""
    if mask is not None:
        n, heads, t, s = fits.shape
        mask = mask.view(n, heads, t, s) if mask.ndim == 3 else mask
        fits = fits.masked_fill(mask, -math.inf) if mask.dtype == torch.bool else fits + mask
    if padding is None:
        return fits
    padding = padding.reshape(fits.shape[0], 1, 1, -1)
    if padding.dtype == torch.bool:
        return fits.masked_fill(padding, -math.inf)
    return fits + padding


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Tensor:
    """Return a tensor less its mean over the last dimensions, over its deviation there."""
    shape = [normalized_shape] if isinstance(normalized_shape, int) else normalized_shape
    return _affine(_standardised(x, tuple(range(-len(shape), 0)), eps), weight, bias)


def rms_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Return a tensor over its root mean square in the last dimensions."""
    dims = tuple(range(-len(normalized_shape), 0))
    least = torch.finfo(x.dtype).eps if eps is None else eps
    return _affine(x / (x.square().mean(dims, keepdim=True) + least).sqrt(), weight, None)


def group_norm(
    x: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Tensor:
    """Return (n, c, ...) less the mean of each group of channels, over its deviation."""
    grouped = x.reshape(len(x), num_groups, -1)
    normal = _standardised(grouped, (2,), eps).reshape(x.shape)
    return _per_channel(normal, weight, bias)


def instance_norm(
    x: Tensor,
    *others: object,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    eps: float = 1e-5,
    **_: object,
) -> object:
    """Return (n, c, ...) less the mean of each channel of each input, over its deviation."""
    if others:  # another function of that name, with its arguments in another order
        return NotImplemented
    if not use_input_stats:
        return functional.batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    normal = _standardised(x, tuple(range(2, x.ndim)), eps)
    return _per_channel(normal, weight, bias)


def _standardised(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    centre = x - x.mean(dims, keepdim=True)
    return centre / (centre.square().mean(dims, keepdim=True) + eps).sqrt()


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _per_channel(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return _affine(
        x,
        None if weight is None else weight.view(shape),
        None if bias is None else bias.view(shape),
    )


def normalize(
    x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> object:
    """Return a tensor over its Euclidean length along a dimension."""
    if p != 2 or out is not None:
        return NotImplemented
    return x / x.square().sum(dim, keepdim=True).sqrt().clamp_min(eps)


def glu(x: Tensor, dim: int = -1) -> Tensor:
    """Return the first half along a dimension, gated by the second."""
    shown, gate = x.chunk(2, dim)
    return shown * gate.sigmoid()


def addmm(x: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Return beta x + alpha a @ b."""
    return beta * x + alpha * (a @ b)


def addcmul(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    """Return x + value a b."""
    return x + value * (a * b)


def addcdiv(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    """Return x + value a / b."""
    return x + value * (a / b)


def lerp(x: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """Return what lies between two tensors."""
    return x + weight * (end - x)


def maximum(x: Tensor, other: Tensor | None = None, *args: object, **kwargs: object) -> object:
    """Return the larger of two tensors at each place."""
    if not isinstance(other, Tensor) or args or kwargs:
        return NotImplemented
    zero = not other.requires_grad and not bool(other.any())
    if zero and torch.broadcast_shapes(x.shape, other.shape) == x.shape:
        return x.clamp(min=0)
    return torch.stack(torch.broadcast_tensors(x, other)).amax(0)


def minimum(x: Tensor, other: Tensor | None = None, *args: object, **kwargs: object) -> object:
    """Return the smaller of two tensors at each place."""
    if not isinstance(other, Tensor) or args or kwargs:
        return NotImplemented
    return -torch.stack(torch.broadcast_tensors(-x, -other)).amax(0)


def amin(x: Tensor, *args: object, **kwargs: object) -> Tensor:
    """Return the least along dimensions."""
    return -torch.Tensor.amax(-x, *args, **kwargs)  # pyright: ignore[reportArgumentType, reportCallIssue]


def rnn_of(kind: str) -> Callable[..., object]:
    """Return a recurrent network of torch, step by step; packed sequences are left alone."""

    def run(
        x: Tensor,
        state: object,
        weights: object,
        _has_biases: object = True,
        num_layers: int = 1,
        _dropout: float = 0.0,
        train: bool = False,
        bidirectional: bool = False,
        batch_first: bool = False,
    ) -> object:
        if not isinstance(weights, list | tuple) or train:  # packed sequences come otherwise
            return NotImplemented
        states = _states_of(state)
        if batch_first:
            x = x.transpose(0, 1)  # (t, n, d)
        parts: list[Tensor] = [*weights]  # pyright: ignore[reportUnknownArgumentType]
        per_cell = len(parts) // (num_layers * (1 + bidirectional))  # pyright: ignore[reportUnknownArgumentType]
        ends: list[tuple[Tensor, ...]] = []
        for layer in range(num_layers):
            shown: list[Tensor] = []
            for way in range(1 + bidirectional):
                cell = layer * (1 + bidirectional) + way
                some = parts[cell * per_cell : (cell + 1) * per_cell]
                start = tuple(one[cell] for one in states)
                steps, end = _steps(kind, x.flip(0) if way else x, start, some)
                shown.append(steps.flip(0) if way else steps)
                ends.append(end)
            x = torch.cat(shown, dim=2)
        last = [torch.stack(one) for one in zip(*ends, strict=True)]
        return (x.transpose(0, 1) if batch_first else x, *last)

    return run


def _states_of(state: object) -> tuple[Tensor, ...]:
    parts: tuple[object, ...] = tuple(state) if isinstance(state, list | tuple) else (state,)  # pyright: ignore[reportUnknownArgumentType]
    return tuple(one for one in parts if isinstance(one, Tensor))


def _steps(
    kind: str, x: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    shown: list[Tensor] = []
    for one in x.unbind(0):
        state = _CELLS[kind](one, state, *weights)
        shown.append(state[0])
    return torch.stack(shown), state


def _lstm_step(
    x: Tensor,
    state: tuple[Tensor, ...],
    w_x: Tensor,
    w_h: Tensor,
    b_x: Tensor | None = None,
    b_h: Tensor | None = None,
    project: Tensor | None = None,
) -> tuple[Tensor, ...]:
    shown, memory = state
    parts = functional.linear(x, w_x, b_x) + functional.linear(shown, w_h, b_h)
    add, keep, news, show = parts.chunk(4, dim=-1)
    memory = keep.sigmoid() * memory + add.sigmoid() * news.tanh()
    shown = show.sigmoid() * memory.tanh()
    return (shown if project is None else functional.linear(shown, project)), memory


def _gru_step(
    x: Tensor,
    state: tuple[Tensor, ...],
    w_x: Tensor,
    w_h: Tensor,
    b_x: Tensor | None = None,
    b_h: Tensor | None = None,
) -> tuple[Tensor, ...]:
    (old,) = state
    reset, keep, news = functional.linear(x, w_x, b_x).chunk(3, dim=-1)
    reset_by, keep_by, past = functional.linear(old, w_h, b_h).chunk(3, dim=-1)
    proposal = (news + (reset + reset_by).sigmoid() * past).tanh()
    return (proposal + (keep + keep_by).sigmoid() * (old - proposal),)


def _plain_step(squash: Callable[[Tensor], Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    def step(
        x: Tensor,
        state: tuple[Tensor, ...],
        w_x: Tensor,
        w_h: Tensor,
        b_x: Tensor | None = None,
        b_h: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        return (squash(functional.linear(x, w_x, b_x) + functional.linear(state[0], w_h, b_h)),)

    return step


_CELLS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "lstm": _lstm_step,
    "gru": _gru_step,
    "rnn_tanh": _plain_step(torch.tanh),
    "rnn_relu": _plain_step(torch.relu),
}


def _cell_of(kind: str) -> Callable[..., object]:
    def run(x: Tensor, state: object, *weights: Tensor) -> object:
        found = _CELLS[kind](x, _states_of(state), *weights)
        return found if kind == "lstm" else found[0]

    return run


COMPOSITES: dict[str, Callable[..., object]] = {
    "scaled_dot_product_attention": attention,
    "multi_head_attention_forward": multi_head_attention,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "normalize": normalize,
    "glu": glu,
    "addmm": addmm,
    "baddbmm": addmm,
    "addcmul": addcmul,
    "addcdiv": addcdiv,
    "lerp": lerp,
    "maximum": maximum,
    "fmax": maximum,
    "max": maximum,
    "minimum": minimum,
    "fmin": minimum,
    "min": minimum,
    "amin": amin,
    **{kind: rnn_of(kind) for kind in _CELLS},
    **{f"{kind}_cell": _cell_of(kind) for kind in _CELLS},
}
