"""Mirrors auditkit/models/train.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditkit.data import digits, phrases
from auditkit.errors import ConfigError
from auditkit.models import train as train_module
from auditkit.models.builtin.phrases_transformer import PhrasesTransformer, word_tokenizer
from auditkit.models.bundle import file_sha256
from auditkit.models.card import Recipe
from auditkit.models.catalogue import MODELS
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.train import Epoch, TrainingReport, accuracy, fit_image, fit_text, train

SHORT = Recipe(seed=0, epochs=2, batch_size=64, learning_rate=3e-3, shift=0.5, rotation=5, zoom=0.1)


def separable(n: int = 200) -> tuple[Tensor, Tensor]:
    """Images whose left or right half is brighter."""
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(n, 1, 4, 4, generator=rng)
    labels = torch.randint(2, (n,), generator=rng)
    images[labels == 1, :, :, 2:] += 0.5
    images[labels == 0, :, :, :2] += 0.5
    return images, labels


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


def test_fit_image_learns_and_leaves_the_network_in_evaluation_mode() -> None:
    images, labels = separable()
    module = linear()
    recipe = Recipe(seed=0, epochs=30, batch_size=32, learning_rate=0.05)
    epochs = fit_image(
        module, images[:150], labels[:150], recipe, validation=(images[150:], labels[150:])
    )
    assert epochs[-1].loss < 0.2 < epochs[0].loss
    assert epochs[-1].validation is not None
    assert epochs[-1].validation >= 0.98
    assert [one.number for one in epochs] == list(range(1, 31))
    assert not module.training


def test_the_seed_decides_every_bit_and_nothing_else_does() -> None:
    images, labels = separable()

    def weights(seed: int) -> Tensor:
        module: Any = linear()
        fit_image(module, images, labels, dataclasses.replace(SHORT, seed=seed))
        return module[1].weight.detach()

    first = weights(0)
    torch.rand(7)  # the global generator moves on
    state = torch.random.get_rng_state()
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)
    torch.random.set_rng_state(state)


def test_training_leaves_threads_randomness_and_determinism_as_they_were() -> None:
    images, labels = separable(40)
    module = linear()
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.random.get_rng_state(),
    )
    fit_image(module, images, labels, SHORT)
    assert torch.get_num_threads() == before[0]
    assert torch.are_deterministic_algorithms_enabled() == before[1]
    assert torch.equal(torch.random.get_rng_state(), before[2])


def test_augmentation_moves_pixels_by_what_the_recipe_says() -> None:
    """A shift by whole pixels equals rolling; half a pixel is the mean of two neighbours."""
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 1.0
    recipe = Recipe(seed=0, epochs=1, batch_size=1, learning_rate=1.0, shift=2.0)
    rng, twin = (torch.Generator().manual_seed(3) for _ in range(2))
    moved = train_module._moved(image, recipe, rng)
    _, _, right, down = (2 * torch.rand(4, 1, generator=twin) - 1) * 2.0
    rows = torch.arange(5.0)
    mass = moved.sum()
    assert mass == pytest.approx(1.0, abs=1e-5)  # within the frame nothing is lost
    # grid_sample looks at (x + right), so that the content moves the other way.
    assert (moved.sum(dim=(0, 1, 2)) * rows).sum() == pytest.approx(2 - float(right), abs=1e-4)
    assert (moved.sum(dim=(0, 1, 3)) * rows).sum() == pytest.approx(2 - float(down), abs=1e-4)


def test_without_augmentation_images_are_left_alone() -> None:
    images, _ = separable(3)
    recipe = Recipe(seed=0, epochs=1, batch_size=1, learning_rate=1.0)
    assert train_module._moved(images, recipe, torch.Generator()) is images


def test_the_step_size_rises_then_falls_to_zero() -> None:
    rates = [train_module._rate(step, 100) for step in range(100)]
    assert rates[9] == max(rates) == 1.0
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] < 0.001


def sentences() -> tuple[list[str], list[int]]:
    texts = [
        f"the {thing} was {word}" for thing in "abcdefgh" for word in ("good", "bad", "not bad")
    ]
    return texts, [0 if text.endswith("was bad") else 1 for text in texts]


def test_fit_text_learns_a_negation() -> None:
    texts, labels = sentences()
    words = word_tokenizer(texts, vocabulary_size=50, max_length=8)
    torch.manual_seed(0)
    module = PhrasesTransformer(vocabulary_size=words.get_vocab_size(), max_length=8, width=16)
    recipe = Recipe(seed=0, epochs=30, batch_size=8, learning_rate=5e-3)
    seen: list[Epoch] = []
    epochs = fit_text(
        module, words, texts, labels, recipe,
        validation=(texts, torch.tensor(labels)), progress=seen.append,
    )  # fmt: skip
    assert epochs[-1].validation == 1.0
    assert seen == epochs
    assert "epoch 30/30" in str(epochs[-1])


def test_word_dropout_teaches_the_unknown_word() -> None:
    texts, labels = sentences()
    words = word_tokenizer(texts, vocabulary_size=50, max_length=8)
    module = PhrasesTransformer(vocabulary_size=words.get_vocab_size(), max_length=8, width=16)
    before = module.tokens.weight[1].detach().clone()
    recipe = Recipe(seed=0, epochs=1, batch_size=8, learning_rate=1e-2, weight_decay=0.0)
    fit_text(module, words, texts, labels, recipe)
    assert torch.equal(module.tokens.weight[1], before)
    fit_text(module, words, texts, labels, dataclasses.replace(recipe, word_dropout=0.3))
    assert not torch.equal(module.tokens.weight[1], before)


def test_a_tokenizer_without_special_tokens_is_refused() -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    plain = Tokenizer(WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(ConfigError, match=r"\[PAD\]"):
        fit_text(nn.Linear(1, 1), plain, ["a"], [0], SHORT)


def test_accuracy_counts_correct_answers() -> None:
    model = load_model(ModelSpec(source="phrases-transformer"))
    data = phrases.load("validation")  # more than one batch
    batch = data.read(slice(None))
    assert isinstance(batch, list)
    predicted = model.predict(batch).argmax(1).numpy()
    found = accuracy(model, data)
    assert found.correct == int((predicted == data.labels).sum())
    assert found.n == len(data)
    assert f"of n = {found.n}" in str(found)


def test_an_unknown_model_names_the_near_miss() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'digits-cnn'"):
        train("digits-cn")


def test_train_writes_a_bundle_and_reports_every_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = dataclasses.replace(MODELS["digits-cnn"], recipe=SHORT, config={"width": 4})
    monkeypatch.setitem(MODELS, "digits-cnn", short)
    reports: list[TrainingReport] = []
    for name in ("a", "b"):
        torch.rand(3)  # the global generator moves on
        reports.append(train("digits-cnn", out=tmp_path / name))
    assert reports[0].sha256 == reports[1].sha256 == file_sha256(tmp_path / "a")
    assert reports[0].validation.n == 269
    assert reports[0].test.n == 450
    model = load_model(ModelSpec(source=str(tmp_path / "a")))
    assert accuracy(model, digits.load("test")) == reports[0].test
    assert "seed 0" in reports[0].as_text()
    other = train("digits-cnn", seed=1)
    assert (other.seed, other.path) == (1, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_recipe_gives_the_shipped_accuracy_again(name: str) -> None:
    card = MODELS[name]
    report = train(name)
    assert report.test.n == card.n
    assert abs(report.test.correct - card.correct) <= 0.01 * card.n
