"""What checks of attributions say of odd networks, and that they leave them as they were found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditkit.checks.catalogue import BUILT_IN
from auditkit.data.load import DataSpec
from auditkit.errors import ModelError
from auditkit.models.classifier import ImageClassifier
from auditkit.policy import Policy
from auditkit.result import Execution, Result
from auditkit.run import Request, run

CHECKS = [kind.meta.id for kind in BUILT_IN if kind.meta.family == "attribution"]
DIGITS = [str(i) for i in range(10)]
QUICK = {
    "preflight": {"max_inputs": 1, "steps": 8},
    "attribution-trust": {
        "max_inputs": 4, "steps": 2, "grid": 4, "deletion_steps": 3, "costly_inputs": 1,
    },
    "attribution-drift": {
        "max_inputs": 4, "steps": 2, "nodes": 2, "grid": 4, "kinds": ["brightness"],
    },
    "errors-explained": {"max_inputs": 3, "nodes": 2, "grid": 4, "steps": 2},
    "counterfactual-patch": {"max_inputs": 4, "grid": 4},
    "shortcut": {"steps": 2, "grid": 4},
}  # fmt: skip


class Plain(nn.Module):
    """A small network with everything that has a mode or a state."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(4 * 64, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.drop(self.norm(self.first(images)).relu()).flatten(1))


class NormOfTheBatch(Plain):
    """Its BatchNorm stays in training mode, whatever it is told."""

    def train(self, mode: bool = True) -> NormOfTheBatch:
        super().train(mode)
        self.norm.train()
        return self


class RandomAnswers(Plain):
    """Its dropout never stops."""

    def forward(self, images: Tensor) -> Tensor:
        seen = torch.dropout(self.first(images).relu(), 0.5, train=True)
        return self.last(seen.flatten(1))


class Stairs(Plain):
    """Nothing has a slope: the front end rounds."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward((4 * images).round())


class Detached(Plain):
    """The front end leaves torch, as that of other libraries does."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(torch.from_numpy(images.detach().cpu().numpy().copy()))


class Outside(Plain):
    """The front end asks for numbers in a way that no slope allows."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(torch.from_numpy(images.numpy().copy()))


class Constant(Plain):
    """The same answer to everything."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.arange(10.0).repeat(len(images), 1) + 0 * images.sum()


class TwoInputs(nn.Module):
    """It wants something beside the image."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Plain()

    def forward(self, images: Tensor, beside: Tensor) -> Tensor:
        return self.inner(images) + beside


def _as_it_is(module: nn.Module, given: object, seen: Tensor) -> Tensor:
    return seen * 1.0


def hooked() -> nn.Module:
    network = Plain()
    network.first.register_forward_hook(_as_it_is)
    network.norm.register_full_backward_hook(lambda module, given, found: None)
    return network


ODD: dict[str, Callable[[], nn.Module]] = {
    "hooks": hooked,
    "dropout": RandomAnswers,
    "batch-norm-in-train-mode": NormOfTheBatch,
    "zero-gradient": Stairs,
    "constant-output": Constant,
    "front-end-without-gradients": Detached,
    "front-end-outside-torch": Outside,
}


def found(network: nn.Module) -> dict[str, object]:
    """Return everything about a network that an audit may not change."""
    state: dict[str, object] = {name: value.clone() for name, value in network.state_dict().items()}
    for name, value in network.named_parameters():
        state[f"slopes of {name}"] = (value.requires_grad, value.grad)
    for name, part in network.named_modules():
        hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        state[f"mode and hooks of {name}"] = (part.training, *(list(one.values()) for one in hooks))
    return state


def audited(model: ImageClassifier, out: Path) -> Result:
    policy = {"checks": CHECKS, "max_inputs": 20, "parameters": QUICK}
    request = Request(
        model=model, data=DataSpec(source="digits"), policy=Policy.model_validate(policy), out=out,
        formats=("json",), execution=Execution(batch_size=128, shard_size=20),
    )  # fmt: skip
    return run(request).result


@pytest.mark.parametrize("name", ODD)
def test_every_outcome_is_clear_and_the_network_is_as_it_was(name: str, tmp_path: Path) -> None:
    model = ImageClassifier(ODD[name](), classes=DIGITS, input_shape=(1, 8, 8))
    before = found(model.module)
    result = audited(model, tmp_path)
    after = found(model.module)
    assert after.keys() == before.keys()
    for what, value in before.items():
        if isinstance(value, Tensor):
            assert torch.equal(value, after[what]), what  # type: ignore[arg-type]
        else:
            assert value == after[what], what
    assert {one.check for one in result.outcomes} == set(CHECKS)
    for outcome in result.outcomes:
        assert outcome.status in ("measured", "not_applicable"), outcome.reason
        assert outcome.status == "measured" or len(outcome.reason or "") > 20
        for one in outcome.findings:
            assert (one.value is None) == (one.undefined is not None), one.id
            assert one.value is None or np.isfinite(one.value), one.id


def test_a_network_of_two_inputs_is_refused_with_what_to_do(tmp_path: Path) -> None:
    model = ImageClassifier(TwoInputs(), classes=DIGITS, input_shape=(1, 8, 8))
    before = found(model.module)
    with pytest.raises(
        ModelError, match="missing 1 required positional argument: 'beside'"
    ) as error:
        audited(model, tmp_path)
    assert "Wrap it in a module" in error.value.hint
    assert found(model.module).keys() == before.keys()
