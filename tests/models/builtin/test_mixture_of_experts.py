"""Mirrors auditkit/models/builtin/mixture_of_experts.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditkit.errors import ConfigError
from auditkit.models.builtin import mixture_of_experts as file
from auditkit.models.builtin.mixture_of_experts import BALANCE, CHOSEN, MixtureOfExperts
from tests.models.builtin.networks import noise
from tests.models.builtin.texts import ids_of, mask_of, network


def mixture(experts: int = 4) -> Any:
    torch.manual_seed(0)
    return file._Mixture(16, experts).eval()


def everybody(x: Tensor) -> Tensor:
    return torch.ones(x.shape[:2], dtype=torch.bool)


def test_a_token_is_the_weighted_answer_of_its_two_best_experts() -> None:
    layer = mixture()
    x = noise(2, 6, 16)
    mixed, _ = layer(x, everybody(x))
    used: set[int] = set()
    for row, token in ((row, token) for row in range(2) for token in range(6)):
        one = x[row, token]
        ratings = layer.router(one)
        best = ratings.argsort(descending=True)[:CHOSEN].tolist()
        weights = ratings[best].softmax(dim=0)
        answers = torch.stack([layer.experts[expert](one) for expert in best])
        expected = weights @ answers
        assert torch.allclose(mixed[row, token], expected, atol=1e-6)
        used |= set(best)
    assert used == {0, 1, 2, 3}


def test_every_expert_can_be_reached_and_no_other_takes_part() -> None:
    layer = mixture()
    x = noise(1, 1, 16)
    for first in range(4):
        second = (first + 1) % 4
        with torch.no_grad():
            layer.router.weight.zero_()
            layer.router.weight[first] = 2 * x[0, 0]
            layer.router.weight[second] = x[0, 0]
        layer.zero_grad()
        layer(x, everybody(x))[0].sum().backward()
        moved = [any(p.grad is not None and p.grad.any() for p in e.parameters())
                 for e in layer.experts]  # fmt: skip
        assert [number for number in range(4) if moved[number]] == sorted((first, second))


def test_another_choice_of_the_router_is_another_output() -> None:
    layer = mixture()
    x = noise(1, 5, 16)
    before = layer(x, everybody(x))[0]
    with torch.no_grad():
        layer.router.weight.neg_()
    assert not torch.allclose(layer(x, everybody(x))[0], before, atol=1e-3)


def test_the_router_learns_from_the_answers() -> None:
    layer = mixture()
    x = noise(1, 5, 16)
    layer(x, everybody(x))[0].sum().backward()
    assert layer.router.weight.grad.any()


def test_padding_is_sent_to_nobody() -> None:
    layer = mixture()
    x, mask = noise(2, 5, 16), mask_of(5, 2)
    mixed, imbalance = layer(x, mask)
    assert (mixed[~mask] == 0).all()
    changed = torch.where(mask[:, :, None], x, noise(2, 5, 16, seed=1))
    again, same = layer(changed, mask)
    assert torch.equal(mixed, again)
    assert torch.equal(imbalance, same)


def test_the_imbalance_is_one_where_experts_are_used_equally() -> None:
    ratings = torch.eye(4).roll(1, 1) + 2 * torch.eye(4)  # token i goes to i, then to its neighbour
    chosen = ratings.topk(2).indices
    assert file._imbalance(ratings, chosen).item() == pytest.approx(1)
    crowded = torch.tensor([[50.0, 49.0, 0, 0]]).expand(4, 4)
    value = file._imbalance(crowded, crowded.topk(2).indices).item()
    assert value == pytest.approx(4 * 0.5, rel=1e-3)  # half of the choices each, of two experts


def test_balancing_spreads_the_tokens() -> None:
    layer = mixture()
    x = noise(4, 16, 16) + 2  # all alike enough that few experts get them all
    optimizer = torch.optim.Adam(layer.router.parameters(), lr=1e-2)
    values: list[float] = []
    for _ in range(200):
        imbalance = layer(x, everybody(x))[1]
        optimizer.zero_grad()
        imbalance.backward()
        optimizer.step()
        values.append(imbalance.item())
    assert values[0] > 1.3
    assert values[-1] < 1.1


def test_training_hands_out_the_balancing_loss_once() -> None:
    module = network("mixture-of-experts")
    assert isinstance(module, MixtureOfExperts)
    ids, mask = ids_of(6, 4)
    module(ids, mask)
    assert module._imbalance is None  # nothing is kept outside training
    module.train()
    module(ids, mask)
    loss = module.auxiliary_loss()
    assert BALANCE <= loss.item() <= 3 * BALANCE  # one block, three experts
    loss.backward()
    blocks: Any = module.blocks
    assert blocks[0].mixture.router.weight.grad.any()
    with pytest.raises(AssertionError):
        module.auxiliary_loss()


def test_attention_and_every_expert_count_for_the_class() -> None:
    module = network("mixture-of-experts")
    ids, mask = ids_of(8, 6)
    logits = module(ids, mask)
    blocks: Any = module.blocks
    for layer in (blocks[0].attention.project, *(one[2] for one in blocks[0].mixture.experts)):
        kept = layer.weight.detach().clone()
        nn.init.zeros_(layer.weight)
        assert not torch.allclose(module(ids, mask), logits, atol=1e-3)
        with torch.no_grad():
            layer.weight.copy_(kept)


def test_fewer_experts_than_are_chosen_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected 2 or more"):
        MixtureOfExperts(vocabulary_size=9, max_length=4, width=16, experts=1)
