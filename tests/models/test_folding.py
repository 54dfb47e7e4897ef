"""Mirrors auditkit/models/folding.py."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, fx, nn

from auditkit.models.classifier import ImageClassifier, frozen, randomised
from auditkit.models.folding import folded
from auditkit.result import Execution

LOW = Execution(layout="channels_last", search_dtype="bfloat16")


def probe() -> Tensor:
    return torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """One convolution, one BatchNorm, and something that can go wrong between them."""

    def __init__(self, *, quirk: str = "") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.head, self.quirk = nn.Linear(4, 2), quirk
        self.norm.running_mean = torch.randn(4)
        self.norm.running_var = 0.5 + torch.rand(4)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images)
        if self.quirk == "noise":
            x = x + torch.randn(1)
        if self.quirk == "branch" and x.sum() > 0:
            x = -x
        if self.quirk == "NaN":
            x = x * torch.nan
        y = self.norm(x).relu()
        if self.quirk == "used twice":
            y = y + x
        return self.head(y.mean(dim=(2, 3)))


def norms(module: nn.Module) -> int:
    called = [node.target for node in module.graph.nodes if node.op == "call_module"]  # type: ignore[union-attr]
    return sum(isinstance(module.get_submodule(str(name)), nn.BatchNorm2d) for name in called)


def test_the_twin_answers_alike_has_no_norm_and_leaves_the_network_alone() -> None:
    module = Net().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    twin = folded(module, probe)
    assert twin is not None
    assert norms(twin) == 0
    other = torch.randn(5, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(twin(other), module(other), atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_twin_follows_when_weights_change_and_when_they_are_put_back() -> None:
    module = frozen(Net())
    twin = folded(module, probe)
    assert twin is not None
    exact = module(probe())
    with randomised(module, 0):
        assert not torch.allclose(module(probe()), exact, atol=0.01)
        assert torch.allclose(twin(probe()), module(probe()), atol=1e-5)
    assert torch.allclose(twin(probe()), exact, atol=1e-5)


class Activated(nn.Module):
    """ReLUs in every spelling, behind what is read once and what is read again."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.relu = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv(images)))
        x = torch.relu(x + images)  # both are read again
        y = self.norm(self.conv(x))
        y = nn.functional.relu(y) + y.relu() * x + images.relu()
        return self.norm(self.conv(y.tanh())).relu().flatten(1)


def test_activations_work_in_place_where_nothing_else_reads_what_they_change() -> None:
    module = frozen(Activated())
    twin = folded(module, probe)
    assert isinstance(twin, fx.GraphModule)
    targets = [node.target for node in twin.graph.nodes]
    assert targets.count("relu_") == 3
    assert targets.count("relu") + targets.count(nn.functional.relu) == 3
    slopes: list[Tensor] = []
    for network in (module, twin):
        images = probe().requires_grad_(True)
        (slope,) = torch.autograd.grad(network(images * 1).square().sum(), images)
        slopes.append(slope)
        plain = probe()
        network(plain)
        assert torch.equal(plain, probe()), "what it was given stays"
    own, quick = slopes
    assert torch.allclose(own, quick, atol=1e-4)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_each_kind_of_layer_folds(affine: bool, bias: bool) -> None:
    """With and without a bias, with and without a scale, padded by reflection, strided, grouped."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 6, 3, stride=2, padding=1, padding_mode="reflect", groups=3, bias=bias)
    norm = nn.BatchNorm2d(6, eps=0.1, affine=affine)
    norm.running_mean, norm.running_var = torch.randn(6), 0.5 + torch.rand(6)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    module = frozen(nn.Sequential(conv, norm, nn.Flatten()))
    twin = folded(module, probe)
    assert twin is not None
    assert norms(twin) == 0
    assert torch.allclose(twin(probe()), module(probe()), atol=1e-5)


def test_a_network_with_hooks_is_left() -> None:
    """A trace would lose those on the network itself, and answer alike without them."""
    module = frozen(Net())
    module.register_full_backward_hook(lambda *_: None)
    assert folded(module, probe) is None


def test_tracing_leaves_no_mark() -> None:
    class Remembers(Net):
        def forward(self, images: Tensor) -> Tensor:
            self.last = images
            return super().forward(images)

    module = frozen(Remembers())
    assert folded(module, probe) is not None
    assert isinstance(module.last, Tensor)


def test_an_output_used_twice_keeps_its_norm() -> None:
    module = Net(quirk="used twice").eval()
    copy = folded(module, probe)
    assert copy is not None
    assert norms(copy) == 1
    assert torch.allclose(copy(probe()), module(probe()))


@pytest.mark.parametrize("quirk", ["noise", "branch", "NaN"])
def test_what_cannot_be_traced_or_answers_otherwise_is_left(quirk: str) -> None:
    assert folded(Net(quirk=quirk).eval(), probe) is None


def test_a_convolution_that_two_norms_share_folds_into_each() -> None:
    class Shared(Net):
        def __init__(self) -> None:
            super().__init__()
            self.other = nn.BatchNorm2d(4)

        def forward(self, images: Tensor) -> Tensor:
            both = self.norm(self.conv(images)) + self.other(self.conv(images.flip(3)))
            return self.head(both.mean(dim=(2, 3)))

    module = frozen(Shared())
    twin = folded(module, probe)
    assert twin is not None
    assert norms(twin) == 0
    assert torch.allclose(twin(probe()), module(probe()), atol=1e-5)


def test_without_norms_there_is_nothing_to_fold() -> None:
    assert folded(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)).eval(), probe) is None


def classifier(module: nn.Module) -> ImageClassifier:
    return ImageClassifier(
        module, classes=["a", "b"], input_shape=(3, 8, 8), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.1)
    )


def test_the_classifier_searches_with_the_twin_and_judges_with_itself() -> None:
    model = classifier(Net())
    images = probe()
    exact = model.logits(images)
    model.configure(LOW)
    searched = model.search_logits(images)
    calls: list[int] = []
    model.module.register_forward_hook(lambda *_: calls.append(1))
    assert torch.equal(model.search_logits(images), searched)
    assert calls == []  # the twin answered
    assert torch.allclose(searched, exact, rtol=0.1, atol=0.1)
    assert not torch.equal(searched, exact)
    assert torch.allclose(model.logits(images), exact, atol=1e-5)
    model.configure(Execution())
    assert torch.equal(model.search_logits(images), model.quick_logits(images))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_quick_logits_and_their_slopes_are_those_of_the_network(
    layout: Literal["contiguous", "channels_last"],
) -> None:
    model = classifier(Net())
    model.configure(Execution(layout=layout))
    images = probe()
    answers, slopes = [], []
    for logits in (model.logits, model.quick_logits):
        leaf = images.clone().requires_grad_(True)
        answers.append(logits(leaf))
        slopes.append(torch.autograd.grad(answers[-1][:, 0].sum(), leaf)[0])
    assert not torch.equal(*answers)  # the twin answered
    assert torch.allclose(*answers, atol=1e-5)
    assert torch.allclose(*slopes, atol=1e-5)


def test_a_network_that_needs_its_own_layout_answers_itself() -> None:
    """Channels behind the pixels are no view as one row."""

    class Flat(Net):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4 * 6 * 6, 2)

        def forward(self, images: Tensor) -> Tensor:
            x = self.norm(self.conv(images)).relu()
            return self.head(x.view(len(images), -1))

    model = classifier(Flat())
    assert torch.equal(model.quick_logits(probe()), model.logits(probe()))
