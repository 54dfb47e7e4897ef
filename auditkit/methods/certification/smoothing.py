"""Randomised smoothing: the class that most noisy copies of an input get, and how far it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from auditkit.methods.attacks.apgd import apgd
from auditkit.methods.attacks.ball import L2Ball
from auditkit.models.classifier import Logits
from auditkit.randomness import generator
from auditkit.statistics import binomial_p_above, clopper_pearson, normal_quantile
from auditkit.types import Ints


@final
@dataclass(frozen=True)
class SmoothCertificate:
    """What is known of the smoothed classifier's answer to one input."""

    answer: int  # the likeliest class of noisy copies; -1 where none is known to have half of them
    radius: float  # L2, in input units, within which that answer holds; 0 without one


@final
@dataclass(frozen=True, kw_only=True)
class Smoothed:
    """The classifier that answers with the likeliest class of an input under Gaussian noise.

    The noise is not cut at the bounds of the inputs: the proof needs all of it, so that the model
    is asked about numbers beyond them as well.

    Parameters
    ----------
    logits : callable
        The model: inputs (n, ...) to logits (n, k).
    classes : int
        k.
    sigma : float
        Standard deviation of the noise in input units.
    selection, samples : int
        Noisy copies that choose the answer, and fresh ones that prove it.
    alpha : float
        Probability that one certificate is wrong.
    batch_size : int
        Copies per forward pass.

    References
    ----------
    Cohen, Rosenfeld and Kolter, 2019, arXiv:1902.02918, section 3.2.
    """

    logits: Logits
    classes: int
    sigma: float
    selection: int
    samples: int
    alpha: float
    batch_size: int = 128

    def votes(self, one: Tensor, count: int, *, key: int) -> Ints:
        """Return how many of `count` noisy copies of an input (1, ...) get each class, (k,).

        Logits that are NaN or infinite vote for none.
        """
        draws, votes = generator(key), np.zeros(self.classes, dtype=np.int64)
        for start in range(0, count, self.batch_size):
            noise = _noise(draws, one, min(self.batch_size, count - start))
            with torch.no_grad():
                logits = self.logits(one + self.sigma * noise)
            answers = logits.argmax(dim=1)[logits.isfinite().all(dim=1)].cpu().numpy()
            votes += np.bincount(answers, minlength=self.classes)
        return votes

    def certify(self, one: Tensor, *, key: Callable[[str], int]) -> SmoothCertificate:
        """Return the answer to an input (1, ...) and the radius within which it holds.

        Parameters
        ----------
        one : Tensor
            (1, ...).
        key : callable
            Maps a purpose to a seed.
        """
        answer = int(self.votes(one, self.selection, key=key("selection")).argmax())
        votes = int(self.votes(one, self.samples, key=key("samples"))[answer])
        radius = certified_radius(votes, self.samples, sigma=self.sigma, alpha=self.alpha)
        return SmoothCertificate(answer if radius > 0 else -1, radius)

    def answers_otherwise(self, one: Tensor, label: int, *, key: int) -> bool:
        """Say whether the answer to an input (1, ...) is surely another class.

        The first of two classes has more votes by chance with probability alpha at most.

        References
        ----------
        Section 3.2.1, PREDICT; Hung and Fithian, 2019, arXiv:1610.08021.
        """
        votes = self.votes(one, self.samples, key=key)
        second, first = np.argsort(votes, kind="stable")[-2:]
        pair = int(votes[first] + votes[second])
        p = min(1.0, 2 * binomial_p_above(int(votes[first]), pair, 0.5))
        return int(first) != label and p <= self.alpha

    def attacked(
        self,
        one: Tensor,
        label: int,
        *,
        epsilon: float,
        bounds: tuple[float, float],
        draws: int,
        steps: int,
        key: Callable[[str], int],
    ) -> Tensor:
        """Return a point (1, ...) within an L2 radius at which fixed noisy copies do worst.

        What rises is the odds against the label of their mean probability, as in SmoothAdv.

        Parameters
        ----------
        one : Tensor
            (1, ...) within the bounds.
        label : int
            Its class.
        epsilon : float
            L2 radius in input units.
        bounds : (low, high)
            Of an input value; the point keeps to them, its noisy copies do not.
        draws : int
            Noisy copies.
        steps : int
            Of the ascent.
        key : callable
            Maps a purpose to a seed.

        References
        ----------
        Salman et al., 2019, arXiv:1906.04584, equation 6.
        """
        noise = self.sigma * _noise(generator(key("draws")), one, draws)
        handicap = torch.zeros(self.classes, device=one.device)
        handicap[label] = _CLEAR

        def averaged(points: Tensor) -> Tensor:
            copies = (points[:, None] + noise[None]).flatten(0, 1)
            logs = torch.log_softmax(self.logits(copies), dim=1)
            mean = logs.view(len(points), draws, -1).logsumexp(dim=1)
            return mean + handicap  # so that the ascent ends where another class leads clearly

        ball = L2Ball(one, epsilon=epsilon, bounds=bounds)
        labels = torch.tensor([label], device=one.device)
        return apgd(averaged, labels, ball=ball, start=one, steps=steps).points


_CLEAR = 1.5  # log odds


def _noise(draws: np.random.Generator, one: Tensor, count: int) -> Tensor:
    shape = (count, *one.shape[1:])
    return torch.from_numpy(draws.standard_normal(shape, dtype=np.float32)).to(one)


def certified_radius(votes: int, samples: int, *, sigma: float, alpha: float) -> float:
    """Return the L2 radius within which an answer holds, wrong with probability alpha at most.

    Parameters
    ----------
    votes : int
        Noisy copies that got the answer.
    samples : int
        Noisy copies.
    sigma : float
        Standard deviation of the noise.
    alpha : float
        Probability of a wrong certificate.

    Returns
    -------
    float
        sigma times the normal quantile of the lower Clopper-Pearson bound; 0 where that bound does
        not exceed a half.

    References
    ----------
    Cohen, Rosenfeld and Kolter, 2019, arXiv:1902.02918, theorem 1 with 1 - p_A for p_B.

    Examples
    --------
    >>> round(certified_radius(990, 1000, sigma=0.25, alpha=0.001), 4)
    0.503
    """
    low = clopper_pearson(votes, samples, level=1 - 2 * alpha).low
    return sigma * normal_quantile(low) if low > 0.5 else 0.0
