"""Mirrors auditkit/models/training/generative.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditkit.errors import ConfigError
from auditkit.models import generative as cards
from auditkit.models.builtin.gan import Generator
from auditkit.models.builtin.vae import Vae
from auditkit.models.card import Recipe
from auditkit.models.generative import (
    GanRecipe,
    VaeRecipe,
    generative_cards,
    load_generative,
    samples,
)
from auditkit.models.training import generative
from auditkit.models.training.fit import Epoch, Progress, repeatable
from auditkit.models.training.generative import (
    fit_gan,
    fit_vae,
    install,
    lower_bounds,
    train,
)

SHORT = VaeRecipe(fitting=Recipe(seed=0, epochs=12, batch_size=32, learning_rate=3e-3))
SHORT_GAME = GanRecipe(
    seed=0,
    epochs=30,
    batch_size=32,
    generator_rate=2e-3,
    discriminator_rate=2e-3,
    averaging=0.9,
    width=4,
)


def halves(n: int = 160) -> tuple[Tensor, Tensor]:
    """Images whose left half, class 0, or right half, class 1, is bright."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    images = torch.rand(n, 1, 8, 8, generator=rng) * 0.2
    images[labels == 0, :, :, :4] += 0.7
    images[labels == 1, :, :, 4:] += 0.7
    return (images * 16).round() / 16, labels


def vae() -> Vae:
    with repeatable(0):
        return Vae(side=8, width=4, latent=2, greys=17)


def gan() -> Generator:
    with repeatable(0):
        return Generator(side=8, width=4, latent=4, n_classes=2)


def test_an_autoencoder_learns_and_learns_the_same_again() -> None:
    images, _ = halves()
    module, again, seen = vae(), vae(), list[Epoch]()
    before = lower_bounds(module, images).mean()
    epochs = fit_vae(module, images, SHORT, progress=seen.append)
    torch.rand(3)  # the global generator moves on
    fit_vae(again, images, SHORT)
    assert seen == epochs
    assert len(epochs) == 12
    after = lower_bounds(module, images).mean()
    assert after > before + 20
    assert epochs[-1].loss == pytest.approx(-after, rel=0.1)
    for one, other in zip(module.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_greater_weight_brings_images_nearer_to_the_prior() -> None:
    images, _ = halves()
    modules = {weight: vae() for weight in (1.0, 10.0)}
    for weight, module in modules.items():
        fit_vae(module, images, dataclasses.replace(SHORT, divergence=weight))
    divergences = [module.encode(images).divergence().mean() for module in modules.values()]
    assert divergences[1] < divergences[0] - 0.5


def test_the_bound_is_measured_with_the_same_noise_again() -> None:
    images, _ = halves()
    assert (lower_bounds(vae(), images) == lower_bounds(vae(), images)).all()


def test_a_generator_learns_what_each_class_looks_like() -> None:
    images, labels = halves()
    module, again = gan(), gan()
    epochs = fit_gan(module, images, labels, SHORT_GAME)
    torch.rand(3)
    fit_gan(again, images, labels, SHORT_GAME)
    assert [one.number for one in epochs] == list(range(1, 31))
    made = samples(module, 40, seed=0)
    left, right = made[:, 0, :, :4].mean(dim=(1, 2)), made[:, 0, :, 4:].mean(dim=(1, 2))
    assert (left > right + 0.2)[::2].float().mean() >= 0.9
    assert (right > left + 0.2)[1::2].float().mean() >= 0.9
    assert torch.equal(made, samples(again, 40, seed=0))
    assert not module.training


class _StoppedError(Exception):
    """The training was interrupted."""


@pytest.mark.parametrize("kind", ["gan", "vae"])
def test_a_stopped_training_goes_on_where_it_was(kind: str, tmp_path: Path) -> None:
    images, labels = halves()
    kept = tmp_path / "x.resume"
    seen: list[int] = []

    def stop(epoch: Epoch) -> None:
        seen.append(epoch.number)
        if epoch.number == 5:
            raise _StoppedError

    def trained(progress: Progress | None, checkpoint: Path | None) -> tuple[nn.Module, Any]:
        if kind == "vae":
            network = vae()
            return network, fit_vae(
                network, images, SHORT, progress=progress, checkpoint=checkpoint
            )
        made = gan()
        return made, fit_gan(
            made, images, labels, SHORT_GAME, progress=progress, checkpoint=checkpoint
        )

    straight, epochs = trained(None, None)
    with pytest.raises(_StoppedError):
        trained(stop, kept)
    resumed, again = trained(lambda one: seen.append(one.number), kept)
    assert seen == [one.number for one in epochs]
    assert again == epochs
    for one, other in zip(
        straight.state_dict().values(), resumed.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_what_is_kept_of_a_generator_is_its_running_mean() -> None:
    game = generative._Game(gan(), SHORT_GAME, steps=100)
    game.done = 10**6  # past the first steps, in which less is kept
    mean = game.mean.get_parameter("body.0.weight")
    before = mean.clone()
    trained = game.generator.get_parameter("body.0.weight")
    trained.data.fill_(1.0)
    for _ in range(10):
        game._average()
    expected = 1 - 0.9**10 * (1 - before)
    assert torch.allclose(mean, expected, atol=1e-5)
    game.finish()
    assert torch.allclose(trained, expected, atol=1e-5)


def test_normalisation_of_the_kept_generator_fits_its_weights() -> None:
    """Statistics of the weights that were trained would not fit their mean."""
    game = generative._Game(gan(), SHORT_GAME, steps=100)
    game.mean.get_parameter("body.0.weight").mul_(3)
    game.mean.get_parameter("body.0.bias").add_(1)
    game.finish()
    norm: Any = game.generator.body[2]
    seen: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _m, given: seen.append(given[0]))
    samples(game.generator, 2000, seed=1)
    features = torch.cat(seen)
    assert torch.allclose(norm.running_mean, features.mean(dim=(0, 2, 3)), atol=0.2)
    assert torch.allclose(norm.running_var, features.var(dim=(0, 2, 3)), rtol=0.2)
    assert (norm.running_mean > 0.5).any()


def test_an_unknown_network_names_the_near_miss(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'digits-vae'"):
        train("digits-va", out=tmp_path / "x")


@pytest.mark.parametrize("name", ["digits-vae", "digits-gan"])
def test_training_writes_weights_that_can_be_installed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = generative_cards()[name]
    recipe = (
        dataclasses.replace(card.recipe, epochs=1)
        if isinstance(card.recipe, GanRecipe)
        else VaeRecipe(fitting=dataclasses.replace(card.recipe.fitting, epochs=1))
    )
    monkeypatch.setitem(generative_cards(), name, dataclasses.replace(card, recipe=recipe))
    monkeypatch.setattr(cards, "WEIGHTS", tmp_path / "weights")
    for module in (cards, generative):
        monkeypatch.setattr(module, "MEASUREMENTS", tmp_path / "weights" / "generative.json")
    (tmp_path / "weights").mkdir()
    cards.measurements.cache_clear()
    try:
        ticks = iter([1.0, 3.5])
        report = train(name, out=tmp_path / "x", clock=lambda: next(ticks))
        assert report.measured.seconds == 2.5
        assert "epochs 1," in report.measured.recipe
        install(report)
        assert generative_cards()[name].measured == report.measured
        assert samples(load_generative(name), 2, seed=0).shape == (2, 1, 8, 8)
    finally:
        cards.measurements.cache_clear()
