"""Mirrors auditkit/methods/attacks/lexicon.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase
from tokenizers.normalizers import Sequence as Several
from tokenizers.pre_tokenizers import Whitespace

from auditkit.methods.attacks.lexicon import Difference, Lexicon, Offer, difference, tokens_of
from auditkit.models.classifier import TextClassifier
from tests.methods.attacks.subjects import BagOfWords, bag_of_words


def listed(**known: Sequence[str]):
    return lambda words: [list(known.get(word, ())) for word in words]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((1, 2, 3), (1, 4, 3), Difference(1, (2,), (4,))),
        ((1,), (2,), Difference(0, (1,), (2,))),
        ((1, 2), (1, 5, 2), Difference(0, (1,), (1, 5))),  # beside something, never nothing
        ((1, 5, 2), (1, 2), Difference(0, (1, 5), (1,))),
        ((1, 2, 3), (7, 8), Difference(0, (1, 2, 3), (7, 8))),
        ((1, 1), (1, 1, 1), Difference(1, (1,), (1, 1))),
        ((1, 2), (), Difference(0, (1, 2), ())),
        ((), (3,), Difference(0, (), (3,))),
    ],
)
def test_only_what_differs_is_kept(old: tuple, new: tuple, expected: Difference) -> None:
    found = difference(old, new)
    assert found == expected
    head, tail = old[: found.start], old[found.start + len(found.old) :]
    assert head + found.new + tail == new


def test_what_the_model_cannot_tell_apart_is_left_out() -> None:
    """Unknown words are all one token, capitals are the word itself."""
    lexicon = Lexicon(
        bag_of_words(0).artifacts.text_model,
        listed(amber=["AMBER", "birch", "xyz", "zyx", "birch", "cedar"]),
    )
    words = [lexicon.word(i) for i in lexicon.entries("amber")]
    assert words == ["birch", "xyz", "cedar"]
    assert len(lexicon.entries("unheard")) == 0


def test_so_a_normaliser_undoes_what_it_undoes() -> None:
    tokenizer = Tokenizer(WordLevel({"[PAD]": 0, "[UNK]": 1, "final": 2}, unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.normalizer = Several([NFKC(), Lowercase()])  # type: ignore[assignment]
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    tokenizer.add_special_tokens(["[PAD]", "[UNK]"])
    network = BagOfWords(torch.randn(3, 2), torch.randn(2, 2), torch.zeros(2))
    model = TextClassifier(network, tokenizer=tokenizer, classes=["0", "1"], max_length=8)
    ligature, cyrillic = "\ufb01nal", "fin\u0430l"
    lexicon = Lexicon(model, listed(final=[ligature, cyrillic]))
    assert [lexicon.word(i) for i in lexicon.entries("final")] == [cyrillic]


def test_at_most_so_many_are_kept() -> None:
    lexicon = Lexicon(
        bag_of_words(0).artifacts.text_model, listed(amber=["birch", "cedar", "dunes"]), most=2
    )
    assert [lexicon.word(i) for i in lexicon.entries("amber")] == ["birch", "cedar"]


def test_gains_are_the_first_order_change_of_the_loss() -> None:
    """One token for one: (e' - e) . g; several: means, times the sum of the slopes."""
    model = bag_of_words(1).artifacts.text_model
    lexicon = Lexicon(model, listed(amber=["birch", "cedar dunes"], ember=["fjord"]))
    rng = torch.Generator().manual_seed(3)
    gradients = torch.randn(2, 8, 4, generator=rng)
    network = model.module
    assert isinstance(network, BagOfWords)
    table = network.table.weight
    ids = {word: tokens_of(model, [word])[0] for word in ("amber", "birch", "cedar dunes", "fjord")}
    one = Offer(lexicon.entries("amber"), np.array([1, 1]), np.array([2, 2]), np.array([3, 3]))
    other = Offer(lexicon.entries("ember"), np.array([3]), np.array([5]), np.array([6]))
    first, second = lexicon.gains(gradients, [one, other])

    def mean(word: str) -> torch.Tensor:
        return table[list(ids[word])].mean(dim=0)

    g = gradients[0, 2]
    expected = [(mean("birch") - mean("amber")) @ g, (mean("cedar dunes") - mean("amber")) @ g]
    assert first.tolist() == pytest.approx([float(x) for x in expected], abs=1e-5)
    ember = table[tokens_of(model, ["ember"])[0][0]]
    assert second.item() == pytest.approx(
        float((mean("fjord") - ember) @ gradients[1, 5]), abs=1e-5
    )
    assert lexicon.gains(gradients[:0], []) == []
