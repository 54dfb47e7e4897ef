"""Mirrors auditkit/models/preprocessing.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import ImageClassifier, Layout
from auditkit.models.normalisations import NORMALISATIONS, Normalisation
from auditkit.models.preprocessing import alternatives, doubt, flops_of

MEANS = torch.tensor([[0.2, 0.3, 0.5], [0.5, 0.3, 0.2], [0.6, 0.6, 0.6]])  # colour of each class


class Prototypes(nn.Module):
    """Answers with the class whose colour, prepared as in training, is near; else with a fourth."""

    def __init__(self, colours: Tensor) -> None:
        super().__init__()
        self.colours = nn.Parameter(colours)  # (k, c)

    def forward(self, x: Tensor) -> Tensor:
        far = (x.mean(dim=(2, 3))[:, None] - self.colours[None]).square().sum(2)  # (n, 3)
        spread = 255 if self.colours.abs().max() > 10 else 1
        return -1000 / spread**2 * torch.cat([far, torch.full((len(x), 1), 0.02 * spread**2)], 1)


def prepared(images: Tensor, how: Normalisation) -> Tensor:
    for values, operation in ((how.mean, torch.sub), (how.std, torch.div)):
        if values is not None:
            images = operation(images, torch.tensor(values).view(1, -1, 1, 1))
    return images


def trained_with(how: Normalisation, *, flipped: bool = False) -> Prototypes:
    colours = MEANS.flip(1) if flipped else MEANS
    return Prototypes(prepared(colours[:, :, None, None], how)[:, :, 0, 0])


def data(n: int = 200) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (n,), generator=rng)
    noise = 0.03 * torch.randn(n, 3, 4, 4, generator=rng)
    return (MEANS[labels][:, :, None, None] + noise).clamp(0, 1), labels


def classifier(module: nn.Module, how: Normalisation, layout: Layout = "nchw") -> ImageClassifier:
    return ImageClassifier(
        module,
        classes=["a", "b", "c", "none"],
        input_shape=(3, 4, 4),
        mean=how.mean,
        std=how.std,
        layout=layout,
    )


NONE = Normalisation()


@pytest.mark.parametrize("name", ["half", "imagenet"])
def test_a_missing_normalisation_is_named(name: str) -> None:
    model = classifier(trained_with(NORMALISATIONS[name]), NONE)
    before = model.predict(data()[0])
    said = doubt(model, *data())
    assert said is not None
    assert f"with {name} normalisation" in said
    assert said.endswith(f"did you mean --normalise {name}?")
    assert torch.equal(model.predict(data()[0]), before), "the model is never changed"


def test_pixels_up_to_255_are_named() -> None:
    said = doubt(classifier(trained_with(NONE.after(255)), NONE), *data())
    assert said is not None
    assert "--scale 255" in said


def test_a_normalisation_too_many_is_named() -> None:
    said = doubt(classifier(trained_with(NONE), NORMALISATIONS["imagenet"]), *data())
    assert said is not None
    assert "--normalise none" in said


def test_channels_in_the_other_order_are_named() -> None:
    said = doubt(classifier(trained_with(NONE, flipped=True), NONE), *data())
    assert said is not None
    assert "--layout bgr" in said


@pytest.mark.parametrize("name", ["none", "half", "imagenet"])
def test_the_right_preprocessing_raises_no_doubt(name: str) -> None:
    how = NORMALISATIONS[name]
    assert doubt(classifier(trained_with(how), how), *data()) is None


def test_a_network_that_knows_nothing_raises_no_doubt() -> None:
    """Twelve random networks: the best of several guesses is not taken for knowledge."""
    images, labels = data()
    for seed in range(12):
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Flatten(), nn.Linear(48, 4))
        shuffled = labels[torch.randperm(len(labels))]
        assert doubt(classifier(module, NONE), images, shuffled) is None


def test_too_few_inputs_or_too_large_a_network_are_left_alone() -> None:
    images, labels = data()
    model = classifier(trained_with(NORMALISATIONS["half"]), NONE)
    assert doubt(model, images[:20], labels[:20]) is None

    class Slow(Prototypes):
        def forward(self, x: Tensor) -> Tensor:
            big = torch.zeros(1, 3000, device=x.device)
            for _ in range(2):
                torch.mm(big.expand(3000, 3000), big.expand(3000, 3000))
            return super().forward(x)

    slow = classifier(Slow(trained_with(NORMALISATIONS["half"]).colours.detach()), NONE)
    assert flops_of(slow) > 1e10
    assert doubt(slow, images, labels) is None


def test_a_function_is_asked_for_fewer_inputs_as_nobody_knows_what_it_costs() -> None:
    module, asked = trained_with(NORMALISATIONS["half"]), []

    def predict(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return module(torch.from_numpy(images)).detach().numpy()

    said = doubt(classifier(BlackBox(predict), NONE), *data())
    assert said is not None
    assert "on the same 80 inputs: did you mean --normalise half?" in said
    assert max(asked) <= 80


def test_other_bounds_are_respected() -> None:
    model = classifier(trained_with(NORMALISATIONS["half"]), NONE)
    wide = ImageClassifier(model.module, classes="abcd", input_shape=(3, 4, 4), bounds=(0.0, 255.0))
    images, labels = data()
    said = doubt(wide, 255 * images, labels)
    assert said is not None
    assert "--normalise half" in said
    assert not any("--scale 255" in one.option for one in alternatives(wide))


def test_pixels_up_to_255_that_should_be_scaled_are_named() -> None:
    """Of floats up to 255, a network that was trained on [0, 1]."""
    module = trained_with(NONE)
    wide = ImageClassifier(module, classes="abcd", input_shape=(3, 4, 4), bounds=(0.0, 255.0))
    images, labels = data()
    said = doubt(wide, 255 * images, labels)
    assert said is not None
    assert said.endswith("with pixels scaled to [0, 1], on the same 200 inputs: did you mean"
                         " --scale 0.003921569?")  # fmt: skip
    wide.std = (255.0,)
    assert doubt(wide, 255 * images, labels) is None


class Better(nn.Module):
    """Right on a share of the images, and on a larger one where pixels below zero are seen."""

    def __init__(self, plain: float, negative: float) -> None:
        super().__init__()
        self.plain, self.negative = plain, negative

    def forward(self, x: Tensor) -> Tensor:
        seen = bool(x.min() < 0)
        raw = x * 0.5 + 0.5 if seen else x
        hard = raw[:, 0, 0, 1] >= (self.negative if seen else self.plain)
        label = (raw[:, 0, 0, 0] * 10).round().long()
        return nn.functional.one_hot(torch.where(hard, 3, label.clamp(0, 3)), 4).float()


@pytest.mark.parametrize(
    ("plain", "negative", "n", "doubted"),
    [
        (0.5, 0.9, 200, True),
        (0.5, 0.9, 39, False),  # too few
        (0.80, 0.87, 300, False),  # too little, however surely
        (0.5, 0.62, 40, False),  # not surely
    ],
)
def test_only_a_large_and_certain_difference_is_named(
    plain: float, negative: float, n: int, doubted: bool
) -> None:
    labels = torch.arange(n) % 3
    images = torch.zeros(n, 1, 2, 2)
    images[:, 0, 0, 0] = labels / 10
    images[:, 0, 0, 1] = torch.linspace(0, 0.999, n)
    model = ImageClassifier(Better(plain, negative), classes="abcd", input_shape=(1, 2, 2))
    said = doubt(model, images, labels)
    assert (said is not None) == doubted
