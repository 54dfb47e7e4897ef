"""Mirrors auditkit/models/outputs.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor, nn

from auditkit.models.blackbox import BlackBox
from auditkit.models.classifier import ImageClassifier, TextClassifier
from auditkit.models.load import rehearse
from auditkit.models.outputs import detect_probabilities, detect_refusal

IMAGES = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(1))


class Ended(nn.Module):
    """A linear network with something behind it."""

    def __init__(self, outputs: int, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head, self.end = nn.Linear(4, outputs), end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.head(x.flatten(1)))


def classifier(outputs: int, end: Callable[[Tensor], Tensor]) -> ImageClassifier:
    names = [str(i) for i in range(max(2, outputs))]
    return ImageClassifier(Ended(outputs, end), classes=names, input_shape=(1, 2, 2))


@pytest.mark.parametrize("k", [2, 3])
def test_a_softmax_is_undone(k: int) -> None:
    plain, ended = classifier(k, lambda z: z), classifier(k, lambda z: z.softmax(1))
    note = detect_probabilities(ended)
    assert note is not None
    assert "sum to 1" in note
    expected = plain.predict(IMAGES).log_softmax(1)
    torch.testing.assert_close(ended.predict(IMAGES), expected)


@pytest.mark.parametrize(
    "end", [torch.sigmoid, nn.Sigmoid(), lambda z: z.sigmoid().squeeze(1)], ids=["f", "m", "flat"]
)
def test_a_sigmoid_of_one_output_is_undone(end: Callable[[Tensor], Tensor]) -> None:
    plain, ended = classifier(1, lambda z: z), classifier(1, end)
    assert detect_probabilities(ended) is not None
    expected = plain.predict(IMAGES).log_softmax(1)
    torch.testing.assert_close(ended.predict(IMAGES), expected)


@pytest.mark.parametrize(
    ("k", "end"),
    [
        (3, lambda z: z),
        (3, lambda z: z.log_softmax(1)),
        (3, lambda z: z.sigmoid()),  # one probability per class: they do not sum to 1
        (1, lambda z: z),
        (1, lambda z: z.sigmoid() * 4 - 2),
        (1, nn.LogSigmoid()),
        (1, lambda z: z * 0 + 0.5),  # in [0, 1], and nobody knows why
    ],
)
def test_logits_are_left_alone(k: int, end: Callable[[Tensor], Tensor]) -> None:
    model = classifier(k, end)
    before = model.predict(IMAGES)
    assert detect_probabilities(model) is None
    assert torch.equal(model.predict(IMAGES), before)


def test_certain_answers_stay_finite_and_have_gradients() -> None:
    model = classifier(2, lambda z: (1e4 * z).softmax(1))
    assert detect_probabilities(model) is not None
    assert model.predict(IMAGES).isfinite().all()
    soft = classifier(2, lambda z: z.softmax(1))
    detect_probabilities(soft)
    leaf = IMAGES.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(soft.logits(leaf).sum(), leaf)
    assert slope.abs().max() > 0


class Outside(nn.Module):
    """Its front end is another library, which allows no gradients."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.from_numpy(images.numpy().copy()).flatten(1)[:, :2]


def test_a_network_that_refuses_gradients_is_one_that_only_answers() -> None:
    model = ImageClassifier(Outside(), classes=["a", "b"], input_shape=(1, 2, 2))
    rehearse(model)
    assert not model.differentiable
    assert any("allows no gradients" in note for note in model.identity.notes)
    sound = classifier(2, lambda z: z)
    assert detect_refusal(sound) is None
    assert sound.differentiable


def test_it_is_noted_once_and_a_black_box_looks_itself() -> None:
    model = classifier(2, lambda z: z.softmax(1))
    rehearse(model)
    rehearse(model)
    assert sum("probabilities" in note for note in model.identity.notes) == 1
    box = BlackBox(lambda x: torch.ones(len(x), 2).numpy() / 2)
    assert (
        detect_probabilities(ImageClassifier(box, classes=["a", "b"], input_shape=(1, 2, 2)))
        is None
    )


class EndedTexts(nn.Module):
    """The mean of vectors, a linear layer, and something behind it."""

    def __init__(self, outputs: int, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words, self.head, self.end = nn.Embedding(9, 4), nn.Linear(4, outputs), end

    def embed(self, ids: Tensor) -> Tensor:
        return self.words(ids)

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        weights = mask[:, :, None].float()
        return self.end(self.head((embeddings * weights).sum(1) / weights.sum(1)))


@pytest.mark.parametrize(
    ("outputs", "end", "found"),
    [
        (3, lambda z: z.softmax(1), True),
        (1, torch.sigmoid, True),
        (3, lambda z: z, False),
        (1, lambda z: z, False),
    ],
)
def test_texts_are_looked_at_too(
    outputs: int, end: Callable[[Tensor], Tensor], found: bool
) -> None:
    words = {word: i for i, word in enumerate(("[PAD]", "[UNK]", *"abcdefg"))}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    names = [str(i) for i in range(max(2, outputs))]
    model = TextClassifier(
        EndedTexts(outputs, end), tokenizer=tokenizer, classes=names, max_length=12
    )
    plain = TextClassifier(
        EndedTexts(outputs, lambda z: z), tokenizer=tokenizer, classes=names, max_length=12
    )
    assert (detect_probabilities(model) is not None) == found
    texts = ["a b c", "g"]
    torch.testing.assert_close(model.logits(texts).softmax(1), plain.logits(texts).softmax(1))
