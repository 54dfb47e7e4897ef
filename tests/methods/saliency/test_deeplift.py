"""Mirrors auditkit/methods/saliency/deeplift.py: closed forms, completeness, equal to captum."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence

import hypothesis.strategies as st
import pytest
import torch
from captum.attr import DeepLift
from hypothesis import given, settings
from torch import Tensor, nn
from torch.nn import functional

from auditkit.methods.saliency.deeplift import deeplift
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.methods.saliency.scores import centred
from auditkit.models.catalogue import CARDS
from auditkit.models.classifier import ImageClassifier, Logits, TextClassifier
from auditkit.models.graphs import GraphClassifier
from auditkit.models.load import ModelSpec, load_model
from auditkit.models.tabular import TabularClassifier
from tests.methods.saliency.nets import assert_untouched, linear_images, noise, state_of
from tests.methods.saliency.styles import ACTIVATIONS, ATTENTIONS, MODULES, network

FIRST = torch.tensor([0])


def contributions(logits: Logits, x: Sequence[float], x0: Sequence[float]) -> list[float]:
    """Scores of one input of a function with one output."""
    points, start = torch.tensor([x], dtype=torch.float), torch.tensor([x0], dtype=torch.float)
    found = deeplift(logits, points, FIRST, reference=start)
    assert abs(float(found.delta)) < 1e-4
    return [round(one, 5) for one in found.scores[0].tolist()]


def one(values: Tensor) -> Tensor:
    return values[:, None]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1))
def test_linear_model_gives_weight_times_change(seed: int):
    model, weight = linear_images(seed, (2, 3, 3))
    images, reference = noise(2, 4, 2, 3, 3)
    target = torch.tensor([0, 1, 2, 0])
    found = deeplift(model.logits, images, target, reference=reference)
    expected = weight[target] * (images - reference)
    assert torch.allclose(found.scores, expected, atol=1e-6)
    assert torch.allclose(found.change, expected.flatten(1).sum(1), atol=1e-5)
    assert found.delta.abs().max() < 1e-5
    assert found.unruled == ()


def test_rules_by_hand():
    assert contributions(lambda x: one(x.sum(1).relu()), [3, -1], [-1, -1]) == [2, 0]
    assert contributions(lambda x: one(x[:, 0] * x[:, 1]), [3, 5], [1, 2]) == [7, 6]
    three = contributions(
        lambda x: torch.einsum("n,n,n->n", x[:, 0], x[:, 1], x[:, 2])[:, None], [2, 2, 2], [0, 0, 0]
    )
    assert three == pytest.approx([8 / 3] * 3, abs=1e-5)  # Shapley's shares
    assert contributions(lambda x: one(x[:, 0] / x[:, 1]), [6, 2], [2, 1]) == [3, -2]
    assert contributions(lambda x: one(x.square().sum(1)), [3, 1], [1, 1]) == [8, 0]
    # The first rises to 4 and holds the maximum; before, the second held it at 1.
    assert contributions(lambda x: one(x.amax(1)), [4, 0], [0, 1]) == [3, 0]
    assert contributions(lambda x: one(x.amax(1)), [0, 1], [4, 0]) == [-3, 0]
    assert contributions(lambda x: one(x.amin(1)), [0, 1], [4, 2]) == [-2, 0]
    assert contributions(lambda x: one(x.max(1).values), [4, 2], [4, 3]) == [0, 0]


def test_a_softmax_does_not_see_what_all_have_in_common():
    def first(x: Tensor) -> Tensor:
        return one(x.softmax(1)[:, 0])

    assert sum(contributions(first, [3, 4, 5], [0, 1, 2])) == pytest.approx(0, abs=1e-4)
    some = contributions(first, [2, 1, 0.5], [0, 1, 0])
    assert contributions(first, [7, 6, 5.5], [5, 6, 5]) == pytest.approx(some, abs=1e-5)
    change = torch.tensor([[0.0, 0, 0], [2, 0, 0]]).softmax(1)[:, 0].diff()
    assert contributions(first, [2, 0, 0], [0, 0, 0]) == pytest.approx(
        [float(change), 0, 0], abs=1e-5
    )
    far = contributions(lambda x: one(x.log_softmax(1)[:, 0]), [40, -30, 0], [-40, 30, 1])
    assert sum(far) == pytest.approx(70, abs=1e-3)  # far beyond what the nodes resolve


def test_where_changes_cancel_the_slope_stands_in_for_their_ratio():
    steep = torch.tensor(1.0).sigmoid() * torch.tensor(-1.0).sigmoid() * 2
    found = contributions(lambda x: one((x[:, 0] - x[:, 1]).sigmoid()), [3, 2], [1, 0])
    assert found == pytest.approx([float(steep), -float(steep)], abs=1e-5)
    nearly = contributions(lambda x: one((x[:, 0] - x[:, 1]).sigmoid()), [3, 2 + 2e-7], [1, 0])
    assert nearly == pytest.approx(found, abs=1e-4)


def test_what_a_model_overwrites_later_was_seen_as_it_was():
    def logits(x: Tensor) -> Tensor:
        held = 2 * x
        shown = held.sigmoid().sum(1) + held[:, 0] * held[:, 1]
        held += 5
        return one(shown + held.sum(1))

    x, x0 = torch.tensor([1.0, 2.0]), torch.tensor([0.0, -1.0])
    moved = (2 * x).sigmoid() - (2 * x0).sigmoid() + 2 * (x - x0)
    halves = torch.tensor([2 * (4 - 2) / 2, 6 * (2 + 0) / 2])
    found = contributions(logits, x.tolist(), x0.tolist())
    assert found == pytest.approx((moved + halves).tolist(), abs=1e-5)


def test_symmetric_features_get_the_same_and_a_dummy_nothing():
    def logits(x: Tensor) -> Tensor:
        return one(functional.gelu(x[:, 0] + x[:, 1]) * (x[:, 0] * x[:, 1]).tanh())

    found = contributions(logits, [1.5, 1.5, 9.0], [0.5, 0.5, 1.0])
    assert found[0] == found[1] != 0
    assert found[2] == 0


def test_a_deep_net_equals_the_paper_written_out():
    """Multipliers of the rescale rule, eq. 3 to 5, as a product of matrices."""
    torch.manual_seed(0)
    layers = [torch.randn(6, 4), torch.randn(6, 6), torch.randn(1, 6)]
    x, x0 = torch.randn(4), torch.randn(4)

    def logits(rows: Tensor) -> Tensor:
        for weight in layers[:-1]:
            rows = functional.silu(rows @ weight.T)
        return rows @ layers[-1].T

    multiplier, here, there = torch.eye(4), x, x0
    for weight in layers[:-1]:
        z, z0 = weight @ here, weight @ there
        here, there = functional.silu(z), functional.silu(z0)
        multiplier = ((here - there) / (z - z0))[:, None] * (weight @ multiplier)
    expected = (layers[-1] @ multiplier)[0] * (x - x0)
    found = deeplift(logits, x[None], FIRST, reference=x0[None])
    assert torch.allclose(found.scores[0], expected, atol=1e-5)


def peer(module: nn.Module, images: Tensor, reference: Tensor, target: Tensor) -> Tensor | None:
    """Scores of captum, or None where it raises; on a copy, for it leaves hooks behind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            method = DeepLift(copy.deepcopy(module))
            return method.attribute(images.clone(), reference, target=target).detach()
        except (AssertionError, RuntimeError, AttributeError):
            return None


@pytest.mark.parametrize("style", [*MODULES, *ACTIVATIONS, *ATTENTIONS])
def test_scores_add_up_however_a_network_is_written(style: str):
    module = network(style)
    images, reference, target = noise(4, 3, 8, 8), noise(4, 3, 8, 8, seed=1), torch.arange(4)
    found = deeplift(module, images, target, reference=reference)
    change = (module(images) - module(reference)).gather(1, target[:, None])[:, 0]
    assert torch.allclose(found.change, change, atol=1e-5)
    missed = (found.scores.flatten(1).sum(1) - change).abs()
    assert (missed / change.abs().clamp(min=0.01)).max() < 1e-4
    assert not found.change.requires_grad
    assert found.unruled == (("sort",) if style == "sorted" else ())
    # Where a change is small beside the logits, what is left is their rounding.
    exact = deeplift(module.double(), images.double(), target, reference=reference.double())
    assert (exact.delta / exact.change).abs().max() < 1e-9
    module.float()
    theirs = peer(module, images, reference, target)
    if style != "module" and theirs is not None:  # what this file is for
        assert ((theirs.flatten(1).sum(1) - change).abs() / change.abs()).max() > 1e-2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_captum_where_captum_is_exact(seed: int):
    module = network("module", seed=seed, pool="mean")
    images, reference = noise(4, 3, 8, 8, seed=seed), torch.zeros(4, 3, 8, 8)
    target = torch.arange(4)
    found = deeplift(module, images, target, reference=reference)
    theirs = peer(module, images, reference, target)
    assert theirs is not None
    assert torch.allclose(found.scores, theirs, atol=1e-6)
    assert found.scores.abs().max() > 1e-3


def test_relus_of_all_spellings_get_the_same_scores():
    images, reference, target = noise(2, 3, 8, 8), torch.zeros(2, 3, 8, 8), torch.arange(2)
    expected = deeplift(network("module"), images, target, reference=reference).scores
    for style in ("reused", "in place", "functional", "method in place", "clamp", "where"):
        found = deeplift(network(style), images, target, reference=reference).scores
        assert torch.allclose(found, expected, atol=1e-6), style


def points_of(name: str) -> tuple[Logits, Tensor, Tensor]:
    """The logits of a built-in network, two inputs, and what they are counted from."""
    model = load_model(ModelSpec(source=name, device="cpu"))
    if isinstance(model, TextClassifier):
        probe = TextProbe(model=model, text="a good and moving film", target=1, batch_size=8)
        return centred(probe.logits), probe.point, probe.origin
    if isinstance(model, ImageClassifier):
        images = noise(2, *model.input_shape)
        return centred(model.logits), images, images.mean((2, 3), keepdim=True).expand_as(images)
    if isinstance(model, TabularClassifier):
        rows = noise(2, model.n_features)
        return centred(model.logits_from_features), rows, torch.zeros_like(rows)
    assert isinstance(model, GraphClassifier)
    graph = model.example()
    lone = graph.clone()
    lone[:, :, len(model.tags) :] = 0
    return centred(model.logits), graph, lone


NETWORKS = [
    name
    for name, card in CARDS.items()
    if card.weights and not name.endswith(("boosting", "regression", "experts"))
]


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_add_up_on_built_in_networks(name: str):
    logits, points, reference = points_of(name)
    with torch.no_grad():
        target = (logits(points) - logits(reference)).abs().argmax(1)
    found = deeplift(logits, points, target, reference=reference)
    assert (found.delta / found.change).abs().max() < 1e-4
    assert found.unruled == ()


def test_tokens_that_are_routed_elsewhere_are_named():
    logits, points, reference = points_of("sst2-mixture-of-experts")
    found = deeplift(logits, points, torch.tensor([1]), reference=reference)
    assert "topk" in found.unruled
    assert any("other shapes at the reference" in name for name in found.unruled)
    total = found.scores.flatten(1).sum(1)
    assert torch.allclose(found.delta, total - found.change, atol=1e-6)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("batch_first", [True, False])
def test_recurrent_modules_of_torch_are_taken_apart(kind: type[nn.LSTM], batch_first: bool):
    torch.manual_seed(0)
    recurrent = kind(4, 5, num_layers=2, bidirectional=True, batch_first=batch_first).eval()
    recurrent.requires_grad_(False)

    def logits(x: Tensor) -> Tensor:  # (n, t, d)
        if batch_first:
            return recurrent(x)[0][:, -1]
        return recurrent(x.transpose(0, 1))[0][-1]

    points, reference = noise(3, 6, 4), torch.zeros(3, 6, 4)
    found = deeplift(logits, points, torch.arange(3), reference=reference)
    assert (found.delta / found.change).abs().max() < 1e-4
    assert found.unruled == ()


def test_a_packed_sequence_is_followed_along_a_path_and_named():
    torch.manual_seed(0)
    recurrent = nn.GRU(4, 5, batch_first=True).eval().requires_grad_(False)

    def logits(x: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([6, 4, 2]), batch_first=True)
        return recurrent(packed)[1][0]

    found = deeplift(logits, noise(3, 6, 4), torch.arange(3), reference=torch.zeros(3, 6, 4))
    assert "gru" in found.unruled


def test_neighbours_and_batches_do_not_matter():
    module = network("multi-head")
    images, reference, target = noise(5, 3, 8, 8), torch.zeros(5, 3, 8, 8), torch.arange(5)
    whole = deeplift(module, images, target, reference=reference)
    parts = deeplift(module, images, target, reference=reference, batch_size=2)
    assert torch.allclose(whole.scores, parts.scores, atol=1e-6)
    assert torch.allclose(whole.change, parts.change, atol=1e-6)
    assert len(parts.delta) == 5


def test_where_nothing_depends_or_changes_scores_are_zero():
    images = noise(2, 3, 8, 8)
    same = deeplift(network("gelu"), images, torch.tensor([0, 1]), reference=images)
    assert (same.scores == 0).all()
    for logits in (
        lambda x: torch.ones(len(x), 2),
        lambda x: x.flatten(1)[:, :2] * 0,
        lambda x: x.flatten(1)[:, :2].detach() * 0 + 1,
        lambda x: (x.flatten(1)[:, :2] - 9).relu(),
    ):
        found = deeplift(logits, images, torch.tensor([0, 1]), reference=torch.zeros_like(images))
        assert (found.scores == 0).all()
        assert (found.change == 0).all()
        assert (found.delta == 0).all()


def test_models_and_inputs_are_left_as_they_were_even_after_an_error():
    module = network("in place")
    before, images, reference = state_of(module), noise(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    kept, target = images.clone(), torch.tensor([0, 1])
    deeplift(module, images, target, reference=reference)

    def broken(x: Tensor) -> Tensor:
        module(x)
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        deeplift(broken, images, target, reference=reference)
    assert_untouched(module, before)
    assert torch.equal(images, kept)
    assert (reference == 0).all()
    assert not images.requires_grad
    assert not reference.requires_grad
    leaf = torch.tensor([-1.0, 2.0], requires_grad=True)  # and torch is itself again
    assert torch.autograd.grad(leaf.relu().sum(), leaf)[0].tolist() == [0.0, 1.0]
