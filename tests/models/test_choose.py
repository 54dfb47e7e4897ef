"""Mirrors auditkit/models/choose.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.errors import ModelError
from auditkit.models.choose import Option, choose, shuffled
from auditkit.models.classifier import ImageClassifier


class Answering(nn.Module):
    """Answers with a function of the image, whose first pixel is the class."""

    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor) -> Tensor:
        return self.answer((x[:, 0, 0, 0] * 10).round())


def option(name: str, answer: Callable[[Tensor], Tensor]) -> Option:
    model = ImageClassifier(Answering(answer), classes=["a", "b", "c"], input_shape=(1, 2, 2))
    return Option(id=name, words=name, classifier=model)


def sure(size: float) -> Callable[[Tensor], Tensor]:
    return lambda c: size * nn.functional.one_hot(c.round().long().clamp(0, 2), 3).float()


def wrong(c: Tensor) -> Tensor:
    return torch.tensor([1.0, 0.0, 0.0]).expand(len(c), 3)


def fails(_: Tensor) -> Tensor:
    raise RuntimeError("shapes do not fit")


def data(n: int = 90) -> tuple[Tensor, Tensor]:
    labels = torch.arange(n) % 3
    return (labels.float() / 10)[:, None, None, None].expand(n, 1, 2, 2), labels


def chosen(*options: Option, prepared: bool = True) -> tuple[str, str]:
    found = choose(options, *data(), file="m.pt", prepared=prepared)
    return found.id, found.note


def test_the_one_that_knows_the_labels_is_chosen_and_both_are_named() -> None:
    name, note = chosen(option("first", wrong), option("second", sure(5)), option("bad", fails))
    assert name == "second"
    assert "second: 100 % of 90 labelled inputs" in note
    assert "best of 2 that were tried" in note
    assert "The runner-up, first, has 33.3 %." in note


def usually(share: float) -> Callable[[Tensor], Tensor]:
    """Answers right, as surely as such a share of right answers deserves."""

    def answer(c: Tensor) -> Tensor:
        hard = torch.arange(len(c)) < round((1 - share) * len(c))
        return sure(3)(torch.where(hard, (c + 1) % 3, c))

    return answer


def test_the_losses_decide_only_where_they_tell_candidates_apart() -> None:
    name, note = chosen(option("worse", usually(0.6)), option("better", usually(0.95)))
    assert name == "better"
    assert "tell apart" not in note
    name, note = chosen(option("usual", usually(0.92)), option("rare", usually(0.94)))
    assert name == "usual"
    assert "rare, has 94.4 %, which these inputs do not tell apart from it" in note


def test_the_size_of_the_logits_does_not_decide() -> None:
    assert chosen(option("vague", sure(0.1)), option("sure", sure(5)))[0] == "vague"
    assert chosen(option("sure", sure(5)), option("vague", sure(0.1)))[0] == "sure"


def test_a_single_candidate_has_no_runner_up() -> None:
    assert "runner-up" not in chosen(option("only", sure(5)))[1]


def test_none_better_than_the_most_frequent_class_is_refused() -> None:
    with pytest.raises(ModelError, match=r"right on 33.3 % of 90.*most frequent class") as caught:
        chosen(option("first", wrong), option("second", lambda c: wrong(c).flip(1)))
    assert "package.module:factory" in caught.value.hint
    with pytest.raises(ModelError, match="can read the images"):
        chosen(option("bad", fails))
    with pytest.raises(ModelError):
        chosen(option("nan", lambda c: wrong(c) * float("nan")))


def halved(c: Tensor) -> Tensor:
    """Knows the labels of images normalised to [-1, 1]: pixel p is (p - 0.5) / 0.5."""
    return sure(5)((c / 10 * 0.5 + 0.5) * 10)


def test_a_missing_normalisation_does_not_hide_the_right_network() -> None:
    options = (option("first", wrong), option("right", halved))
    with pytest.raises(ModelError, match=r"right on 100 %") as caught:
        chosen(*options, prepared=False)
    assert caught.value.hint == "Add: --normalise half"
    with pytest.raises(ModelError, match="found no network"):
        chosen(*options, prepared=True)


def test_every_class_is_among_the_first_inputs() -> None:
    labels = np.array([0] * 900 + [1] * 9 + [2] * 91)
    order = shuffled(1000, labels, 0)
    assert len(order) == len(set(order.tolist())) == 400
    assert set(labels[order[:120]].tolist()) == {0, 1, 2}
    assert order.tolist() != sorted(order.tolist())
    assert order.tolist() == shuffled(1000, labels, 0).tolist()
    assert len(shuffled(7, labels[:7], 0)) == 7
