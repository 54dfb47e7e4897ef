"""What the tests of several architectures share."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from auditkit.models.card import Config, ModelCard, Network


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of a network's tensors."""
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Return normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(build: type[Network], **config: int) -> Any:
    """Return a network with fixed weights in evaluation mode; Any, so that tests reach inside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(**config).eval()


def assert_config_is_told_by_shapes(build: type[Network], *configs: Config) -> None:
    """Demand that each config differs from the others and comes back from the tensors alone."""
    found = [build.config_of(shapes(network(build, **config))) for config in configs]
    for config, one in zip(configs, found, strict=True):
        assert one == network(build, **config).config
        assert config.items() <= one.items()


def assert_card_fits(card: ModelCard) -> None:
    """Demand what can be said of a card without its weights."""
    assert card.input_shape is not None
    module = network(card.build, **card.config)
    assert module.config == card.config  # the card leaves nothing to defaults
    assert sum(one.numel() for one in module.parameters()) <= 500_000
    logits = module(noise(2, *card.input_shape))
    assert logits.shape == (2, len(card.classes))
    assert not torch.allclose(logits[0], logits[1], atol=1e-6)  # it looks at the image
    for image in range(2):  # an image's logits do not depend on its neighbours
        alone = module(noise(2, *card.input_shape)[image : image + 1])
        assert torch.allclose(alone[0], logits[image], atol=1e-5)


def reach(module: nn.Module, image: torch.Tensor, row: int, column: int) -> tuple[int, int]:
    """Return height and width in pixels of what one place of a feature map (1, c, h, w) reads."""
    image = image.clone().requires_grad_()
    module(image)[0, :, row, column].sum().backward()
    assert image.grad is not None
    read = image.grad[0].abs().amax(dim=0) > 0  # (h, w)
    return int(read.any(dim=1).sum()), int(read.any(dim=0).sum())
