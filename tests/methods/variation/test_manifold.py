"""Mirrors auditkit/methods/variation/manifold.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditkit.data import digits
from auditkit.methods.variation.manifold import gan_made, vae_walk
from auditkit.models.builtin.vae import Vae
from auditkit.models.generative import load_generative
from auditkit.randomness import keys_of

KEYS = keys_of(0, "test", [str(i) for i in range(40)])


def test_larger_steps_change_more_and_no_step_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vae = load_generative("digits-vae")
    assert isinstance(vae, Vae)
    images = torch.from_numpy(np.asarray(digits.load("test").read(np.arange(40))))
    changed = [float((vae_walk(vae, images, s, KEYS) - images).abs().mean()) for s in (1, 3, 5)]
    assert 0 < changed[0] < changed[1] < changed[2]
    monkeypatch.setattr("auditkit.methods.variation.manifold.STEPS", (0.0,) * 5)
    torch.testing.assert_close(vae_walk(vae, images, 5, KEYS), images)


def test_the_generator_makes_what_is_asked_for() -> None:
    gan, real = load_generative("digits-gan"), digits.load("test")
    labels = torch.arange(40) % 10
    typical, varied = (gan_made(gan, labels, s, KEYS) for s in (1, 5))
    assert typical.shape == (40, 1, 8, 8)
    images = torch.from_numpy(np.asarray(real.read(np.arange(len(real)))))
    means = torch.stack([images[torch.from_numpy(real.labels == c)].mean(dim=0) for c in range(10)])
    nearest = (typical[:, None] - means[None]).square().sum(dim=(2, 3, 4)).argmin(dim=1)
    assert (nearest == labels).float().mean() > 0.8
    assert varied[::10].std(dim=0).mean() > 2 * typical[::10].std(dim=0).mean()
