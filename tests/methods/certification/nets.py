"""Small networks, one per operator or so, and points of a ball that try to leave their bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.methods.certification.certificate import Certifier

SHAPE = (2, 6, 6)
CLASSES = 3
BOUNDS = (0.0, 1.0)


class Layers(nn.Module):
    """A convolution, something in the middle, and a dense head."""

    def __init__(
        self, middle: Callable[[Tensor], Tensor], *, stem: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.stem = stem or nn.Conv2d(SHAPE[0], 4, 3, padding=1)
        self.middle = middle
        with torch.no_grad():
            size = middle(self.stem(torch.zeros(2, *SHAPE))).flatten(1).shape[1]
        self.head = nn.Linear(size, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.middle(self.stem(x)).flatten(1))


def attention(x: Tensor) -> Tensor:
    """Pixels look at each other; channels are heads of one feature each."""
    tokens = x.flatten(2).transpose(1, 2)  # (n, t, c)
    weights = (tokens @ tokens.transpose(1, 2)).softmax(dim=2)
    return functional.layer_norm(weights @ tokens, (x.shape[1],))


def gate(x: Tensor) -> Tensor:
    """Squeeze and excite."""
    return x * x.mean(dim=(2, 3)).sigmoid()[:, :, None, None]


def dense(x: Tensor) -> Tensor:
    """Branches that are put side by side."""
    left, right = x.split(2, dim=1)
    return torch.cat([left.relu(), right, x.tanh()], dim=1)


def residual(x: Tensor) -> Tensor:
    """X + f(x), halved, with channels of zeros."""
    short = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 2))
    return functional.pad((x.relu() - 0.5)[:, :, 1::2, 1::2], (0, 0, 0, 0, 1, 1)) + short


NETS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: Layers(torch.relu),
    "leaky-relu": lambda: Layers(nn.LeakyReLU(0.2)),
    "relu6": lambda: Layers(nn.ReLU6()),
    "clamp": lambda: Layers(lambda x: x.clamp(-0.1, 0.3)),
    "abs": lambda: Layers(torch.abs),
    "tanh": lambda: Layers(torch.tanh),
    "sigmoid": lambda: Layers(torch.sigmoid),
    "silu": lambda: Layers(functional.silu),
    "gelu": lambda: Layers(functional.gelu),
    "gelu-tanh": lambda: Layers(lambda x: functional.gelu(x, approximate="tanh")),
    "round": lambda: Layers(lambda x: x + ((8 * x).round() / 8 - x).detach()),
    "max-pool": lambda: Layers(nn.MaxPool2d(3, stride=2, padding=1)),
    "max-pool-ceil": lambda: Layers(nn.MaxPool2d(2, stride=2, ceil_mode=True, dilation=2)),
    "average-pool": lambda: Layers(lambda x: functional.avg_pool2d(x.relu(), 3, 2, 1)),
    "adaptive-pool": lambda: Layers(lambda x: functional.adaptive_avg_pool2d(x.relu(), 4)),
    "mean": lambda: Layers(lambda x: x.relu().mean(dim=(2, 3))),
    "batch-norm": lambda: Layers(lambda x: x.relu(), stem=_normalised()),
    "strided-groups": lambda: Layers(
        torch.relu, stem=nn.Conv2d(2, 4, 3, stride=2, padding=2, dilation=2, groups=2)
    ),
    "transposed": lambda: Layers(torch.relu, stem=nn.ConvTranspose2d(2, 3, 3, stride=2)),
    "residual": lambda: Layers(residual),
    "difference": lambda: Layers(lambda x: x.sigmoid() - x.flip(2).relu()),
    "dense": lambda: Layers(dense),
    "gate": lambda: Layers(gate),
    "layer-norm": lambda: Layers(lambda x: functional.layer_norm(x, (6,))),
    "group-norm": lambda: Layers(lambda x: functional.group_norm(x, 2).relu()),
    "softmax": lambda: Layers(lambda x: x.softmax(dim=1)),
    "log-softmax": lambda: Layers(lambda x: x.log_softmax(dim=1)),
    "attention": lambda: Layers(attention),
    "quotient": lambda: Layers(lambda x: x / (1 + x.exp())),
    "flipped": lambda: Layers(lambda x: -x.flip(1).permute(0, 2, 3, 1).relu()),
}


def _normalised() -> nn.Module:
    norm = nn.BatchNorm2d(4)
    rng = torch.Generator().manual_seed(7)
    for value in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        assert isinstance(value, Tensor)
        value.copy_(0.2 + torch.rand(4, generator=rng))
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), norm)


def made(build: Callable[[], nn.Module], seed: int, *, scale: float = 1.0) -> nn.Module:
    """Return a network with random weights of a seed, in evaluation mode."""
    network = build().eval().requires_grad_(False)
    rng = torch.Generator().manual_seed(seed)
    for value in network.parameters():
        fan = max(1, value[0].numel()) if value.ndim > 1 else 4
        value.copy_(scale * torch.randn(value.shape, generator=rng) * (2 / fan) ** 0.5)
    return network


def certifier(
    network: Callable[[Tensor], Tensor],
    shape: tuple[int, ...] = SHAPE,
    *,
    bounds: tuple[float, float] = BOUNDS,
    effort: float = 1e9,
) -> Certifier:
    """Return the bounds of a network on the CPU."""
    return Certifier(network, shape, bounds=bounds, device=torch.device("cpu"), effort=effort)


def points(
    network: nn.Module, one: Tensor, epsilon: float, *, norm: str = "linf", seed: int = 0
) -> Iterator[Tensor]:
    """Yield batches of float32 points of a ball: corners, anywhere, and where margins fall."""
    rng = torch.Generator().manual_seed(seed)
    draws = 2 * torch.rand(64, *one.shape[1:], generator=rng) - 1
    yield _kept(one, one.expand(4, *one.shape[1:]), epsilon, norm)
    yield _kept(one, one + epsilon * draws.sign(), epsilon, norm)
    yield _kept(one, one + epsilon * draws, epsilon, norm)
    for target in range(CLASSES):
        leaf = one.clone().requires_grad_(True)
        for _ in range(3):
            score = network(leaf)[0, target]
            (slope,) = torch.autograd.grad(score, leaf)
            way = slope.sign() if norm == "linf" else slope / slope.norm().clamp_min(1e-9)
            both = torch.cat([one - epsilon * way, one + epsilon * way]).detach()
            yield _kept(one, both, epsilon, norm)
            leaf = _kept(one, both[1:], epsilon, norm).requires_grad_(True)


def _kept(one: Tensor, found: Tensor, epsilon: float, norm: str) -> Tensor:
    change = (found - one).double()
    if norm == "linf":
        change = change.clamp(-epsilon, epsilon)
    else:
        lengths = change.flatten(1).norm(dim=1).clamp_min(1e-12)
        change = change * (epsilon / lengths).clamp(max=1.0).view(-1, *[1] * (one.ndim - 1))
    return (one.double() + (1 - 1e-6) * change).clamp(*BOUNDS).float()
