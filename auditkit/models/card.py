"""What a built-in model is, how it was trained and what it is known to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, final

from torch import nn

from auditkit.statistics import Interval, clopper_pearson
from auditkit.types import Modality

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]  # of the tensors of a state dict
Config: TypeAlias = dict[str, int]  # constructor arguments of a built-in architecture


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
    shift, rotation, zoom : float
        Images: each is moved by up to `shift` pixels, turned by up to `rotation` degrees and
        enlarged or shrunk by up to the share `zoom`, all uniform. 0 leaves it alone.
    word_dropout : float
        Texts: share of words that are replaced by [UNK], so that unknown words get a meaning.

    References
    ----------
    Loshchilov and Hutter, 2019, arXiv:1711.05101 (AdamW).
    """

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    shift: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    word_dropout: float = 0.0


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
    build : type of Module
        The architecture; `build(**config)` makes it. Instances carry their own `config`.
    config_of : callable
        Finds the config from tensor names and shapes; raises KeyError where they do not fit.
    config : dict
        Constructor arguments of the shipped weights.
    data : str
        Data set it was trained on, and the one it is audited on when none is given.
    classes : tuple of str
        In the order of the logits.
    input_shape : (c, h, w), optional
        Of an image; None for texts.
    bounds : (low, high), optional
        Range of a raw pixel; None for texts.
    weights, sha256 : str
        File in `builtin/weights/` and its hash.
    source : str
        The paper the architecture follows.
    recipe : Recipe
        How the weights were trained, on the split "train" alone.
    correct, n : int
        Inputs of `split` that the shipped weights classify correctly, of how many.
    split : str
        A split that neither training nor choosing has seen.
    parameters : int
        Trained numbers.
    limits : tuple of str
        What it is known not to do.
    terms : str
        Where the data comes from and on which terms.
    """

    name: str
    summary: str
    build: type[nn.Module]
    config_of: Callable[[Shapes], Config]
    data: str
    classes: tuple[str, ...]
    weights: str
    sha256: str
    source: str
    recipe: Recipe
    correct: int
    n: int
    parameters: int
    config: Config = field(default_factory=Config)
    input_shape: tuple[int, int, int] | None = None
    bounds: tuple[float, float] | None = None
    split: str = "test"
    limits: tuple[str, ...] = ()
    terms: str = ""

    @property
    def modality(self) -> Modality:
        """What one input is."""
        return "image" if self.input_shape else "text"

    @property
    def accuracy(self) -> float:
        """Share of correct answers on the held-out split."""
        return self.correct / self.n

    @property
    def interval(self) -> Interval:
        """Clopper-Pearson interval of the accuracy, 95 %."""
        return clopper_pearson(self.correct, self.n)

    def facts(self) -> dict[str, str]:
        """Return the card as texts, for the report."""
        low, high = self.interval
        return {
            "summary": self.summary,
            "architecture after": self.source,
            "trained on": f"{self.data}, split train, seed {self.recipe.seed}",
            "held-out accuracy": (
                f"{self.accuracy:.1%} of n = {self.n} (split {self.split}),"
                f" 95 % interval {low:.1%} to {high:.1%}"
            ),
            "known limits": " ".join(self.limits),
            "data terms": self.terms,
        }
