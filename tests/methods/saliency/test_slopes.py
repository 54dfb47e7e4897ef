"""Mirrors auditkit/methods/saliency/slopes.py."""

import torch

from auditkit.methods.saliency.slopes import slopes_at


def test_slopes_are_found_where_the_score_is_made_from_a_tensor() -> None:
    leaf = torch.tensor([2.0, 3.0], requires_grad=True)
    inner, frozen = leaf**2, torch.ones(2)
    aside = leaf + 1
    one, two, three, four = slopes_at((inner * frozen).sum(), [frozen, inner, aside, leaf])
    assert one is None
    assert three is None
    assert two is not None
    assert two.tolist() == [1, 1]
    assert four is not None
    assert four.tolist() == [4, 6]
    assert leaf.grad is None


def test_slopes_that_do_not_exist_are_zero() -> None:
    leaf = torch.tensor([0.0, 4.0], requires_grad=True)
    (found,) = slopes_at(leaf.sqrt().sum(), [leaf])
    assert found is not None
    assert found.tolist() == [0, 0.25]
    assert slopes_at(torch.ones(()), [leaf]) == [None]
