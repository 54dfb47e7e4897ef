"""Mirrors auditkit/methods/saliency/composites.py: written out, functions give what torch gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.methods.saliency.composites import COMPOSITES
from auditkit.methods.saliency.rules import Interception, tensors_in

X = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 1]]).bool()
SCALE = torch.tensor([1.0, 2.0, -1.0, 0.5, 3.0, 1.0])


def module(kind: Callable[..., nn.Module], *args: object, **kwargs: object) -> nn.Module:
    torch.manual_seed(0)
    made = kind(*args, **kwargs).eval().requires_grad_(False)
    for value in made.parameters():
        value.normal_()
    return made


def attend(**kwargs: object) -> Callable[[Tensor], object]:
    own = module(nn.MultiheadAttention, 6, 2, batch_first=True)
    return lambda x: own(x, x, x.flip(-2), **kwargs)


def of_one(call: Callable[[Tensor], object]) -> Callable[[Tensor], object]:
    return lambda x: call(x[0])


def apart() -> Callable[[Tensor], object]:
    own = module(nn.MultiheadAttention, 6, 3, kdim=4, vdim=3, bias=False)
    return lambda x: own(x, x[:, :, :4], x[:, :, 1:4])


def sdpa(**kwargs: Any) -> Callable[[Tensor], object]:
    attention = functional.scaled_dot_product_attention
    return lambda x: attention(x[:, None], x.flip(1)[:, None], x[:, None] * 2, **kwargs)


def recurrent(kind: type[nn.Module], *args: object, **kwargs: object) -> Callable[[Tensor], object]:
    own = module(kind, 6, 5, *args, **kwargs)
    return lambda x: own(x)


def cell(kind: type[nn.Module], *args: object, **kwargs: object) -> Callable[[Tensor], object]:
    own = module(kind, 6, 5, *args, **kwargs)
    return lambda x: own(x[:, 0])


CALLS: dict[str, Callable[[Tensor], object]] = {
    "scaled_dot_product_attention": sdpa(),
    "sdpa, mask": sdpa(attn_mask=MASK),
    "sdpa, float mask, scale": sdpa(attn_mask=MASK.float(), scale=0.3),
    "sdpa, causal": sdpa(is_causal=True),
    "sdpa, groups": lambda x: functional.scaled_dot_product_attention(
        x.repeat(1, 1, 2).unflatten(1, (4, 1)),
        x[:, :2, None].repeat(1, 1, 3, 2),
        x[:, 2:, None].repeat(1, 1, 3, 2),
        enable_gqa=True,
    ),
    "multi_head_attention_forward": attend(),
    "mha, mask": attend(attn_mask=~MASK),
    "mha, float mask": attend(attn_mask=MASK.float(), need_weights=False),
    "mha, mask per head": attend(attn_mask=~MASK.repeat(6, 1, 1), average_attn_weights=False),
    "mha, padding": attend(key_padding_mask=~MASK[:3]),
    "mha, other widths": apart(),
    "mha, one text": of_one(attend()),
    "layer_norm": module(nn.LayerNorm, (4, 6)),
    "layer_norm, keyword": lambda x: torch.layer_norm(input=x, normalized_shape=[6], eps=0.1),
    "rms_norm": module(nn.RMSNorm, 6),
    "group_norm": module(nn.GroupNorm, 2, 4, eps=0.1),
    "instance_norm": module(nn.InstanceNorm1d, 4, affine=True),
    "instance_norm, learnt": module(
        nn.InstanceNorm1d, 4, track_running_stats=True, affine=True, eps=0.1
    ),
    "normalize": lambda x: functional.normalize(x, dim=2),
    "glu": lambda x: functional.glu(x, 2),
    "addmm": lambda x: torch.addmm(x[0], x[1, :, :4], x[2], beta=2, alpha=3),
    "baddbmm": lambda x: torch.baddbmm(x[:, :, :4], x, x.mT, alpha=0.5),
    "addcmul": lambda x: torch.addcmul(x, x, SCALE, value=2),
    "addcdiv": lambda x: x.addcdiv(x, SCALE, value=2),
    "lerp": lambda x: x.lerp(x.flip(0), 0.3),
    "maximum": lambda x: torch.maximum(x, x[0]),
    "fmax": lambda x: torch.fmax(x, SCALE),
    "max": lambda x: x.max(SCALE),
    "minimum": lambda x: torch.minimum(x, SCALE),
    "fmin": lambda x: torch.fmin(x, x[0]),
    "min": lambda x: torch.min(x, SCALE),
    "amin": lambda x: x.amin(dim=(1, 2)),
    "lstm": recurrent(nn.LSTM, 2, batch_first=True, bidirectional=True),
    "lstm, projected": recurrent(nn.LSTM, proj_size=2),
    "lstm, one text": of_one(recurrent(nn.LSTM)),
    "gru": recurrent(nn.GRU, 2, bidirectional=True, bias=False),
    "rnn_tanh": recurrent(nn.RNN),
    "rnn_relu": recurrent(nn.RNN, nonlinearity="relu", batch_first=True),
    "lstm_cell": cell(nn.LSTMCell),
    "gru_cell": cell(nn.GRUCell),
    "rnn_tanh_cell": cell(nn.RNNCell),
    "rnn_relu_cell": cell(nn.RNNCell, nonlinearity="relu"),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("name", CALLS)
def test_taken_apart_gives_the_same(name: str):
    mode, leaf = Interception({}), X.clone().requires_grad_(True)
    expected = CALLS[name](X)
    with mode:
        found = CALLS[name](leaf)
    assert mode.unruled == set()
    for one, other in zip(tensors_in(found), tensors_in(expected), strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=1e-5)
    slope = torch.randn(tensors_in(expected)[0].shape, generator=torch.Generator().manual_seed(1))
    own = X.clone().requires_grad_(True)
    ours = torch.autograd.grad(tensors_in(found)[0], leaf, slope)[0]
    theirs = torch.autograd.grad(tensors_in(CALLS[name](own))[0], own, slope)[0]
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_every_composite_is_tried():
    assert COMPOSITES.keys() <= CALLS.keys()


def test_what_is_not_taken_apart_is_named():
    own = module(nn.MultiheadAttention, 6, 2, add_zero_attn=True)
    zeros = torch.zeros(4)
    for call, name in (
        (lambda x: own(x, x, x), "multi_head_attention_forward"),
        (lambda x: x.min(1), "min"),
        (lambda x: functional.normalize(x, p=1), "normalize"),
        (
            lambda x: torch.instance_norm(x, None, None, zeros, zeros + 1, False, 0, 1, True),
            "instance_norm",
        ),
    ):
        mode = Interception({})
        with mode:
            call(X.clone().requires_grad_(True))
        assert mode.unruled == {name}
