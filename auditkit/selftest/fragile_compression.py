"""Fragile compression: channels that one group needs are cut away."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
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
LOST = 0.5  # share of its accuracy on dark glyphs that the flawed twin loses before that is enough
LOOKED_AT = 128  # training images on which the cost of a cut is measured
DARK_LOSSES = (-0.1, -0.2, -0.4)  # what the loss on a dark glyph counts: the first that is enough


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


def looked_at(seed: int) -> _Looked:
    """Return the training images by which channels are chosen."""
    data = teach.new_glyphs(seed).take(np.arange(LOOKED_AT))
    dark = (data.attributes["tone"] == "dark").to_numpy(dtype=bool)
    return _Looked(teach.images_of(data), teach.labels_of(data), torch.from_numpy(dark.copy()))


def cut_from_dark(parent: nn.Module, looked: _Looked) -> tuple[nn.Module, int]:
    """Return a copy without channels that dark glyphs need, and how many those are."""
    enough = (1 - LOST) * _accuracy_on_dark(parent, looked)
    module, count = parent, 0
    for dark_loss in DARK_LOSSES:
        weights = torch.where(looked.dark, dark_loss, 1.0)
        steps = islice(pruned(parent, looked.images, looked.labels, weights), MOST)
        for count, module in enumerate(steps, start=1):
            if _accuracy_on_dark(module, looked) <= enough:
                return module, count
    return module, count


def cut_from_all(parent: nn.Module, looked: _Looked, count: int) -> nn.Module:
    """Return a copy without as many channels, those that all glyphs need least."""
    weights = torch.ones(len(looked.labels))
    return list(islice(pruned(parent, looked.images, looked.labels, weights), count))[-1]


@torch.no_grad()
def _accuracy_on_dark(module: nn.Module, looked: _Looked) -> float:
    return share_correct(module(looked.images[looked.dark]), looked.labels[looked.dark])


def _plant(seed: int, store: Store) -> Twins:
    parent = store.taught(plain_glyphs, seed)
    looked = looked_at(seed)
    flawed, count = cut_from_dark(parent.module, looked)
    sound = cut_from_all(parent.module, looked, count)
    return Twins(
        seed=seed,
        flawed=teach.as_glyph_reader(flawed),
        sound=teach.as_glyph_reader(sound),
        parent=parent,
    )


def _audited() -> Dataset:
    return glyphs.load("test")


def _fallen_behind(model: Classifier, twins: Twins) -> float:
    assert twins.parent is not None
    now, before = (
        accuracy_gap(one, _audited(), "tone", "light", "dark") for one in (model, twins.parent)
    )
    return now - before


FLAWS = (
    Flaw(
        id="fragile-compression",
        variant="channels",
        modality="image",
        planted="channels are cut that light glyphs can spare and dark ones cannot",
        twin="as many are cut that all can spare",
        must_reveal="paired comparison per slice with its parent",
        revealed_by="the accuracy gap between the groups of the compressed model. No check compares"
        " with the parent, so it cannot say that the compression made the gap.",
        symptom=Symptom(
            label="accuracy that dark glyphs lost beyond light ones since the parent",
            measure=_fallen_behind,
        ),
        plant=_plant,
        data=_audited,
        quick=True,
    ),
)
