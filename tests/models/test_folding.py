"""Mirrors auditkit/models/folding.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditkit.models.classifier import ImageClassifier
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


def test_the_copy_answers_alike_has_no_norm_and_leaves_the_network_alone() -> None:
    module = Net().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    copy = folded(module, probe)
    assert copy is not None
    assert norms(copy) == 0
    other = torch.randn(5, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(copy(other), module(other), atol=1e-5)
    assert not any(p.requires_grad for p in copy.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_an_output_used_twice_keeps_its_norm() -> None:
    module = Net(quirk="used twice").eval()
    copy = folded(module, probe)
    assert copy is not None
    assert norms(copy) == 1
    assert torch.allclose(copy(probe()), module(probe()))


@pytest.mark.parametrize("quirk", ["noise", "branch", "NaN"])
def test_what_cannot_be_traced_or_answers_otherwise_is_left(quirk: str) -> None:
    assert folded(Net(quirk=quirk).eval(), probe) is None


def test_a_convolution_that_two_norms_share_is_left() -> None:
    """Folding the first norm into it would change what the second one reads."""

    class Shared(Net):
        def __init__(self) -> None:
            super().__init__()
            self.other = nn.BatchNorm2d(4)

        def forward(self, images: Tensor) -> Tensor:
            both = self.norm(self.conv(images)) + self.other(self.conv(images.flip(3)))
            return self.head(both.mean(dim=(2, 3)))

    assert folded(Shared().eval(), probe) is None


def test_without_norms_there_is_nothing_to_fold() -> None:
    assert folded(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)).eval(), probe) is None


def test_the_classifier_searches_with_the_copy_and_judges_with_itself() -> None:
    module = Net()
    model = ImageClassifier(
        module, classes=["a", "b"], input_shape=(3, 8, 8), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.1)
    )
    images = probe()
    exact = model.logits(images)
    model.configure(LOW)
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    searched = model.search_logits(images)
    assert calls == []  # the copy answered
    assert torch.allclose(searched, exact, rtol=0.1, atol=0.1)
    assert not torch.equal(searched, exact)
    assert torch.allclose(model.logits(images), exact, atol=1e-5)
    model.configure(Execution())
    assert torch.equal(model.search_logits(images), model.logits(images))
