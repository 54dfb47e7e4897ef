"""Small networks for attribution tests: linear ones with closed forms, and one that is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn

from auditkit.models.classifier import ImageClassifier, TextClassifier


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Uniform numbers in [0, 1), the same in every run."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def linear_images(
    seed: int, shape: tuple[int, int, int], k: int = 3
) -> tuple[ImageClassifier, Tensor]:
    """A linear image model and its weight (k, c, h, w)."""
    torch.manual_seed(seed)
    layer = nn.Linear(int(torch.tensor(shape).prod()), k)
    model = ImageClassifier(
        nn.Sequential(nn.Flatten(), layer), classes=[str(i) for i in range(k)], input_shape=shape
    )
    return model, layer.weight.detach().reshape(k, *shape)


def small_cnn(seed: int = 0, channels: int = 1, side: int = 8, k: int = 3) -> ImageClassifier:
    """A net whose first layer works in place, as do its activations."""
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Hardtanh(-9, 9, inplace=True),
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(6 * side * side, k),
    )
    return ImageClassifier(
        module, classes=[str(i) for i in range(k)], input_shape=(channels, side, side)
    )


class BagOfWords(nn.Module):
    """Logits are the sum of the embeddings of the real tokens, times a matrix."""

    def __init__(self, embeddings: Tensor, head: Tensor) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(embeddings)
        self.head = nn.Parameter(head)  # (d, k)

    def embed(self, ids: Tensor) -> Tensor:
        return self.table(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        return (embeddings * mask[:, :, None]).sum(dim=1) @ self.head


class Attentive(BagOfWords):
    """Words weigh each other before they are added: not linear."""

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        weights = torch.tanh(embeddings).sum(dim=2).masked_fill(~mask, -torch.inf).softmax(dim=1)
        return torch.tanh((weights[:, :, None] * embeddings).sum(dim=1)) @ self.head


def word_model(
    words: Sequence[str],
    *,
    seed: int = 0,
    votes: Mapping[str, float] | None = None,
    kind: type[BagOfWords] = BagOfWords,
    max_length: int = 16,
) -> TextClassifier:
    """A two-class text model over words; `votes` are exact logits for the second class.

    Where one of the words begins with "##", words are read in pieces.
    """
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", *words]
    reads = WordPiece if any(word.startswith("##") for word in words) else WordLevel
    tokenizer = Tokenizer(reads({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    torch.manual_seed(seed)
    if votes is None:
        embeddings, head = torch.randn(len(vocabulary), 4), torch.randn(4, 2)
    else:
        embeddings = torch.tensor([[votes.get(word, 0.0)] for word in vocabulary])
        head = torch.tensor([[0.0, 1.0]])
    return TextClassifier(
        kind(embeddings, head), tokenizer=tokenizer, classes=["no", "yes"], max_length=max_length
    )


def bag_of(model: TextClassifier) -> BagOfWords:
    """The module of a `word_model`."""
    assert isinstance(model.module, BagOfWords)
    return model.module


def assert_untouched(module: nn.Module, before: Mapping[str, Tensor]) -> None:
    """The module is bit-identical, without hooks, in evaluation mode, its parameters frozen."""
    after = module.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(value.requires_grad for value in module.parameters())
    assert all(value.grad is None for value in module.parameters())
    for part in module.modules():
        assert not part.training
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
        assert not part._backward_hooks
        assert not part._backward_pre_hooks


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}
