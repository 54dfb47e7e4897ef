"""Gradient-weighted attention: attention counts as far as more of it would raise the score.

Chefer et al., 2021, arXiv:2103.15679, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.saliency.attention import Attended


def gradient_weighted_attention(attention: Attended) -> Tensor:
    """Return how much the answer has gathered from each token for the explained class, (n, t).

    Each layer adds what its attention, weighed by its positive slopes and averaged over heads,
    brings along (equations 5 and 6); attention from written tokens follows equations 7 to 10. What
    a token holds of itself from the start is left out, so that a score without slopes gives zeros.

    Parameters
    ----------
    attention : Attended
        Of n inputs.

    Examples
    --------
    >>> from auditkit.methods.saliency.attention import Layer
    >>> weights = torch.tensor([[[[0.25, 0.75], [0.5, 0.5]]]])
    >>> layer = Layer(weights, torch.tensor([[[[-1.0, 2.0], [0.0, 0.0]]]]), "self")
    >>> read = torch.tensor([[1.0, 0.0]])
    >>> found = Attended(layers=(layer,), read=read, read_from="the first token")
    >>> gradient_weighted_attention(found)
    tensor([[0.0000, 1.5000]])
    """
    n, q, t = len(attention.read), attention.read.shape[1], attention.tokens
    among, written = _identity(n, t, attention), _identity(n, q, attention)
    across = torch.zeros(n, q, t).to(attention.read)
    for layer in attention.layers:
        useful = (layer.weights * layer.slopes).relu().mean(dim=1)
        match layer.kind:
            case "self":
                among = among + useful @ among
            case "written":
                across = across + useful @ across
                written = written + useful @ written
            case "cross":
                across = across + _own(written).transpose(1, 2) @ useful @ _own(among)
    if attention.layers[-1].kind == "self":
        across = among - _identity(n, t, attention)
    return attention.seen_from_answer(across)


def _own(relevance: Tensor) -> Tensor:
    """Return relevance (n, q, q) with what was gathered shared out to 1, beside the identity.

    Equations 8 and 9.
    """
    n, q, _ = relevance.shape
    identity = torch.eye(q).to(relevance).expand(n, q, q)
    gathered = relevance - identity
    whole = gathered.sum(dim=2, keepdim=True)
    return gathered / whole.where(whole != 0, whole.new_ones(())) + identity


def _identity(n: int, size: int, attention: Attended) -> Tensor:
    return torch.eye(size).to(attention.read).expand(n, size, size)
