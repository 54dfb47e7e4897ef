"""Mirrors auditkit/methods/saliency/catalogue.py."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from auditkit.methods.metrics.deletion import area_under, deletion_order, removals
from auditkit.methods.saliency.catalogue import METHODS, completeness_error, map_of, why_not
from auditkit.methods.saliency.integrated_gradients import Attributed
from auditkit.methods.saliency.probes.base import Map, Probe
from auditkit.models.classifier import ImageClassifier, TextClassifier, randomised
from tests.methods.saliency.nets import (
    Attentive,
    BagOfWords,
    assert_untouched,
    linear_images,
    noise,
    small_cnn,
    state_of,
    word_model,
)
from tests.methods.saliency.programs import OUT_OF_SIGHT, SEEN, Written
from tests.methods.saliency.subjects import effort, image_probe, text_probe

# On a linear model these are all the weight times the change from the reference.
EXACT = ("integrated-gradients", "occlusion", "kernel-shap", "shapley-sampling")


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1), st.sampled_from(["integrated-gradients", "occlusion"]))
def test_on_a_linear_model_no_order_lowers_the_probability_faster(seed: int, method: str):
    model, _ = linear_images(seed, (2, 3, 3), k=2)
    probe = image_probe(model, noise(2, 3, 3), target=seed % 2)
    best = deletion_order(probe.per_unit(map_of(probe, method, effort()).scores))
    rng = np.random.default_rng(seed)
    orders = [best, best[::-1], *(rng.permutation(9) for _ in range(5))]
    curves = np.stack([probe.probabilities(removals(order, 9)) for order in orders])
    assert (curves[0] <= curves + 1e-6).all()
    assert (curves[1] >= curves - 1e-6).all()  # the reverse order is the slowest
    assert (area_under(curves[0]) <= area_under(curves) + 1e-6).all()


@pytest.mark.parametrize("method", EXACT)
def test_complete_methods_equal_weight_times_change_on_a_linear_image_model(method: str):
    model, weight = linear_images(0, (3, 4, 4), k=2)
    image, reference = noise(2, 3, 4, 4)
    probe = image_probe(model, image, side=2, target=1, reference=reference)
    slope = (weight[1] - weight.mean(dim=0)).numpy()  # of the centred logit
    exact = (slope * (image - reference).numpy()).sum(axis=0)
    quarters = exact.reshape(2, 2, 2, 2).sum(axis=(1, 3)).ravel()
    found = map_of(probe, method, effort(sets=200))
    assert found.signed
    assert np.allclose(probe.per_unit(found.scores), quarters, atol=1e-5)
    if method == "integrated-gradients":
        assert np.allclose(found.scores, exact, atol=1e-6)
        assert found.completeness_error < 1e-5
    else:
        assert np.isnan(found.completeness_error)


def test_slopes_of_a_linear_image_model():
    model, weight = linear_images(0, (3, 4, 4), k=2)
    probe = image_probe(model, noise(3, 4, 4), target=1)
    slope = (weight[1] - weight.mean(dim=0)).numpy()
    for method in ("gradient", "smoothgrad"):
        found = map_of(probe, method, effort())
        assert not found.signed
        assert np.allclose(found.scores, np.abs(slope).max(axis=0), atol=1e-6)
    by_input = map_of(probe, "input-x-gradient", effort()).scores
    assert np.allclose(by_input, (slope * probe.image.numpy()).sum(axis=0), atol=1e-6)
    others = noise(5, 3, 4, 4, seed=1)
    expected = (slope * (probe.image - others.mean(dim=0)).numpy()).sum(axis=0)
    found = map_of(probe, "expected-gradients", effort(references=others))
    assert np.allclose(found.scores, expected, atol=1e-5)


def test_text_maps_of_a_bag_are_its_votes():
    votes = {"good": 2.0, "bad": -1.0}
    probe = text_probe(word_model(["good", "bad", "film"], votes=votes), "bad good  film, good")
    expected = [-0.5, 1.0, 0.0, 0.0, 1.0]
    for method in (*EXACT, "input-x-gradient"):
        assert np.allclose(map_of(probe, method, effort()).scores, expected, atol=1e-5), method
    assert np.allclose(map_of(probe, "gradient", effort()).scores, 0.5)
    for method in ("lime", "rise"):  # about half of each and shrunk; the order is what counts
        scores = map_of(probe, method, effort(sets=2000)).scores
        assert scores.argmin() == 0, method
        assert set(scores.argsort()[-2:]) == {1, 4}, method


@pytest.mark.parametrize("kind", [BagOfWords, Attentive])
def test_word_occlusion_is_what_a_loop_over_the_words_finds(kind: type[BagOfWords]):
    model = word_model(["un", "##seen", "film", "good", ","], kind=kind, seed=2)
    text = "unseen film, unseen good"
    left_out = ["[UNK][UNK] film, unseen good", "unseen [UNK], unseen good",
                "unseen film[UNK] unseen good", "unseen film, [UNK][UNK] good",
                "unseen film, unseen [UNK]"]  # fmt: skip
    model.tokenizer.add_special_tokens(["[UNK]"])
    logits = model.predict([text, *left_out]).double()
    scores = logits[:, 1] - logits.mean(dim=1)
    falls = (scores[0] - scores[1:]).tolist()
    probe = text_probe(model, text)
    found = map_of(probe, "word-occlusion", effort()).scores
    first, film, comma, second, good = falls
    expected = [first / 2, first / 2, film, comma, second / 2, second / 2, good]
    assert np.allclose(found, expected, atol=1e-6)
    by_token = map_of(probe, "occlusion", effort()).scores  # the same only where votes are added
    added = np.allclose([by_token[:2].sum(), by_token[4:6].sum()], [first, second], atol=1e-6)
    assert added == (kind is BagOfWords)


def test_noisy_copies_are_drawn_batch_by_batch():
    probe = image_probe(linear_images(0, (1, 16, 16))[0], noise(1, 16, 16), batch_size=64)
    map_of(probe, "smoothgrad", effort())
    tracemalloc.start()
    map_of(probe, "smoothgrad", replace(effort(), copies=4000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4000 * probe.point.numel() * 8 / 5  # all draws at once take five times as much


@pytest.mark.parametrize("kind", ["image", "text"])
def test_every_map_sees_the_weights_and_leaves_the_model_as_it_was(kind: str):
    model: ImageClassifier | TextClassifier
    make: Callable[[], Probe]  # a probe is of one set of weights
    if kind == "image":
        model = small_cnn()
        make = partial(image_probe, model, noise(1, 8, 8), side=2)
    else:
        model = word_model(["a", "b"], kind=Attentive)
        make = partial(text_probe, model, "a b b")
    probe = make()
    before = state_of(model.module)
    spent = effort(sets=20, references=noise(3, 1, 8, 8, seed=3))
    drawn = torch.random.get_rng_state()
    for method in METHODS:
        if why_not(method, model):
            continue
        found = map_of(probe, method, spent)
        first = found.scores
        assert first.shape == probe.shape
        if found.unsuited:
            assert "attention" in method
            assert np.isnan(first).all()
            continue
        with randomised(model.module, 1):
            assert not np.array_equal(map_of(make(), method, spent).scores, first)
        assert np.array_equal(map_of(make(), method, spent).scores, first)
    assert_untouched(model.module, before)
    assert torch.equal(torch.random.get_rng_state(), drawn), "captum's draws are its own"


def test_guided_gradcam_is_the_product_of_the_two():
    probe = image_probe(small_cnn(), noise(1, 8, 8), side=2)
    guided, cam, both = (
        map_of(probe, one, effort()).scores
        for one in ("guided-backprop", "gradcam", "guided-gradcam")
    )
    assert both.any()
    assert np.allclose(both, guided * cam, rtol=1e-12)


def _program(module: nn.Module) -> ImageClassifier:
    return ImageClassifier(module, classes=["a", "b", "c"], input_shape=(1, 8, 8))


def _maps_of(model: ImageClassifier) -> dict[str, Map]:
    probe = image_probe(model, noise(1, 8, 8), side=2, reference=torch.full((1, 8, 8), 0.5))
    spent = effort(sets=20, references=noise(3, 1, 8, 8, seed=3))
    return {
        method: map_of(probe, method, spent) for method in METHODS if not why_not(method, model)
    }


@pytest.mark.parametrize("how", SEEN)
def test_a_program_that_can_be_watched_gets_the_maps_of_the_network_it_was_made_of(how: str):
    expected, found = _maps_of(_program(Written())), _maps_of(_program(SEEN[how]()))
    for method, one in expected.items():
        assert found[method].unsuited == one.unsuited, method
        assert np.allclose(found[method].scores, one.scores, atol=1e-6, equal_nan=True), method


@pytest.mark.parametrize("how", OUT_OF_SIGHT)
def test_what_works_out_of_sight_is_refused_by_methods_with_rules_and_named(how: str):
    expected, found = _maps_of(_program(Written())), _maps_of(_program(OUT_OF_SIGHT[how]()))
    name = {"own function": "squashed", "hook on slopes": "backward_hook_function"}.get(how, "relu")
    for method in ("deeplift", "lrp", "guided-backprop", "guided-gradcam"):
        assert not expected[method].unsuited
        assert f" {name}" in found[method].unsuited.partition(", which")[0]
        assert np.isnan(found[method].scores).all()
    assert np.allclose(found["occlusion"].scores, expected["occlusion"].scores, atol=1e-6)
    if how == "hook on slopes":  # no method that follows slopes is right, and this number says so
        assert found["integrated-gradients"].completeness_error > 0.2
    else:
        assert np.allclose(found["gradient"].scores, expected["gradient"].scores, atol=1e-6)


def test_a_random_model_is_put_back_even_after_an_error():
    model = small_cnn()
    before = state_of(model.module)

    def breaks() -> None:
        with randomised(model.module, 1):
            map_of(image_probe(model, noise(1, 8, 8)), "unheard of", effort())

    with pytest.raises(ValueError, match="unheard of"):
        breaks()
    assert_untouched(model.module, before)


def test_methods_say_why_they_cannot_be_used():
    texts, images = word_model(["a"]), small_cnn()
    assert why_not("expected-gradients", texts) == "it is about image and tabular models"
    assert why_not("expected-gradients", images) is None
    images.differentiable = False
    assert why_not("gradient", images) == "it needs gradients, and this model has none"
    assert why_not("kernel-shap", images) is None


def test_completeness_is_undefined_where_the_score_hardly_changes():
    def found(change: float, delta: float) -> Attributed:
        return Attributed(torch.zeros(1), torch.tensor([change]), torch.tensor([delta]))

    assert completeness_error(found(-2.0, 0.5)) == 0.25
    assert np.isnan(completeness_error(found(0.005, 1.0)))
