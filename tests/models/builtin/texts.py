"""Small networks over words, one of each architecture, and what to show them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from auditkit.models.builtin._words import TextNetwork
from auditkit.models.builtin.decoder_transformer import DecoderTransformer
from auditkit.models.builtin.encoder_decoder_transformer import EncoderDecoderTransformer
from auditkit.models.builtin.encoder_transformer import EncoderTransformer
from auditkit.models.builtin.gru import Gru
from auditkit.models.builtin.lstm import Lstm
from auditkit.models.builtin.mixture_of_experts import MixtureOfExperts
from auditkit.models.builtin.rnn import Rnn
from auditkit.models.builtin.text_cnn import TextCnn

WORDS, LONGEST = 20, 12  # vocabulary size, tokens per text

BUILDERS: dict[str, Callable[[], TextNetwork]] = {
    "encoder": lambda: EncoderTransformer(vocabulary_size=WORDS, max_length=LONGEST, width=32),
    "decoder": lambda: DecoderTransformer(vocabulary_size=WORDS, max_length=LONGEST, width=32),
    "encoder-decoder": lambda: EncoderDecoderTransformer(
        vocabulary_size=WORDS, max_length=LONGEST, width=32, n_classes=3
    ),
    "mixture-of-experts": lambda: MixtureOfExperts(
        vocabulary_size=WORDS, max_length=LONGEST, width=32, depth=1, experts=3
    ),
    "textcnn": lambda: TextCnn(vocabulary_size=WORDS, width=6, filters=5, n_classes=3),
    "rnn": lambda: Rnn(vocabulary_size=WORDS, width=6, hidden=5, n_classes=3),
    "lstm": lambda: Lstm(vocabulary_size=WORDS, width=6, hidden=5),
    "gru": lambda: Gru(vocabulary_size=WORDS, width=6, hidden=5),
}


def network(name: str) -> TextNetwork:
    """Return a network in evaluation mode; its weights are far from zero, biases too."""
    rng = torch.Generator().manual_seed(0)
    module = BUILDERS[name]().eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.5 * torch.randn(weight.shape, generator=rng))
    return module


def mask_of(*lengths: int) -> Tensor:
    """Return a mask (n, t) for texts of these lengths."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def ids_of(*lengths: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return random texts that begin with [CLS]: ids (n, t), zeros behind the end, and mask."""
    mask = mask_of(*lengths)
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, WORDS, mask.shape, generator=rng) * mask
    ids[:, 0] = 2
    return ids, mask
