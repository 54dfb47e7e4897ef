"""Mirrors auditkit/models/auto.py."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from auditkit.models.architectures import Builtin, Layers, build_described, describe, fill
from auditkit.models.auto import Candidate, candidates, sketch
from tests.models.networks import (
    Block,
    Bottleneck,
    Normalised,
    OldNet,
    Residual,
    TutorialNet,
    Vgg,
    options,
    shaken,
)

Shape = tuple[int, int, int]


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(48, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)
    )


@cache
def known() -> dict[str, tuple[nn.Module, Shape]]:
    torch.manual_seed(0)
    return {
        "tutorial": (TutorialNet(), (3, 32, 32)),
        "tutorial, grey": (TutorialNet(1, 4), (1, 28, 28)),
        "tanh and means": (OldNet(), (1, 28, 28)),
        "normalised": (Normalised(), (3, 16, 16)),
        "vgg": (Vgg(), (3, 32, 32)),
        "perceptron": (perceptron(), (3, 4, 4)),
        "basic": (Residual(Block, (2, 1, 1, 1), kind="shortcut"), (3, 32, 32)),
        "padded": (Residual(Block, (1, 2, 1), kind="padded"), (3, 32, 32)),
        "bottleneck": (Residual(Bottleneck, (1, 1), kind="shortcut"), (3, 32, 32)),
        "torchvision": (
            Residual(Bottleneck, (1, 2, 1, 1), kind="downsample", kernel=7, head="fc"),
            (3, 64, 64),
        ),
    }


def filled(candidate: Candidate, module: nn.Module, prefix: str = "") -> nn.Module:
    state = {prefix + name: value for name, value in module.state_dict().items()}
    built = candidate.build()
    fill(built, {new: state[old] for new, old in candidate.reading.names.items()})
    return built.eval()


def same(candidate: Candidate, module: nn.Module, images: Tensor) -> bool:
    try:
        answer = filled(candidate, module)(images)
    except RuntimeError:
        return False
    return torch.allclose(answer, module(images), atol=1e-5)


@pytest.mark.parametrize("name", known())
def test_the_network_that_made_the_tensors_is_among_the_candidates(name: str) -> None:
    module, shape = known()[name]
    shaken(module)
    images = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    found = candidates(options(module), shape)
    right = [one for one in found if same(one, module, images)]
    assert right, [one.words for one in found]
    assert len({one.id for one in found}) == len(found)
    assert len(right) < len(found) or len(found) == 1, "candidates differ in what they compute"


@pytest.mark.parametrize(
    "name", ["tutorial", "tutorial, grey", "vgg", "basic", "bottleneck", "torchvision"]
)
def test_a_usual_network_is_the_first_candidate(name: str) -> None:
    module, shape = known()[name]
    shaken(module)
    images = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    assert same(candidates(options(module), shape)[0], module, images)


@pytest.mark.parametrize("name", known())
def test_a_candidate_can_be_written_into_a_bundle(name: str) -> None:
    module, shape = known()[name]
    candidate = candidates(options(module), shape)[0]
    built = filled(candidate, module)
    described = describe(built)
    assert isinstance(described, Builtin | Layers)
    if isinstance(described, Layers):
        names = build_described(described).state_dict()
        assert set(names) == set(built.state_dict())


def test_prefixes_come_off_first() -> None:
    module = TutorialNet()
    found = candidates(options(module, "module."), (3, 32, 32))
    assert filled(found[0], module, "module.")
    assert found[0].reading.prefix == "module."


@pytest.mark.parametrize(
    ("name", "input_shape", "said"),
    [
        ("tutorial", (3, 32, 32), "2 convolutions and 3 linear layers"),
        ("tutorial, grey", (1, 28, 28), "2 convolutions and 3 linear layers"),
        ("vgg", (3, 32, 32), "5 convolutions and 2 linear layers"),
        ("basic", None, "ResNet-12 (2-1-1-1 basic blocks, 3x3 first convolution, not pooled)"),
        ("padded", None, "shortcuts without weights"),
        (
            "torchvision",
            None,
            "ResNet-17 (1-2-1-1 bottleneck blocks, 7x7 first convolution, pooled",
        ),
    ],
)
def test_a_sketch_tells_what_the_tensors_are(
    name: str, input_shape: Shape | None, said: str
) -> None:
    seen = sketch(options(known()[name][0]))
    assert seen is not None
    assert said in seen.family
    assert seen.input_shape == input_shape


@pytest.mark.parametrize(
    "module",
    [
        nn.LSTM(3, 4),
        nn.TransformerEncoderLayer(8, 2, 16),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(16, 2)),
        nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 2, 1)),
        nn.Sequential(nn.Conv1d(3, 6, 3)),
        nn.Sequential(nn.Linear(4, 3), nn.Linear(5, 2)),
        nn.Embedding(4, 3),
    ],
    ids=lambda module: type(module).__name__,
)
def test_other_networks_are_not_guessed(module: nn.Module) -> None:
    found = candidates(options(module), (3, 8, 8))
    assert found == []


def test_images_of_another_shape_have_no_candidate() -> None:
    assert candidates(options(TutorialNet()), (1, 32, 32)) == []
    assert candidates(options(perceptron()), (3, 5, 5)) == []
    assert candidates(options(Residual(Block, (1,), kind="shortcut")), (1, 32, 32)) == []
    assert candidates([], (1, 8, 8)) == []
