"""Mirrors auditkit/models/training/fit.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from auditkit.models.training import fit as fit_module
from auditkit.models.training.fit import Epoch, Loss, fit
from tests.models.training.toys import SHORT, linear, separable

IMAGES, LABELS = separable()
FOUR = dataclasses.replace(SHORT, epochs=4)


def loss_of(module: torch.nn.Module) -> Loss:
    def loss(rows: Tensor) -> Tensor:
        noise = 0.1 * torch.randn(len(rows), 1, 1, 1)  # draws from the global generator
        logits = module(IMAGES[rows] + noise)
        return torch.nn.functional.cross_entropy(logits, LABELS[rows])

    return loss


def trained(checkpoint: Path | None = None, **changes: Any) -> tuple[Tensor, list[Epoch]]:
    module = linear()
    recipe = dataclasses.replace(FOUR, **changes)
    epochs = fit(module, loss_of(module), len(LABELS), recipe, checkpoint=checkpoint)
    return module[1].weight.detach().clone(), epochs  # type: ignore[union-attr]


def test_the_seed_decides_every_bit_and_nothing_else_does() -> None:
    first, _ = trained()
    torch.rand(7)  # the global generator moves on
    assert torch.equal(trained()[0], first)
    assert not torch.equal(trained(seed=1)[0], first)


def test_every_epoch_has_its_own_order_and_noise() -> None:
    seen: list[list[int]] = []
    module = linear()

    def loss(rows: Tensor) -> Tensor:
        seen.append(rows.tolist())
        return module(IMAGES[rows]).sum()

    fit(module, loss, 60, dataclasses.replace(SHORT, epochs=2))
    first, second = seen
    assert sorted(first) == sorted(second) == list(range(60))
    assert first != second


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, epochs = trained()
    path = tmp_path / "weights.resume"

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    module = linear()
    with pytest.raises(KeyboardInterrupt):
        fit(module, loss_of(module), len(LABELS), FOUR, progress=stop, checkpoint=path)
    again: list[Epoch] = []
    module = linear()
    torch.rand(5)
    found = fit(module, loss_of(module), len(LABELS), FOUR, progress=again.append, checkpoint=path)
    assert [one.number for one in again] == [3, 4]
    assert found == epochs
    assert torch.equal(next(module[1].parameters()), whole)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"learning_rate": 1e-2}, {"epochs": 5}])
def test_a_checkpoint_of_other_settings_is_ignored(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "weights.resume"
    trained(path)
    weights, epochs = trained(path, **changes)
    assert torch.equal(weights, trained(**changes)[0])
    assert epochs[0].number == 1


def test_pretraining_has_its_own_number_of_epochs() -> None:
    module = linear()
    recipe = dataclasses.replace(SHORT, pretraining_epochs=3)
    epochs = fit(module, loss_of(module), len(LABELS), recipe, phase="pretraining")
    assert [str(one).split(":")[0] for one in epochs] == ["pretraining"] * 3


def test_it_leaves_threads_randomness_and_determinism_as_they_were() -> None:
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.random.get_rng_state(),
    )
    trained()
    torch.manual_seed(0)
    linear()
    assert torch.get_num_threads() == before[0]
    assert torch.are_deterministic_algorithms_enabled() == before[1]
    torch.random.set_rng_state(before[2])
    tiny = torch.tensor([1e-40])
    assert (tiny * 0.5).item() > 0  # denormal numbers are numbers again


def test_low_precision_reaches_the_products_and_not_the_weights() -> None:
    kinds: set[torch.dtype] = set()
    module = linear()

    def loss(rows: Tensor) -> Tensor:
        logits = module(IMAGES[rows])
        kinds.add(logits.dtype)
        return torch.nn.functional.cross_entropy(logits.float(), LABELS[rows])

    fit(module, loss, len(LABELS), dataclasses.replace(SHORT, precision="bfloat16"))
    assert kinds == {torch.bfloat16}
    assert module[1].weight.dtype == torch.float32


def test_the_step_size_rises_then_falls_to_zero() -> None:
    rates = [fit_module._rate(step, 100) for step in range(100)]
    assert rates[9] == max(rates) == 1.0
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] < 0.001
