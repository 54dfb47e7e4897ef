"""Mirrors auditkit/models/layers.py."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from auditkit.errors import ModelError
from auditkit.models.layers import LAYERS, LayerSpec, build_layers, describe_layers
from tests.models.files import Net

EXAMPLES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "Sequential": (
        nn.Sequential(OrderedDict(a=nn.Linear(3, 2), b=nn.Sequential(nn.Tanh()))),
        (2, 3),
    ),
    "Identity": (nn.Identity(), (2, 3)),
    "Conv1d": (nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2, bias=False), (2, 2, 9)),
    "Conv2d": (
        nn.Conv2d(2, 4, (3, 2), padding="same", dilation=2, padding_mode="circular"),
        (2, 2, 9, 9),
    ),
    "Linear": (nn.Linear(3, 2, bias=False), (2, 3)),
    "BatchNorm1d": (nn.BatchNorm1d(3, eps=1e-2, momentum=0.3), (4, 3)),
    "BatchNorm2d": (nn.BatchNorm2d(3, affine=False), (4, 3, 2, 2)),
    "LayerNorm": (nn.LayerNorm([3, 2], eps=0.1, bias=False), (2, 3, 2)),
    "ReLU": (nn.ReLU(inplace=True), (2, 3)),
    "GELU": (nn.GELU(approximate="tanh"), (2, 3)),
    "SiLU": (nn.SiLU(), (2, 3)),
    "LeakyReLU": (nn.LeakyReLU(0.3), (2, 3)),
    "Tanh": (nn.Tanh(), (2, 3)),
    "Sigmoid": (nn.Sigmoid(), (2, 3)),
    "MaxPool2d": (nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True), (2, 1, 8, 8)),
    "AvgPool2d": (
        nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False, divisor_override=7),
        (2, 1, 8, 8),
    ),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((None, 2)), (2, 1, 8, 8)),
    "Flatten": (nn.Flatten(2, 3), (2, 3, 4, 5)),
    "Dropout": (nn.Dropout(0.3), (2, 3)),
}


def again(module: nn.Module) -> nn.Module:
    """Describe, write as JSON, read, build, fill."""
    spec = describe_layers(module)
    assert spec is not None
    built = build_layers(LayerSpec.model_validate_json(spec.model_dump_json()))
    built.load_state_dict(module.state_dict(), assign=True)
    return built


def test_there_is_an_example_of_every_layer() -> None:
    assert set(EXAMPLES) == set(LAYERS)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_layer_comes_back_with_all_its_arguments(name: str, training: bool) -> None:
    module, shape = EXAMPLES[name]
    built = again(module)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    expected = module.train(training)(x.clone())
    torch.manual_seed(0)
    assert torch.equal(built.train(training)(x.clone()), expected)
    assert type(built) is type(module)


def test_a_layer_that_is_used_twice_comes_back_twice() -> None:
    shared = nn.Linear(2, 2)
    relu = nn.LeakyReLU(-1.0)
    module = nn.Sequential(shared, relu, shared, relu)
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(module)(x), module(x))


def test_building_allocates_nothing() -> None:
    spec = describe_layers(nn.Linear(4, 4))
    assert spec is not None
    huge = spec.model_copy(update={"arguments": {"in_features": 2**20, "out_features": 2**20}})
    assert next(build_layers(huge).parameters()).is_meta


@pytest.mark.parametrize(
    "module",
    [
        Net(),
        nn.Sequential(Net()),
        nn.Sequential(nn.Softmax(dim=1)),
        nn.Sequential(prune.l1_unstructured(nn.Linear(4, 4), "weight", 0.5)),
        nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4))),
    ],
    ids=["own class", "own class inside", "unknown layer", "pruned", "reparametrised"],
)
def test_what_is_more_than_known_layers_is_not_described(module: nn.Module) -> None:
    assert describe_layers(module) is None


def test_a_hook_or_a_replaced_forward_is_not_lost_in_silence() -> None:
    hooked = nn.Sequential(nn.Linear(2, 2))
    hooked[0].register_forward_hook(lambda *_: None)
    replaced = nn.Linear(2, 2)
    replaced.forward = lambda x: x  # type: ignore[method-assign]
    assert describe_layers(hooked) is None
    assert describe_layers(replaced) is None


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (LayerSpec(layer="Bilinear"), "not a known layer"),
        (LayerSpec(layer="Linear", arguments={"in_features": 2, "device": "gpu"}), "unknown parts"),
        (LayerSpec(layer="Tanh", children=[("a", LayerSpec(layer="Tanh"))]), "unknown parts"),
        (LayerSpec(layer="Linear", arguments={"in_features": 2}), "impossible Linear"),
        (
            LayerSpec(
                layer="Conv2d", arguments={"in_channels": 3, "out_channels": 2, "kernel_size": 3,
                "groups": 2},
            ),
            "impossible Conv2d",
        ),
        (
            LayerSpec(layer="Sequential", children=[("a.b", LayerSpec(layer="Tanh"))]),
            "impossible Sequential",
        ),
    ],
)  # fmt: skip
def test_impossible_descriptions_are_refused(spec: LayerSpec, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        build_layers(spec)
