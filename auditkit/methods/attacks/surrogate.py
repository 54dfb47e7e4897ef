"""A small network that is taught a model's answers, to be attacked in its place."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from auditkit.models.classifier import Logits

STEPS = 200  # of training
_BATCH = 64
_COPIES = 4  # of every image, with noise, which the model is asked about
_NOISE = 0.1  # standard deviation of theirs, as a share of the input range


def taught_surrogate(
    logits: Logits, images: Tensor, *, bounds: tuple[float, float], key: int, steps: int = STEPS
) -> Logits:
    """Return a differentiable stand-in that was taught the model's answers on some images.

    A model whose gradients are hidden may still fall to what fools its stand-in. The model is asked
    for the class of every image and of four noisy copies of it, and for nothing else.

    Parameters
    ----------
    logits : callable
        The model; only the winning class is used.
    images : Tensor
        (m, c, h, w) raw images within the bounds.
    bounds : (low, high)
        Range of a pixel.
    key : int
        Decides initial weights, noise and batches; the global random state is not touched.
    steps : int
        Gradient steps of training, of 64 images each.

    References
    ----------
    Papernot et al., 2017, arXiv:1602.02697.
    """
    low, high = bounds
    rng = torch.Generator().manual_seed(key % (1 << 63))
    noise = torch.randn((_COPIES, *images.shape), generator=rng).to(images)
    noisy = (images + _NOISE * (high - low) * noise).clamp(low, high)
    asked = torch.cat([images, noisy.flatten(0, 1)])  # (m (1 + copies), c, h, w)
    with torch.no_grad():
        scores = torch.cat([logits(part) for part in asked.split(2 * _BATCH)])
    answers = scores.nan_to_num().argmax(dim=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key % (1 << 63))
        network = _Surrogate(images.shape[1], scores.shape[1], bounds).to(images.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(steps):
        rows = torch.randint(len(asked), (_BATCH,), generator=rng).to(images.device)
        with torch.enable_grad():
            loss = F.cross_entropy(network(asked[rows]), answers[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval().requires_grad_(False)


class _Surrogate(nn.Module):
    """Three convolutions and a linear layer, for images of any size."""

    def __init__(self, channels: int, k: int, bounds: tuple[float, float]) -> None:
        super().__init__()
        self.bounds = bounds
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(512, k),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map raw images (n, c, h, w) to logits (n, k)."""
        low, high = self.bounds
        return self.body((images - low) / (high - low) - 0.5)
