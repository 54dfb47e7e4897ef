"""Trains the built-in networks that make images, and measures how good they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor

from auditkit.data.catalogue import DATA
from auditkit.data.dataset import Dataset
from auditkit.models.builtin.gan import Discriminator, Generator
from auditkit.models.builtin.vae import Vae
from auditkit.models.bundle import file_sha256
from auditkit.models.generative import (
    MEASUREMENTS,
    GanRecipe,
    GenerativeCard,
    GenerativeMeasured,
    ImageMaker,
    Quality,
    VaeRecipe,
    generative_card,
    measurements,
    samples,
)
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.training.augment import augmented
from auditkit.models.training.fit import (
    Checkpoint,
    Epoch,
    Progress,
    Stateful,
    fit,
    repeatable,
    shapes_of,
)
from auditkit.models.training.report import took
from auditkit.randomness import key_of, normal
from auditkit.result import write_atomically
from auditkit.statistics import bootstrap_mean, clopper_pearson
from auditkit.types import Floats

STEADY = 50  # batches from which the shipped generator's normalisation takes its statistics
MADE = 1000  # images on which a conditional network is measured
Clock: TypeAlias = Callable[[], float]


@final
@dataclass(frozen=True, kw_only=True)
class GenerativeReport:
    """What training a built-in generative network gave.

    Parameters
    ----------
    name : str
        The network.
    measured : GenerativeMeasured
        Its figures.
    epochs : tuple of Epoch
        Every pass.
    path : Path
        The file with the weights.
    """

    name: str
    measured: GenerativeMeasured
    epochs: tuple[Epoch, ...]
    path: Path

    def as_text(self) -> str:
        """Return the report, line by line."""
        return "\n".join(
            (
                f"{self.name}, {took(self.measured.seconds)},"
                f" {self.measured.parameters:,} parameters",
                f"  {self.measured.quality}",
                f"  written to {self.path}",
                f"  sha256 {self.measured.sha256}",
            )
        )


def train(
    name: str,
    *,
    out: Path,
    seed: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    clock: Clock = lambda: 0.0,
) -> GenerativeReport:
    """Train a built-in generative network by its recipe, and write its weights.

    The same seed on the same machine gives the same bytes.

    Parameters
    ----------
    name : str
        "digits-vae", "fashion-vae", "digits-gan" or "fashion-gan".
    out : Path
        Where to write the weights, as safetensors. OUT.resume holds what a stopped training
        needs to go on, and is removed at the end.
    seed : int, optional
        Instead of the recipe's.
    device : str
        "cpu" or "cuda"; a GPU's numbers differ from the CPU's by rounding.
    progress : callable, optional
        Called with every `Epoch`.
    clock : callable
        Seconds, for the report.

    Raises
    ------
    ConfigError
        If there is no such network.
    DataError
        If its training data are neither here nor to be had.
    """
    card = generative_card(name)
    if seed is not None:
        card = replace(card, recipe=card.recipe.seeded(seed))
    images, labels = _tensors(DATA[card.data].load("train"))
    with repeatable(card.recipe.seed):
        network = card.build(**card.config).to(device)
    checkpoint = out.with_name(f"{out.name}.resume")
    resumed, start = checkpoint.exists(), clock()
    if isinstance(network, Vae) and isinstance(card.recipe, VaeRecipe):
        epochs = fit_vae(network, images, card.recipe, progress=progress, checkpoint=checkpoint)
    else:
        assert isinstance(network, Generator)
        assert isinstance(card.recipe, GanRecipe)
        epochs = fit_gan(
            network, images, labels, card.recipe, progress=progress, checkpoint=checkpoint
        )
    seconds = None if resumed else round(clock() - start, 1)
    network.requires_grad_(False).eval().cpu()
    write_atomically(out, to_safetensors(network.state_dict()))
    checkpoint.unlink(missing_ok=True)
    measured = GenerativeMeasured(
        sha256=file_sha256(out),
        parameters=sum(one.numel() for one in network.parameters()),
        seconds=seconds,
        quality=quality(card, network),
        recipe=card.recipe_text,
        trained_with=f"torch {torch.__version__.partition('+')[0]}",
    )
    return GenerativeReport(name=name, measured=measured, epochs=tuple(epochs), path=out)


def install(report: GenerativeReport) -> None:
    """Make freshly trained weights the ones that come with auditkit, and record their figures."""
    write_atomically(generative_card(report.name).weights, report.path.read_bytes())
    measurements.cache_clear()  # another training may have written meanwhile
    table = {**measurements(), report.name: report.measured}
    rows = {name: table[name].model_dump() for name in sorted(table)}
    write_atomically(MEASUREMENTS, json.dumps(rows, indent=1) + "\n")
    measurements.cache_clear()


def quality(card: GenerativeCard, network: ImageMaker) -> Quality:
    """Return the held-out figure of a generative network, on nothing that it was trained with."""
    if isinstance(network, Vae):
        return _bound(network, DATA[card.data].load("test"))
    assert card.judge is not None
    return _recognised(network, card.judge)


def _bound(network: Vae, data: Dataset) -> Quality:
    values = lower_bounds(network, _tensors(data)[0])
    low, high = bootstrap_mean(values, seed=0)
    mean = float(values.mean())
    return Quality(metric="elbo", value=mean, low=low, high=high, n=len(values))


def lower_bounds(network: Vae, images: Tensor) -> Floats:
    """Return the evidence lower bound of each image in nats, (n,), from one fixed draw of noise."""
    keys = np.array([key_of(0, "elbo", i) for i in range(len(images))], np.uint64)
    noise = torch.from_numpy(normal(keys, (network.latent,))).float()
    with torch.no_grad():
        parts = [
            network.elbo(images[rows], noise[rows]) for rows in torch.arange(len(images)).split(500)
        ]
    return torch.cat(parts).double().numpy()


def _recognised(network: ImageMaker, judge: str) -> Quality:
    made = samples(network, MADE, seed=0)
    wanted = torch.arange(MADE) % network.n_classes
    classifier = load_model(ModelSpec(source=judge, device="cpu"))
    correct = int((classifier.predict(made).argmax(dim=1) == wanted).sum())
    low, high = clopper_pearson(correct, MADE)
    return Quality(
        metric="recognised", value=correct / MADE, low=low, high=high, n=MADE, judge=judge
    )


def _tensors(data: Dataset) -> tuple[Tensor, Tensor]:
    """Return images (n, c, h, w) and labels (n,)."""
    batch = data.read(np.arange(len(data)))
    assert not isinstance(batch, list)
    return torch.from_numpy(batch), torch.from_numpy(data.labels.copy()).long()


def fit_vae(
    module: Vae,
    images: Tensor,
    recipe: VaeRecipe,
    *,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> list[Epoch]:
    """Train a variational autoencoder in place and leave it in evaluation mode.

    Parameters
    ----------
    module : Vae
        What is trained.
    images : Tensor
        (n, 1, h, w) in [0, 1].
    recipe : VaeRecipe
        Epochs, step size, augmentation, seed, weight of the divergence.
    progress : callable, optional
        Called after each epoch; the loss is in nats per image, and the negative evidence lower
        bound where the divergence has weight 1.
    checkpoint : Path, optional
        See `fit`.
    """
    fitting, layout = recipe.fitting, _layout(recipe.fitting.precision)
    device = module.greys.device

    def loss(rows: Tensor) -> Tensor:
        given = images[rows].to(device)
        changed = augmented(given, fitting).contiguous(memory_format=layout)
        posterior = module.encode(changed)
        latents = posterior.sample(torch.randn(len(rows), module.latent, device=device))
        likely = module.log_likelihood(changed, module.decode(latents))
        return (recipe.divergence * posterior.divergence() - likely).mean()

    module.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    try:
        return fit(module, loss, len(images), fitting, progress=progress, checkpoint=checkpoint)
    finally:
        module.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]


def fit_gan(
    generator: Generator,
    images: Tensor,
    labels: Tensor,
    recipe: GanRecipe,
    *,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> list[Epoch]:
    """Train a conditional generator in place and leave it in evaluation mode.

    Parameters
    ----------
    generator : Generator
        What is trained; its discriminator is made here and thrown away.
    images : Tensor
        (n, 1, h, w) in [0, 1].
    labels : Tensor
        (n,) classes.
    recipe : GanRecipe
        Epochs, step sizes, seed.
    progress : callable, optional
        Called after each epoch; the loss is the discriminator's hinge loss, 2 where it cannot tell.
    checkpoint : Path, optional
        See `fit`.

    References
    ----------
    Lim and Ye, 2017, arXiv:1705.02894 (hinge loss).
    """
    device = next(generator.parameters()).device
    with repeatable(recipe.seed, device):
        game = _Game(generator, recipe, steps=len(images) // recipe.batch_size)
        kept = Checkpoint(
            checkpoint,
            settings=(recipe, len(images), shapes_of(generator), shapes_of(game.critic)),
            parts=game.parts,
        )
        epochs = kept.read()
        game.done = len(epochs) * game.steps
        for number in range(len(epochs) + 1, recipe.epochs + 1):
            torch.manual_seed(key_of(recipe.seed, "training", str(number)) >> 1)
            epoch = Epoch(number=number, of=recipe.epochs, loss=game.epoch(images, labels))
            epochs.append(epoch)
            kept.write(epochs)
            if progress:
                progress(epoch)
        game.finish()
    return epochs


@final
class _Game:
    """Generator and discriminator, each with its optimiser, and the generator's running mean."""

    def __init__(self, generator: Generator, recipe: GanRecipe, *, steps: int) -> None:
        self.recipe = recipe
        self.steps, self.done = steps, 0  # in an epoch, and so far
        self.device = next(generator.parameters()).device
        self.generator = generator.requires_grad_(True).train()
        self.critic = Discriminator(width=recipe.width, n_classes=generator.n_classes)
        self.critic.to(self.device)
        self.mean = deepcopy(generator).requires_grad_(False)
        self.layout = _layout(recipe.precision)
        for module in (self.generator, self.critic):
            module.to(memory_format=self.layout)  # pyright: ignore[reportCallIssue]
        betas = (0.0, 0.99)  # momentum would carry both past each other
        self.players = [
            torch.optim.Adam(self.generator.parameters(), recipe.generator_rate, betas),
            torch.optim.Adam(self.critic.parameters(), recipe.discriminator_rate, betas),
        ]

    @property
    def parts(self) -> dict[str, Stateful]:
        """What changes while training."""
        return {
            "generator": self.generator,
            "critic": self.critic,
            "mean": self.mean,
            "generator_optimizer": self.players[0],
            "critic_optimizer": self.players[1],
        }

    def epoch(self, images: Tensor, labels: Tensor) -> float:
        """Play over all full batches once; return the discriminator's mean loss."""
        order = torch.randperm(len(images)).split(self.recipe.batch_size)
        full = [rows for rows in order if len(rows) == self.recipe.batch_size]
        return sum(self._step(images[rows], labels[rows]) for rows in full) / len(full)

    def _step(self, images: Tensor, labels: Tensor) -> float:
        """Let the discriminator, then the generator, take one step; return the former's loss."""
        images = images.to(self.device).contiguous(memory_format=self.layout)
        labels = labels.to(self.device)
        with self._autocast():
            made = self._made(labels).detach()
            real, false = self.critic(images, labels).float(), self.critic(made, labels).float()
            loss = (1 - real).relu().mean() + (1 + false).relu().mean()
        self._descend(1, loss)
        self.critic.requires_grad_(False)  # its gradients are not needed here
        with self._autocast():
            chosen = labels[torch.randperm(len(labels), device=self.device)]
            fooled = -self.critic(self._made(chosen), chosen).float().mean()
        self._descend(0, fooled)
        self.critic.requires_grad_(True)
        self._average()
        self.done += 1
        return loss.item()

    def _made(self, labels: Tensor) -> Tensor:
        noise = torch.randn(len(labels), self.generator.latent, device=self.device)
        return self.generator(noise, labels)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"
        )

    def _descend(self, which: int, loss: Tensor) -> None:
        player = self.players[which]
        first = (self.recipe.generator_rate, self.recipe.discriminator_rate)[which]
        for group in player.param_groups:
            group["lr"] = first * min(1.0, 2 * (1 - self.done / (self.steps * self.recipe.epochs)))
        player.zero_grad()
        loss.backward()
        player.step()

    def _average(self) -> None:
        # At the start the mean would be of nearly nothing but the initial weights.
        kept = min(self.recipe.averaging, (self.done + 1) / (self.done + 10))
        with torch.no_grad():
            for mean, value in zip(
                self.mean.parameters(), self.generator.parameters(), strict=True
            ):
                mean.lerp_(value, 1 - kept)

    def finish(self) -> None:
        """Put the mean in place, and give its normalisation the statistics that belong to it."""
        self.generator.load_state_dict(self.mean.state_dict())
        self.generator.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        norms = [one for one in self.generator.modules() if isinstance(one, torch.nn.BatchNorm2d)]
        for one in norms:
            one.reset_running_stats()
            one.momentum = None  # the plain mean over all batches
        labels = torch.arange(STEADY * self.recipe.batch_size, device=self.device)
        labels %= self.generator.n_classes
        with torch.no_grad():
            for part in labels.split(self.recipe.batch_size):
                self._made(part)
        self.generator.requires_grad_(False).eval()


def _layout(precision: str) -> torch.memory_format:
    return torch.channels_last if precision == "bfloat16" else torch.contiguous_format
