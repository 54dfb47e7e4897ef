"""Mirrors auditkit/methods/saliency/attention.py."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from auditkit.methods.saliency.attention import Attended, AttentionTap, attended
from auditkit.methods.saliency.probes.text import TextProbe
from auditkit.methods.saliency.scores import centred
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.models.classifier import TextClassifier
from auditkit.models.load import ModelSpec, load_model
from tests.methods.saliency.nets import assert_untouched, noise, state_of
from tests.methods.saliency.transformers import CLASSES, OneLayer, Style, vit

FUSED = functional.scaled_dot_product_attention
MULTI = functional.multi_head_attention_forward
STYLES: tuple[Style, ...] = ("module", "fused", "written")


def maps_of(function: Callable[[], object]) -> list[Tensor]:
    with AttentionTap() as tap:
        function()
    return tap.maps


def found(model: Callable[[Tensor], Tensor], inputs: Tensor, target: Tensor) -> Attended:
    attention = attended(model, inputs, target)
    assert isinstance(attention, Attended), attention
    return attention


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


BIAS = randn(5, 7, seed=9)
HOLES = randn(2, 1, 5, 7, seed=8) > -0.5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.3},
        {"is_causal": True},
        {"attn_mask": BIAS},
        {"attn_mask": HOLES},
        {"attn_mask": BIAS, "scale": 2.0},
    ],
)
def test_fused_attention_gives_what_torch_gives(options: dict[str, object]) -> None:
    query, key, value = randn(2, 4, 5, 8), randn(2, 4, 7, 8, seed=1), randn(2, 4, 7, 6, seed=2)
    plain = FUSED(query, key, value, **options)  # type: ignore[arg-type]
    with AttentionTap() as tap:
        tapped = functional.scaled_dot_product_attention(query, key, value, **options)  # type: ignore[arg-type]
    assert torch.allclose(tapped, plain, atol=1e-6)
    (weights,) = tap.maps
    assert weights.shape == (2, 4, 5, 7)
    assert torch.allclose(weights.sum(dim=3), torch.ones(2, 4, 5))
    assert torch.allclose(weights @ value, plain, atol=1e-6)


def test_a_query_that_may_look_nowhere_gets_nothing() -> None:
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[2] = False
    tokens = randn(1, 2, 5, 4).requires_grad_(True)
    for one in (mask, torch.zeros(5, 5).masked_fill(~mask, -torch.inf)):
        with AttentionTap() as tap:
            mixed = functional.scaled_dot_product_attention(tokens, tokens, tokens, attn_mask=one)
        assert torch.allclose(mixed, FUSED(tokens, tokens, tokens, attn_mask=one), atol=1e-6)
        assert not tap.maps[0][:, :, 2].any()
        (slope,) = torch.autograd.grad(mixed.sum(), tokens)
        assert slope.isfinite().all()


def test_heads_of_queries_may_share_one_of_keys() -> None:
    query, key, value = randn(2, 6, 5, 4), randn(2, 2, 5, 4, seed=1), randn(2, 2, 5, 4, seed=2)
    plain = FUSED(query, key, value, enable_gqa=True)
    with AttentionTap() as tap:
        tapped = functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    assert torch.allclose(tapped, plain, atol=1e-6)
    assert tap.maps[0].shape == (2, 6, 5, 5)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("wants", [True, False])
def test_multi_head_attention_gives_what_torch_gives(
    batch_first: bool, average: bool, wants: bool
) -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(12, 3, batch_first=batch_first).eval().requires_grad_(False)
    query, key = randn(2, 4, 12), randn(2, 5, 12, seed=1)
    query, key = (one if batch_first else one.transpose(0, 1) for one in (query, key))
    padding = torch.tensor([[False] * 5, [False, False, False, True, True]])
    options = {
        "key_padding_mask": padding, "attn_mask": torch.ones(4, 5).triu(2).bool(),
        "need_weights": wants, "average_attn_weights": average,
    }  # fmt: skip
    plain, expected = module(query, key, key, **options)
    with AttentionTap() as tap:
        tapped, weights = module(query, key, key, **options)
    assert torch.allclose(tapped, plain, atol=1e-6)
    assert tap.maps[0].shape == (2, 3, 4, 5)
    if wants:
        assert torch.allclose(weights, expected, atol=1e-6)
    else:
        assert weights is None
    options |= {"need_weights": True, "average_attn_weights": False}
    _, heads = module(query, key, key, **options)
    assert torch.allclose(tap.maps[0], heads, atol=1e-6)


def test_a_hint_that_contradicts_the_mask_is_read_as_torch_reads_it() -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(8, 2, batch_first=True).eval().requires_grad_(False)
    tokens, later = randn(2, 4, 8), torch.ones(4, 4).tril(-1).bool()
    options = {"attn_mask": later, "is_causal": True, "need_weights": True}
    plain, _ = module(tokens, tokens, tokens, **options)
    with AttentionTap():
        tapped, _ = module(tokens, tokens, tokens, **options)
    assert torch.allclose(tapped, plain, atol=1e-6)


def test_other_modes_around_it_hide_nothing() -> None:
    class Outer(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    with Outer():
        assert len(maps_of(lambda: vit("module")(noise(2, 3, 16, 16)))) == 2


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("gradients", [True, False])
def test_the_fast_path_of_encoders_hides_nothing(norm_first: bool, gradients: bool) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=not norm_first)
    encoder = encoder.eval().requires_grad_(False)
    tokens, padding = randn(2, 5, 8), torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    with torch.set_grad_enabled(gradients):
        plain = encoder(tokens, src_key_padding_mask=padding)
        with AttentionTap() as tap:
            tapped = encoder(tokens, src_key_padding_mask=padding)
    assert [one.shape for one in tap.maps] == [(2, 2, 5, 5)] * 2
    assert torch.allclose(tapped[~padding], plain[:, :5][~padding], atol=1e-6)
    assert not tap.maps[0][1, :, :, 3:].any()


def test_written_attention_is_told_from_gates() -> None:
    """A softmax counts once something is multiplied with it, through any harmless step between."""
    scores, value = randn(2, 3, 4, 4), randn(2, 3, 4, 5, seed=1)
    steps: list[Callable[[], Tensor]] = [
        lambda: scores.softmax(-1) @ value,
        lambda: torch.softmax(scores, dim=3).matmul(value),
        lambda: torch.bmm(functional.softmax(scores, dim=-1).flatten(0, 1), value.flatten(0, 1)),
        lambda: torch.einsum("nhts,nhsd->nhtd", nn.Softmax(dim=-1)(scores), value),
        lambda: functional.dropout(scores.softmax(-1), 0.5, False).double() @ value.double(),
        lambda: (scores.softmax(-1) * torch.rand(1, 3, 1, 1)) @ value,
        lambda: value.mT @ scores.softmax(-1).transpose(2, 3),
    ]  # fmt: skip
    for step in steps:
        (weights,) = maps_of(step)
        assert torch.equal(weights, scores.softmax(-1))
    gates: list[Callable[[], Tensor]] = [
        lambda: scores.softmax(-1) * scores,
        lambda: scores.softmax(1) @ value,
        lambda: scores.sigmoid() @ value,
        lambda: scores.log_softmax(-1),
        lambda: (scores.softmax(-1) * 2).sum(1).sum(1) @ value[0, 0],
    ]
    for gate in gates:
        assert maps_of(gate) == []


@pytest.mark.parametrize("style", STYLES)
def test_outputs_are_the_same_up_to_rounding(style: Style) -> None:
    model, images = vit(style), noise(3, 3, 16, 16)
    plain = model(images)
    with AttentionTap() as tap:
        assert torch.allclose(model(images), plain, atol=1e-6)
    assert [one.shape for one in tap.maps] == [(3, 2, 17, 17)] * 2


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("batch_first", [True, False])
def test_all_makes_of_attention_look_alike(style: Style, batch_first: bool) -> None:
    images, target = noise(3, 3, 16, 16), torch.tensor([0, 1, 2])
    one = found(vit(style, batch_first=batch_first), images, target)
    other = found(vit("module"), images, target)
    for ours, theirs in zip(one.layers, other.layers, strict=True):
        assert ours.kind == "self"
        assert torch.allclose(ours.weights, theirs.weights, atol=1e-6)
        assert torch.allclose(ours.slopes, theirs.slopes, atol=1e-6)
        assert ours.slopes.any()


@pytest.mark.parametrize("depth", [0, 1])
def test_slopes_equal_finite_differences(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Push one weight of one layer a little, and see what the score does."""
    model, images = vit("written").double(), noise(1, 3, 16, 16).double()
    target, push = torch.tensor([2]), torch.zeros(1, 2, 17, 17).double()
    (layer, other) = (found(model, images, target).layers[i] for i in (depth, 1 - depth))
    plain_softmax, calls = functional.softmax, [0]

    def pushed(scores: Tensor, dim: int) -> Tensor:
        calls[0] += 1
        return plain_softmax(scores, dim=dim) + (push if calls[0] - 1 == depth else 0)

    monkeypatch.setattr(functional, "softmax", pushed)
    for place in ((0, 0, 0, 5), (0, 1, 0, 0), (0, 1, 0, 16), (0, 0, 3, 4)):
        sides: list[float] = []
        for step in (1e-5, -1e-5):
            push.zero_()
            push[place], calls[0] = step, 0
            sides.append(float(model(images)[0, 2]))
        expected = (sides[0] - sides[1]) / 2e-5
        assert float(layer.slopes[place]) == pytest.approx(expected, abs=1e-8)
    assert not torch.allclose(layer.slopes, other.slopes)


def test_where_the_answer_is_read_from_is_known_by_the_slopes() -> None:
    images, target = noise(3, 3, 16, 16), torch.tensor([0, 1, 2])
    first, last, mean = (
        found(vit(answer=answer), images, target) for answer in ("first", "last", "mean")
    )
    assert (first.read_from, first.answering, first.tokens) == ("the first token", 0, 17)
    assert (last.read_from, last.answering) == ("one token of each input", 16)
    assert (mean.read_from, mean.answering, mean.tokens) == ("the mean of several tokens", None, 16)
    assert first.read[:, 0].tolist() == [1, 1, 1]
    assert torch.allclose(mean.read, torch.full((3, 16), 1 / 16))


def test_attention_that_ignores_the_input_has_slopes_too() -> None:
    places = randn(1, 1, 4, 4)

    def model(tokens: Tensor) -> Tensor:
        weights = places.softmax(-1).expand(len(tokens), -1, -1, -1)
        return (weights @ tokens[:, None])[:, 0, 0]

    tokens, target = randn(2, 4, 3), torch.tensor([1, 2])
    attention = attended(model, tokens, target)
    # One map for all inputs is not one per input: such a network has no attention of its own.
    assert isinstance(attention, Unsuited)

    def own(tokens: Tensor) -> Tensor:
        weights = places.expand(len(tokens), -1, -1, -1).softmax(-1)
        return (weights @ tokens[:, None])[:, 0, 0]

    (layer,) = found(own, tokens, target).layers
    expected = torch.stack([tokens[0, :, 1], tokens[1, :, 2]])  # a weight's slope is its value
    assert torch.allclose(layer.slopes[:, 0, 0], expected)
    assert not layer.slopes[:, 0, 1:].any()


def test_three_dimensions_are_one_head_or_several() -> None:
    tokens = randn(2, 4, 3)
    (layer,) = found(OneLayer(), tokens, torch.tensor([0, 1])).layers
    assert layer.weights.shape == (2, 1, 4, 4)
    assert torch.allclose(layer.weights[:, 0], OneLayer.by_hand(tokens), atol=1e-6)

    def two_heads(x: Tensor) -> Tensor:
        heads = torch.stack([x, -2 * x], dim=1).flatten(0, 1)  # (n * 2, t, d)
        mixed = torch.bmm(torch.bmm(heads, heads.mT).softmax(-1), heads)
        return mixed.unflatten(0, (-1, 2)).sum(dim=1)[:, 0]

    (layer,) = found(two_heads, tokens, torch.tensor([0, 1])).layers
    assert layer.weights.shape == (2, 2, 4, 4)
    assert torch.allclose(layer.weights[:, 1], OneLayer.by_hand(2 * tokens), atol=1e-6)


def test_layers_that_do_not_follow_on_each_other_are_refused() -> None:
    def towers(x: Tensor) -> Tensor:
        return (OneLayer()(x) + OneLayer()(-x)) / 2

    refused = attended(towers, randn(2, 4, 3), torch.tensor([0, 1]))
    assert isinstance(refused, Unsuited)
    assert "two towers" in refused.reason

    def windows(x: Tensor) -> Tensor:
        pieces = x.unflatten(1, (2, 4)).flatten(0, 1)[:, None]  # (n * 2, 1, 4, d)
        mixed = functional.scaled_dot_product_attention(pieces, pieces, pieces)
        return mixed.flatten(1).unflatten(0, (-1, 2)).sum(dim=1)

    refused = attended(windows, randn(2, 8, 3), torch.tensor([0, 1]))
    assert isinstance(refused, Unsuited)
    assert "windows" in refused.reason

    def shrinking(x: Tensor) -> Tensor:
        x = functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None])
        half = x[:, :, ::2]
        return functional.scaled_dot_product_attention(half[:, :, :1], half, half).flatten(1)

    refused = attended(shrinking, randn(2, 4, 3), torch.tensor([0, 1]))
    assert isinstance(refused, Unsuited)
    assert "number of tokens changes" in refused.reason


def test_networks_without_attention_say_so() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    refused = attended(net, randn(2, 4, 3), torch.tensor([0, 1]))
    assert refused == Unsuited("no attention between tokens was seen while the model ran")


def test_nothing_is_left_behind_also_when_the_network_raises() -> None:
    model, images = vit("module"), noise(2, 3, 16, 16)
    before, plain = state_of(model), model(images)

    def failing(points: Tensor) -> Tensor:
        model(points)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        attended(failing, images, torch.tensor([0, 1]))
    found(model, images, torch.tensor([0, 1]))
    assert_untouched(model, before)
    assert torch.equal(model(images), plain)
    assert functional.scaled_dot_product_attention is FUSED
    assert functional.multi_head_attention_forward is MULTI
    assert MULTI.__globals__["scaled_dot_product_attention"] is FUSED
    assert torch.overrides._get_current_function_mode() is None
    assert not images.requires_grad


def test_other_threads_are_not_tapped() -> None:
    model, images = vit("module"), noise(2, 3, 16, 16)
    with AttentionTap() as tap:
        thread = threading.Thread(target=lambda: model(images))
        thread.start()
        thread.join()
    assert tap.maps == []


@pytest.mark.parametrize("name", ["digits-vit", "fashion-vit", "cifar-vit"])
def test_built_in_vision_transformers(name: str) -> None:
    model = load_model(ModelSpec(source=name, device="cpu"))
    images = noise(2, *model.input_shape)  # type: ignore[attr-defined]
    attention = found(centred(model.logits), images, torch.tensor([3, 4]))
    assert len(attention.layers) == 4
    assert attention.read_from == "the mean of several tokens"


@pytest.mark.parametrize(
    ("name", "kinds", "read_from"),
    [
        ("phrases-transformer", ["self", "self"], "the first token"),
        ("sst2-encoder", ["self", "self"], "the first token"),
        ("sst2-decoder", ["self", "self"], "one token of each input"),
        ("sst2-encoder-decoder", ["self", "written", "cross"], "a query of its own"),
        ("sst2-mixture-of-experts", ["self"], "the mean of several tokens"),
        ("sst2-textcnn", [], ""),
        ("sst2-rnn", [], ""),
        ("sst2-lstm", [], ""),
        ("sst2-gru", [], ""),
    ],
)
def test_every_built_in_text_model_has_maps_or_a_reason(
    name: str, kinds: list[str], read_from: str
) -> None:
    model = load_model(ModelSpec(source=name, device="cpu"))
    assert isinstance(model, TextClassifier)
    text = "a truly wonderful film with a dull end"
    encoded = model.encode([text])
    probe = TextProbe(model=model, text=text, target=1, batch_size=8)
    attention = attended(centred(probe.logits), probe.point, torch.tensor([1]))
    if not kinds:
        assert isinstance(attention, Unsuited)
        return
    assert isinstance(attention, Attended)
    assert [one.kind for one in attention.layers] == kinds
    assert attention.read_from == read_from
    assert attention.tokens == probe.point.shape[1]
    assert not attention.layers[0].weights[..., ~encoded.mask[0]].any(), "padding is not looked at"
    real = attention.read[0].nonzero()[:, 0].tolist()
    if name == "sst2-decoder":
        assert real == [int(encoded.mask[0].sum()) - 1]
    if name == "sst2-mixture-of-experts":
        assert real == list(range(int(encoded.mask[0].sum())))


def test_transformers_of_hugging_face() -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 32, "num_labels": CLASSES,
    }  # fmt: skip
    images, target = noise(2, 3, 16, 16), torch.tensor([0, 2])
    both: list[Attended] = []
    for how in ("eager", "sdpa"):
        torch.manual_seed(0)
        config = transformers.ViTConfig(
            **sizes, image_size=16, patch_size=4, attn_implementation=how
        )
        model = transformers.ViTForImageClassification(config).eval().requires_grad_(False)
        both.append(found(lambda x: model(pixel_values=x).logits, images, target))  # noqa: B023
    for one, other in zip(both[0].layers, both[1].layers, strict=True):
        assert torch.allclose(one.weights, other.weights, atol=1e-6)
        assert torch.allclose(one.slopes, other.slopes, atol=1e-6)
    assert both[0].answering == both[1].answering == 0
