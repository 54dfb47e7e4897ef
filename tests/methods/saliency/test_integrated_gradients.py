"""Integrated gradients: exact on linear models, complete, bounded in memory, equal to peers."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerIntegratedGradients
from hypothesis import given, settings
from torch import Tensor, nn

from auditkit.methods.saliency.integrated_gradients import integrated_gradients
from auditkit.methods.saliency.scores import centred
from tests.methods.saliency.nets import (
    Attentive,
    assert_untouched,
    bag_of,
    linear_images,
    noise,
    small_cnn,
    state_of,
    word_model,
)
from tests.methods.saliency.subjects import text_probe


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1), st.integers(1, 40))
def test_linear_model_gives_weight_times_change(seed: int, steps: int):
    model, weight = linear_images(seed, (2, 3, 3))
    images, reference = noise(2, 4, 2, 3, 3)
    target = torch.tensor([0, 1, 2, 0])
    found = integrated_gradients(model.logits, images, target, reference=reference, steps=steps)
    expected = weight[target] * (images - reference)
    assert torch.allclose(found.scores, expected, atol=1e-6)
    assert torch.allclose(found.change, expected.flatten(1).sum(1), atol=1e-5)
    assert found.delta.abs().max() < 1e-5


def test_a_feature_without_effect_gets_zero():
    model, weight = linear_images(0, (1, 2, 2))
    weight[:, 0, 1, 1] = 0.0  # shares memory with the layer
    found = integrated_gradients(
        model.logits, torch.ones(1, 1, 2, 2), torch.tensor([1]), reference=torch.zeros(1, 1, 2, 2)
    )
    assert found.scores[0, 0, 1, 1] == 0
    assert (found.scores != 0).sum() == 3


def test_delta_vanishes_with_steps_and_is_reported_per_input():
    model = small_cnn()
    images, target = noise(3, 1, 8, 8), torch.tensor([0, 1, 2])
    reference = torch.zeros_like(images)

    def deltas(steps: int) -> Tensor:
        found = integrated_gradients(model.logits, images, target, reference=reference, steps=steps)
        change = model.logits(images) - model.logits(reference)
        assert torch.allclose(found.change, change.gather(1, target[:, None])[:, 0], atol=1e-6)
        missed = found.scores.flatten(1).sum(1) - found.change
        assert torch.allclose(found.delta, missed, atol=1e-6)
        return found.delta.abs()

    assert deltas(200).max() < 2e-3
    assert deltas(200).max() < deltas(1).max() / 10


def test_it_equals_the_formula_written_out():
    model = small_cnn(seed=3, channels=2)
    images, reference = noise(2, 2, 2, 8, 8)
    target = torch.tensor([2, 1])
    nodes, weights = np.polynomial.legendre.leggauss(7)
    expected = torch.zeros_like(images)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        point = (reference + float(node) * (images - reference)).requires_grad_()
        score = model.logits(point * 1).gather(1, target[:, None]).sum()
        expected += float(weight) * torch.autograd.grad(score, point)[0] * (images - reference)
    found = integrated_gradients(model.logits, images, target, reference=reference, steps=7)
    assert torch.allclose(found.scores, expected, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 128])
def test_memory_is_bounded_and_neighbours_do_not_matter(batch_size: int):
    model = small_cnn()
    seen: list[int] = []

    def logits(images: Tensor) -> Tensor:
        seen.append(len(images))
        return model.logits(images)

    images, target = noise(3, 1, 8, 8), torch.tensor([0, 1, 2])
    reference = torch.zeros_like(images)
    together = integrated_gradients(
        logits, images, target, reference=reference, steps=10, batch_size=batch_size
    )
    alone = integrated_gradients(
        logits, images[1:2], target[1:2],
        reference=reference[1:2], steps=10, batch_size=batch_size,
    )  # fmt: skip
    assert max(seen) <= max(batch_size, 1)
    assert torch.equal(together.scores[1:2], alone.scores)


def test_a_constant_model_has_zero_scores():
    found = integrated_gradients(
        lambda x: torch.ones(len(x), 2), noise(2, 1, 2, 2), torch.tensor([0, 1]),
        reference=torch.zeros(2, 1, 2, 2),
    )  # fmt: skip
    assert (found.scores == 0).all()
    assert (found.change == 0).all()


def test_words_of_a_bag_get_their_vote_less_that_of_an_unknown_word():
    model = word_model(["good", "bad", "film"])
    table, head = bag_of(model).table.weight, bag_of(model).head
    direction = head - head.mean(dim=1, keepdim=True)
    for text, target in (("a good film", 1), ("bad", 0)):
        probe = text_probe(model, text, target=target)
        found = integrated_gradients(
            centred(probe.logits), probe.point, probe.classes(), reference=probe.origin, steps=4
        )
        encoded = model.encode([text])
        votes = (table[encoded.ids[0]] - table[model.unk_id]) @ direction[:, target]
        expected = votes[~encoded.special[0]]
        assert torch.allclose(probe.summed(found.scores), expected, atol=1e-6)
        assert found.delta.abs().max() < 1e-5


def test_texts_equal_captum_with_an_unknown_reference():
    model = word_model(["good", "bad", "film", "not"], kind=Attentive, seed=2)
    probe = text_probe(model, "not a good film", target=1)
    found = integrated_gradients(
        centred(probe.logits), probe.point, probe.classes(), reference=probe.origin, steps=20
    )

    def forward(ids: Tensor, mask: Tensor) -> Tensor:
        logits = model.logits_from_ids(ids, mask)
        return logits - logits.mean(dim=1, keepdim=True)

    encoded = model.encode([probe.text])
    peer = LayerIntegratedGradients(forward, bag_of(model).table).attribute(
        encoded.ids,
        torch.where(encoded.special, encoded.ids, model.unk_id),
        target=1,
        additional_forward_args=(encoded.mask,),
        n_steps=20,
    )
    assert isinstance(peer, Tensor)
    assert torch.allclose(found.scores.sum(dim=2), peer.sum(dim=2), atol=1e-5)
    assert (found.delta.abs() / found.change.abs()).max() < 1e-3


def test_images_equal_captum():
    model = small_cnn(seed=1, channels=2)
    images, target = noise(3, 2, 8, 8), torch.tensor([2, 0, 1])
    reference = torch.full_like(images, 0.3)
    found = integrated_gradients(model.logits, images, target, reference=reference, steps=20)
    peer = IntegratedGradients(lambda x: model.logits(x.clone())).attribute(
        images, reference, target=target, n_steps=20, method="gausslegendre"
    )
    assert torch.allclose(found.scores, peer.float(), atol=1e-5)


def test_it_takes_as_many_nodes_as_the_tolerance_needs():
    model = small_cnn()
    images, reference = noise(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    asked: list[int] = []

    def logits(points: Tensor) -> Tensor:
        asked.append(len(points))
        return model.logits(points)

    def nodes(tolerance: float, steps: int = 64) -> int:
        asked.clear()
        found = integrated_gradients(
            logits, images[:1], torch.tensor([1]),
            reference=reference[:1], steps=steps, tolerance=tolerance,
        )  # fmt: skip
        missed = float(found.delta.abs() / found.change.abs())
        assert missed <= tolerance or sum(asked) - 2 >= steps
        return sum(asked) - 2  # the two ends

    assert nodes(0.5) == 8
    assert nodes(1e-9) == 8 + 64
    assert nodes(1e-9, steps=20) == 8 + 20
    first = integrated_gradients(
        model.logits, images[:1], torch.tensor([1]), reference=reference[:1], steps=8
    )
    miss = float(first.delta.abs() / first.change.abs())
    assert 8 + 24 <= nodes(miss / 2.99, steps=999) < 8 + 999  # a third of it: thrice the nodes
    assert nodes(0.0) == 64


class Picky(nn.Module):
    """Raises on its third call."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.calls = nn.Linear(4, 2), 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == 3:
            raise RuntimeError("out of order")
        return self.inner(images.flatten(1))


def test_models_and_inputs_are_left_as_they_were_even_after_an_error():
    model = small_cnn()
    before = state_of(model.module)
    images, target = noise(2, 1, 8, 8), torch.tensor([0, 1])
    kept = images.clone()
    integrated_gradients(model.logits, images, target, reference=torch.zeros_like(images), steps=3)
    assert_untouched(model.module, before)
    assert torch.equal(images, kept)

    picky = Picky().eval().requires_grad_(False)
    small, zeros = noise(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    with pytest.raises(RuntimeError, match="out of order"):
        integrated_gradients(
            picky, small, torch.tensor([0]), reference=zeros, steps=9, batch_size=2
        )
    assert not small.requires_grad
    assert not zeros.requires_grad
