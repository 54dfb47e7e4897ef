"""Mirrors auditkit/methods/saliency/activations.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.methods.saliency.activations import Activation, last_spatial_activation
from auditkit.methods.saliency.unsuited import Unsuited
from tests.methods.saliency.nets import assert_untouched, noise, small_cnn, state_of
from tests.methods.saliency.transformers import CLASSES, Style, vit

TARGET = torch.tensor([0, 2, 1])


class Functional(nn.Module):
    """One activation used twice and in place, a sum, a join, a pool, and a gate."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.gate, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def features(self, images: Tensor) -> Tensor:
        x = functional.relu_(self.first(images))
        x = functional.max_pool2d(x, 2)
        x = torch.cat([functional.gelu(self.second(x)) + x, x], dim=1)
        gate = torch.sigmoid(self.gate(x.mean(dim=(2, 3))))
        return x * gate[:, :, None, None]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(functional.adaptive_avg_pool2d(self.features(images), 2).mean(dim=(2, 3)))


def found(model: nn.Module, images: Tensor, target: Tensor = TARGET) -> Activation:
    activation = last_spatial_activation(model, images, target)
    assert isinstance(activation, Activation), activation
    return activation


def test_it_is_the_last_one_whatever_functions_made_it() -> None:
    model = Functional().eval().requires_grad_(False)
    images = noise(3, 3, 8, 8)
    activation = found(model, images)
    assert torch.equal(activation.values, model.features(images))
    expected = model.head.weight[TARGET] / 16
    assert torch.allclose(activation.slopes, expected[:, :, None, None].expand(3, 8, 4, 4))
    assert activation.layer == "activation 4x4 of 8 channels after mul"


def test_an_activation_changed_in_place_counts_once_with_its_last_value() -> None:
    conv = nn.Conv2d(3, 4, 3).requires_grad_(False)
    head = nn.Linear(4, 3).requires_grad_(False)
    model = lambda x: head(functional.relu_(conv(x)).mean(dim=(2, 3)))  # noqa: E731
    activation = last_spatial_activation(model, noise(3, 3, 8, 8), TARGET)
    assert isinstance(activation, Activation)
    assert float(activation.values.min()) == 0.0
    assert activation.layer.endswith("after relu")


def test_what_is_changed_last_counts_not_what_was_made_last() -> None:
    conv, head = nn.Conv2d(3, 4, 3).requires_grad_(False), nn.Linear(4, 3).requires_grad_(False)

    def model(images: Tensor) -> Tensor:
        x = conv(images)
        doubled = x * 2
        x.relu_()
        return head((doubled + 0).mean(dim=(2, 3)) * 0 + x.mean(dim=(2, 3)))

    def unsummed(images: Tensor) -> Tensor:
        x = conv(images)
        doubled = x * 2
        x.relu_()
        return head(doubled.mean(dim=(2, 3)) + x.mean(dim=(2, 3)))

    for one, layer in ((model, "add"), (unsummed, "relu")):
        activation = last_spatial_activation(one, noise(3, 3, 8, 8), TARGET)
        assert isinstance(activation, Activation)
        assert activation.layer.endswith(f"after {layer}")


def test_a_turned_map_is_no_layout_of_the_image() -> None:
    conv, head = nn.Conv2d(3, 4, 3).requires_grad_(False), nn.Linear(144, 3).requires_grad_(False)
    model = lambda x: head(conv(x).tanh().transpose(2, 3).flatten(1))  # noqa: E731
    activation = last_spatial_activation(model, noise(3, 3, 8, 8), TARGET)
    assert isinstance(activation, Activation)
    assert activation.layer.endswith("after tanh")


def test_what_does_not_reach_the_logits_is_passed_over() -> None:
    conv, head = nn.Conv2d(3, 4, 3).requires_grad_(False), nn.Linear(4, 3).requires_grad_(False)

    def model(images: Tensor) -> Tensor:
        x = conv(images)
        torch.tanh(x)  # an auxiliary output
        return head(x.mean(dim=(2, 3)))

    activation = last_spatial_activation(model, noise(3, 3, 8, 8), TARGET)
    assert isinstance(activation, Activation)
    assert activation.layer.endswith("after conv2d")


@pytest.mark.parametrize("style", ["module", "fused", "written"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("answer", ["first", "last", "mean"])
@pytest.mark.parametrize("n", [3, 16, 17])  # also as many images as tokens
def test_tokens_are_the_patches_of_the_image(
    style: Style, batch_first: bool, answer: str, n: int
) -> None:
    """A network that scales what it sees of one patch has that patch in its place."""
    model = vit(style, answer=answer, batch_first=batch_first)
    images, target = noise(n, 3, 16, 16), torch.arange(n) % CLASSES
    activation = found(model, images, target)
    assert activation.values.shape == (n, 16, 4, 4)
    assert activation.layer.startswith("tokens 4x4 of 16 features after layer norm")
    assert activation.layer.endswith("left out") == (answer != "mean")
    assert activation.slopes.ne(0).any(dim=1).all(), "every patch of every image counts"
    alone = found(model, images[1:2], target[1:2])
    assert torch.allclose(alone.values[0], activation.values[1], atol=1e-5)
    assert torch.allclose(alone.slopes[0], activation.slopes[1], atol=1e-6)
    changed = images.clone()
    changed[:, :, 4:8, 8:12] = 0  # the patch in row 1, column 2
    moved = (found(model, changed, target).values - activation.values).abs().sum(dim=(0, 1))
    assert int(moved.argmax()) == 1 * 4 + 2


def test_networks_without_layout_say_so() -> None:
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 3))
    reason = last_spatial_activation(mlp, noise(3, 3, 8, 8), TARGET)
    assert isinstance(reason, Unsuited)
    assert "keeps the layout" in reason.reason
    rows = last_spatial_activation(nn.Linear(5, 3), noise(3, 5), TARGET)
    assert isinstance(rows, Unsuited)
    assert "no images" in rows.reason


def test_a_constant_model_has_none_and_raises_nothing() -> None:
    def constant(images: Tensor) -> Tensor:
        return torch.zeros(len(images), 3)

    assert isinstance(last_spatial_activation(constant, noise(3, 3, 8, 8), TARGET), Unsuited)


def test_models_are_left_as_they_were_also_when_they_raise() -> None:
    model, images = small_cnn(channels=3), noise(3, 3, 8, 8)
    before, kept = state_of(model.module), images.clone()
    found(model.logits, images)  # type: ignore[arg-type]

    def failing(points: Tensor) -> Tensor:
        model.logits(points)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        last_spatial_activation(failing, images, TARGET)
    assert_untouched(model.module, before)
    assert torch.equal(images, kept)
    assert not images.requires_grad
    assert torch.overrides._get_current_function_mode() is None
