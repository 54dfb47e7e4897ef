"""Layer-wise relevance propagation: a class score, handed back through the layers to the input.

Bach et al., 2015, doi:10.1371/journal.pone.0130140 (the epsilon rule); Montavon et al., 2019,
doi:10.1007/978-3-030-28954-6_10 (the gamma rule, and relevance as input times a changed gradient);
Achtibat et al., 2024, arXiv:2402.05602, section 3 (attention, products and normalisation).
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from auditkit.methods.saliency.function_kinds import CONVOLUTIONS
from auditkit.methods.saliency.rules import (
    Call,
    Interception,
    Ruled,
    attached,
    divided,
    finite,
    rounding_slope,
    scaled,
    slope_of,
)
from auditkit.methods.saliency.scores import score_of
from auditkit.models.classifier import Logits


def lrp(
    logits: Logits,
    inputs: Tensor,
    target: Tensor,
    *,
    epsilon: float = 1e-6,
    gamma: float = 0.0,
    batch_size: int = 128,
) -> Ruled:
    """Return the relevance of each number of the inputs for the target logit.

    Each function hands relevance on as a changed slope, and relevance is slope times input:

    - layers (linear, convolutions, products with weights): the epsilon rule, in which a bias keeps
      its share; convolutions with `gamma` favour what speaks for their output;
    - pointwise functions: all is handed on, by (f(x) - f(0)) / x, so that the constant f(0), as of
      a sigmoid, keeps its share like a bias; a rounding as if it were not there;
    - products of two paths: one half each;
    - quotients, and with them every normalisation over the input: the divisor is held fixed;
    - softmax: its own slope (the first term of its Taylor series at the input);
    - a maximum: all to who holds it.

    Without biases relevances add up to the score, except for what softmax's rule and the epsilon
    keep.

    Parameters
    ----------
    logits : callable
        Maps inputs (m, ...) to (m, k); its parameters require no gradient.
    inputs : Tensor
        (n, ...), n at least 1.
    target : Tensor
        (n,) class whose logit is explained.
    epsilon : float
        Added to the size of each output that relevance is divided by, at least 0; larger values
        drop what nearly cancels.
    gamma : float
        By how many times positive weights of convolutions count more, at least 0. Meant for
        layers whose inputs are not negative.
    batch_size : int
        Inputs per pass.

    Returns
    -------
    Ruled
        `change` is the score itself, and `delta` what biases, constants and fixed divisors kept
        (with its sign turned); functions in `unruled` handed on slope times input.

    Examples
    --------
    >>> image = torch.tensor([[1.0, 2.0]])
    >>> total = lambda x: x.relu() @ torch.tensor([[3.0], [-1.0]])
    >>> [round(x, 4) for x in lrp(total, image, torch.tensor([0])).scores[0].tolist()]
    [3.0, -2.0]
    """
    scores: list[Tensor] = []
    change: list[Tensor] = []
    unruled: set[str] = set()
    unseen: set[str] = set()
    for i in range(0, len(inputs), batch_size):
        rows = slice(i, i + batch_size)
        leaf = inputs[rows].detach().clone().requires_grad_(True)
        mode = _Propagation(epsilon, gamma)
        with torch.enable_grad(), mode:
            score = score_of(logits, leaf, target[rows])
        (slope,) = torch.autograd.grad(score.sum(), leaf)
        scores.append(slope * leaf.detach())
        change.append(score.detach())
        unruled |= mode.unruled
        unseen |= {*mode.unseen(score)}
    relevance, explained = torch.cat(scores), torch.cat(change)
    total = relevance.double().flatten(1).sum(dim=1).to(explained)
    missed = total - explained
    return Ruled(relevance, explained, missed, tuple(sorted(unruled)), tuple(sorted(unseen)))


@final
class _Propagation(Interception):
    """The rules above."""

    def __init__(self, epsilon: float, gamma: float) -> None:
        super().__init__(
            {
                "pointwise": self._pointwise,
                "step": self._step,
                "product": self._product,
                "quotient": self._quotient,
                "layer": self._layer,
            }
        )
        self.epsilon, self.gamma = epsilon, gamma

    def _step(self, call: Call) -> Tensor:
        value, slope_through = call.value(), rounding_slope(call)
        assert isinstance(value, Tensor)
        return attached(value, call.sources, lambda slope: [slope_through * slope])

    def _quotient(self, call: Call) -> object:
        above, below = divided(call)
        assert isinstance(below, Tensor)
        return above / below.detach()  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]

    def _pointwise(self, call: Call) -> Tensor | None:
        (x,) = call.sources
        y, origin = call.value(), _at_zero(call)
        assert isinstance(y, Tensor)
        if not bool(origin.isfinite().all()):  # a logarithm, say, has no value at zero
            return None
        x_ = x.detach()
        small = x_.abs() < _SMALL
        rate = (y - origin) / x_
        if small.any():
            rate = torch.where(small, slope_of(call, x_ / 2), rate)
        rate = finite(rate)
        return attached(y, [x], lambda slope: [(slope * rate).sum_to_size(x.shape)])

    def _product(self, call: Call) -> Tensor:
        value, share = call.run(), 1 / len(call.sources)
        assert isinstance(value, Tensor)
        return scaled(value, lambda slope: share * slope)

    def _layer(self, call: Call) -> Tensor | None:
        favouring = self.gamma > 0 and call.name in CONVOLUTIONS
        if not (favouring or self.epsilon):
            return None
        value = call.run()
        assert isinstance(value, Tensor)
        z = value.detach()
        if favouring:
            value = self._favouring(call)
        below = value.detach()
        below = below + self.epsilon * torch.where(below < 0, -1.0, 1.0).to(below)
        rate = finite(z / below)
        # The value is that of the layer itself, the path behind it the one with changed weights.
        return attached(z.clone(), [value], lambda slope: [slope * rate])

    def _favouring(self, call: Call) -> Tensor:
        """Return a convolution whose positive weights count `gamma` times more."""
        tensors = [
            one if one.requires_grad else one + self.gamma * one.clamp(min=0)
            for one in call.tensors
        ]
        value = call.at(tensors)
        assert isinstance(value, Tensor)
        return value


_SMALL = 1e-3  # below, f(x) - f(0) is mostly rounding, and the slope halfway as good


def _at_zero(call: Call) -> Tensor:
    """Return a pointwise function at zero, for each place."""
    with torch.no_grad():
        value = call.at(
            [torch.zeros_like(one) if one.requires_grad else one for one in call.tensors]
        )
    assert isinstance(value, Tensor)
    return value
