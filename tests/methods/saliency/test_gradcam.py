"""Mirrors auditkit/methods/saliency/gradcam.py."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn import functional

from auditkit.methods.saliency.gradcam import CAM_KINDS, Cam, CamKind, gradcam
from auditkit.methods.saliency.scores import centred
from auditkit.methods.saliency.unsuited import Unsuited
from auditkit.models.load import ModelSpec, load_model
from tests.methods.saliency.nets import noise
from tests.methods.saliency.transformers import Block, coloured_patches, trained_vit, vit

TARGET = torch.tensor([0, 2, 1, 1])


def cam(model: object, images: Tensor, target: Tensor = TARGET, **options: CamKind) -> Cam:
    found = gradcam(model, images, target, **options)  # type: ignore[arg-type]
    assert isinstance(found, Cam), found
    return found


class Cnn(nn.Module):
    """Channels, then their mean, then one linear layer: the network of class activation maps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Tanh())
        self.head = nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean(dim=(2, 3)))


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def test_before_a_global_mean_it_is_the_class_activation_map() -> None:
    model, images = Cnn().eval().requires_grad_(False), noise(4, 3, 6, 6)
    features, weights = model.body(images), model.head.weight[TARGET]  # (n, 5, 6, 6), (n, 5)
    by_hand = torch.einsum("nc,nchw->nhw", weights, features)
    found = cam(model, images)
    assert torch.allclose(found.grid, by_hand.relu() / 36, atol=1e-6)
    assert torch.allclose(found.maps, found.grid)  # no smaller than the image
    assert torch.allclose(cam(model, images, kind="hirescam").grid, by_hand / 36, atol=1e-6)
    positive = torch.einsum("nc,nchw->nhw", weights.relu(), features)
    assert torch.allclose(cam(model, images, kind="layercam").grid, positive.relu() / 36, atol=1e-6)


def test_the_signed_kind_adds_up_to_the_logit_where_the_rest_is_linear() -> None:
    model, images = Cnn().eval().requires_grad_(False), noise(4, 3, 6, 6)
    logit = model(images).gather(1, TARGET[:, None])[:, 0] - model.head.bias[TARGET]
    assert torch.allclose(cam(model, images, kind="hirescam").grid.sum(dim=(1, 2)), logit)


def test_gradcam_plus_plus_by_the_formula_pixel_by_pixel() -> None:
    model, images = Deep().eval().requires_grad_(False), noise(4, 3, 8, 8)
    activation = model.body(images).requires_grad_(True)
    model.head(activation).gather(1, TARGET[:, None]).sum().backward()
    slopes = activation.grad
    assert slopes is not None
    expected = torch.zeros(4, 4, 4)
    for n in range(4):
        for c in range(4):
            a, g = activation[n, c].detach(), slopes[n, c]
            weight = 0.0
            for i in range(4):
                for j in range(4):
                    below = 2 * g[i, j] ** 2 + a.sum() * g[i, j] ** 3
                    alpha = g[i, j] ** 2 / below if below != 0 else 0.0
                    weight += alpha * max(float(g[i, j]), 0.0)
            expected[n] += weight * a
    found = cam(model, images, kind="gradcam++")
    assert float(found.grid.max()) > 0
    assert torch.allclose(found.grid, expected.relu(), atol=1e-6)


def test_it_equals_captum_on_modules() -> None:
    model, images = Deep().eval().requires_grad_(False), noise(4, 3, 8, 8)
    leaf = images.clone().requires_grad_(True)
    peer = LayerGradCam(model, model.body[-1]).attribute(leaf, TARGET, relu_attributions=True)
    assert isinstance(peer, Tensor)
    found = cam(model, images)
    assert torch.allclose(found.grid, peer[:, 0], atol=1e-6)
    enlarged = functional.interpolate(peer, size=(8, 8), mode="bilinear")[:, 0]
    assert torch.allclose(found.maps, enlarged, atol=1e-6)
    assert float(found.grid.max()) > 0


def test_tokens_are_not_taken_for_channels() -> None:
    """Captum averages over features and returns one number per token as if it were a column."""
    model = vit(answer="mean", width=32)
    images = noise(16, 3, 16, 16)
    target = torch.arange(16) % 3
    leaf = images.clone().requires_grad_(True)
    peer = LayerGradCam(model, model.norm).attribute(leaf, target)
    assert isinstance(peer, Tensor)
    assert peer.shape == (16, 1, 32)
    found = cam(model, images, target)
    assert found.grid.shape == (16, 4, 4)
    assert found.maps.shape == (16, 16, 16)
    block = model.blocks[1]  # by hand, as the attention of the last block reads its tokens
    assert isinstance(block, Block)
    stream = model.blocks[0](model.patches(images).flatten(2).mT + model.positions)
    read = block.before(stream).requires_grad_(True)
    stream = stream + block.mixer(read)
    stream = model.norm(stream + block.mlp(block.between(stream)))
    score = model.head(stream.mean(dim=1)).gather(1, target[:, None]).sum()
    (slopes,) = torch.autograd.grad(score, read)
    by_hand = torch.einsum("nd,ntd->nt", slopes.mean(dim=1), read).relu()
    assert torch.allclose(found.grid.flatten(1), by_hand, atol=1e-6)
    assert float(found.grid.max()) > 0


@pytest.mark.parametrize(
    ("kind", "answer"), [*((kind, "mean") for kind in CAM_KINDS), ("layercam", "first")]
)
def test_what_a_transformer_looks_for_is_found(kind: CamKind, answer: str) -> None:
    """One patch of sixteen decides; maps of one layer put far more than its share there."""
    model = trained_vit(answer, depth=1)  # type: ignore[arg-type]
    images, labels, decides = coloured_patches(100, seed=7)
    assert torch.equal(model(images).argmax(dim=1), labels)
    grid = cam(centred(model), images, labels, kind=kind).grid.flatten(1).relu()
    known = grid.sum(dim=1) > 0
    assert known.float().mean() > 0.5  # where no place speaks for the class, the map is zero
    mass = (grid * decides).sum(dim=1)[known] / grid.sum(dim=1)[known]
    assert float(mass.mean() - 2 * mass.std() / len(mass) ** 0.5) > 1.5 / 16


def test_a_class_token_does_not_empty_the_map() -> None:
    """Patches of the last layer have no slope then: the layer before them is taken."""
    for style in ("module", "fused", "written"):
        found = cam(vit(style), noise(4, 3, 16, 16))
        assert (found.grid.flatten(1).amax(dim=1) > 0).any(), style
        assert torch.allclose(found.grid, cam(vit("module"), noise(4, 3, 16, 16)).grid, atol=1e-5)


@pytest.mark.parametrize("kind", CAM_KINDS)
def test_slopes_are_those_of_the_score(kind: CamKind) -> None:
    """A score that is twice as large has a map twice as large, at least where slopes are linear."""
    model, images = Deep().eval().requires_grad_(False), noise(4, 3, 8, 8)
    once, twice = cam(model, images, kind=kind), cam(lambda x: 2 * model(x), images, kind=kind)
    if kind != "gradcam++":
        assert torch.allclose(2 * once.grid, twice.grid, atol=1e-6)
    by_rows = torch.cat(
        [cam(model, images[i : i + 1], TARGET[i : i + 1], kind=kind).grid for i in range(4)]
    )
    assert torch.allclose(once.grid, by_rows, atol=1e-6)


def test_a_score_without_slope_gives_zeros() -> None:
    model = Cnn().eval().requires_grad_(False)
    for kind in CAM_KINDS:
        assert not cam(lambda x: model(x) * 0, noise(4, 3, 6, 6), kind=kind).maps.any()
        rooted = cam(lambda x: (model(x) * 0).sqrt(), noise(4, 3, 6, 6), kind=kind)
        assert not rooted.maps.any()  # its slope does not exist


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("digits-cnn", "activation 4x4 of 64 channels after relu"),
        ("fashion-mlp", ""),
        ("fashion-lenet5", "activation 10x10 of 16 channels after tanh"),
        ("fashion-alexnet", "activation 6x6 of 64 channels after relu"),
        ("fashion-vgg", "activation 7x7 of 80 channels after relu"),
        ("fashion-inception", "activation 7x7 of 64 channels after cat"),
        ("fashion-resnet", "activation 7x7 of 64 channels after relu"),
        ("fashion-resnet-int8", "activation 7x7 of 64 channels after relu"),
        ("cifar-resnet20", "activation 8x8 of 64 channels after relu"),
        ("fashion-densenet", "activation 3x3 of 90 channels after relu"),
        ("fashion-efficientnet", "activation 4x4 of 128 channels after silu"),
        ("digits-vit", "tokens 4x4 of 64 features after layer norm"),
        ("fashion-vit", "tokens 7x7 of 64 features after layer norm"),
        ("cifar-vit", "tokens 8x8 of 64 features after layer norm"),
    ],
)
def test_every_built_in_image_model_has_a_map_or_a_reason(name: str, layer: str) -> None:
    model = load_model(ModelSpec(source=name, device="cpu"))
    images = noise(2, *model.input_shape)  # type: ignore[attr-defined]
    with torch.no_grad():
        target = model.logits(images).argmax(dim=1)
    found = gradcam(centred(model.logits), images, target)
    if not layer:
        assert isinstance(found, Unsuited)
        return
    assert isinstance(found, Cam)
    assert found.layer == layer
    assert found.maps.shape == (2, *images.shape[2:])
    assert float(found.maps.max()) > 0
