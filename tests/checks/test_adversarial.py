"""Mirrors auditkit/checks/adversarial.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.checks.adversarial import Adversarial, merged
from auditkit.randomness import keys_of


def texts(lengths: list[int], *, start: int = 0) -> Adversarial:
    """Texts of these lengths, the i-th with the id start + i."""
    ids = [str(start + i) for i in range(len(lengths))]
    return Adversarial.among(
        ids,
        ["x" * one for one in lengths],
        np.ones(len(ids)),
        parameter="changes",
        measure="words",
        most=1,
    )


def same(one: Adversarial, other: Adversarial) -> bool:
    return (one.ids, one.inputs, one.found, one.cut) == (
        other.ids,
        other.inputs,
        other.found,
        other.cut,
    ) and bool((one.budgets == other.budgets).all())


def test_only_what_fell_within_the_largest_budget_is_handed_over() -> None:
    points = torch.arange(10.0).view(5, 1, 1, 2)
    budgets = np.array([0.0, 0.01, 0.05, 1.0, np.inf])
    found = Adversarial.among(
        "abcde", points, budgets, parameter="epsilon", measure="linf", most=0.05
    )
    assert found.ids == ("b", "c")
    assert found.budgets.tolist() == [0.01, 0.05]
    assert isinstance(found.inputs, np.ndarray)
    np.testing.assert_array_equal(found.inputs, points[1:3].numpy())
    assert (found.found, found.cut) == (2, None)
    assert found.within(0.02).ids == ("b",)


def test_what_does_not_fit_is_left_out_by_the_hash_of_the_id() -> None:
    ids = [f"image {i}" for i in range(50)]
    points = torch.rand(50, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    whole = Adversarial.among(
        ids, points, np.full(50, 0.1), parameter="epsilon", measure="linf", most=0.1
    )
    kept = whole.bounded(20 * 16)  # 16 bytes each
    smallest = np.argsort(keys_of(0, "adversarial", ids))[:20]
    assert set(kept.ids) == {ids[i] for i in smallest}
    assert kept.ids == tuple(one for one in ids if one in set(kept.ids)), "the order stays"
    assert kept.found == 50
    for one, row in zip(kept.ids, kept.inputs, strict=True):
        np.testing.assert_array_equal(row, points[ids.index(one)].numpy())


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [0, 1, 30])
def test_the_choice_does_not_depend_on_the_shards(n: int, parts: int) -> None:
    """Cut anywhere and merged in any grouping, the same stay, also where sizes differ."""
    most = 100
    for seed in range(20):
        lengths = np.random.default_rng(seed).integers(0, 40, n).tolist()
        whole = texts(lengths).bounded(most)
        size = max(1, -(-n // parts))
        shards = [
            texts(lengths[i : i + size], start=i).bounded(most) for i in range(0, max(1, n), size)
        ]
        (at_once,) = merged(shards)
        assert same(at_once.bounded(most), whole)
        (running,) = merged(shards[:1])
        for one in shards[1:]:
            (running,) = merged([running.bounded(most), one])
        assert same(running.bounded(most), whole)


def test_nothing_behind_what_a_shard_left_out_comes_back() -> None:
    """Large, large | small: the second one does not fit, so the third may not take its place."""
    first, second, third = sorted("abc", key=lambda one: keys_of(0, "adversarial", [one])[0])

    def group(*sizes: tuple[str, int]) -> Adversarial:
        return Adversarial.among(
            [name for name, _ in sizes],
            ["x" * size for _, size in sizes],
            np.ones(len(sizes)),
            parameter="changes",
            measure="words",
            most=1,
        ).bounded(100)

    (both,) = merged([group((first, 60), (second, 50)), group((third, 20))])
    assert same(both.bounded(100), group((first, 60), (second, 50), (third, 20)))
    assert both.ids == (first,)
    assert both.found == 3


def test_parameters_stay_apart() -> None:
    points, budgets = torch.zeros(2, 1, 1, 1), np.array([0.1, 0.2])
    linf, l2 = (
        Adversarial.among(["a", "b"], points, budgets, parameter=one, measure=one, most=1.0)  # type: ignore[arg-type]
        for one in ("linf", "l2")
    )
    again = merged([linf, l2, linf])
    assert [(one.parameter, len(one)) for one in again] == [("linf", 4), ("l2", 2)]


@pytest.mark.parametrize("inputs", [torch.zeros(0, 1, 8, 8), []])
def test_no_inputs_are_no_problem(inputs: torch.Tensor | list[str]) -> None:
    none = Adversarial.among([], inputs, np.zeros(0), parameter="x", measure="l2", most=1.0)
    (both,) = merged([none, none])
    assert len(both) == 0
    assert both.found == 0
