"""The explained score: free of what a softmax ignores, and always with a slope."""

import torch

from auditkit.methods.saliency.scores import centred, score_of
from tests.methods.saliency.nets import noise


def test_centred_logits_do_not_depend_on_a_shift():
    images = noise(4, 1, 2, 2)
    logits = noise(4, 5)
    shifted = centred(lambda _: logits + 7)(images)
    assert torch.allclose(shifted, centred(lambda _: logits)(images), atol=1e-5)
    assert torch.allclose(shifted.sum(dim=1), torch.zeros(4), atol=1e-5)


def test_the_zero_logit_of_a_one_output_model_gets_half_the_margin():
    output = torch.tensor([[3.0], [-1.0]])
    both = centred(lambda _: torch.cat([torch.zeros(2, 1), output], dim=1))(torch.zeros(2, 1))
    assert both.tolist() == [[-1.5, 1.5], [0.5, -0.5]]


def test_a_model_that_ignores_its_input_has_slope_zero():
    leaf = noise(3, 1, 2, 2).requires_grad_()
    score = score_of(lambda x: torch.ones(len(x), 2), leaf, torch.tensor([0, 1, 0]))
    (slope,) = torch.autograd.grad(score.sum(), leaf)
    assert score.tolist() == [1.0, 1.0, 1.0]
    assert (slope == 0).all()


def test_a_layer_in_place_changes_neither_the_input_nor_the_slope():
    leaf = torch.full((1, 3), -2.0, requires_grad=True)
    score = score_of(lambda x: x.mul_(2), leaf, torch.tensor([1]))
    (slope,) = torch.autograd.grad(score.sum(), leaf)
    assert leaf.tolist() == [[-2.0] * 3]
    assert slope.tolist() == [[0.0, 2.0, 0.0]]
