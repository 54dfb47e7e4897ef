"""Mirrors auditkit/methods/attacks/unmasking.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from auditkit.methods.attacks.active_set import loss_gradients
from auditkit.methods.attacks.unmasking import (
    PREPROCESSING,
    ROUNDING,
    SATURATION,
    Unmasked,
)
from auditkit.models.classifier import ImageClassifier
from tests.methods.attacks.subjects import NoSlope

SHAPE = (1, 4, 4)
Function = Callable[[Tensor], Tensor]


class Masked(nn.Module):
    """A small network between a function of its images and one of its scores."""

    def __init__(self, before: Function | None = None, after: Function | None = None) -> None:
        super().__init__()
        self.before, self.after = before, after
        self.stem = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(16, 3)
        rng = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for one in self.parameters():
                one.copy_(torch.randn(one.shape, generator=rng))

    def forward(self, images: Tensor) -> Tensor:
        images = self.before(images) if self.before else images
        scores = self.head(self.stem(images).relu().flatten(1))
        return self.after(scores) if self.after else scores


def classifier(
    before: Function | None = None, after: Function | None = None, *, probabilities: bool = False
) -> ImageClassifier:
    model = ImageClassifier(Masked(before, after), classes=("a", "b", "c"), input_shape=SHAPE)
    model.probabilities = probabilities
    return model


IMAGES = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def opaque(images: Tensor) -> Tensor:
    return torch.from_numpy((images.detach().numpy() * 16).round() / 16)


BEFORE: dict[str, tuple[Function, str]] = {
    "round": (lambda x: (x * 8).round() / 8, ROUNDING),
    "torch.floor": (lambda x: torch.floor(x * 8) / 8, ROUNDING),
    "in place": (lambda x: (x * 8).round_() / 8, ROUNDING),
    "whole numbers": (lambda x: (x * 255).to(torch.uint8).float() / 255, ROUNDING),
    "whole numbers, divided": (lambda x: (x * 255).long() / 255, ROUNDING),
    "threshold": (lambda x: (x > 0.5).float(), ROUNDING),
    "numpy": (opaque, PREPROCESSING),
    "zero": (NoSlope.apply, PREPROCESSING),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("name", BEFORE)
def test_gradients_get_past_what_hides_them_before_the_network(name: str) -> None:
    before, mask = BEFORE[name]
    model = classifier(before)
    assert (loss_gradients(model.logits, IMAGES, LABELS) == 0).all()
    unmasked = Unmasked(model, IMAGES[:2])
    assert unmasked.masks == (mask,)
    # The gradient of the network alone, at what it is given, up to the factors around the step.
    inner = loss_gradients(classifier().logits, before(IMAGES).detach(), LABELS)
    found = loss_gradients(unmasked, IMAGES, LABELS)
    cosine = torch.nn.functional.cosine_similarity(found.flatten(1), inner.flatten(1))
    assert cosine == pytest.approx(torch.ones(6), abs=1e-5)
    with torch.no_grad():
        assert torch.equal(unmasked(IMAGES), model.logits(IMAGES))


AFTER: dict[str, tuple[Function, bool]] = {
    "softmax": (lambda z: (1e6 * z).softmax(dim=1), False),
    "softmax, read as probabilities": (lambda z: (1e6 * z).softmax(dim=1), True),
    "log of softmax": (lambda z: (1e6 * z).softmax(1).log(), False),
    "functional": (lambda z: nn.functional.softmax(1e6 * z, dim=-1), False),
}


@pytest.mark.parametrize("name", AFTER)
def test_a_saturated_end_is_left_out(name: str) -> None:
    after, probabilities = AFTER[name]
    model = classifier(after=after, probabilities=probabilities)
    assert (loss_gradients(model.logits, IMAGES, LABELS).nan_to_num() == 0).all()
    unmasked = Unmasked(model, IMAGES[:2])
    assert unmasked.masks == (SATURATION,)
    raw = classifier()
    with torch.no_grad():
        assert torch.equal(unmasked(IMAGES), 1e6 * raw.logits(IMAGES))


def test_one_output_behind_a_sigmoid_becomes_two_scores() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Sigmoid())
    model = ImageClassifier(network, classes=("no", "yes"), input_shape=SHAPE)
    model.probabilities = True
    scores = Unmasked(model, IMAGES[:2])(IMAGES)
    assert scores.shape == (6, 2)
    assert (scores[:, 0] == 0).all()
    odds = model.logits(IMAGES)
    assert scores[:, 1].numpy() == pytest.approx((odds[:, 1] - odds[:, 0]).numpy(), abs=1e-5)


def test_a_model_that_hides_nothing_is_left_alone() -> None:
    model = classifier()
    unmasked = Unmasked(model, IMAGES[:2])
    assert unmasked.masks == ()
    assert torch.equal(
        loss_gradients(unmasked, IMAGES, LABELS), loss_gradients(model.logits, IMAGES, LABELS)
    )


def test_a_softmax_inside_is_not_taken_for_the_end() -> None:
    model = classifier(after=lambda z: 3 * z.softmax(dim=1))
    unmasked = Unmasked(model, IMAGES[:2])
    assert unmasked.masks == ()
    with torch.no_grad():
        assert torch.equal(unmasked(IMAGES), model.logits(IMAGES))


def test_hooks_are_gone_afterwards() -> None:
    model = classifier(opaque)
    loss_gradients(Unmasked(model, IMAGES[:2]), IMAGES, LABELS)
    assert not any(part._forward_pre_hooks for part in model.module.modules())
