"""Mirrors auditkit/methods/certification/tracing.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from auditkit.methods.certification.tracing import UnsupportedError, Variable, trace
from auditkit.models.classifier import ImageClassifier
from tests.methods.certification.nets import NETS, SHAPE, certifier, made

CPU = torch.device("cpu")


class Function(nn.Module):
    """A network given by a function."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)  # type: ignore[operator]


def rows(x: Tensor) -> Tensor:
    return x.flatten(1)[:, :3]


def picky(x: Tensor) -> Tensor:
    """A network that answers zeros and nothing else, as far as anybody can see."""
    if type(x) is Tensor and not isinstance(x, FakeTensor) and bool(x.isnan().any()):
        raise ValueError("not a number")
    return rows(x)


def test_steps_give_the_same_as_the_network() -> None:
    network = made(NETS["dense"], 0)
    program = trace(network, SHAPE, device=CPU)
    one = torch.rand(1, *SHAPE)
    found = [one.double()]
    for step in program.steps[1:]:
        found.append(step([found[parent] for parent in step.parents]))
        assert found[-1].shape == step.shape
        assert all(
            found[p].shape == shape for p, shape in zip(step.parents, step.reads, strict=True)
        )
    torch.testing.assert_close(found[program.output].float(), network(one))


def test_preprocessing_is_traced_and_weights_become_constants() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    model = ImageClassifier(
        network, classes=("a", "b"), input_shape=(3, 2, 2), bounds=(0.0, 255.0),
        mean=(1.0, 2.0, 3.0), std=(2.0,), layout="nhwc-bgr",
    )  # fmt: skip
    program = trace(model.logits, (3, 2, 2), device=CPU)
    assert program.steps[program.output].shape == (1, 2)  # one score became two logits
    names = [step.name for step in program.steps]
    assert names[:3] == ["input", "aten.sub.Tensor", "aten.div.Tensor"]
    assert "aten.flip.default" in names
    assert not any("aten.t." in name for name in names)  # of the weights alone
    assert all(
        isinstance(one, Variable)
        for step in program.steps[1:]
        for one in step.arguments[:1]
        if not isinstance(one, list | Tensor)
    )


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: rows(x).cumsum(1), "aten.cumsum.default"),
        (lambda x: rows(torch.fft.fft(x).real), "aten._fft_r2c.default"),
        (lambda x: rows(torch.where(x > 0, x, -x)), "aten.gt.Scalar"),
        (lambda x: rows(x + 0.1 * torch.randn_like(x)), "random"),
        (lambda x: rows(x * torch.rand(1)), "random"),
        (lambda x: rows(nn.functional.dropout(x)), "random"),
        (lambda x: rows(x) if x.mean() > 0 else rows(-x), "fixed list of operations"),
        (lambda x: rows(torch.from_numpy(x.numpy() ** 2)), "fixed list of operations"),
        (lambda x: rows(x) + torch.from_numpy(x.numpy() > 2).sum(), "fixed list of operations"),
        (lambda x: rows(x) + torch.tensor(x.tolist()).sum(), "fixed list of operations"),
        (lambda x: rows(x) + torch.tensor(float(x.data.max()) > 2), "fixed list of operations"),
        (lambda x: rows(x) * float(x.max()), "fixed list of operations"),
        (lambda x: rows(x) - rows(x).mean(dim=0), "others of its batch"),
        (lambda x: rows(nn.functional.batch_norm(x, None, None, training=True)), "others of its"),
        (lambda x: torch.zeros(len(x), 3), "do not depend"),
        (lambda x: rows(x) if len(x) == 1 else rows(x * 2), "do not give what the model gives"),
        (lambda x: rows(x.long()), "whole ones"),
        (lambda x: picky(x), "fails on inputs made up"),
        (lambda x: rows(x).sort(dim=1).values, "aten.sort"),
        (lambda x: rows(x * 3).view(torch.int32).float(), "aten.view.dtype"),
    ],
)
def test_what_has_no_bounds_is_refused_by_name(function: object, said: str) -> None:
    with pytest.raises(UnsupportedError, match=said):
        certifier(Function(function))


def test_nothing_of_the_torch_settings_or_the_network_changes() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval().requires_grad_(False)
    before = torch.backends.mha.get_fastpath_enabled()
    program = trace(
        lambda x: layer(x.flatten(2).transpose(1, 2)).mean(dim=1), (4, 2, 2), device=CPU
    )
    assert torch.backends.mha.get_fastpath_enabled() == before
    assert not any("native_multi_head" in step.name for step in program.steps)
    assert not any(step.name.startswith("aten._transformer") for step in program.steps)


def test_operations_in_place_are_followed() -> None:
    def function(x: Tensor) -> Tensor:
        y = x * 2
        y[:, 0].relu_()
        y += 1
        return rows(y)

    program = trace(function, SHAPE, device=CPU)
    one = torch.randn(1, *SHAPE)
    found = [one.double()]
    for step in program.steps[1:]:
        found.append(step([found[parent] for parent in step.parents]))
    torch.testing.assert_close(found[program.output].float(), function(one))
