"""Mirrors auditkit/methods/saliency/occlusion.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import Occlusion

from auditkit.methods.saliency.occlusion import occlusion
from auditkit.methods.saliency.scores import centred
from auditkit.types import Bools, Floats
from tests.methods.saliency.nets import noise, small_cnn
from tests.methods.saliency.subjects import image_probe


@pytest.mark.parametrize(("side", "batch_size"), [(1, 7), (2, 128), (4, 1), (8, 3)])
def test_falls_equal_captum(side: int, batch_size: int):
    model = small_cnn(seed=1, channels=2)
    image, reference = noise(2, 8, 8), torch.full((2, 8, 8), 0.3)
    probe = image_probe(
        model, image, side=side, target=2, reference=reference, batch_size=batch_size
    )
    found = probe.spread(occlusion(probe.scores, probe.units)) * side * side
    peer = Occlusion(lambda x: centred(model.logits)(x.clone())).attribute(
        image[None], (2, side, side), strides=(2, side, side), baselines=reference[None], target=2
    )
    assert np.allclose(found, peer[0, 0].detach().numpy(), atol=1e-5)


def test_batches_are_bounded():
    model = small_cnn()
    seen: list[int] = []
    probe = image_probe(model, noise(1, 8, 8), side=2, batch_size=5)
    handle = model.module.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    occlusion(probe.scores, probe.units)
    handle.remove()
    assert max(seen) == 5


def test_many_units_are_asked_about_in_parts():
    weights, asked = np.arange(2500.0), list[int]()

    def value(removed: Bools) -> Floats:
        asked.append(len(removed))
        return (~removed) @ weights

    assert occlusion(value, len(weights)).tolist() == weights.tolist()
    assert sum(asked) == 2501
    assert max(asked) < 2500
