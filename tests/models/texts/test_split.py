"""Mirrors auditkit/models/texts/split.py."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from auditkit.errors import ModelError
from auditkit.models.classifier import TextModule
from auditkit.models.texts.split import Found, plain_network, split
from tests.models.texts import networks
from tests.models.texts.networks import LONGEST, WORDS


def found(kind: type[nn.Module], **options: int | None) -> Found:
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return split(kind(), name=kind.__name__, rows=WORDS, pad=0, **options)  # type: ignore[arg-type]


def texts() -> tuple[Tensor, Tensor]:
    ids = torch.randint(2, WORDS, (5, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(12)[None] < torch.tensor([4, 12, 1, 7, 9])[:, None]
    return ids.masked_fill(~mask, 0), mask


def asked(network: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    """Ask a network as its author would, one text at a time and without padding."""
    rows: list[Tensor] = []
    for row, real in zip(ids, mask, strict=True):
        one, n = row[real][None], torch.tensor([int(real.sum())])
        match network:
            case networks.Transformer():
                rows.append(network(one, torch.zeros_like(one, dtype=torch.bool)))
            case networks.IntegerMask() | networks.OptionalMask():
                key = "attention_mask" if isinstance(network, networks.IntegerMask) else "mask"
                rows.append(network(one, **{key: torch.ones_like(one)}))
            case networks.Lengths():
                rows.append(network(one, n))
            case networks.Turned():
                rows.append(network(one.T, n))
            case _:
                rows.append(network(one))
    return torch.cat(rows)


@pytest.mark.parametrize(
    "kind",
    [
        networks.OwnMask,
        networks.Transformer,
        networks.IntegerMask,
        networks.OptionalMask,
        networks.Lengths,
        networks.Turned,
    ],
)
def test_a_split_network_answers_as_its_author_asks_it(kind: type[nn.Module]) -> None:
    one = found(kind)
    module = one.module
    assert isinstance(module, TextModule)
    assert not one.padded
    assert one.outputs == 3
    assert one.reach == (LONGEST if kind is networks.Transformer else 512)
    ids, mask = texts()
    truth = asked(plain_network(module), ids, mask)
    embeddings = module.embed(ids).requires_grad_(True)
    logits = module.forward_embeddings(embeddings, mask)
    torch.testing.assert_close(logits, truth, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(module(ids, mask), truth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [networks.OwnMask, networks.Transformer, networks.Lengths])
def test_gradients_reach_the_embeddings(kind: type[nn.Module]) -> None:
    module = found(kind).module
    ids, mask = texts()
    embeddings = module.embed(ids).requires_grad_(True)
    (gradient,) = torch.autograd.grad(
        module.forward_embeddings(embeddings, mask)[:, 0].sum(), embeddings
    )
    assert gradient[mask].abs().sum(-1).min() > 0
    assert gradient[~mask].abs().max() == 0
    step = 1e-2 * torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(0))
    moved = module.forward_embeddings(embeddings.detach() + step, mask)[:, 0].sum()
    still = module.forward_embeddings(embeddings.detach(), mask)[:, 0].sum()
    assert float(moved - still) == pytest.approx(float((gradient * step).sum()), rel=0.1, abs=1e-4)


def test_embeddings_are_read_and_not_the_placeholders() -> None:
    module = found(networks.OwnMask).module
    ids, mask = texts()
    other = module.forward_embeddings(module.embed(ids.flip(0)), mask)
    assert not torch.allclose(other, module.forward_embeddings(module.embed(ids), mask))


def test_padding_that_changes_answers_is_noticed() -> None:
    assert found(networks.NoMask).padded
    fixed = found(networks.Flat, max_length=12)
    assert fixed.padded
    assert fixed.reach == 12
    with pytest.raises(ModelError, match=r"Flat cannot read token ids .* add: --max-length N"):
        found(networks.Flat)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (networks.Bag, "averages its words inside an nn.EmbeddingBag"),
        (networks.Elsewhere, "uses its token ids in more places than its embedding embedding"),
        (networks.NoEmbedding, "No nn.Embedding of NoEmbedding reads the token ids"),
        (networks.ThreeInputs, "forward of ThreeInputs takes ids, mask, segments"),
        (networks.Tuple, "it returned tuple, expected a tensor"),
    ],
)
def test_what_cannot_be_split_is_refused_with_the_reason(kind: type[nn.Module], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        found(kind)


def test_a_network_that_looks_for_a_special_token_is_refused() -> None:
    class AtEnd(networks.Base):
        def forward(self, ids: Tensor) -> Tensor:
            at = (ids == 2).int().argmax(1)
            return self.fc(self.embedding(ids).cumsum(1)[torch.arange(len(ids)), at])

    torch.manual_seed(0)
    with pytest.raises(ModelError, match="in more places"):
        split(AtEnd(), name="AtEnd", rows=WORDS, pad=0, special=[2])
