"""Mirrors auditkit/checks/performance/efficiency.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.base import Measured
from auditkit.checks.performance.efficiency import Efficiency
from auditkit.errors import ConfigError
from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import ImageClassifier
from tests.subjects import Subject, graph_subject, image_data, measured, table_subject, values

CHECK = Efficiency(max_inputs=8)
REVEALS = "flops"


def perceptron(width: int) -> Subject:
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 2))
    images = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    model = ImageClassifier(network, classes=("0", "1"), input_shape=(1, 4, 4))
    return Subject(model, image_data(images, [0, 1] * 10))


def broken() -> Subject:
    return perceptron(64)


def sound() -> Subject:
    return perceptron(8)


@pytest.mark.parametrize("width", [8, 64])
def test_a_perceptron_costs_what_its_layers_cost(width: int) -> None:
    found = values(measured(CHECK, perceptron(width)))
    numbers = 16 * width + width + 2 * width + 2
    assert found["parameters"] == numbers
    assert found["weight_memory"] == 4 * numbers
    assert found["flops"] == found["largest_flops"] == 2 * (16 * width + 2 * width)
    assert found["uncounted_calls"] == 1  # the rectifier


class Bright(nn.Module):
    """Multiplies once more for every bright image."""

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        for _ in range(int(flat.mean() > 0.5)):
            flat = flat @ torch.eye(flat.shape[1])
        return flat[:, :2]


def test_inputs_that_cost_more_are_seen() -> None:
    images = torch.full((20, 1, 1, 4), 0.2)
    images[:5] = 0.9
    model = ImageClassifier(Bright(), classes=("0", "1"), input_shape=(1, 1, 4))
    subject = Subject(model, image_data(images, [0, 1] * 10))
    found = values(measured(Efficiency(max_inputs=20), subject, shard_size=6))
    assert found["flops"] == 0
    assert found["largest_flops"] == 2 * 4 * 4


def test_a_function_cannot_be_looked_into() -> None:
    box = BlackBox(lambda x: np.zeros((len(x), 2), dtype=np.float32), output="logits")
    model = ImageClassifier(box, classes=("0", "1"), input_shape=(1, 4, 4))
    outcome = measured(CHECK, Subject(model, sound().data))
    for one in outcome.findings:
        assert one.value is None
        assert one.undefined


def test_tables_and_graphs_are_read_too() -> None:
    for subject in (table_subject(), graph_subject()):
        assert isinstance(measured(CHECK, subject), Measured)


def test_a_sample_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_inputs"):
        Efficiency(max_inputs=0)
