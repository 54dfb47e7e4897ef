"""Networks of token ids as people write them; none knows auditkit."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

WORDS, WIDTH, LONGEST = 40, 8, 24


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        self.fc = nn.Linear(WIDTH, 3)

    def mean(self, x: Tensor, real: Tensor) -> Tensor:
        weights = real.unsqueeze(-1).float()
        return self.fc((x * weights).sum(1) / weights.sum(1).clamp(min=1))


class OwnMask(Base):
    """Finds its padding itself."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.mean(self.embedding(ids), ids != 0)


class Transformer(Base):
    """nn.TransformerEncoder with positions; True at padding."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Embedding(LONGEST, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)

    def forward(self, ids: Tensor, src_key_padding_mask: Tensor) -> Tensor:
        x = self.embedding(ids) * WIDTH**0.5 + self.position(torch.arange(ids.shape[1]))
        x = self.encoder(x, src_key_padding_mask=src_key_padding_mask)
        return self.mean(x, ~src_key_padding_mask)


class IntegerMask(Base):
    """1 at real tokens, as Hugging Face has it."""

    def forward(self, ids: Tensor, attention_mask: Tensor) -> Tensor:
        scores = self.embedding(ids).sum(-1) + (1 - attention_mask) * -1e9
        return self.fc((self.embedding(ids) * scores.softmax(1).unsqueeze(-1)).sum(1))


class OptionalMask(Base):
    """A mask that may be left out, which then is wrong."""

    def forward(self, ids: Tensor, segments: Tensor | None = None, mask: Tensor | None = None):
        x = self.embedding(ids)
        return self.mean(x, torch.ones_like(ids) if mask is None else mask)


class Lengths(Base):
    """An LSTM over packed sequences, which wants the longest first."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)

    def forward(self, text: Tensor, text_lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embedding(text), text_lengths, batch_first=True)
        return self.fc(self.lstm(packed)[1][0][-1])


class Turned(Base):
    """An LSTM of (t, n)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(WIDTH, WIDTH)

    def forward(self, text: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embedding(text), lengths.cpu(), enforce_sorted=False)
        return self.fc(self.lstm(packed)[1][0][-1])


class NoMask(Base):
    """The mean over padding too."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.fc(self.embedding(ids).tanh().mean(1) + self.embedding.weight[0].tanh().mean())


class Flat(Base):
    """Reads 12 tokens, and no other number."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(12 * WIDTH, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.fc(self.embedding(ids).flatten(1))


class Bag(Base):
    """Averages inside the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(WORDS, WIDTH)  # type: ignore[assignment]

    def forward(self, ids: Tensor) -> Tensor:
        return self.fc(self.embedding(ids))


class Elsewhere(Base):
    """Uses the ids beside the embedding."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.mean(self.embedding(ids), ids != 0) + (ids > 20).sum(1, keepdim=True)


class NoEmbedding(Base):
    """Looks words up without the layer."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.mean(self.embedding.weight[ids], ids != 0)


class ThreeInputs(Base):
    """Wants more than ids and a mask."""

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        return self.mean(self.embedding(ids), mask)


class Tuple(Base):
    """Answers with more than logits."""

    def forward(self, ids: Tensor):
        return self.mean(self.embedding(ids), ids != 0), ids
