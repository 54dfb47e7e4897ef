"""Mirrors auditkit/behaviour.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditkit.behaviour import KeptState, difference_between_two_answers
from auditkit.models.classifier import ImageClassifier


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()


def test_nothing_changed() -> None:
    module = network()
    module[1].running_mean.fill_(float("nan"))  # type: ignore[union-attr, operator]
    kept = KeptState(module)
    module(torch.rand(5, 3))
    assert kept.put_back() == []


def test_every_kind_of_change_is_named_and_undone() -> None:
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    kept = KeptState(module)
    module[1].train()
    module(torch.rand(5, 3))
    with torch.no_grad():
        module[0].weight[0, 0] += 1  # type: ignore[index, operator]
        module[0].bias = nn.Parameter(torch.zeros(7))
    changed = kept.put_back()
    assert set(changed) == {
        "0.weight", "0.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
        "1.training",
    }  # fmt: skip
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not module[1].training
    assert kept.put_back() == []


def test_a_buffer_that_was_replaced_comes_back_as_a_buffer() -> None:
    module = network()
    kept = KeptState(module)
    module[1].running_mean = torch.zeros(9)  # type: ignore[assignment]
    assert kept.put_back() == ["1.running_mean"]
    assert "running_mean" in dict(module[1].named_buffers())
    assert module[1].running_mean.shape == (4,)  # type: ignore[union-attr]


def model(module: nn.Module) -> ImageClassifier:
    return ImageClassifier(module, classes=("0", "1"), input_shape=(1, 2, 2))


class Noisy(nn.Module):
    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = noise
        self.asked = 0

    def forward(self, images: Tensor) -> Tensor:
        self.asked += 1
        return images.flatten(1)[:, :2] + self.noise * self.asked


def test_answers_that_differ_by_more_than_rounding() -> None:
    images = torch.rand(8, 1, 2, 2)
    assert difference_between_two_answers(model(Noisy(0.0)), images) == 0.0
    assert difference_between_two_answers(model(Noisy(1e-6)), images) == 0.0
    assert abs(difference_between_two_answers(model(Noisy(0.5)), images) - 0.5) < 1e-6
