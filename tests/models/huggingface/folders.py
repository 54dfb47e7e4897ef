"""Small Hugging Face folders, written by transformers itself; nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

os.environ["HF_HUB_OFFLINE"] = "1"
transformers: Any = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("a", "film", "good", "bad", "##ly", "the", ".", ",", "!", "plot", "very")
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
NAMES = {0: "negative", 1: "neutral", 2: "positive"}


def tokenizer(words: Sequence[str] = WORDS, **options: Any) -> Any:
    """Return a tokenizer of BERT with these words."""
    return transformers.BertTokenizerFast(
        vocab={word: i for i, word in enumerate((*SPECIAL, *words))}, **options
    )


def bert(folder: Path, **options: Any) -> Path:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=16, max_position_embeddings=40, id2label=NAMES, **(SMALL | options)
    )
    return saved(folder, transformers.BertForSequenceClassification(config), tokenizer())


def distilbert(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.DistilBertConfig(
        vocab_size=16, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=40
    )
    return saved(folder, transformers.DistilBertForSequenceClassification(config), tokenizer())


def roberta(folder: Path) -> Path:
    """Positions are counted from the padding id on."""
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=16, max_position_embeddings=30, pad_token_id=0, num_labels=3, **SMALL
    )
    return saved(folder, transformers.RobertaForSequenceClassification(config), tokenizer())


def gpt2(folder: Path) -> Path:
    """Answers from the last token that is no padding."""
    return gpt2_with(folder, model_input_names=["input_ids", "attention_mask"])


def gpt2_with(folder: Path, **options: Any) -> Path:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=16, n_embd=16, n_layer=2, n_head=2, n_positions=40, pad_token_id=0, num_labels=3
    )
    return saved(folder, transformers.GPT2ForSequenceClassification(config), tokenizer(**options))


def vit(folder: Path, **options: Any) -> Path:
    torch.manual_seed(0)
    config = transformers.ViTConfig(image_size=16, patch_size=4, num_labels=10, **(SMALL | options))
    processor = transformers.ViTImageProcessorPil(
        size={"height": 16, "width": 16}, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.25]
    )
    return saved(folder, transformers.ViTForImageClassification(config), processor)


def resnet(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=10
    )
    processor = transformers.ConvNextImageProcessorPil(
        size={"shortest_edge": 32}, do_resize=False, rescale_factor=1 / 127.5
    )
    return saved(folder, transformers.ResNetForImageClassification(config), processor)


def saved(folder: Path, model: Any, beside: Any) -> Path:
    model.save_pretrained(folder)
    beside.save_pretrained(folder)
    return folder


def trained(model: Any, batches: Sequence[tuple[dict[str, Tensor], Tensor]], *, lr: float) -> None:
    """Train a model in place, one pass over the batches."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    model.train()
    for inputs, labels in batches:
        optimizer.zero_grad()
        functional.cross_entropy(model(**inputs).logits, labels).backward()
        optimizer.step()
    model.eval()


TEXTS: tuple[Callable[[Path], Path], ...] = (bert, distilbert, roberta, gpt2)
IMAGES: tuple[Callable[[Path], Path], ...] = (vit, resnet)


@contextmanager
def without_transformers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within the block importing transformers fails, as where it is not installed."""
    import sys

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "transformers", None)
        yield
