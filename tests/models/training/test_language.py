"""Mirrors auditkit/models/training/language.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from torch import nn

from auditkit.errors import ConfigError
from auditkit.models.builtin.decoder_transformer import DecoderTransformer
from auditkit.models.builtin.text_cnn import TextCnn
from auditkit.models.card import Recipe
from auditkit.models.tokenizer import word_tokenizer
from auditkit.models.training.fit import Epoch
from auditkit.models.training.language import pretrain

TEXTS = [f"the {thing} was {word}" for thing in ("film", "plot") for word in ("good", "bad")]
RECIPE = Recipe(seed=0, epochs=1, batch_size=3, learning_rate=1e-2, pretraining_epochs=40)


def prepared() -> tuple[DecoderTransformer, Tokenizer]:
    words = word_tokenizer(TEXTS, vocabulary_size=50, max_length=8)
    torch.manual_seed(0)
    size = words.get_vocab_size()
    return DecoderTransformer(vocabulary_size=size, max_length=8, width=16, depth=1), words


def test_a_decoder_learns_which_word_comes_next() -> None:
    module, words = prepared()
    seen: list[Epoch] = []
    epochs = pretrain(module, words, TEXTS, RECIPE, progress=seen.append)
    assert seen == epochs
    assert len(epochs) == 40
    assert {epoch.phase for epoch in epochs} == {"pretraining"}
    assert epochs[0].loss > 1.5
    # Of four words "the" and "was" are certain and the others one of two: ln 2 / 2 on average.
    assert epochs[-1].loss == pytest.approx(0.347, abs=0.1)  # dropout costs some
    assert not module.training
    ids = torch.tensor([words.encode("the film was").ids])
    x = module.features(module.embed(ids), torch.ones_like(ids, dtype=torch.bool))[0]
    guessed = [
        words.id_to_token(3 + int(one)) for one in (x @ module.tokens.weight[3:].T).argmax(1)
    ]
    assert guessed[0] == "the"
    assert guessed[1] in ("film", "plot")
    assert guessed[2] == "was"
    assert guessed[3] in ("good", "bad")


def test_the_head_is_left_as_it_was() -> None:
    module, words = prepared()
    before = module.head.weight.detach().clone()
    pretrain(module, words, TEXTS, replace(RECIPE, pretraining_epochs=2, weight_decay=0.0))
    assert torch.equal(module.head.weight, before)


def test_a_stopped_pretraining_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    recipe = replace(RECIPE, pretraining_epochs=4)
    whole, words = prepared()
    pretrain(whole, words, TEXTS, recipe)
    stopped, _ = prepared()

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    path = tmp_path / "resume"
    with pytest.raises(KeyboardInterrupt):
        pretrain(stopped, words, TEXTS, recipe, progress=stop, checkpoint=path)
    resumed, _ = prepared()
    epochs = pretrain(resumed, words, TEXTS, recipe, checkpoint=path)
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("module", [nn.Linear(2, 2), TextCnn(vocabulary_size=9)])
def test_a_network_that_tells_no_words_is_refused(module: nn.Module) -> None:
    _, words = prepared()
    with pytest.raises(ConfigError, match="has no language_loss") as caught:
        pretrain(module, words, TEXTS, RECIPE)
    assert "pretraining_epochs" in caught.value.hint
