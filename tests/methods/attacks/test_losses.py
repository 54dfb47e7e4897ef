"""Mirrors auditkit/methods/attacks/losses.py."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from auditkit.methods.attacks.losses import (
    TargetedRatio,
    likeliest_others,
    log_odds_against,
    logits_ratio,
    margin_against,
)


@given(seed=st.integers(0, 999), k=st.integers(2, 6))
def test_the_loss_is_the_log_odds_and_points_where_cross_entropy_does(seed: int, k: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(5, k, generator=rng, dtype=torch.float64)
    labels = torch.randint(k, (5,), generator=rng)
    p = logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
    assert torch.allclose(log_odds_against(logits, labels), ((1 - p) / p).log())
    leaf = logits.clone().requires_grad_()
    (ours,) = torch.autograd.grad(log_odds_against(leaf, labels).sum(), leaf)
    (theirs,) = torch.autograd.grad(functional.cross_entropy(leaf, labels, reduction="sum"), leaf)
    assert torch.allclose(ours * (1 - p)[:, None], theirs)


def test_the_gradient_survives_a_model_that_is_certain() -> None:
    """Cross-entropy's gradient underflows to zero here; this one does not."""
    logits, labels = torch.tensor([[2000.0, 0.0, -5.0]], requires_grad=True), torch.tensor([0])
    (lost,) = torch.autograd.grad(functional.cross_entropy(logits, labels), logits)
    (kept,) = torch.autograd.grad(log_odds_against(logits, labels).sum(), logits)
    assert (lost == 0).all()
    assert kept[0, :2].tolist() == pytest.approx([-1, 1], abs=0.01)


def drawn(seed: int, k: int, n: int = 6) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, k, generator=rng, dtype=torch.float64)
    return logits, torch.randint(k, (n,), generator=rng)


@given(seed=st.integers(0, 999), k=st.integers(2, 6))
def test_every_loss_is_positive_exactly_where_the_label_has_lost(seed: int, k: int) -> None:
    logits, labels = drawn(seed, k)
    lost = logits.argmax(dim=1) != labels
    assert torch.equal(margin_against(logits, labels) > 0, lost)
    assert torch.equal(logits_ratio(logits, labels) > 0, lost)
    best = likeliest_others(logits, labels, 1)[:, 0]
    rows = torch.arange(len(labels))
    assert torch.equal(TargetedRatio(best)(logits, labels, rows) > 0, lost)


@given(seed=st.integers(0, 999), k=st.integers(4, 7), scale=st.sampled_from([1e-3, 7.0, 1000.0]))
def test_ratios_depend_neither_on_the_size_nor_on_the_level_of_logits(
    seed: int, k: int, scale: float
) -> None:
    logits, labels = drawn(seed, k)
    changed = scale * (logits + 2)
    rows = torch.arange(len(labels))
    targeted = TargetedRatio((labels + 1) % k)
    torch.testing.assert_close(logits_ratio(changed, labels), logits_ratio(logits, labels))
    torch.testing.assert_close(targeted(changed, labels, rows), targeted(logits, labels, rows))


def test_ratios_equal_their_definitions() -> None:
    logits = torch.tensor([[5.0, 3.0, 2.0, -1.0, -4.0], [1.0, 4.0, 0.0, 2.0, -2.0]])
    labels = torch.tensor([0, 0])
    assert logits_ratio(logits, labels).tolist() == pytest.approx([-2 / 3, 3 / 3])
    ratio = TargetedRatio(torch.tensor([9, 2, 4]))
    found = ratio(logits, labels, torch.tensor([1, 2]))
    assert found.tolist() == pytest.approx([-3 / (5 - 0.5), -3 / (4 - 0.5)])
    three = TargetedRatio(torch.tensor([1]))(logits[:1, :3], labels[:1], torch.tensor([0]))
    assert three.item() == -2


def test_two_classes_and_equal_logits_keep_a_gradient() -> None:
    leaf = torch.tensor([[1.0, -1.0], [0.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 0])
    for losses in (
        logits_ratio(leaf, labels),
        TargetedRatio(torch.tensor([1, 1]))(leaf, labels, torch.arange(2)),
    ):
        (slopes,) = torch.autograd.grad(losses.sum(), leaf)
        assert slopes.tolist() == [[-1, 1], [-1, 1]]
    equal = torch.zeros(1, 4, requires_grad=True)
    assert logits_ratio(equal, torch.tensor([0])).isfinite().all()


def test_others_come_by_falling_logit_and_never_the_label() -> None:
    logits, labels = torch.tensor([[5.0, 3.0, 4.0], [0.0, 9.0, 1.0]]), torch.tensor([0, 1])
    assert likeliest_others(logits, labels, 9).tolist() == [[2, 1], [2, 0]]
    assert likeliest_others(logits, labels, 1).tolist() == [[2], [2]]
