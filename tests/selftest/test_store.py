"""Mirrors auditkit/selftest/store.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from auditkit.errors import ModelError
from auditkit.models.classifier import Classifier, ImageClassifier
from auditkit.selftest import store as module
from auditkit.selftest.store import VARIABLE, Store, cache_folder, file_name

TAUGHT: list[int] = []


def teach(seed: int, *parents: Classifier, width: int = 2) -> Classifier:
    TAUGHT.append(seed)
    head = nn.Linear(4, width)
    nn.init.constant_(head.weight, seed + len(parents))
    network = nn.Sequential(nn.Flatten(), head)
    names = [str(i) for i in range(width)]
    return ImageClassifier(network, classes=names, input_shape=(1, 2, 2))


def weight(model: Classifier) -> float:
    return float(next(model.module.parameters())[0, 0])


@pytest.fixture(autouse=True)
def _forget() -> None:
    TAUGHT.clear()


def test_trains_once_and_then_reads(tmp_path: Path) -> None:
    lines: list[str] = []
    store = Store(read=(), write=tmp_path, told=lines.append)
    first, second = store.taught(teach, 3, width=2), store.taught(teach, 3, width=2)
    assert TAUGHT == [3]
    assert len(lines) == 1
    assert weight(first) == weight(second) == 3
    assert first.identity.sha256 == second.identity.sha256 != ""


def test_another_seed_setting_or_parent_is_another_network(tmp_path: Path) -> None:
    store = Store(read=(), write=tmp_path)
    one = store.taught(teach, 3, width=2)
    other = store.taught(teach, 4, width=2)
    store.taught(teach, 3, width=3)
    assert weight(store.taught(teach, 3, one, width=2)) == 4
    store.taught(teach, 3, other, width=2)
    assert TAUGHT == [3, 4, 3, 3, 3]
    assert len(list(tmp_path.iterdir())) == 5


def test_another_training_is_another_network(monkeypatch: pytest.MonkeyPatch) -> None:
    before = file_name(teach, 3, [], {"width": 2})
    assert before == file_name(teach, 3, [], {"width": 2})
    monkeypatch.setattr(module, "TRAINING", module.TRAINING + 1)
    assert file_name(teach, 3, [], {"width": 2}) != before


def test_reads_folders_in_order_and_writes_to_none_of_them(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    Store(read=(), write=second).taught(teach, 3, width=2)
    store = Store(read=(first, second), write=first)
    assert weight(store.taught(teach, 3, width=2)) == 3
    assert TAUGHT == [3]
    assert not first.exists()


def test_what_is_missing_says_how_to_train_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has not been trained") as error:
        Store(read=(tmp_path,)).taught(teach, 3, width=2)
    assert "audit selftest --train" in error.value.hint
    assert TAUGHT == []


def test_the_cache_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path / "selftest"
    monkeypatch.delenv(VARIABLE)
    assert cache_folder() != tmp_path / "selftest"
