"""Mirrors auditkit/randomness.py."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditkit.randomness import (
    at_step,
    generator,
    key_of,
    keys_of,
    normal,
    normal_in_batches,
    uniform,
)

IDS = [f"{i:05d}" for i in range(400)]


@settings(deadline=None, derandomize=True)
@given(order=st.permutations(range(30)), seed=st.integers(0, 2**40))
def test_keys_belong_to_ids_not_to_their_order(order: list[int], seed: int) -> None:
    keys = keys_of(seed, "noise", IDS[:30])
    shuffled = keys_of(seed, "noise", [IDS[i] for i in order])
    assert (shuffled == keys[order]).all()


def test_keys_differ_by_seed_purpose_and_id() -> None:
    keys = np.concatenate(
        [keys_of(seed, purpose, IDS) for seed in (0, 1, 10) for purpose in ("noise", "start", "0")]
    )
    assert len(np.unique(keys)) == len(keys)
    assert key_of(0, "noise", IDS[3]) == keys_of(0, "noise", IDS)[3]
    assert key_of(1, "a") != key_of(1, "a", "")
    assert key_of(1, 2, 3) != key_of(12, 3)


def test_keys_never_change() -> None:
    """A recorded result can only be reproduced while these stay what they are."""
    assert key_of(0, "sample") == 3116630803159265774
    assert uniform(keys_of(0, "noise", ["a"]), (2,))[0].tolist() == [
        0.7417792693432544,
        0.054772277157296156,
    ]


def test_draws_belong_to_keys() -> None:
    """Neither the other keys nor the number of draws can change a draw."""
    keys = keys_of(0, "noise", IDS)
    all_at_once = uniform(keys, (3, 5))
    assert all_at_once.shape == (400, 3, 5)
    assert (uniform(keys[100:120], (3, 5)) == all_at_once[100:120]).all()
    assert (uniform(keys, (7,)) == all_at_once.reshape(400, 15)[:, :7]).all()
    assert (normal(keys[::-1], (4,))[::-1] == normal(keys, (4,))).all()


def test_uniform_draws_are_uniform_within_and_across_inputs() -> None:
    draws = uniform(keys_of(3, "noise", IDS), (400,))
    assert draws.min() > 0
    assert draws.max() < 1
    for sample in (draws.ravel(), draws[:, 0], draws[0], draws[:, 399]):
        assert stats.kstest(sample, "uniform").pvalue > 0.001


def test_normal_draws_are_normal() -> None:
    draws = normal(keys_of(4, "noise", IDS), (400,))
    assert np.isfinite(draws).all()
    for sample in (draws.ravel(), draws[:, 7], draws[7]):
        assert stats.kstest(sample, "norm").pvalue > 0.001


def test_batches_of_draws_are_the_draws() -> None:
    key = keys_of(6, "noise", IDS[:1])
    parts = list(normal_in_batches(key, 7, (3, 2), batch_size=3))
    assert [len(one) for one in parts] == [3, 3, 1]
    assert (np.concatenate(parts) == normal(key, (7, 3, 2))[0]).all()


def test_draws_of_neighbours_are_unrelated() -> None:
    draws = normal(keys_of(5, "noise", IDS), (400,))
    for one, other in ((draws[:-1], draws[1:]), (draws[:, :-1], draws[:, 1:])):
        correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 4 / np.sqrt(one.size)
    consecutive = uniform(np.arange(400, dtype=np.uint64), (400,))  # keys that differ by one bit
    assert stats.kstest(consecutive[:, 0], "uniform").pvalue > 0.001


def test_a_generator_repeats_itself() -> None:
    first, second = generator(key_of(0, "x")), generator(key_of(0, "x"))
    assert (first.random(5) == second.random(5)).all()
    assert generator(np.uint64(2**64 - 1)).random() != generator(0).random()


def test_steps_have_keys_of_their_own_for_all_or_for_each() -> None:
    keys = keys_of(0, "walk", IDS[:50])
    some = np.concatenate([at_step(keys, step) for step in range(20)])
    assert len(np.unique(some)) == len(some)
    own = at_step(keys, np.arange(50))
    assert all(own[i] == at_step(keys, i)[i] for i in range(50))
