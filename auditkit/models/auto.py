"""Proposes networks that can have the tensors of a file, from names and shapes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import nn

from auditkit.models import common_resnet, stacks
from auditkit.models.architectures import Builtin, build_builtin, config_fitting
from auditkit.models.common_resnet import CommonResnet
from auditkit.models.stacks import Guess, Shape, Tower
from auditkit.models.states import Reading, renamed

AUTO = "auto"  # what the user types; AUTO:ID is one candidate
_USUAL_SIDE = {1: 28, 3: 32}  # by channels
_SIDES = (28, 32, 8, 64, 224, 96, 48, 16, 128, 256)  # of usual images, the most usual first


@final
@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network that could have made the tensors.

    Parameters
    ----------
    id : str
        Differs between the candidates of a file.
    words : str
        What it is, for the report.
    reading : Reading
        The tensors under the names that this network knows them by.
    architecture : Builtin or (Tower, Guess)
        How it is built.
    """

    id: str
    words: str
    reading: Reading
    architecture: Builtin | tuple[Tower, Guess]

    def build(self) -> nn.Module:
        """Return the network without numbers."""
        if isinstance(self.architecture, Builtin):
            return build_builtin(self.architecture, self.reading.shapes)
        return stacks.build_stack(*self.architecture)


@final
@dataclass(frozen=True, kw_only=True)
class Sketch:
    """What tensors tell about the network before any data are seen.

    Parameters
    ----------
    family : str
        In words.
    n_classes : int
        Outputs.
    channels : int, optional
        Of an image; None where the first layer is linear.
    input_shape : (c, h, w), optional
        The most usual shape that fits, where the tensors depend on it.
    """

    family: str
    n_classes: int
    channels: int | None
    input_shape: Shape | None


def sketch(options: Sequence[Reading]) -> Sketch | None:
    """Return what the tensors tell, or None where no network is known that could have them.

    Parameters
    ----------
    options : sequence of Reading
        The tensors with more and more prefixes taken off; the last is looked at.
    """
    shapes = options[-1].shapes if options else {}
    if config := config_fitting(CommonResnet, shapes):
        return Sketch(
            family=common_resnet.in_words(config),
            n_classes=config["n_classes"],
            channels=config["channels"],
            input_shape=None,
        )
    tower = stacks.tower_of(shapes)
    if tower is None:
        return None
    return Sketch(
        family=f"a plain stack of {stacks.layers_in_words(tower)}",
        n_classes=tower.n_classes,
        channels=tower.channels,
        input_shape=_usual_shape(tower),
    )


def _usual_shape(tower: Tower) -> Shape | None:
    if tower.convolutions and not tower.linears:
        return None
    fitting: list[tuple[tuple[int, ...], int, Shape]] = []
    sides = sorted(_SIDES, key=lambda side: side != _USUAL_SIDE.get(tower.channels or 1))
    for channels in (tower.channels,) if tower.channels else (1, 3):
        for i, side in enumerate(sides):
            shape = (channels, side, side)
            guess = next((one for one in stacks.guesses(tower, shape) if not one.pooled), None)
            if guess is not None:
                fitting.append((stacks.oddness(tower, guess), i, shape))
    return min(fitting)[2] if fitting else None


def candidates(options: Sequence[Reading], input_shape: Shape) -> list[Candidate]:
    """Return every network that is proposed for the tensors and images, the most usual first.

    Parameters
    ----------
    options : sequence of Reading
        See `sketch`.
    input_shape : (c, h, w)
        Of one image.
    """
    if not options:
        return []
    reading = options[-1]
    if config := config_fitting(CommonResnet, reading.shapes):
        if config["channels"] != input_shape[0]:
            return []
        return [
            Candidate(
                id=f"{AUTO}:resnet/{one['pooled']}{one['early']}{one['behind']}",
                words=common_resnet.in_words(one),
                reading=reading,
                architecture=Builtin(name=CommonResnet.__name__, config=one),
            )
            for one in common_resnet.variants(config)
        ]
    tower = stacks.tower_of(reading.shapes)
    if tower is None:
        return []
    named = renamed(reading, stacks.names_of(reading.tensors))
    return [
        Candidate(
            id=f"{AUTO}:stack/{guess.id}",
            words=stacks.in_words(tower, guess),
            reading=named,
            architecture=(tower, guess),
        )
        for guess in stacks.guesses(tower, input_shape)
    ]
