"""What a built-in model is, how it was trained and what it is known to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias, final

from torch import nn

from auditkit.errors import ModelError
from auditkit.findings import Frozen
from auditkit.percent import percent, percent_range
from auditkit.statistics import Interval, clopper_pearson
from auditkit.types import Modality

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]  # of the tensors of a state dict
Config: TypeAlias = dict[str, int]  # constructor arguments of a built-in architecture


class Network(nn.Module):
    """A built-in architecture: it can be built again from `config` alone.

    `config` holds the constructor arguments, and `config_of` finds them in the names and shapes of
    a state dict; it raises KeyError, ValueError or IndexError where they do not fit. Arguments
    named in `free` are 0 or 1 and change no tensor.
    """

    config: Config
    free: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def config_of(shapes: Shapes) -> Config:
        """Return the constructor arguments that give tensors of these shapes."""
        raise NotImplementedError


@final
@dataclass(frozen=True, kw_only=True)
class Adversarial:
    """Trained on the worst images that projected gradient descent finds in an Linf ball.

    Parameters
    ----------
    epsilon : float
        Radius, in units of a pixel.
    steps : int
        Gradient steps per image, from a random start.

    References
    ----------
    Madry et al., 2018, arXiv:1706.06083.
    """

    epsilon: float
    steps: int


@final
@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Trained to answer alike on an image and on two mixtures of random changes of it.

    Parameters
    ----------
    chains : int
        Chains of one to three random changes that are mixed into one image.
    consistency : float
        Weight of the Jensen-Shannon divergence between the three answers.

    References
    ----------
    Hendrycks et al., 2020, arXiv:1912.02781 (AugMix).
    """

    chains: int = 3
    consistency: float = 4.0


@final
@dataclass(frozen=True, kw_only=True)
class Noisy:
    """Trained under Gaussian noise, as randomised smoothing needs it.

    Parameters
    ----------
    sigma : float
        Standard deviation, in units of a pixel; pixels may leave their range.

    References
    ----------
    Cohen, Rosenfeld and Kolter, 2019, arXiv:1902.02918.
    """

    sigma: float


@final
@dataclass(frozen=True, kw_only=True)
class Distilled:
    """Trained on the probabilities of another model instead of on labels.

    Parameters
    ----------
    teacher : str
        A built-in model.
    temperature : float
        Logits of both are divided by it.

    References
    ----------
    Hinton, Vinyals and Dean, 2015, arXiv:1503.02531.
    """

    teacher: str
    temperature: float = 4.0


@final
@dataclass(frozen=True, kw_only=True)
class Quantised:
    """Not trained at all: another model's weights and activations, rounded to few levels.

    Parameters
    ----------
    parent : str
        A built-in model.
    images : int
        Training images on which the ranges of the activations are measured.

    References
    ----------
    Jacob et al., 2018, arXiv:1712.05877.
    """

    parent: str
    images: int = 1000


Hardening: TypeAlias = Adversarial | Mixed | Noisy | Distilled | Quantised


@final
@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW, linear warm-up over a tenth of the steps, cosine decay.

    Parameters
    ----------
    seed : int
        Of the initial weights, the order of the inputs, the augmentation and dropout.
    epochs, batch_size : int
        Passes over the training inputs, and inputs per step.
    learning_rate, weight_decay : float
        Highest step size, and AdamW's decay.
    label_smoothing : float
        Share of the probability that the wrong classes are to get together.
    precision : {"float32", "bfloat16"}
        Of products while training; weights, sums and everything measured stay float32.
    shift, rotation, zoom : float
        Images: each is moved by up to `shift` pixels, turned by up to `rotation` degrees and
        enlarged or shrunk by up to the share `zoom`, all uniform. 0 leaves it alone.
    flip : bool
        Images: half of them are mirrored, left to right.
    crop : int
        Images: each is moved by a whole number of pixels, up to `crop` to each side, which is
        cheaper than `shift`.
    cut : int
        Images: a square of this many pixels to a side, at a random place, becomes the mean.
    word_dropout : float
        Texts: share of words that are replaced by [UNK], so that unknown words get a meaning.
    pretraining_epochs : int
        Texts: passes over the training texts, without labels, before the labelled ones; see
        `LanguageModel`.
    hardening : Hardening, optional
        Images: what is done beyond the ordinary to make the model robust or small.

    References
    ----------
    Loshchilov and Hutter, 2019, arXiv:1711.05101 (AdamW); DeVries and Taylor, 2017,
    arXiv:1708.04552 (cutting a square).
    """

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    shift: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    crop: int = 0
    cut: int = 0
    word_dropout: float = 0.0
    pretraining_epochs: int = 0
    hardening: Hardening | None = None

    def as_text(self) -> str:
        """Return the settings that do something, on one line."""
        settings = {one.name: getattr(self, one.name) for one in fields(self)}
        return ", ".join(
            f"{name.replace('_', ' ')} {value}"
            for name, value in settings.items()
            if value or name == "seed"
        )


@final
class Robust(Frozen):
    """What is left of the accuracy under projected gradient descent in the Linf ball.

    Parameters
    ----------
    epsilon : float
        Radius, as a share of the range of a pixel.
    steps : int
        Gradient steps per input.
    correct, n : int
        Inputs of the measured split that the attack did not turn, of how many.
    """

    epsilon: float
    steps: int
    correct: int
    n: int

    def __str__(self) -> str:
        low, high = clopper_pearson(self.correct, self.n)
        return (
            f"{percent(self.correct / self.n)} of n = {self.n} hold {self.steps} steps of projected"
            f" gradient descent with epsilon {self.epsilon:g} (Linf), 95 % interval"
            f" {percent_range(low, high)}; a stronger attack may leave fewer"
        )


@final
class Measured(Frozen):
    """What was measured when the shipped weights were trained.

    Parameters
    ----------
    sha256 : str
        Of the file with the weights.
    split : str
        A split that neither training nor choosing has seen.
    correct, n : int
        Inputs of `split` that the weights classify correctly, of how many.
    parameters : int
        Trained numbers.
    flops : int
        Additions and multiplications for one input, in matrix products and convolutions.
    seconds : float, optional
        Wall-clock time of the training; None where it was stopped in between.
    recipe : str
        What the weights were trained by, config included; differs from the card's where the card
        was changed since.
    trained_with : str
        Version of torch.
    robust : Robust, optional
        Of adversarially trained networks.
    """

    sha256: str
    split: str
    correct: int
    n: int
    parameters: int
    flops: int
    recipe: str
    trained_with: str
    seconds: float | None = None
    robust: Robust | None = None


@final
@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Everything a reader should know about a built-in model.

    Parameters
    ----------
    name : str
        What to type: `audit run NAME`.
    summary : str
        One sentence.
    build : type of Network
        The architecture; `build(**config)` makes it.
    config : dict
        Constructor arguments of the shipped weights.
    data : str
        Data set it was trained on, and the one it is audited on when none is given.
    modality : Modality
        What one input is.
    classes : tuple of str
        In the order of the logits.
    input_shape : (c, h, w), optional
        Images only: of one image.
    bounds : (low, high), optional
        Images only: range of a raw pixel.
    mean, std : tuple of float, optional
        Images only: normalisation per channel.
    source : str
        The paper the architecture follows.
    recipe : Recipe
        How the weights were trained, on the split "train" alone.
    limits : tuple of str
        What it is known not to do.
    terms : str
        Where the training data comes from and on which terms.
    """

    name: str
    summary: str
    build: type[Network]
    data: str
    modality: Modality
    classes: tuple[str, ...]
    source: str
    recipe: Recipe
    config: Config = field(default_factory=Config)
    input_shape: tuple[int, int, int] | None = None
    bounds: tuple[float, float] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    limits: tuple[str, ...] = ()
    terms: str = ""

    @property
    def architecture(self) -> str:
        """Name of the architecture."""
        return self.build.__name__

    @property
    def weights(self) -> Path:
        """File with the shipped weights."""
        return WEIGHTS / f"{self.name}.safetensors"

    @property
    def recipe_text(self) -> str:
        """Constructor arguments and recipe on one line."""
        config = ", ".join(f"{name} {value}" for name, value in self.config.items())
        return f"{self.architecture}({config}): {self.recipe.as_text()}"

    @property
    def measured(self) -> Measured:
        """What was measured of the shipped weights.

        Raises
        ------
        ModelError
            If the model has not been trained yet.
        """
        if self.name not in measurements():
            raise ModelError(
                f"{self.name} comes without weights.",
                hint=f"Train it: audit models train {self.name} --out {self.name}.safetensors",
            )
        return measurements()[self.name]

    @property
    def accuracy(self) -> float:
        """Share of correct answers on the held-out split."""
        return self.measured.correct / self.measured.n

    @property
    def interval(self) -> Interval:
        """Clopper-Pearson interval of the accuracy, 95 %."""
        return clopper_pearson(self.measured.correct, self.measured.n)

    def facts(self) -> dict[str, str]:
        """Return the card as texts, for the report."""
        low, high = self.interval
        measured = self.measured
        return {
            "summary": self.summary,
            "architecture after": self.source,
            "trained on": f"{self.data}, split train, seed {self.recipe.seed}",
            "held-out accuracy": (
                f"{percent(self.accuracy)} of n = {measured.n} (split {measured.split}),"
                f" 95 % interval {percent_range(low, high)}"
            ),
            **({"robust accuracy": str(measured.robust)} if measured.robust else {}),
            "size": f"{measured.parameters:,} parameters, "
            + (f"{measured.flops:,} FLOPs" if measured.flops else "comparisons alone")
            + " for one input",
            "known limits": " ".join(self.limits),
            "data terms": f"{self.terms} The weights are derived from these data.",
        }


WEIGHTS = Path(str(resources.files("auditkit.models.builtin") / "weights"))
MEASUREMENTS = WEIGHTS / "measured.json"


@cache
def measurements() -> dict[str, Measured]:
    """Return what was measured of each model whose weights are shipped, by name."""
    raw = json.loads(MEASUREMENTS.read_text(encoding="utf-8"))
    return {name: Measured.model_validate(one) for name, one in raw.items()}
