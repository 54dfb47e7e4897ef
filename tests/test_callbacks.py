"""Mirrors auditkit/callbacks.py and undisturbed.py: training goes on as if nothing had happened."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import auditkit
from auditkit.artifacts.base import Artifacts
from auditkit.callbacks import AuditCallback
from auditkit.checks.base import NotApplicable, Records
from auditkit.checks.performance.clean_accuracy import CleanAccuracy
from auditkit.errors import ConfigError, ModelError
from auditkit.models.classifier import Classifier

DIGITS = tuple(str(i) for i in range(10))


def as_classifier(network: nn.Module) -> Classifier:
    return auditkit.ImageClassifier(network, classes=DIGITS, input_shape=(1, 8, 8))


def callback(out: Path, **options: object) -> AuditCallback:
    settings = {"checks": ["clean-accuracy"], "policy": "none", "max_inputs": 30, **options}
    return AuditCallback(as_classifier, "digits", out=out, **settings)  # type: ignore[arg-type]


def network() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10), nn.Dropout(0.5), nn.BatchNorm1d(10)
    )
    made[4].eval()  # a frozen part
    made[1].requires_grad_(False)
    return made


def trained(net: nn.Module, audit: AuditCallback | None, *, epochs: int = 3) -> list[object]:
    """Train on noise; return all that an audit could have changed."""
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    for epoch in range(1, epochs + 1):
        for _ in range(3):
            optimizer.zero_grad()
            images, labels = torch.rand(16, 1, 8, 8), torch.randint(0, 10, (16,))
            nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
        if audit is not None:
            audit(net, epoch)
    return [
        *(value.tolist() for value in net.state_dict().values()),
        *(None if p.grad is None else p.grad.tolist() for p in net.parameters()),
        [p.requires_grad for p in net.parameters()],
        [module.training for module in net.modules()],
        torch.rand(3).tolist(),
        np.random.rand(3).tolist(),  # noqa: NPY002
        random.random(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
    ]


def test_training_goes_on_exactly_as_without_it(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # an audit uses one
    try:
        audit = callback(tmp_path, checks=["clean-accuracy", "pgd-linf"], suite="quick")
        assert trained(network(), audit) == trained(network(), None)
    finally:
        torch.set_num_threads(threads)
    assert sorted(audit.results) == [1, 2, 3]
    assert (tmp_path / "epoch-3" / "result.json").is_file()
    shown = [outcome.status for outcome in audit.results[3].outcomes]
    assert shown == ["measured", "measured"]
    ids = [result.data.sha256 for result in audit.results.values()]
    assert len(set(ids)) == 1, "the same inputs in every epoch"


def test_whatever_a_check_does_to_the_program_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = CleanAccuracy.measure

    def rude(check: CleanAccuracy, artifacts: Artifacts) -> Records | NotApplicable:
        _ = torch.rand(5), np.random.rand(5), random.random()  # noqa: NPY002
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        sys.path.append("elsewhere")
        found = measure(check, artifacts)
        torch.backends.cudnn.benchmark = True
        return found

    monkeypatch.setattr(CleanAccuracy, "measure", rude)
    before = [torch.get_default_dtype(), torch.backends.cudnn.benchmark, list(sys.path)]
    assert trained(network(), callback(tmp_path)) == trained(network(), None)
    assert [torch.get_default_dtype(), torch.backends.cudnn.benchmark, sys.path] == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_only_every_so_many_epochs_and_tells(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []
    audit = callback(
        tmp_path, every=2, told=lambda epoch, result: told.append((epoch, result.verdict.status))
    )
    assert audit.last is None
    trained(network(), audit)
    assert told == [(2, "not_judged")]
    assert audit.last is audit.results[2]


def test_a_spent_budget_never_passes(tmp_path: Path) -> None:
    policy = tmp_path / "audit.toml"
    policy.write_text('required = ["clean-accuracy"]\nlimits = []\n')
    result = callback(tmp_path, policy=policy, budget=1e-9)(network(), 1)
    assert result is not None
    assert result.outcomes[0].status == "skipped"
    assert result.verdict.status == "incomplete"


def test_a_trainer_calls_it_after_each_epoch_in_one_process(tmp_path: Path) -> None:
    """As Lightning does: hooks with trainer and module; epochs are counted from 0 there."""

    class Base:
        """Stands for a trainer's own class of callbacks."""

        def on_train_start(self, trainer: object, pl_module: nn.Module) -> None: ...

    class Audit(AuditCallback, Base):
        pass

    audit = Audit(
        as_classifier, "digits", checks=["clean-accuracy"], policy="none", max_inputs=20,
        out=tmp_path,
    )  # fmt: skip
    module = nn.Module()
    module.model = network()  # what is audited
    trainer = SimpleNamespace(
        current_epoch=4, is_global_zero=False, sanity_checking=False, fast_dev_run=False
    )
    audit.on_train_epoch_end(trainer, module)
    assert audit.results == {}
    trainer.is_global_zero = True
    audit.on_train_epoch_end(trainer, module)
    assert list(audit.results) == [5]
    assert audit.network_of(network()).__class__ is nn.Sequential


@pytest.mark.parametrize("options", [{"every": 0}, {"budget": "soon"}, {"policy": "absent.toml"}])
def test_wrong_arguments_are_refused_before_training(tmp_path: Path, options: dict) -> None:
    with pytest.raises(ConfigError):
        callback(tmp_path, **options)


def test_a_network_that_cannot_be_copied_says_what_to_pass(tmp_path: Path) -> None:
    net = nn.Linear(64, 10)
    net.kept = net.weight * 2  # no leaf, as some weight reparametrisations leave behind
    with pytest.raises(ModelError, match="cannot be copied") as caught:
        callback(tmp_path)(net, 1)
    assert "network_of" in caught.value.hint


def test_an_interrupt_ends_the_training_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CleanAccuracy, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        callback(tmp_path)(network(), 1)
