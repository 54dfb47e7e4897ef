"""Attention rollout: how much of each token reaches the answer if attention were all there is.

Abnar and Zuidema, 2020, arXiv:2005.00928, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.saliency.attention import Attended
from auditkit.methods.saliency.unsuited import Unsuited


def attention_rollout(attention: Attended) -> Tensor | Unsuited:
    """Return the share of each token in the tokens that the answer is read from, (n, t).

    Heads are averaged, half of each layer is what passes by it, and layers are multiplied. It says
    nothing of a class: weights alone, not what is done with what they fetch.

    Parameters
    ----------
    attention : Attended
        Of n inputs.

    Returns
    -------
    Tensor or Unsuited
        At least 0, adding up to 1 per input. `Unsuited` for several layers of attention from
        written tokens, for which it is not defined.

    Examples
    --------
    >>> from auditkit.methods.saliency.attention import Layer
    >>> layer = Layer(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]), torch.zeros(1, 1, 2, 2), "self")
    >>> read = torch.tensor([[1.0, 0.0]])
    >>> attention_rollout(Attended(layers=(layer,), read=read, read_from="the first token"))
    tensor([[0.5000, 0.5000]])
    """
    among = [layer.weights for layer in attention.layers if layer.kind == "self"]
    across = [layer.weights for layer in attention.layers if layer.kind == "cross"]
    written = [layer.weights for layer in attention.layers if layer.kind == "written"]
    if len(across) > 1 or any(one.shape[3] > 1 for one in written):
        return Unsuited("rollout is not defined for a decoder of several layers or tokens")
    rolled = _identity(attention)
    for weights in among:
        mixed = (weights.mean(dim=1) + torch.eye(attention.tokens).to(weights)) / 2
        rolled = mixed / mixed.sum(dim=2, keepdim=True) @ rolled
    for weights in across:
        rolled = weights.mean(dim=1) @ rolled  # (n, q, t)
    return attention.seen_from_answer(rolled)


def last_attention(attention: Attended) -> Tensor | Unsuited:
    """Return what the answer attends to in the last layer, heads averaged, (n, t).

    `Unsuited` where the last layer does not look at the input.
    """
    last = attention.layers[-1]
    if last.kind == "written":
        return Unsuited("its last layer of attention does not look at the input")
    return attention.seen_from_answer(last.weights.mean(dim=1))


def _identity(attention: Attended) -> Tensor:
    n, t = len(attention.read), attention.tokens
    return torch.eye(t).to(attention.read).expand(n, t, t)
