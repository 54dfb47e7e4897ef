"""Variational autoencoder: images become normal distributions of a few numbers, and come back."""

from __future__ import annotations

import math
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data import digits, fashion_mnist
from auditkit.errors import ConfigError
from auditkit.models.card import Config, Recipe, Shapes
from auditkit.models.generative import GenerativeCard, ImageMaker, VaeRecipe


@final
class Posterior(NamedTuple):
    """What the encoder says of images: a normal distribution of the latent numbers of each."""

    mean: Tensor  # (n, latent)
    log_variance: Tensor  # (n, latent), of independent numbers

    def sample(self, noise: Tensor) -> Tensor:
        """Return latent numbers (n, latent) as a function of standard normal noise (n, latent).

        Gradients reach mean and variance (the reparameterisation trick, section 2.4).
        """
        return self.mean + (self.log_variance / 2).exp() * noise

    def divergence(self) -> Tensor:
        """Return the Kullback-Leibler divergence from the standard normal prior in nats, (n,)."""
        variance = self.log_variance.exp()
        return (self.mean.square() + variance - 1 - self.log_variance).sum(dim=1) / 2


@final
class Vae(ImageMaker):
    """A convolutional encoder and decoder; a pixel is the probability that it is on.

    Parameters
    ----------
    side : int
        Height and width of the grey image in pixels, a multiple of 4.
    width : int
        Channels at full resolution; twice and four times as many at a half and a quarter of it.
    latent : int
        Numbers that stand for an image.
    greys : int
        Values that a pixel can have.

    References
    ----------
    Kingma and Welling, 2014, arXiv:1312.6114.
    """

    def __init__(
        self, *, side: int = 28, width: int = 16, latent: int = 16, greys: int = 256
    ) -> None:
        super().__init__()
        if side % 4:
            raise ConfigError(f"side is {side}, expected a multiple of 4.")
        self.config = {"side": side, "width": width, "latent": latent, "greys": greys}
        self.latent, self.n_classes = latent, 0
        self.greys: Tensor
        self.register_buffer("greys", torch.linspace(0, 1, greys))
        self.log_scale = nn.Parameter(torch.tensor(-2.0))  # of all pixels
        cells, deep = side // 4, 4 * width
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * width, deep, kernel_size=4, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(deep * cells**2, 2 * latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, deep * cells**2),
            nn.SiLU(),
            nn.Unflatten(1, (deep, cells, cells)),
            nn.ConvTranspose2d(deep, 2 * width, kernel_size=4, stride=2, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(2 * width, width, kernel_size=4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, 1, kernel_size=3, padding=1),
        )

    def encode(self, images: Tensor) -> Posterior:
        """Map images (n, 1, side, side) in [0, 1] to a distribution of latent numbers."""
        return Posterior(*self.encoder(images).float().chunk(2, dim=1))

    def decode(self, latents: Tensor) -> Tensor:
        """Map latent numbers (n, latent) to images (n, 1, side, side) in [0, 1]."""
        return self.decoder(latents).float().sigmoid()

    def make(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Map noise (n, latent) to images (n, 1, side, side) in [0, 1]; there are no classes."""
        assert labels is None
        return self.decode(noise)

    def elbo(self, images: Tensor, noise: Tensor) -> Tensor:
        """Return the evidence lower bound of each image in nats, (n,), from one draw of noise.

        Parameters
        ----------
        images : Tensor
            (n, 1, side, side), of `greys` equally spaced values from 0 to 1.
        noise : Tensor
            (n, latent), standard normal.

        References
        ----------
        Section 2.2, equation 3.
        """
        posterior = self.encode(images)
        likely = self.log_likelihood(images, self.decode(posterior.sample(noise)))
        return likely - posterior.divergence()

    def log_likelihood(self, images: Tensor, means: Tensor) -> Tensor:
        """Return the log-probability of each image in nats, (n,), given the mean of every pixel.

        A pixel is logistic about its mean and rounded to the nearest grey value; the first and the
        last stand for everything beyond them.

        References
        ----------
        Salimans et al., 2017, arXiv:1701.05517, section 2.1.
        """
        half = 0.5 / (len(self.greys) - 1)
        above = (images + half - means) * (-self.log_scale).exp()
        below = (images - half - means) * (-self.log_scale).exp()
        # log(sigmoid(a) - sigmoid(b)) without the difference of two numbers that are nearly equal.
        inner = functional.logsigmoid(above) + functional.logsigmoid(-below)
        inner = inner + torch.log1p(-(below - above).exp())
        first, last = functional.logsigmoid(above), functional.logsigmoid(-below)
        edged = torch.where(images > 1 - half, last, inner)
        return torch.where(images < half, first, edged).flatten(1).sum(dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 1, side, side) to what is left of them after both ways."""
        return self.decode(self.encode(images).mean)

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        width = shapes["encoder.0.weight"][0]
        twice, inner = shapes["encoder.7.weight"]
        return {
            "side": 4 * math.isqrt(inner // (4 * width)),
            "width": width,
            "latent": twice // 2,
            "greys": shapes["greys"][0],
        }


CARDS = (
    GenerativeCard(
        name="digits-vae",
        summary="Turns handwritten digits of 8x8 pixels into six numbers and back.",
        build=Vae,
        config={"side": 8, "width": 32, "latent": 6, "greys": 17},
        data="digits",
        input_shape=(1, 8, 8),
        source="Kingma and Welling, 2014, arXiv:1312.6114 (variational autoencoder)",
        recipe=VaeRecipe(
            fitting=Recipe(
                seed=0, epochs=100, batch_size=64, learning_rate=2e-3, weight_decay=0.01
            ),
            divergence=1.0,
        ),
        limits=(
            "What it makes is the mean of each pixel, which is softer than handwriting.",
            "Some of what it makes lies between two digits; it does not know classes.",
        ),
        terms=digits.TERMS,
    ),
    GenerativeCard(
        name="fashion-vae",
        summary="Turns pictures of clothes into ten numbers and back.",
        build=Vae,
        config={"side": 28, "width": 16, "latent": 10, "greys": 256},
        data="fashion-mnist",
        input_shape=(1, 28, 28),
        source="Kingma and Welling, 2014, arXiv:1312.6114 (variational autoencoder)",
        recipe=VaeRecipe(
            fitting=Recipe(
                seed=0,
                epochs=15,
                batch_size=128,
                learning_rate=2e-3,
                weight_decay=0.01,
                precision="bfloat16",
            ),
            divergence=4.0,
        ),
        limits=(
            "Keeps shape and brightness; prints, seams and heels are lost.",
            "Some of what it makes lies between two pieces of clothing; it does not know classes.",
        ),
        terms=fashion_mnist.TERMS,
    ),
)
