"""Mirrors auditkit/methods/attacks/embedding_changes.py."""

from __future__ import annotations

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn

from auditkit.methods.attacks.embedding_changes import smallest_embedding_changes
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import WORDS, BagOfWords, bag_of_words, text_model
from tests.subjects import Subject


def closed_form(model: TextClassifier, text: str, label: int) -> float:
    """For a linear model of the mean embedding: margin over slope, the nearest other class.

    Of T tokens u may change: a change of the mean costs T / sqrt(u) times its length.
    """
    encoded = model.encode([text])
    module = model.module
    assert isinstance(module, BagOfWords)
    real, free = int(encoded.mask.sum()), int((encoded.mask & ~encoded.special).sum())
    logits = model.logits([text])[0].double()
    weight = module.head.weight.double()
    distances = [
        float((logits[label] - logits[k]) / (weight[k] - weight[label]).norm())
        for k in range(len(logits))
        if k != label
    ]
    return min(distances) * real / free**0.5


def right(subject: Subject) -> tuple[TextClassifier, list[str], Tensor]:
    """The texts that are classified correctly and clear of a boundary, where rounding decides."""
    artifacts = subject.artifacts
    logits = artifacts.text_model.predict(artifacts.texts)
    two = logits.topk(2, dim=1).values
    clear = (logits.argmax(dim=1) == artifacts.labels) & (two[:, 0] - two[:, 1] > 0.05)
    (rows,) = torch.where(clear)
    return artifacts.text_model, [artifacts.texts[int(i)] for i in rows], artifacts.labels[rows]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("batch_size", [5, 128])
def test_equals_the_closed_form_on_a_bag_of_embeddings(seed: int, batch_size: int) -> None:
    model, texts, labels = right(bag_of_words(seed))
    found = smallest_embedding_changes(model, texts, labels, rounds=2, batch_size=batch_size)
    expected = [
        closed_form(model, text, label) for text, label in zip(texts, labels.tolist(), strict=True)
    ]
    assert len(texts) > 10
    assert found.distances.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert (found.logits.argmax(dim=1) != labels).all()
    for text, move, distance in zip(texts, found.moves, found.distances.tolist(), strict=True):
        assert len(move) == len(text.split()) + 1, "the full stop is a token"
        assert float(move.norm()) == pytest.approx(distance, rel=1e-6)
        assert float(move.max() / move.min()) == pytest.approx(1.0, rel=0.05), "all alike"


def test_texts_of_any_length_in_any_order() -> None:
    subject = bag_of_words(1)
    model = subject.artifacts.text_model
    texts = [" ".join(WORDS[:k]) for k in (9, 1, 17, 4, 12, 2)]
    labels = model.predict(texts).argmax(dim=1)
    found = smallest_embedding_changes(model, texts, labels, rounds=2, batch_size=2)
    expected = [
        closed_form(model, text, label) for text, label in zip(texts, labels.tolist(), strict=True)
    ]
    assert found.distances.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert [len(one) for one in found.moves] == [9, 1, 17, 4, 12, 2]
    embeddings = model.embed(model.encode([texts[3]]).ids)[0, :4]
    assert float(found.lengths[3]) == pytest.approx(float(embeddings.norm()), rel=1e-6)


def with_a_first_token() -> TextClassifier:
    rng = torch.Generator().manual_seed(3)
    model = text_model(
        torch.randn(len(WORDS) + 2, 4, generator=rng),
        torch.randn(3, 4, generator=rng),
        torch.zeros(3),
        words=WORDS,
    )
    model.tokenizer.post_processor = TemplateProcessing(  # type: ignore[assignment]
        single="[UNK] $A", special_tokens=[("[UNK]", 1)]
    )
    return model


def test_special_tokens_stay_as_they_are_but_are_read() -> None:
    model = with_a_first_token()
    texts = [" ".join(WORDS[k : k + 5]) for k in range(8)]
    labels = model.predict(texts).argmax(dim=1)
    found = smallest_embedding_changes(model, texts, labels, rounds=2)
    expected = [
        closed_form(model, text, label) for text, label in zip(texts, labels.tolist(), strict=True)
    ]
    assert found.distances.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert {len(one) for one in found.moves} == {5}


def test_a_text_of_special_tokens_alone_cannot_change() -> None:
    model = with_a_first_token()
    label = model.predict([""]).argmax(dim=1)
    found = smallest_embedding_changes(model, [""], label, rounds=1)
    assert found.distances.tolist() == [float("inf")]
    assert found.lengths.tolist() == [0.0]
    torch.testing.assert_close(found.logits, model.predict([""]))


class Bent(BagOfWords):
    """Not linear in the embeddings, and without a closed form."""

    def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        real = mask[:, :, None].float()
        mean = (embeddings.tanh() * real).sum(dim=1) / real.sum(dim=1)
        return self.head(mean + mean.pow(2).roll(1, dims=1))


def test_more_rounds_never_give_a_larger_distance() -> None:
    straight = bag_of_words(2)
    model, texts, _ = right(straight)
    module = model.module
    assert isinstance(module, BagOfWords)
    bent = Bent(module.table.weight, module.head.weight, module.head.bias)
    other = TextClassifier(bent, tokenizer=model.tokenizer, classes=model.classes, max_length=32)
    labels = other.predict(texts).argmax(dim=1)
    distances = [
        smallest_embedding_changes(other, texts, labels, rounds=rounds).distances
        for rounds in (1, 2, 3)
    ]
    assert (distances[0] >= distances[1]).all()
    assert (distances[1] >= distances[2]).all()
    assert bool(distances[2].isfinite().all())


def test_no_texts() -> None:
    model = bag_of_words(0).artifacts.text_model
    found = smallest_embedding_changes(model, [], torch.zeros(0, dtype=torch.int64), rounds=1)
    assert found.distances.shape == (0,)
    assert found.moves == ()


def test_a_model_that_does_not_look_has_no_distance() -> None:
    class Blind(BagOfWords):
        def forward_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
            return torch.tensor([1.0, 0.0]).expand(len(embeddings), 2)

    straight = bag_of_words(0).artifacts.text_model
    blind = Blind(torch.randn(22, 4), torch.zeros(2, 4), torch.zeros(2))
    assert isinstance(blind, nn.Module)
    model = TextClassifier(blind, tokenizer=straight.tokenizer, classes=("0", "1"), max_length=32)
    found = smallest_embedding_changes(
        model, ["amber", "birch cedar"], torch.zeros(2, dtype=torch.int64), rounds=1
    )
    assert bool(found.distances.isinf().all())
