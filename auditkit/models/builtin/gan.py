"""Conditional adversarial network: noise and a class become an image that passes for real."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from auditkit.data import digits, fashion_mnist
from auditkit.errors import ConfigError
from auditkit.models.card import Config, Shapes
from auditkit.models.generative import GanRecipe, GenerativeCard, ImageMaker


@final
class Generator(ImageMaker):
    """The half that is shipped: transposed convolutions from noise and a class to an image.

    Parameters
    ----------
    side : int
        Height and width of the grey image in pixels, a multiple of 4.
    width : int
        Channels at full resolution; twice and four times as many at a half and a quarter of it.
    latent : int
        Numbers of noise per image; a class is as many learned numbers.
    n_classes : int
        Number of classes.

    References
    ----------
    Goodfellow et al., 2014, arXiv:1406.2661; Mirza and Osindero, 2014, arXiv:1411.1784 (classes);
    Radford, Metz and Chintala, 2016, arXiv:1511.06434 (convolutions).
    """

    def __init__(
        self, *, side: int = 28, width: int = 16, latent: int = 32, n_classes: int = 10
    ) -> None:
        super().__init__()
        if side % 4:
            raise ConfigError(f"side is {side}, expected a multiple of 4.")
        self.config = {"side": side, "width": width, "latent": latent, "n_classes": n_classes}
        self.latent, self.n_classes = latent, n_classes
        cells, deep = side // 4, 4 * width
        self.classes = nn.Embedding(n_classes, latent)
        self.body = nn.Sequential(
            nn.Linear(2 * latent, deep * cells**2),
            nn.Unflatten(1, (deep, cells, cells)),
            nn.BatchNorm2d(deep),
            nn.ReLU(),
            nn.ConvTranspose2d(deep, 2 * width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 1, kernel_size=3, padding=1),
        )

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Map noise (n, latent) and classes (n,) to images (n, 1, side, side) in [0, 1]."""
        return self.body(torch.cat([noise, self.classes(labels)], dim=1)).sigmoid()

    def make(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Map noise (n, latent) and classes (n,) to images (n, 1, side, side) in [0, 1]."""
        assert labels is not None
        return self(noise, labels)

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        n_classes, latent = shapes["classes.weight"]
        width = shapes["body.8.weight"][0]
        cells = math.isqrt(shapes["body.0.weight"][0] // (4 * width))
        return {"side": 4 * cells, "width": width, "latent": latent, "n_classes": n_classes}


@final
class Discriminator(nn.Module):
    """The half that is thrown away: how real an image looks for its class.

    Spectral normalisation keeps its slope at most near 1, so that the generator always has one to
    follow.

    Parameters
    ----------
    width : int
        Channels at full resolution; twice and four times as many at a half and a quarter of it.
    n_classes : int
        Number of classes.

    References
    ----------
    Miyato et al., 2018, arXiv:1802.05957 (spectral normalisation); Miyato and Koyama, 2018,
    arXiv:1802.05637 (classes by an inner product).
    """

    def __init__(self, *, width: int = 32, n_classes: int = 10) -> None:
        super().__init__()
        deep = 4 * width
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(1, width, kernel_size=3, padding=1)),
            nn.LeakyReLU(0.1),
            spectral_norm(nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1)),
            nn.LeakyReLU(0.1),
            spectral_norm(nn.Conv2d(2 * width, deep, kernel_size=4, stride=2, padding=1)),
            nn.LeakyReLU(0.1),
            spectral_norm(nn.Conv2d(deep, deep, kernel_size=3, padding=1)),
            nn.LeakyReLU(0.1),
        )
        self.classes = spectral_norm(nn.Embedding(n_classes, deep))
        self.head = spectral_norm(nn.Linear(deep, 1))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Map images (n, 1, h, w) and classes (n,) to scores (n,), positive for real."""
        features = self.body(images).sum(dim=(2, 3))  # (n, 4 width)
        return self.head(features)[:, 0] + (self.classes(labels) * features).sum(dim=1)


CARDS = (
    GenerativeCard(
        name="digits-gan",
        summary="Makes handwritten digits of 8x8 pixels, of the class that is asked for.",
        build=Generator,
        config={"side": 8, "width": 16, "latent": 16, "n_classes": 10},
        data="digits",
        input_shape=(1, 8, 8),
        source="Mirza and Osindero, 2014, arXiv:1411.1784 (conditional adversarial network)",
        recipe=GanRecipe(
            seed=0,
            epochs=150,
            batch_size=64,
            generator_rate=1e-3,
            discriminator_rate=1e-3,
            averaging=0.999,
            width=16,
        ),
        judge="digits-cnn",
        limits=(
            "The measured share says that classes are recognised, not that all ways of writing"
            " are made.",
            "Learned from 1,078 images: what it makes is close to their handwriting.",
        ),
        terms=digits.TERMS,
    ),
    GenerativeCard(
        name="fashion-gan",
        summary="Makes pictures of clothes, of the class that is asked for.",
        build=Generator,
        config={"side": 28, "width": 16, "latent": 32, "n_classes": 10},
        data="fashion-mnist",
        input_shape=(1, 28, 28),
        source="Mirza and Osindero, 2014, arXiv:1411.1784 (conditional adversarial network)",
        recipe=GanRecipe(
            seed=0,
            epochs=9,
            batch_size=128,
            generator_rate=1e-3,
            discriminator_rate=1e-3,
            averaging=0.999,
            width=16,
            precision="bfloat16",
        ),
        judge="fashion-resnet",
        limits=(
            "The measured share says that classes are recognised, not that all kinds of clothes"
            " are made.",
            "Fine prints and straps come out smeared.",
        ),
        terms=fashion_mnist.TERMS,
    ),
)
