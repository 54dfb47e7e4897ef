"""Mirrors auditkit/methods/saliency/probes/text.py."""

from __future__ import annotations

import numpy as np
import torch

from tests.methods.saliency.nets import Attentive, bag_of, word_model
from tests.methods.saliency.subjects import text_probe


def test_tokens_are_removed_by_making_them_unknown():
    votes = {"good": 2.0, "bad": -1.0}
    probe = text_probe(word_model(["good", "bad", "film"], votes=votes), "bad good  film, good")
    assert probe.spans == [(0, 3), (4, 8), (10, 14), (14, 15), (16, 20)]
    assert probe.pieces() == ["bad", " good", "  film", ",", " good"]
    removed = np.array([[False] * 5, [False, True, False, False, True], [True] * 5])
    expected = 1 / (1 + np.exp([-3.0, 1.0, 0.0]))
    assert np.allclose(probe.probabilities(removed), expected, atol=1e-6)
    assert probe.differs().tolist() == [True, True, True, False, True]  # a comma is unknown


def test_pieces_of_a_word_are_told_by_its_letters():
    model = word_model(["un", "##seen", "film", "-", "'", "s", "well", ",", "a"])
    probe = text_probe(model, "unseen, film's a well-unseen a")
    assert probe.pieces() == [
        "un", "seen", ",", " film", "'", "s", " a", " well", "-", "un", "seen", " a",
    ]  # fmt: skip
    assert probe.words.tolist() == [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 4, 5]
    assert len(text_probe(model, "").words) == 0


def test_a_rationale_marks_the_tokens_it_overlaps():
    probe = text_probe(word_model(["good", "bad", "film"]), "bad good  film, good")
    assert probe.relevant([(5, 9), (18, 30)]).tolist() == [False, True, False, False, True]
    assert probe.relevant([(3, 4)]).tolist() == [False] * 5  # the space between two words


def test_texts_are_cut_at_the_length_the_model_reads():
    model = word_model(["a", "b"], max_length=4)
    probe = text_probe(model, "a b a b a b")
    assert probe.shape == (3,)  # one place is taken by [CLS]
    assert "".join(probe.pieces()) + probe.rest == probe.text
    assert text_probe(model, "").shape == (0,)


def test_the_reference_is_unknown_words_between_special_tokens():
    model = word_model(["a", "b"], kind=Attentive)
    probe = text_probe(model, "a b")
    table = bag_of(model).table.weight
    expected = table[torch.tensor([2, model.unk_id, model.unk_id])]
    assert torch.equal(probe.origin[0, :3], expected)
    assert torch.equal(probe.point[0, :3], table[torch.tensor([2, 3, 4])])
    assert np.allclose(
        probe.logits(probe.point).detach().numpy(), model.predict(["a b"]).numpy(), atol=1e-6
    )


def test_numbers_of_an_embedding_are_added_or_measured():
    probe = text_probe(word_model(["a", "b"]), "a b")
    numbers = torch.zeros_like(probe.point)
    numbers[0, 1] = torch.tensor([3.0, -4.0, 0.0, 0.0])
    assert probe.summed(numbers).tolist() == [-1.0, 0.0]
    assert probe.steepest(numbers).tolist() == [5.0, 0.0]
