"""Networks that misbehave, while a check measures them: `--arch tests.faults.networks:Dies`."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn


def in_check() -> bool:
    """Whether a check is asking: models are tried while they are loaded, too."""
    checks = os.path.join("auditkit", "checks")  # noqa: PTH118
    return any(checks in frame.filename for frame in traceback.extract_stack())


class Fine(nn.Module):
    """One linear layer on images (n, 1, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 10)
        self.register_buffer("asked", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        logits = self.head(images.flatten(1))
        return self.misbehave(logits) if in_check() else logits

    def misbehave(self, logits: Tensor) -> Tensor:
        return logits


class Nan(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        return logits.index_fill(0, torch.tensor([0]), float("nan"))


class WrongShape(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        return logits[:, :3]


class WrongCount(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        return logits[1:]


class Complex(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        return logits.to(torch.complex64)


class Words(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        return ["seven"] * len(logits)  # type: ignore[return-value]


class Raises(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        raise RuntimeError("the disk fell off")


class Exits(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        sys.exit(0)


class Stochastic(Fine):
    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        return logits + torch.randn_like(logits)


class Changes(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        self.asked.add_(1)  # type: ignore[operator]
        with torch.no_grad():
            self.head.bias.add_(1.0)
        self.head.train()
        return logits


class Prints(Fine):
    def forward(self, images: Tensor) -> Tensor:
        sys.stdout.write("a line of Python\n")
        os.write(1, b"a line of compiled code\n")
        return super().forward(images)


class Sleeps(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        time.sleep(600)
        return logits


class Swallows(Fine):
    """Catches everything, once."""

    def misbehave(self, logits: Tensor) -> Tensor:
        for _ in range(2):
            with suppress(BaseException):
                time.sleep(600)
        return logits


class Hangs(Fine):
    """No signal reaches it, as in compiled code that never returns."""

    def misbehave(self, logits: Tensor) -> Tensor:
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        time.sleep(600)
        return logits


class Dies(Fine):
    def misbehave(self, logits: Tensor) -> Tensor:
        os._exit(0)


class DiesOnce(Fine):
    """Dies in the first process that asks it in a check."""

    def misbehave(self, logits: Tensor) -> Tensor:
        mark = Path(os.environ["AUDITKIT_TEST_MARK"])
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        return logits


class DiesAtOnce(Fine):
    def forward(self, images: Tensor) -> Tensor:
        os._exit(0)


class Greedy(Fine):
    """Needs more memory than there is for more than 32 inputs at once."""

    most = 32

    def misbehave(self, logits: Tensor) -> Tensor:
        if len(logits) > self.most:
            return logits + torch.empty(1 << 60)[:10]
        return logits


class Insatiable(Greedy):
    most = 0


class Wide(Fine):
    """Takes 4 MB for each input."""

    def forward(self, images: Tensor) -> Tensor:
        wide = images.flatten(1).repeat(1, 1 << 14)
        return super().forward(images) + 0 * wide.sum(dim=1, keepdim=True)


class Widest(Wide):
    """Takes 16 MB for each input, and only while a check asks."""

    def forward(self, images: Tensor) -> Tensor:
        logits = self.head(images.flatten(1))
        if not in_check():
            return logits
        wide = images.flatten(1).repeat(1, 1 << 16)
        return logits + 0 * wide.sum(dim=1, keepdim=True)


class GreedyBackward(Greedy):
    """Has enough memory as long as nobody asks for gradients."""

    def misbehave(self, logits: Tensor) -> Tensor:
        return super().misbehave(logits) if torch.is_grad_enabled() else logits


class HangsAtOnce(Fine):
    def forward(self, images: Tensor) -> Tensor:
        time.sleep(600)
        return super().forward(images)
