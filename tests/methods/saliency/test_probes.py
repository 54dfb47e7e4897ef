"""Probes: deletion on linear models is optimal, and maps add channels as they say."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from auditkit.methods.metrics.deletion import area_under, deletion_order, removals
from auditkit.methods.saliency.integrated_gradients import Attributed
from auditkit.methods.saliency.probes import (
    METHODS,
    ImageProbe,
    Probe,
    TextProbe,
    completeness_error,
)
from auditkit.models.classifier import randomised
from tests.methods.saliency.nets import (
    Attentive,
    assert_untouched,
    linear_images,
    noise,
    small_cnn,
    state_of,
    word_model,
)


def image_probe(model, image, *, side=1, target=0, reference=None, batch_size=128) -> ImageProbe:
    reference = torch.zeros_like(image) if reference is None else reference
    return ImageProbe(
        model=model, image=image, reference=reference, target=target,
        side=side, steps=8, batch_size=batch_size,
    )  # fmt: skip


def text_probe(model, text: str, *, target: int = 1, batch_size: int = 128) -> TextProbe:
    return TextProbe(model=model, text=text, target=target, steps=8, batch_size=batch_size)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1), st.sampled_from(["integrated-gradients", "occlusion"]))
def test_on_a_linear_model_no_order_lowers_the_probability_faster(seed: int, method: str):
    model, _ = linear_images(seed, (2, 3, 3), k=2)
    probe = image_probe(model, noise(2, 3, 3), target=seed % 2)
    best = deletion_order(probe.per_unit(probe.map(method).scores))
    rng = np.random.default_rng(seed)
    orders = [best, best[::-1], *(rng.permutation(9) for _ in range(5))]
    curves = np.stack([probe.probabilities(removals(order, 9)) for order in orders])
    assert (curves[0] <= curves + 1e-6).all()
    assert (curves[1] >= curves - 1e-6).all()  # the reverse order is the slowest
    assert (area_under(curves[0]) <= area_under(curves) + 1e-6).all()


def test_image_maps_of_a_linear_model():
    model, weight = linear_images(0, (3, 4, 4), k=2)
    image, reference = noise(2, 3, 4, 4)
    probe = image_probe(model, image, side=2, target=1, reference=reference)
    slope = (weight[1] - weight.mean(dim=0)).numpy()  # of the centred logit
    exact = slope * (image - reference).numpy()
    assert np.allclose(probe.map("integrated-gradients").scores, exact.sum(axis=0), atol=1e-6)
    assert np.allclose(probe.map("gradient").scores, np.abs(slope).max(axis=0), atol=1e-6)
    quarters = exact.sum(axis=0).reshape(2, 2, 2, 2).sum(axis=(1, 3)).ravel()
    for method in ("integrated-gradients", "occlusion"):
        assert np.allclose(probe.per_unit(probe.map(method).scores), quarters, atol=1e-5)
    assert probe.map("integrated-gradients").completeness_error < 1e-5
    assert np.isnan(probe.map("occlusion").completeness_error)


def test_removed_cells_show_the_reference():
    model = small_cnn()
    image, reference = noise(2, 1, 8, 8)
    probe = image_probe(model, image, side=3, reference=reference, target=2, batch_size=2)
    removed = np.zeros((3, 9), dtype=bool)
    removed[1, 5] = True  # cut off: rows 3 to 5, columns 6 and 7
    removed[2] = True
    changed = image.clone()
    changed[:, 3:6, 6:] = reference[:, 3:6, 6:]
    expected = model.predict(torch.stack([image, changed, reference])).softmax(dim=1)[:, 2]
    assert np.allclose(probe.probabilities(removed), expected.numpy(), atol=1e-6)


def test_text_maps_of_a_bag_are_its_votes():
    votes = {"good": 2.0, "bad": -1.0}
    probe = text_probe(word_model(["good", "bad", "film"], votes=votes), "bad good  film, good")
    assert probe.spans == [(0, 3), (4, 8), (10, 14), (14, 15), (16, 20)]
    for method in ("integrated-gradients", "occlusion"):
        assert np.allclose(probe.map(method).scores, [-0.5, 1.0, 0.0, 0.0, 1.0], atol=1e-6)
    assert np.allclose(probe.map("gradient").scores, 0.5)
    assert probe.relevant([(5, 9), (18, 30)]).tolist() == [False, True, False, False, True]
    assert probe.relevant([(3, 4)]).tolist() == [False] * 5  # the space between two words
    removed = np.array([[False] * 5, [False, True, False, False, True], [True] * 5])
    expected = 1 / (1 + np.exp([-3.0, 1.0, 0.0]))
    assert np.allclose(probe.probabilities(removed), expected, atol=1e-6)


def test_texts_are_cut_at_the_length_the_model_reads():
    model = word_model(["a", "b"], max_length=4)
    assert text_probe(model, "a b a b a b").shape == (3,)  # one place is taken by [CLS]
    assert text_probe(model, "").shape == (0,)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_probing_leaves_the_model_as_it_was(kind: str):
    probe: Probe
    if kind == "image":
        model = small_cnn()
        probe = image_probe(model, noise(1, 8, 8), side=2)
    else:
        model = word_model(["a", "b"], kind=Attentive)
        probe = text_probe(model, "a b b")
    before = state_of(model.module)
    for method in METHODS:
        first = probe.map(method).scores
        assert first.shape == probe.shape
        with randomised(model.module, 1):
            assert not np.array_equal(probe.map(method).scores, first)
        assert np.array_equal(probe.map(method).scores, first)
        probe.probabilities(np.zeros((2, len(probe.per_unit(first))), dtype=bool))
    assert_untouched(model.module, before)


def test_a_random_model_is_put_back_even_after_an_error():
    model = small_cnn()
    before = state_of(model.module)

    def breaks() -> None:
        with randomised(model.module, 1):
            image_probe(model, noise(1, 8, 8)).map("unheard of")

    with pytest.raises(ValueError, match="unheard of"):
        breaks()
    assert_untouched(model.module, before)


def test_completeness_is_undefined_where_the_score_hardly_changes():
    def found(change: float, delta: float) -> Attributed:
        return Attributed(torch.zeros(1), torch.tensor([change]), torch.tensor([delta]))

    assert completeness_error(found(-2.0, 0.5)) == 0.25
    assert np.isnan(completeness_error(found(0.005, 1.0)))
