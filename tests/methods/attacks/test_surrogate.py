"""Mirrors auditkit/methods/attacks/surrogate.py."""

from __future__ import annotations

import torch
from torch import Tensor

from auditkit.methods.attacks.surrogate import taught_surrogate

BOUNDS = (0.0, 255.0)


def scene(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images that are brighter above or below."""
    rng = torch.Generator().manual_seed(seed)
    images = 255 * torch.rand(n, 1, 8, 8, generator=rng) * 0.5
    labels = torch.arange(n) % 2
    for i, label in enumerate(labels.tolist()):
        images[i, :, 4 * label : 4 * label + 4] += 100.0
    return images, labels


def by_brightness(images: Tensor) -> Tensor:
    with torch.no_grad():
        halves = images.unflatten(2, (2, 4)).mean(dim=(1, 3, 4))  # (n, 2)
    return (halves / 255).round(decimals=1)


def test_it_learns_the_answers_on_images_it_has_not_seen() -> None:
    images, _ = scene(64, 0)
    others, labels = scene(64, 1)
    surrogate = taught_surrogate(by_brightness, images, bounds=BOUNDS, key=3, steps=60)
    assert (surrogate(others).argmax(dim=1) == labels).float().mean() > 0.9
    leaf = others.requires_grad_(True)
    (slopes,) = torch.autograd.grad(surrogate(leaf).sum(), leaf)
    assert (slopes != 0).any()


def test_the_key_decides_everything_and_the_global_state_is_not_touched() -> None:
    images, _ = scene(16, 0)
    state = torch.random.get_rng_state()
    answers = [
        taught_surrogate(by_brightness, images, bounds=BOUNDS, key=key, steps=3)(images)
        for key in (1, 1, 2)
    ]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])
