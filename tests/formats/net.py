"""A script as people write them, without auditkit: it is copied beside the files that need it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """Images (n, 3, 8, 8) to four scores."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 4 * 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)).relu().flatten(1))


class Last(Net):
    """The same for images with their colours last, (n, 8, 8, 3)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2))


class One(nn.Module):
    """Images (n, 3, 8, 8) to one score, of the second of two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 8 * 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1))


class Sure(Net):
    """Answers with probabilities."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(dim=1)


class Settings:
    """What a training script keeps beside the weights."""

    def __init__(self) -> None:
        self.rate, self.device = 0.1, torch.device("cpu")


class Words(nn.Module):
    """Numbers of words (n, t), 0 at padding, to two scores."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(8, 2, padding_idx=0)
        self.head = nn.Linear(2, 2)

    def forward(self, ids: Tensor) -> Tensor:
        real = (ids != 0).unsqueeze(-1).float()
        return self.head((self.embedding(ids) * real).sum(1) / real.sum(1).clamp(min=1))
