"""Networks that make images, and what is known about the built-in ones."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from auditkit.errors import ConfigError, ModelError, near_miss
from auditkit.findings import Frozen
from auditkit.models.bundle import file_sha256, read_safetensors
from auditkit.models.card import WEIGHTS, Config, Network, Recipe
from auditkit.percent import percent, percent_range
from auditkit.randomness import key_of, normal
from auditkit.statistics import Interval

MEASUREMENTS = WEIGHTS / "generative.json"


class ImageMaker(Network):
    """A network that makes images from standard normal noise.

    `latent` is how many numbers of noise an image takes; `n_classes` is how many classes one can
    ask for, 0 where the network does not know them.
    """

    latent: int
    n_classes: int

    def make(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Map noise (n, latent), and classes (n,) where it knows them, to images in [0, 1]."""
        raise NotImplementedError


@final
@dataclass(frozen=True, kw_only=True)
class VaeRecipe:
    """How an autoencoder is trained.

    Parameters
    ----------
    fitting : Recipe
        As for any other network.
    divergence : float
        Weight of the divergence from the prior. 1 trains the evidence lower bound itself; more
        gives images that lose detail, and made ones that look more like real ones.

    References
    ----------
    Higgins et al., 2017, beta-VAE: learning basic visual concepts with a constrained variational
    framework.
    """

    fitting: Recipe
    divergence: float = 1.0

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.fitting.seed

    def seeded(self, seed: int) -> VaeRecipe:
        """Return the same with another seed."""
        return replace(self, fitting=replace(self.fitting, seed=seed))

    def as_text(self) -> str:
        """Return the settings on one line."""
        return f"{self.fitting.as_text()}, divergence {self.divergence}"


@final
@dataclass(frozen=True, kw_only=True)
class GanRecipe:
    """How generator and discriminator are trained against each other, by Adam in equal numbers.

    Parameters
    ----------
    seed : int
        Of the initial weights, the order of the inputs and the noise.
    epochs, batch_size : int
        Passes over the training inputs, and inputs per step.
    generator_rate, discriminator_rate : float
        First step sizes; both fall to zero in a straight line over the second half.
    averaging : float
        The shipped generator is a running mean of the trained ones, which keeps this share of
        itself at every step.
    width : int
        Of the discriminator.
    precision : {"float32", "bfloat16"}
        Of products while training.

    References
    ----------
    Heusel et al., 2017, arXiv:1706.08500 (two step sizes); Yazici et al., 2019, arXiv:1806.04498
    (averaging).
    """

    seed: int
    epochs: int
    batch_size: int
    generator_rate: float
    discriminator_rate: float
    averaging: float
    width: int
    precision: Literal["float32", "bfloat16"] = "float32"

    def seeded(self, seed: int) -> GanRecipe:
        """Return the same with another seed."""
        return replace(self, seed=seed)

    def as_text(self) -> str:
        """Return the settings on one line."""
        return ", ".join(
            f"{one.name.replace('_', ' ')} {getattr(self, one.name)}" for one in fields(self)
        )


@final
class Quality(Frozen):
    """One held-out figure of how good a generative network is.

    Parameters
    ----------
    metric : {"elbo", "recognised"}
        The mean evidence lower bound of test images in nats per image; or the share of made images
        that a built-in classifier takes for the class that was asked for.
    value, low, high : float
        Estimate and 95 % interval: percentile bootstrap over images, or Clopper-Pearson.
    n : int
        Images.
    judge : str, optional
        The classifier.
    """

    metric: Literal["elbo", "recognised"]
    value: float
    low: float
    high: float
    n: int
    judge: str | None = None

    @property
    def interval(self) -> Interval:
        """Of the value, 95 %."""
        return Interval(self.low, self.high)

    def __str__(self) -> str:
        if self.metric == "elbo":
            return (
                f"evidence lower bound {self.value:.2f} nats per image on n = {self.n} test images,"
                f" 95 % interval {self.low:.2f} to {self.high:.2f}"
            )
        return (
            f"{percent(self.value)} of n = {self.n} made images are of the class asked for, as"
            f" {self.judge} sees them, 95 % interval {percent_range(self.low, self.high)}"
        )


@final
class GenerativeMeasured(Frozen):
    """What was measured when the shipped weights were trained.

    Parameters
    ----------
    sha256 : str
        Of the file with the weights.
    parameters : int
        Trained numbers that are shipped.
    seconds : float, optional
        Wall-clock time of the training; None where it was stopped in between.
    quality : Quality
        How good it is.
    recipe : str
        What the weights were trained by, config included.
    trained_with : str
        Version of torch.
    """

    sha256: str
    parameters: int
    seconds: float | None
    quality: Quality
    recipe: str
    trained_with: str


@final
@dataclass(frozen=True, kw_only=True)
class GenerativeCard:
    """Everything a reader should know about a built-in network that makes images.

    Parameters
    ----------
    name : str
        What to load it by.
    summary : str
        One sentence.
    build : type of ImageMaker
        The architecture; `build(**config)` makes it.
    config : dict
        Constructor arguments of the shipped weights.
    data : str
        Data set it was trained on, on the split "train" alone.
    input_shape : (c, h, w)
        Of one image; pixels lie in [0, 1].
    source : str
        The paper the architecture follows.
    recipe : VaeRecipe or GanRecipe
        How the weights were trained.
    judge : str, optional
        Where classes can be asked for: the built-in classifier that says whether they were made.
    limits : tuple of str
        What it is known not to do.
    terms : str
        Where the training data comes from and on which terms.
    """

    name: str
    summary: str
    build: type[ImageMaker]
    config: Config
    data: str
    input_shape: tuple[int, int, int]
    source: str
    recipe: VaeRecipe | GanRecipe
    judge: str | None = None
    limits: tuple[str, ...] = ()
    terms: str = ""

    @property
    def weights(self) -> Path:
        """File with the shipped weights."""
        return WEIGHTS / f"{self.name}.safetensors"

    @property
    def recipe_text(self) -> str:
        """Constructor arguments and recipe on one line."""
        config = ", ".join(f"{name} {value}" for name, value in self.config.items())
        return f"{self.build.__name__}({config}): {self.recipe.as_text()}"

    def facts(self) -> dict[str, str]:
        """Return the card as texts."""
        shape = " x ".join(map(str, self.input_shape))
        return {
            "summary": self.summary,
            "architecture after": self.source,
            "makes": f"images of {shape}"
            + (", of the class that is asked for" if self.judge else ""),
            "trained on": f"{self.data}, split train, seed {self.recipe.seed}",
            "quality": str(self.measured.quality),
            "size": f"{self.measured.parameters:,} parameters",
            "known limits": " ".join(self.limits),
            "data terms": f"{self.terms} The weights are derived from these data.",
            "recipe": self.recipe_text,
        }

    @property
    def measured(self) -> GenerativeMeasured:
        """What was measured of the shipped weights.

        Raises
        ------
        ModelError
            If the network has not been trained yet.
        """
        if self.name not in measurements():
            raise ModelError(
                f"{self.name} comes without weights.",
                hint=f"Train it: audit models train {self.name} --install",
            )
        return measurements()[self.name]


@cache
def measurements() -> dict[str, GenerativeMeasured]:
    """Return what was measured of each generative network whose weights are shipped, by name."""
    if not MEASUREMENTS.exists():
        return {}
    raw = json.loads(MEASUREMENTS.read_text(encoding="utf-8"))
    return {name: GenerativeMeasured.model_validate(one) for name, one in raw.items()}


@cache
def generative_cards() -> dict[str, GenerativeCard]:
    """Return the built-in networks that make images, by name."""
    from auditkit.models.builtin import gan, vae  # they need the classes above

    return {card.name: card for card in (*vae.CARDS, *gan.CARDS)}


def trained_cards() -> dict[str, GenerativeCard]:
    """Return those whose weights come with auditkit."""
    return {name: card for name, card in generative_cards().items() if name in measurements()}


def generative_card(name: str) -> GenerativeCard:
    """Return one card.

    Raises
    ------
    ConfigError
        If there is no such network.
    """
    cards = generative_cards()
    if name not in cards:
        raise ConfigError(
            f"There is no built-in generative network {name!r}.{near_miss(name, cards)}",
            hint=f"Use one of {', '.join(cards)}.",
        )
    return cards[name]


def load_generative(name: str) -> ImageMaker:
    """Return a built-in network that makes images, with its shipped weights.

    Parameters
    ----------
    name : str
        "digits-vae", "fashion-vae", "digits-gan" or "fashion-gan".

    Returns
    -------
    ImageMaker
        In evaluation mode; its parameters do not require grad.

    Raises
    ------
    ConfigError
        If there is no such network.
    ModelError
        If its weights are missing or are not the ones its card describes.

    Examples
    --------
    >>> samples(load_generative("digits-gan"), 3, seed=0, labels=[7, 7, 1]).shape
    torch.Size([3, 1, 8, 8])
    """
    card = generative_card(name)
    if not card.weights.exists() or file_sha256(card.weights) != card.measured.sha256:
        raise ModelError(
            f"The weights of {name} are missing or not the ones its card describes.",
            hint="Reinstall auditkit.",
        )
    with torch.device("meta"):  # shapes only, no memory
        network = card.build(**card.config)
    network.load_state_dict(read_safetensors(card.weights), strict=True, assign=True)
    return network.requires_grad_(False).eval()


def samples(model: ImageMaker, n: int, *, seed: int, labels: Sequence[int] | None = None) -> Tensor:
    """Return n made images.

    Image i depends on the seed, i and its class alone, so that fewer images are the first of more.

    Parameters
    ----------
    model : ImageMaker
        In evaluation mode.
    n : int
        Number of images.
    seed : int
        Of the noise.
    labels : sequence of int, optional
        (n,) classes to make, where the network knows classes; else they take turns.

    Returns
    -------
    Tensor
        (n, c, h, w) in [0, 1].

    Raises
    ------
    ConfigError
        If the labels do not fit the network or n.
    """
    keys = np.array([key_of(seed, "generative", i) for i in range(n)], np.uint64)
    noise = torch.from_numpy(normal(keys, (model.latent,))).float()
    classes = _classes(model, n, labels)
    with torch.no_grad():
        parts = [
            model.make(noise[rows], None if classes is None else classes[rows])
            for rows in torch.arange(n).split(500)
        ]
    return torch.cat(parts)


def _classes(model: ImageMaker, n: int, labels: Sequence[int] | None) -> Tensor | None:
    if model.n_classes == 0:
        if labels is not None:
            raise ConfigError(
                f"{type(model).__name__} does not know classes.", hint="Leave out the labels."
            )
        return None
    if labels is None:
        return torch.arange(n) % model.n_classes
    if len(labels) != n or not all(0 <= one < model.n_classes for one in labels):
        raise ConfigError(
            f"Expected {n} labels from 0 to {model.n_classes - 1}.",
            hint="Give one class number for each image.",
        )
    return torch.as_tensor(labels, dtype=torch.int64)


SHADES = " ░▒▓█"
COLUMNS = 76  # of a terminal, for made images


def sample_text(name: str, *, seed: int = 0) -> str:
    """Return made images as text: a character stands for two pixels, one above the other.

    Parameters
    ----------
    name : str
        A built-in generative network.
    seed : int
        Of the noise.
    """
    model = load_generative(name)
    side = generative_card(name).input_shape[2]
    columns = COLUMNS // (side + 1)
    images = samples(model, 2 * columns, seed=seed)
    halved = functional.avg_pool2d(images, (2, 1))[:, 0]
    levels = (halved * (len(SHADES) - 1)).round().long().tolist()
    bands = [levels[:columns], levels[columns:]]
    return "\n\n".join(
        "\n".join(
            " ".join("".join(SHADES[one] for one in image[row]) for image in band).rstrip()
            for row in range(len(band[0]))
        )
        for band in bands
    )


def sample_grid(name: str, *, rows: int = 6, columns: int = 10, seed: int = 0) -> bytes:
    """Return made images side by side, as a PNG; a column is a class where classes are known.

    Parameters
    ----------
    name : str
        A built-in generative network.
    rows, columns : int
        Images from top to bottom and from left to right.
    seed : int
        Of the noise.
    """
    from PIL import Image

    labels = [i % columns for i in range(rows * columns)]
    model = load_generative(name)
    images = samples(model, rows * columns, seed=seed, labels=labels if model.n_classes else None)
    framed = functional.pad(images, (1, 1, 1, 1), value=0.5)
    height, width = framed.shape[2:]
    tiles = framed[:, 0].view(rows, columns, height, width).transpose(1, 2)
    shares = tiles.reshape(rows * height, columns * width)
    pixels = (shares * 255).round().to(torch.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
