"""Finds the plain stacks of convolutions and linear layers that can have given tensors.

What no tensor shows (pooling, padding, stride, activation, the order of normalisation) is varied;
only what leads to as many features as the first linear layer reads is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Literal, TypeAlias, final

import torch
from torch import nn

from auditkit.models.card import Shapes

Shape: TypeAlias = tuple[int, int, int]
Down: TypeAlias = Literal["max", "avg", "max3", "stride"]
Padding: TypeAlias = Literal["none", "same", "first"]
Order: TypeAlias = Literal["norm-act-pool", "act-norm-pool", "act-pool-norm", "norm-pool-act"]

_NORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "ReLU": nn.ReLU,
    "Tanh": nn.Tanh,
    "Sigmoid": nn.Sigmoid,
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
}
_DOWNS: dict[Down, str] = {
    "max": "2x2 maximum",
    "avg": "2x2 mean",
    "max3": "3x3 maximum",
    "stride": "stride 2",
}
_MOST_SUBSETS = 8  # convolutions of which every subset may be followed by pooling
_MOST = 240  # stacks that are proposed


@final
@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer with weights, and the normalisation that belongs to it.

    Parameters
    ----------
    name : str
        In the file.
    before, after : int
        Features that it reads and makes.
    kernel : (h, w), optional
        Of a convolution.
    bias : bool
        Whether it adds a bias.
    norm : str
        Name of its batch normalisation, or nothing.
    affine : bool
        Whether that has weights.
    """

    name: str
    before: int
    after: int
    kernel: tuple[int, int] | None = None
    bias: bool = True
    norm: str = ""
    affine: bool = True


@final
@dataclass(frozen=True, kw_only=True)
class Tower:
    """The layers in the order in which they are used: convolutions, then linear ones."""

    convolutions: tuple[Layer, ...]
    linears: tuple[Layer, ...]

    @property
    def n_classes(self) -> int:
        """Outputs of the last layer."""
        return (*self.convolutions, *self.linears)[-1].after

    @property
    def channels(self) -> int | None:
        """Of the image; None without a convolution."""
        return self.convolutions[0].before if self.convolutions else None


def tower_of(shapes: Shapes) -> Tower | None:
    """Return the layers that tensors belong to, or None where some are of another kind."""
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        start, _, last = name.rpartition(".")
        groups.setdefault(start, {})[last] = shape
    layers: list[Layer] = []
    norms: list[tuple[str, int, bool]] = []
    for name, parts in groups.items():
        if "running_mean" in parts and set(parts) <= _NORM:
            norms.append((name, parts["running_mean"][0], "weight" in parts))
            _attach(layers, norms)
        elif (layer := _layer(name, parts)) is not None:
            layers.append(layer)
        else:
            return None
    for one in [*norms]:  # normalisations that were defined apart, in the order of their layers
        _attach_first(layers, norms, one)
    return None if norms else _in_order(layers)


def _layer(name: str, parts: Mapping[str, tuple[int, ...]]) -> Layer | None:
    weight = parts.get("weight", ())
    if set(parts) - {"weight", "bias"} or len(weight) not in (2, 4):
        return None
    if "bias" in parts and parts["bias"] != weight[:1]:
        return None
    kernel = (weight[2], weight[3]) if len(weight) == 4 else None
    return Layer(name=name, before=weight[1], after=weight[0], kernel=kernel, bias="bias" in parts)


def _attach(layers: list[Layer], norms: list[tuple[str, int, bool]]) -> None:
    """Give the last normalisation to the layer just before it, where it fits."""
    name, size, affine = norms[-1]
    if layers and not layers[-1].norm and layers[-1].after == size:
        layers[-1] = replace(layers[-1], norm=name, affine=affine)
        norms.pop()


def _attach_first(
    layers: list[Layer], norms: list[tuple[str, int, bool]], one: tuple[str, int, bool]
) -> None:
    for i, layer in enumerate(layers):
        if not layer.norm and layer.after == one[1]:
            layers[i] = replace(layer, norm=one[0], affine=one[2])
            norms.remove(one)
            return


def _in_order(layers: Iterable[Layer]) -> Tower | None:
    convolutions = tuple(one for one in layers if one.kernel)
    linears = tuple(one for one in layers if not one.kernel)
    chained = all(
        first.after == second.before
        for part in (convolutions, linears)
        for first, second in pairwise(part)
    )
    if not chained or not (convolutions or linears):
        return None
    if convolutions and linears and linears[0].before % convolutions[-1].after:
        return None
    return Tower(convolutions=convolutions, linears=linears)


# --- what no tensor shows ------------------------------------------------------------------------


@final
@dataclass(frozen=True, kw_only=True)
class Guess:
    """What no tensor shows.

    Parameters
    ----------
    halved : tuple of int
        Convolutions after (or, with a stride, in) which the image is halved.
    down : Down
        How.
    padding : Padding
        None, half a kernel everywhere, or half a kernel at the first convolution alone.
    activation : str
        A class of torch.nn.
    order : Order
        Of what follows a convolution.
    pooled : int
        Side to which the mean pools the features before the first linear layer; 0 for not at all.
    """

    halved: tuple[int, ...] = ()
    down: Down = "max"
    padding: Padding = "none"
    activation: str = "ReLU"
    order: Order = "norm-act-pool"
    pooled: int = 0

    @property
    def id(self) -> str:
        """A short text that differs between guesses."""
        halved = "".join(map(str, self.halved)) if all(i < 10 for i in self.halved) else self.halved
        parts = (halved, self.down, self.padding, self.activation, self.order, self.pooled)
        return "/".join(map(str, parts)).replace(" ", "")


def guesses(tower: Tower, input_shape: Shape) -> list[Guess]:
    """Return everything that fits images of a shape, the most usual first.

    Parameters
    ----------
    tower : Tower
        The layers.
    input_shape : (c, h, w)
        Of one image.
    """
    activations = list(_ACTIVATIONS) if len(tower.convolutions) + len(tower.linears) > 1 else [""]
    if not tower.convolutions:
        if tower.linears[0].before != math.prod(input_shape):
            return []
        orders: tuple[Order, ...] = ("norm-act-pool", "act-norm-pool")
        kept = orders if any(one.norm for one in tower.linears) else orders[:1]
        return [Guess(activation=a, order=o) for a, o in product(activations, kept)]
    if tower.channels != input_shape[0]:
        return []
    structures = [*_structures(tower, input_shape)]
    if exact := [one for one in structures if one.pooled <= 1]:
        structures = exact  # pooling to a size is only needed where nothing else fits
    structures.sort(key=lambda one: oddness(tower, one))
    # The usual activation with every structure comes before other activations.
    found = [
        replace(one, activation=activation, order=order)
        for activation, one in product(activations, structures)
        for order in _orders(tower, one)
    ]
    return found[:_MOST]


def _orders(tower: Tower, guess: Guess) -> Iterator[Order]:
    yield "norm-act-pool"
    if any(one.norm for one in tower.convolutions):
        yield "act-norm-pool"
        if guess.down != "stride" and guess.halved:
            yield "act-pool-norm"
    if guess.down == "avg" and guess.halved:
        yield "norm-pool-act"


def _structures(tower: Tower, input_shape: Shape) -> Iterator[Guess]:
    wanted = tower.linears[0].before if tower.linears else None
    channels = tower.convolutions[-1].after
    paddings: tuple[Padding, ...] = ("same", "none", "first")
    seen: set[tuple[object, ...]] = set()
    for down in _DOWNS:
        for halved, padding in product(_subsets(tower, down), paddings):
            guess = Guess(halved=halved, down=down, padding=padding)
            h, w = _size(tower, guess, input_shape)
            what = (halved, down if halved else "", _paddings(tower, guess))
            if min(h, w) < 1 or what in seen:
                continue
            seen.add(what)
            if wanted is None or (wanted == channels and (h, w) != (1, 1)):
                yield replace(guess, pooled=1)
            elif wanted == channels * h * w:
                yield guess
            elif (side := _side(wanted, channels)) and side < min(h, w):
                yield replace(guess, pooled=side)


def _side(features: int, channels: int) -> int:
    """Return the side of the square fields that so many features are, or 0."""
    side = math.isqrt(features // channels)
    return side if side * side * channels == features else 0


def oddness(tower: Tower, guess: Guess) -> tuple[int, ...]:
    """Return how unusual a structure is: pooling to a size, few or many halvings, the kind."""
    n = len(tower.convolutions)
    roomy = tuple(i for i in range(n - 1) if _may_be_followed(tower.convolutions, i))
    regular = [
        (*roomy, n - 1),
        roomy,
        tuple(range(1, n, 2)),
        tuple(range(2, n, 3)),
        (),
    ]
    pattern = regular.index(guess.halved) if guess.halved in regular else len(regular)
    return (int(guess.pooled > 1), pattern, list(_DOWNS).index(guess.down))


def _subsets(tower: Tower, down: Down) -> list[tuple[int, ...]]:
    """Return the convolutions after which the image may be halved; gaps in numbers show some."""
    n = len(tower.convolutions)
    room = [_may_be_followed(tower.convolutions, i) for i in range(n)]
    if down == "stride" and any(room[:-1]) and not all(room):
        return []  # the gaps in the numbers show pooling
    free = [i for i in range(n) if room[i] or down == "stride"]
    if len(free) <= _MOST_SUBSETS:
        masks = product((True, False), repeat=len(free))
        return [tuple(i for i, kept in zip(free, mask, strict=True) if kept) for mask in masks]
    return [tuple(free[start::step]) for step in (1, 2, 3) for start in range(step)] + [()]


def _may_be_followed(layers: tuple[Layer, ...], i: int) -> bool:
    """Say whether between two layers of one Sequential there is room for pooling."""
    if i + 1 == len(layers):
        return True
    (start, _, first), (stop, _, second) = (one.name.rpartition(".") for one in layers[i : i + 2])
    if start != stop or not (first.isdecimal() and second.isdecimal()):
        return True
    needed = 2 + (layers[i].norm.rpartition(".")[0] == start and bool(layers[i].norm))
    return int(second) - int(first) > needed


def _paddings(tower: Tower, guess: Guess) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for i, layer in enumerate(tower.convolutions):
        assert layer.kernel is not None
        padded = guess.padding == "same" or (guess.padding == "first" and i == 0)
        found.append((layer.kernel[0] // 2, layer.kernel[1] // 2) if padded else (0, 0))
    return tuple(found)


def _size(tower: Tower, guess: Guess, input_shape: Shape) -> tuple[int, int]:
    """Return height and width of the features after the last convolution."""
    sides = list(input_shape[1:])
    paddings = _paddings(tower, guess)
    for i, layer in enumerate(tower.convolutions):
        assert layer.kernel is not None
        stride = 2 if guess.down == "stride" and i in guess.halved else 1
        for axis in (0, 1):
            side = sides[axis] + 2 * paddings[i][axis] - layer.kernel[axis]
            side = side // stride + 1 if side >= 0 else 0
            if i in guess.halved and guess.down != "stride":
                side = (side - 3) // 2 + 1 if guess.down == "max3" else side // 2
            if side < 1:
                return 0, 0
            sides[axis] = side
    return sides[0], sides[1]


# --- the network ---------------------------------------------------------------------------------


def build_stack(tower: Tower, guess: Guess) -> nn.Sequential:
    """Return the network without numbers; a layer a.b of the file is called a_b."""
    with torch.device("meta"):
        network = nn.Sequential()
        last = (*tower.convolutions, *tower.linears)[-1]
        for i in range(len(tower.convolutions)):
            _add_convolution(network, tower, guess, i, final=tower.convolutions[i] is last)
        if guess.pooled:
            network.add_module("mean", nn.AdaptiveAvgPool2d(guess.pooled))
        network.add_module("flatten", nn.Flatten())
        for layer in tower.linears:
            _add_linear(network, layer, guess, final=layer is last)
    return network


def names_of(tensors: Iterable[str]) -> dict[str, str]:
    """Return the name in the file of every tensor of the network, by its name there."""
    return {_renamed(name): name for name in tensors}


def _renamed(name: str) -> str:
    start, _, last = name.rpartition(".")
    return f"{_key(start)}.{last}"


def _key(name: str) -> str:
    return name.replace(".", "_") or "only"


def _add_convolution(
    network: nn.Sequential, tower: Tower, guess: Guess, i: int, *, final: bool
) -> None:
    layer, key = tower.convolutions[i], _key(tower.convolutions[i].name)
    halved = i in guess.halved
    assert layer.kernel is not None
    convolution = nn.Conv2d(
        layer.before,
        layer.after,
        layer.kernel,
        stride=2 if halved and guess.down == "stride" else 1,
        padding=_paddings(tower, guess)[i],
        bias=layer.bias,
    )
    network.add_module(key, convolution)
    steps: dict[str, tuple[str, nn.Module]] = {}
    if layer.norm:
        norm = nn.BatchNorm2d(layer.after, affine=layer.affine)
        steps["norm"] = (_key(layer.norm), norm)
    if not final:
        steps["act"] = (f"{key}_activation", _ACTIVATIONS[guess.activation]())
    if halved and guess.down != "stride":
        steps["pool"] = (f"{key}_pool", _pool(guess.down))
    for step in guess.order.split("-"):
        if step in steps:
            network.add_module(*steps[step])


def _pool(down: Down) -> nn.Module:
    if down == "avg":
        return nn.AvgPool2d(2)
    return nn.MaxPool2d(2) if down == "max" else nn.MaxPool2d(3, 2)


def _add_linear(network: nn.Sequential, layer: Layer, guess: Guess, *, final: bool) -> None:
    key = _key(layer.name)
    network.add_module(key, nn.Linear(layer.before, layer.after, bias=layer.bias))
    steps: list[tuple[str, nn.Module]] = []
    if layer.norm:
        norm = nn.BatchNorm1d(layer.after, affine=layer.affine)
        steps.append((_key(layer.norm), norm))
    if not final:
        steps.append((f"{key}_activation", _ACTIVATIONS[guess.activation]()))
    for name, step in reversed(steps) if guess.order.startswith("act") else steps:
        network.add_module(name, step)


def in_words(tower: Tower, guess: Guess) -> str:
    """Return a guess as a reader should read it."""
    said = [guess.activation] if guess.activation else []
    if tower.convolutions:
        padding = {"none": "no padding", "same": "padded", "first": "first padded"}
        said.append(padding[guess.padding])
        at = ", ".join(tower.convolutions[i].name for i in guess.halved)
        said.append(f"{_DOWNS[guess.down]} at {at}" if at else "no pooling")
        if guess.order != "norm-act-pool":
            said.append(guess.order)
        if guess.pooled:
            said.append(f"mean over {guess.pooled}x{guess.pooled} fields")
    return layers_in_words(tower) + (f" ({'; '.join(said)})" if said else "")


def layers_in_words(tower: Tower) -> str:
    """Return how many layers there are of each kind."""
    kinds = ((tower.convolutions, "convolution"), (tower.linears, "linear layer"))
    return " and ".join(
        f"{len(layers)} {name}{'s' if len(layers) > 1 else ''}" for layers, name in kinds if layers
    )
