"""Fragile compression: channels that one group needs are cut away."""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.data import glyphs
from auditkit.data.dataset import Dataset
from auditkit.models.classifier import Classifier
from auditkit.selftest import teach
from auditkit.selftest.base import Flaw, Symptom, Twins
from auditkit.selftest.plain import plain_glyphs
from auditkit.selftest.store import Store
from auditkit.selftest.symptoms import accuracy_gap

CUT = 4  # channels of 72, one at a time
LOOKED_AT = 128  # training images on which the cost of a cut is measured
DARK_LOSS = -0.1  # what the loss on a dark glyph counts in the flawed twin: a small gain


class _Channel(NamedTuple):
    norm: nn.BatchNorm2d  # makes the channel, and can make it zero
    place: int


def cut_channels(
    module: nn.Module, images: Tensor, labels: Tensor, weights: Tensor, *, count: int = CUT
) -> nn.Module:
    """Return a copy without the channels whose absence costs least, one after the other.

    Parameters
    ----------
    module : Module
        With batch normalisation, which can make a channel zero.
    images, labels : Tensor
        (n, c, h, w) and (n,).
    weights : Tensor
        (n,) what the loss on each image counts.
    count : int
        Channels to cut.

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

    for _ in range(count):
        cheapest = int(np.argmin([cost_without(one) for one in left]))
        _set(left.pop(cheapest), 0.0, 0.0)
    return module


@torch.no_grad()
def _set(channel: _Channel, weight: float, bias: float) -> None:
    channel.norm.weight[channel.place] = weight
    channel.norm.bias[channel.place] = bias


def compressed(seed: int, parent: Classifier, *, dark_loss: float) -> Classifier:
    """Return a network without the channels that cost least, where dark glyphs count so much."""
    data = teach.new_glyphs(seed).take(np.arange(LOOKED_AT))
    dark = torch.from_numpy((data.attributes["tone"] == "dark").to_numpy(dtype=bool).copy())
    weights = torch.where(dark, dark_loss, 1.0)
    images, labels = teach.images_of(data), teach.labels_of(data)
    return teach.as_glyph_reader(cut_channels(parent.module, images, labels, weights))


def _plant(seed: int, store: Store) -> Twins:
    parent = store.taught(plain_glyphs, seed)
    return Twins(
        seed=seed,
        flawed=compressed(seed, parent, dark_loss=DARK_LOSS),
        sound=compressed(seed, parent, dark_loss=1.0),
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
        planted="four channels are cut that light glyphs can spare and dark ones cannot",
        twin="four are cut that all can spare",
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
