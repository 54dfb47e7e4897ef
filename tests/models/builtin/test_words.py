"""Mirrors auditkit/models/builtin/_words.py; also what every network over words owes."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.nn import functional

from auditkit.errors import AuditkitError
from auditkit.models.builtin._words import embedding, hide_words, highest, last, mean, word_loss
from auditkit.models.builtin.decoder_transformer import CARDS as DECODER
from auditkit.models.builtin.encoder_decoder_transformer import CARDS as ENCODER_DECODER
from auditkit.models.builtin.encoder_transformer import CARDS as ENCODER
from auditkit.models.builtin.gru import CARDS as GRU
from auditkit.models.builtin.lstm import CARDS as LSTM
from auditkit.models.builtin.mixture_of_experts import CARDS as MIXTURE_OF_EXPERTS
from auditkit.models.builtin.rnn import CARDS as RNN
from auditkit.models.builtin.text_cnn import CARDS as TEXT_CNN
from auditkit.models.card import Config, ModelCard, Network, Shapes
from auditkit.models.classifier import TextModule
from auditkit.models.training.language import LanguageModel
from tests.models.builtin.networks import noise, shapes
from tests.models.builtin.texts import BUILDERS, ids_of, mask_of, network

CARDS = (
    *ENCODER, *DECODER, *ENCODER_DECODER, *MIXTURE_OF_EXPERTS, *TEXT_CNN, *RNN, *LSTM, *GRU
)  # fmt: skip
every_network = pytest.mark.parametrize("name", BUILDERS)


@every_network
def test_padding_does_not_change_the_logits(name: str) -> None:
    module = network(name)
    for size in (2, 4):  # also shorter than the phrases of a convolution
        ids, mask = ids_of(size)
        short = module(ids, mask)
        longer = mask_of(size, size + 5)[:1]
        for filler in (0, 9):  # whatever stands behind the mask
            padded = functional.pad(ids, (0, 5), value=filler)
            assert torch.allclose(module(padded, longer), short, atol=1e-5)
        everything = torch.ones_like(longer)
        assert not torch.allclose(module(padded, everything), short, atol=1e-3)


@every_network
def test_a_text_is_answered_alike_in_any_company(name: str) -> None:
    module = network(name)
    ids, mask = ids_of(7, 3, 12, 5, 9)
    together = module(ids, mask)
    for row in range(len(ids)):
        alone = module(ids[row : row + 1], mask[row : row + 1])
        assert torch.allclose(together[row], alone[0], atol=1e-5)
    assert together.std(dim=0).min() > 1e-3  # a constant would pass as well


@every_network
def test_every_real_word_and_no_padding_can_move_the_logits(name: str) -> None:
    module = network(name)
    ids, mask = ids_of(4, 10)
    embeddings = module.embed(ids).detach().requires_grad_()
    module.forward_embeddings(embeddings, mask)[:, 0].sum().backward()
    assert embeddings.grad is not None
    strength = embeddings.grad.abs().amax(dim=2)  # (n, t)
    assert (strength[~mask] == 0).all()
    assert strength[mask].gt(0).float().mean() > 0.5  # a maximum need not touch every word
    if name not in ("textcnn", "rnn", "lstm", "gru"):
        assert (strength[mask] > 0).all()


@every_network
def test_it_is_a_text_module_whose_two_steps_make_the_whole(name: str) -> None:
    module = network(name)
    assert isinstance(module, TextModule)
    ids, mask = ids_of(5, 3)
    assert torch.equal(module.embed(ids), module.tokens.weight[ids])
    logits = module(ids, mask)
    assert logits.shape == (2, module.config["n_classes"])
    assert torch.equal(logits, module.forward_embeddings(module.embed(ids), mask))


@every_network
def test_word_order_matters(name: str) -> None:
    module = network(name)
    mask = mask_of(5)
    one, other = torch.tensor([[2, 5, 6, 7, 8]]), torch.tensor([[2, 7, 6, 5, 8]])
    assert not torch.allclose(module(one, mask), module(other, mask), atol=1e-3)


def rebuilt(kind: type[Network], found: Shapes) -> Config | None:
    """Return the config by which `kind` gives exactly these tensors, or None."""
    try:
        config = kind.config_of(found)
        built = shapes(kind(**config))
    except (KeyError, ValueError, IndexError, RuntimeError, AuditkitError):
        return None
    return config if built == found else None


@every_network
def test_the_shapes_of_a_state_dict_tell_architecture_and_config(name: str) -> None:
    module = network(name)
    for other in BUILDERS:
        config = rebuilt(type(network(other)), shapes(module))
        assert config == (module.config if other == name else None)


@every_network
def test_a_network_can_be_copied_in_the_middle_of_training(name: str) -> None:
    module = network(name).train()
    module(*ids_of(5, 3)).sum().backward()
    if name == "mixture-of-experts":
        getattr(module, "auxiliary_loss")()  # noqa: B009
    assert shapes(copy.deepcopy(module)) == shapes(module)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_says_everything_of_a_small_network(card: ModelCard) -> None:
    module = card.build(**card.config).eval()
    assert module.config == card.config  # nothing is left to defaults
    assert sum(one.numel() for one in module.parameters()) <= 500_000
    assert module(*ids_of(6, 3)).shape == (2, len(card.classes))
    if card.recipe.pretraining_epochs:
        assert isinstance(module, LanguageModel)


def test_padding_starts_as_zeros_and_words_are_small() -> None:
    tokens = embedding(500, 16)
    assert (tokens.weight[0] == 0).all()
    assert tokens.weight[1:].std().item() == pytest.approx(0.1, rel=0.05)
    assert tokens.padding_idx == 0


def test_highest_mean_and_last_look_at_real_tokens_alone() -> None:
    features = torch.tensor([[[1.0, -9], [5, -8], [7, 7]], [[-1, 0], [-3, 4], [-2, 2]]])
    mask = mask_of(2, 3)
    assert highest(features, mask).tolist() == [[5, -8], [-1, 4]]
    assert mean(features, mask).tolist() == [[3, -8.5], [-2, 2]]
    assert last(features, mask).tolist() == [[5, -8], [-2, 2]]


def test_hidden_words_follow_the_shares_of_bert() -> None:
    torch.manual_seed(0)
    ids = torch.randint(0, 5000, (200, 200))
    mask = torch.rand(200, 200) < 0.9
    seen, hidden = hide_words(ids, mask, 5000)
    known = mask & (ids >= 3)
    assert not (hidden & ~known).any()  # neither padding nor special tokens
    assert torch.equal(seen[~hidden], ids[~hidden])
    n = int(hidden.sum())
    assert n / int(known.sum()) == pytest.approx(0.15, abs=0.01)
    assert (seen[hidden] == 1).sum().item() / n == pytest.approx(0.8, abs=0.03)
    assert (seen[hidden] == ids[hidden]).sum().item() / n == pytest.approx(0.1, abs=0.03)
    others = seen[hidden & (seen != 1) & (seen != ids)]
    assert others.min() >= 3
    assert others.unique().numel() > 400  # any word


def test_hiding_follows_the_global_generator() -> None:
    ids, mask = ids_of(12, 12, 12)
    draws: list[torch.Tensor] = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append(hide_words(ids, mask, 20)[1])
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_the_word_loss_equals_the_formula() -> None:
    tokens = embedding(6, 4)
    features, words = noise(4, 4), torch.tensor([3, 1, 5, 3])  # 1 is special: it is not told
    losses: list[float] = []
    for x, word in zip(features, words.tolist(), strict=True):
        if word >= 3:
            scores = [float(x @ tokens.weight[other].detach()) for other in (3, 4, 5)]
            losses.append(math.log(sum(map(math.exp, scores))) - scores[word - 3])
    expected = sum(losses) / 3
    assert word_loss(features, words, tokens).item() == pytest.approx(expected, rel=1e-5)
    assert word_loss(features, torch.tensor([1, 2, 0, 1]), tokens).item() == 0


def test_telling_words_trains_the_embeddings_of_all_of_them() -> None:
    tokens = embedding(6, 4)
    word_loss(noise(1, 4), torch.tensor([3]), tokens).backward()
    assert tokens.weight.grad is not None
    assert tokens.weight.grad.any(dim=1).tolist() == [False, False, False, True, True, True]
