"""Mirrors auditkit/models/builtin/encoder_transformer.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from auditkit.models.builtin.encoder_transformer import EncoderTransformer
from auditkit.models.training.language import LanguageModel
from tests.models.builtin.texts import mask_of, network


def test_the_answer_needs_attention_to_the_words() -> None:
    """The head reads [CLS] alone, so only attention can carry a word there."""
    module = network("encoder")
    mask = mask_of(4)
    one, other = torch.tensor([[2, 5, 6, 7]]), torch.tensor([[2, 5, 6, 8]])
    assert not torch.allclose(module(one, mask), module(other, mask), atol=1e-6)
    blocks: Any = module.blocks
    for block in blocks:
        nn.init.zeros_(block.attention.project.weight)
    assert torch.equal(module(one, mask), module(other, mask))


def test_word_order_matters_through_positions_alone() -> None:
    module = network("encoder")
    mask = mask_of(4)
    one, other = torch.tensor([[2, 5, 6, 7]]), torch.tensor([[2, 7, 6, 5]])
    assert not torch.allclose(module(one, mask), module(other, mask), atol=1e-4)
    nn.init.zeros_(getattr(module, "positions"))  # noqa: B009
    assert torch.allclose(module(one, mask), module(other, mask), atol=1e-4)


def test_a_hidden_word_is_guessed_from_both_sides() -> None:
    """The middle word follows from the last one, or from the first: both pairs are learnt."""
    torch.manual_seed(0)
    module = EncoderTransformer(vocabulary_size=12, max_length=5, width=32, depth=1).train()
    assert isinstance(module, LanguageModel)
    first, last = torch.randint(0, 2, (2, 256))
    ids = torch.stack([torch.full((256,), 2), 3 + first, 5 + 2 * first + last, 9 + last], dim=1)
    mask = torch.ones_like(ids, dtype=torch.bool)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        module.language_loss(ids, mask).backward()
        optimizer.step()
    module.eval()
    seen = ids.clone()
    seen[:, 2] = 1
    x: Any = module.norm(module._read(module.embed(seen), mask))
    guessed = (x[:, 2] @ module.tokens.weight[3:].T).argmax(dim=1) + 3
    assert (guessed == ids[:, 2]).float().mean() > 0.95


def test_the_language_loss_hides_what_is_asked() -> None:
    """A network that copies its input would reach a loss near zero if words were not hidden."""
    torch.manual_seed(0)
    module = EncoderTransformer(vocabulary_size=103, max_length=40, width=128, depth=1).eval()
    blocks: Any = module.blocks
    for layer in (blocks[0].attention.project, blocks[0].mlp[2]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.zeros_(module.positions)
    with torch.no_grad():
        module.tokens.weight.mul_(20)  # norm(x) times x is then far higher than times any other
    ids = torch.randint(3, 103, (50, 40))
    loss = module.language_loss(ids, torch.ones_like(ids, dtype=torch.bool)).item()
    assert loss > 10  # nine of ten chosen words are not to be seen
