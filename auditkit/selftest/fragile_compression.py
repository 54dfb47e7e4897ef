"""Fragile compression: channels that one group needs are cut away."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import islice, product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data import glyphs
from auditkit.data.dataset import Dataset
from auditkit.models.classifier import Classifier
from auditkit.models.training.report import share_correct
from auditkit.selftest import teach
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.plain import plain_glyphs
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import accuracy_gap

MOST = 12  # channels of 72 that are cut at most, one at a time
BEHIND = 0.5  # accuracy by which glyphs of one tone must fall behind the others
LOOKED_AT = 256  # training images on which the cost of a cut is measured
CONFIRMED_ON = 512  # other training images, on which they must have fallen behind
HURT_LOSSES = (-0.1, -0.2, -0.4, -1.0)  # what the loss on that tone counts, one after the other


class _Channel(NamedTuple):
    norm: nn.BatchNorm2d  # makes the channel, and can make it zero
    place: int


def pruned(
    module: nn.Module, images: Tensor, labels: Tensor, weights: Tensor
) -> Iterator[nn.Module]:
    """Yield one copy again and again, each time without the channel whose absence costs least.

    Parameters
    ----------
    module : Module
        With batch normalisation, which can make a channel zero.
    images, labels : Tensor
        (n, c, h, w) and (n,).
    weights : Tensor
        (n,) what the loss on each image counts.

    References
    ----------
    Molchanov et al., 2017, arXiv:1611.06440, section 2 (oracle pruning).
    """
    module = deepcopy(module).eval()
    norms = [one for one in module.modules() if isinstance(one, nn.BatchNorm2d)]
    left = [_Channel(norm, i) for norm in norms for i in range(norm.num_features)]

    @torch.no_grad()
    def cost_without(channel: _Channel) -> float:
        weight, bias = (
            float(one[channel.place]) for one in (channel.norm.weight, channel.norm.bias)
        )
        _set(channel, 0.0, 0.0)
        losses = functional.cross_entropy(module(images), labels, reduction="none")
        _set(channel, weight, bias)
        return float((losses * weights).mean())

    while left:
        cheapest = int(np.argmin([cost_without(one) for one in left]))
        _set(left.pop(cheapest), 0.0, 0.0)
        yield module


@torch.no_grad()
def _set(channel: _Channel, weight: float, bias: float) -> None:
    channel.norm.weight[channel.place] = weight
    channel.norm.bias[channel.place] = bias


class _Looked(NamedTuple):
    images: Tensor
    labels: Tensor
    dark: Tensor  # (n,) bool


def looked_at(seed: int, start: int, stop: int) -> _Looked:
    """Return some training images."""
    data = teach.new_glyphs(seed).take(np.arange(start, stop))
    dark = (data.attributes["tone"] == "dark").to_numpy(dtype=bool)
    return _Looked(teach.images_of(data), teach.labels_of(data), torch.from_numpy(dark.copy()))


def cut_from_one_tone(parent: nn.Module, looked: _Looked, confirmed: _Looked) -> nn.Module:
    """Return a copy without channels that glyphs of one tone need.

    Dark glyphs come first, light ones where the network's dark ones need nothing of their own. The
    copy is the first in which that tone has fallen far enough behind also among images by which no
    channel was chosen, or else the one in which it has fallen most.
    """
    most, best = -1.0, parent
    for tone, loss in product((True, False), HURT_LOSSES):  # dark?
        weights = torch.where(looked.dark == tone, loss, 1.0)
        for module in islice(pruned(parent, looked.images, looked.labels, weights), MOST):
            behind = _behind(module, confirmed)
            if behind > most:
                most, best = behind, deepcopy(module)
            if behind >= BEHIND:
                return best
    return best


def cut_from_all(parent: nn.Module, looked: _Looked, count: int) -> nn.Module:
    """Return a copy without as many channels, those that all glyphs need least."""
    weights = torch.ones(len(looked.labels))
    return list(islice(pruned(parent, looked.images, looked.labels, weights), count))[-1]


@torch.no_grad()
def _behind(module: nn.Module, looked: _Looked) -> float:
    logits = module(looked.images)
    light, dark = (
        share_correct(logits[one], looked.labels[one]) for one in (~looked.dark, looked.dark)
    )
    return abs(light - dark)


def fragile(seed: int, parent: Classifier, /) -> Classifier:
    """Return a network without channels that glyphs of one tone need."""
    looked = looked_at(seed, 0, LOOKED_AT)
    confirmed = looked_at(seed, LOOKED_AT, LOOKED_AT + CONFIRMED_ON)
    return teach.as_glyph_reader(cut_from_one_tone(parent.module, looked, confirmed))


def evenly_cut(seed: int, parent: Classifier, flawed: Classifier, /) -> Classifier:
    """Return a network without as many channels as the flawed one."""
    looked = looked_at(seed, 0, LOOKED_AT)
    return teach.as_glyph_reader(cut_from_all(parent.module, looked, channels_cut(flawed.module)))


def channels_cut(module: nn.Module) -> int:
    """Return how many channels of a network were made zero."""
    norms = [one for one in module.modules() if isinstance(one, nn.BatchNorm2d)]
    return sum(int(((one.weight == 0) & (one.bias == 0)).sum()) for one in norms)


def _plant(seed: int, store: Store) -> Twins:
    parent = store.taught(plain_glyphs, seed)
    flawed = store.taught(fragile, seed, parent)
    sound = store.taught(evenly_cut, seed, parent, flawed)
    return Twins(seed=seed, flawed=flawed, sound=sound, parent=parent)


def _audited() -> Dataset:
    return glyphs.load("test")


def _fallen_behind(model: Classifier, twins: Twins) -> float:
    assert twins.parent is not None
    now, before = (
        abs(accuracy_gap(one, _audited(), "tone", "light", "dark")) for one in (model, twins.parent)
    )
    return now - before


FLAWS = (
    Flaw(
        id="fragile-compression",
        variant="channels",
        modality="image",
        planted="channels are cut that glyphs of one tone need and the others can spare",
        twin="as many are cut that all can spare",
        must_reveal="paired comparison per slice with its parent",
        revealed_by="regression beside the parent: the accuracy that glyphs of either tone lost,"
        " each input held against itself; and the accuracy gap between the tones that it leaves.",
        symptom=Symptom(
            label="accuracy by which the tones moved apart since the parent",
            measure=_fallen_behind,
        ),
        plant=_plant,
        data=_audited,
        quick=True,
    ),
)
