"""Ways to train an image network that make it harder to fool, or smaller."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.models.card import Adversarial, Distilled, Mixed, Noisy, Recipe
from auditkit.models.training.augment import affine

Objective: TypeAlias = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Maps a network, images (m, c, h, w) and labels (m,) to the loss, (); draws from torch's global
generator."""


def objective_of(recipe: Recipe, teacher: nn.Module | None = None) -> Objective:
    """Return the loss that a recipe trains with.

    Parameters
    ----------
    recipe : Recipe
        Its `hardening` decides.
    teacher : Module, optional
        What a `Distilled` network learns from, in evaluation mode.
    """
    smoothing = recipe.label_smoothing

    def plain(module: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(module(images), labels, label_smoothing=smoothing)

    match recipe.hardening:
        case Adversarial() as how:
            return lambda module, images, labels: plain(
                module, _worst(module, images, labels, how), labels
            )
        case Noisy(sigma=sigma):
            return lambda module, images, labels: plain(
                module, images + sigma * torch.randn_like(images), labels
            )
        case Mixed() as how:
            return lambda module, images, labels: _consistent(module, images, labels, how)
        case Distilled(temperature=temperature):
            assert teacher is not None
            return lambda module, images, _labels: _distilled(module, images, teacher, temperature)
        case _:
            return plain


def _worst(module: nn.Module, images: Tensor, labels: Tensor, how: Adversarial) -> Tensor:
    """Return images within epsilon and [0, 1] that raise the loss (Madry et al., section 2.1)."""
    module.eval()  # the attacked images must not enter the running means
    moved = images + how.epsilon * (2 * torch.rand_like(images) - 1)
    size = 2.5 * how.epsilon / (how.steps + 1)
    for _ in range(how.steps):
        leaf = moved.clamp(0, 1).detach().requires_grad_(True)
        loss = functional.cross_entropy(module(leaf), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, leaf)
        moved = leaf.detach() + size * gradient.sign()
        moved = torch.minimum(torch.maximum(moved, images - how.epsilon), images + how.epsilon)
    module.train()
    return moved.clamp(0, 1)


def _consistent(module: nn.Module, images: Tensor, labels: Tensor, how: Mixed) -> Tensor:
    """Return cross-entropy plus the divergence of three views (Hendrycks et al., equation 1)."""
    views = torch.cat([images, mixed(images, how.chains), mixed(images, how.chains)])
    logits = module(views).float()
    shares = logits.softmax(dim=1).view(3, len(images), -1)  # (3, m, k)
    mean = shares.mean(dim=0).clamp(1e-7, 1).log()
    divergence = sum(functional.kl_div(mean, one, reduction="batchmean") for one in shares) / 3
    return functional.cross_entropy(logits[: len(images)], labels) + how.consistency * divergence


def _distilled(module: nn.Module, images: Tensor, teacher: nn.Module, temperature: float) -> Tensor:
    """Return the divergence from the teacher's soft answers, scaled as Hinton et al. say."""
    with torch.no_grad():
        target = (teacher(images).float() / temperature).softmax(dim=1)
    found = (module(images).float() / temperature).log_softmax(dim=1)
    return temperature**2 * functional.kl_div(found, target, reduction="batchmean")


# --- mixtures of changes -------------------------------------------------------------------------


def mixed(images: Tensor, chains: int) -> Tensor:
    """Return each image (m, c, h, w) in [0, 1] mixed with chains of random changes of it.

    The weights of the chains are Dirichlet(1), the weight of the mixture is Beta(1, 1), that is
    uniform, and differ from image to image; the changes of a chain are shared by the batch.

    References
    ----------
    Hendrycks et al., 2020, arXiv:1912.02781, algorithm 1.
    """
    raw = -torch.rand(chains, len(images), 1, 1, 1).clamp_min(1e-9).log()
    weights = (raw / raw.sum(dim=0)).to(images)  # Dirichlet(1), (chains, m, 1, 1, 1)
    total = torch.zeros_like(images)
    for weight in weights:
        changed = images
        for _ in range(int(torch.randint(1, 4, ()))):
            change = CHANGES[int(torch.randint(len(CHANGES), ()))]
            changed = change(changed)
        total = total + weight * changed
    share = torch.rand(len(images), 1, 1, 1).to(images)
    return share * images + (1 - share) * total


def _turned(images: Tensor) -> Tensor:
    angle = math.radians(15) * _signed(images)
    return affine(images, angle.cos(), -angle.sin(), angle.sin(), angle.cos())


def _sheared(images: Tensor) -> Tensor:
    amount, one = 0.2 * _signed(images), torch.ones(len(images), device=images.device)
    return affine(images, one, amount, torch.zeros_like(one), one)


def _moved(images: Tensor) -> Tensor:
    one, zero = torch.ones(len(images)).to(images), torch.zeros(len(images)).to(images)
    right, down = 0.2 * _signed(images), 0.2 * _signed(images)
    return affine(images, one, zero, zero, one, right=right, down=down)


def _posterised(images: Tensor) -> Tensor:
    levels = 2 ** int(torch.randint(2, 6, ())) - 1
    return (images * levels).round() / levels


def _solarised(images: Tensor) -> Tensor:
    edge = 0.5 + 0.5 * torch.rand(len(images), 1, 1, 1).to(images)
    return torch.where(images < edge, images, 1 - images)


def _stretched(images: Tensor) -> Tensor:
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return (images - low) / (high - low).clamp_min(1e-3)


def _signed(images: Tensor) -> Tensor:
    """Return (m,) numbers, uniform in [-1, 1]."""
    return 2 * torch.rand(len(images)).to(images) - 1


# None of these is among the corruptions that the audit tests with, as in the paper.
CHANGES: tuple[Callable[[Tensor], Tensor], ...] = (
    _turned,
    _sheared,
    _moved,
    _posterised,
    _solarised,
    _stretched,
)
