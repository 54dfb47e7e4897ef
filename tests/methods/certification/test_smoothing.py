"""Mirrors auditkit/methods/certification/smoothing.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn

from auditkit.methods.certification.smoothing import Smoothed, certified_radius
from auditkit.randomness import key_of


@given(votes=st.integers(0, 500), sigma=st.floats(0.01, 2), alpha=st.floats(1e-5, 0.2))
def test_the_radius_is_that_of_scipy(votes: int, sigma: float, alpha: float) -> None:
    low = stats.binomtest(votes, 500, alternative="greater").proportion_ci(1 - alpha).low
    expected = sigma * stats.norm.ppf(low) if low > 0.5 else 0.0
    assert certified_radius(votes, 500, sigma=sigma, alpha=alpha) == pytest.approx(
        expected, abs=1e-9
    )


def linear(seed: int) -> tuple[nn.Sequential, Tensor, float]:
    """A linear model, an input of class 1, and its distance from the boundary."""
    rng = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).requires_grad_(False)
    layer = network[1]
    assert isinstance(layer, nn.Linear)
    layer.weight.copy_(torch.randn(2, 16, generator=rng))
    layer.bias.zero_()
    weight = layer.weight[1] - layer.weight[0]
    one = 0.5 + 0.1 * torch.randn(1, 1, 4, 4, generator=rng)
    wanted = 0.05 + 0.4 * float(torch.rand((), generator=rng))
    layer.bias[1] = wanted * weight.norm() - one.flatten() @ weight
    return network, one, wanted


def smoothed(network: nn.Module, **parameters: float) -> Smoothed:
    given = {"sigma": 0.25, "selection": 50, "samples": 500, "alpha": 0.001} | parameters
    return Smoothed(logits=network, classes=2, **given)  # type: ignore[arg-type]


def keyed(seed: int) -> Callable[[str], int]:
    return lambda purpose: key_of(seed, purpose)


def test_of_a_linear_model_less_is_proved_than_holds() -> None:
    """Smoothing does not move a linear boundary: the true radius is margin / ||w||_2."""
    shares: list[float] = []
    for seed in range(40):
        network, one, true = linear(seed)
        found = smoothed(network).certify(one, key=keyed(seed))
        if found.answer == 1:
            assert 0 < found.radius <= true
            shares.append(found.radius / true)
        else:
            assert found.answer == -1
    assert len(shares) > 25
    assert np.median(shares) > 0.5


def test_an_answer_without_a_majority_is_an_abstention() -> None:
    network, one, _ = linear(0)
    middle = one - 0.0
    layer = network[1]
    assert isinstance(layer, nn.Linear)
    layer.bias[1] -= (layer(middle.flatten(1))[0, 1] - layer(middle.flatten(1))[0, 0]).item()
    found = smoothed(network).certify(middle, key=keyed(0))
    assert (found.answer, found.radius) == (-1, 0.0)
    assert not smoothed(network).answers_otherwise(middle, 0, key=1)
    assert not smoothed(network).answers_otherwise(middle, 1, key=1)


def test_votes_depend_on_the_key_alone() -> None:
    network, one, _ = linear(1)
    classifier = smoothed(network)
    whole = classifier.votes(one, 300, key=5)
    assert whole.sum() == 300
    other = replace(classifier, selection=1, samples=1, batch_size=7)
    assert (other.votes(one, 300, key=5) == whole).all()
    assert (classifier.votes(one, 300, key=6) != whole).any()
    share = stats.norm.cdf(linear(1)[2] / 0.25)
    assert classifier.votes(one, 20_000, key=3)[1] / 20_000 == pytest.approx(share, abs=0.015)


def test_the_attack_reaches_the_boundary_and_not_less() -> None:
    """Of a linear model the best point lies straight ahead: it falls from the true radius on."""
    for seed in range(6):
        network, one, true = linear(seed)
        classifier = smoothed(network, samples=2000)
        results: list[bool] = []
        for factor in (0.7, 1.6):
            point = classifier.attacked(
                one, 1, epsilon=factor * true, bounds=(-9.0, 9.0), draws=16, steps=12,
                key=keyed(seed),
            )  # fmt: skip
            assert float((point - one).norm()) <= factor * true
            results.append(classifier.answers_otherwise(point, 1, key=seed))
        assert results == [False, True]


def test_two_classes_in_a_draw_are_rarely_told_apart() -> None:
    """A fair coin is called otherwise with probability alpha at most."""
    network, one, _ = linear(2)
    layer = network[1]
    assert isinstance(layer, nn.Linear)
    layer.bias[1] -= (layer(one.flatten(1))[0, 1] - layer(one.flatten(1))[0, 0]).item()
    classifier = smoothed(network, samples=200, alpha=0.1)
    wrong = sum(classifier.answers_otherwise(one, 0, key=key) for key in range(200))
    assert stats.binomtest(wrong, 200, 0.1, alternative="greater").pvalue > 0.01
    assert wrong > 0


def test_an_answer_that_is_no_number_votes_for_no_class() -> None:
    """Half of the noisy copies have NaN logits: what is left of the votes proves nothing."""

    def logits(points: Tensor) -> Tensor:
        scores = torch.tensor([[1.0, 0.0]]).repeat(len(points), 1)
        scores[points[:, 0] > 0] = torch.nan
        return scores

    smoothed = Smoothed(
        logits=logits, classes=2, sigma=1.0, selection=100, samples=1000, alpha=0.001
    )
    votes = smoothed.votes(torch.zeros(1, 3), 1000, key=0)
    assert votes[1] == 0
    assert 400 < votes[0] < 600
    assert smoothed.certify(torch.zeros(1, 3), key=lambda _: 0).answer == -1
