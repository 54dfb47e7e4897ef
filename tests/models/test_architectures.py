"""Mirrors auditkit/models/architectures.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from auditkit.errors import ModelError
from auditkit.models.architectures import (
    Builtin,
    Factory,
    Layers,
    build_builtin,
    build_named,
    describe,
    recognise,
)
from auditkit.models.builtin.digits_cnn import DigitsCnn
from auditkit.models.builtin.encoder_transformer import EncoderTransformer
from auditkit.models.builtin.vision_transformer import VisionTransformer
from tests.models.builtin.test_digits_cnn import shapes
from tests.models.files import Net


@pytest.mark.parametrize(
    "module",
    [
        DigitsCnn(width=5, depth=2, n_classes=4),
        VisionTransformer(width=32, depth=2),
        EncoderTransformer(vocabulary_size=7, max_length=9, width=16, depth=1, n_classes=3),
    ],
)
def test_a_built_in_architecture_is_recognised_and_built_without_memory(module: nn.Module) -> None:
    found = recognise(shapes(module))
    assert found == describe(module)
    assert isinstance(found, Builtin)
    built = build_builtin(found, shapes(module))
    assert type(built) is type(module)
    assert all(value.is_meta for value in built.state_dict().values())


def test_one_tensor_more_less_or_larger_is_not_recognised() -> None:
    known = shapes(DigitsCnn(width=5))
    assert recognise(known) is not None
    assert recognise(known | {"extra": (1,)}) is None
    assert recognise({k: v for k, v in known.items() if k != "head.bias"}) is None
    assert recognise(known | {"head.bias": (11,)}) is None
    assert recognise({}) is None


def test_layers_and_own_classes_are_told_apart() -> None:
    assert isinstance(describe(nn.Sequential(nn.Linear(2, 2))), Layers)
    assert describe(Net()) == Factory(name="tests.models.files:Net")


def test_a_class_of_a_script_is_found_under_the_name_of_the_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Local(Net):
        pass

    Local.__module__, Local.__qualname__ = "__main__", "Local"
    monkeypatch.setattr(
        sys.modules["__main__"], "__file__", "/somewhere/train_net.py", raising=False
    )
    assert describe(Local()) == Factory(name="train_net:Local")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_net_of_this_test.py").write_text(
        "from torch import nn\n"
        "def build():\n    return nn.Linear(2, 2)\n"
        "def needs(x):\n    return nn.Linear(2, 2)\n"
        "def fails():\n    raise KeyError('boom')\n"
        "def other():\n    return 3\n"
        "number = 3\n"
        "class Holder:\n    make = staticmethod(build)\n"
    )
    (tmp_path / "broken_module_of_this_test.py").write_text("import not_there_at_all\n")
    yield tmp_path
    sys.modules.pop("my_net_of_this_test", None)


@pytest.mark.parametrize("name", ["build", "Holder.make"])
def test_what_the_user_names_is_found_in_the_current_folder(folder: Path, name: str) -> None:
    before, state = list(sys.path), torch.random.get_rng_state()
    assert isinstance(build_named(f"my_net_of_this_test:{name}"), nn.Linear)
    assert sys.path == before
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("arch", "said", "hint"),
    [
        ("my_net_of_this_test", "expected the form", "--arch net:build"),
        ("a b:c", "expected the form", "--arch net:build"),
        ("my_net_of_this_test:biuld", "Did you mean 'build'", ""),
        ("my_net_of_this_test:number", "not a function", ""),
        ("my_net_of_this_test:needs", "without arguments failed: TypeError", "no arguments"),
        ("my_net_of_this_test:fails", "KeyError: 'boom'", "no arguments"),
        ("my_net_of_this_test:other", "returned int", "no arguments"),
        ("not_a_module_anywhere:build", "ModuleNotFoundError", "not_a_module_anywhere.py"),
        ("broken_module_of_this_test:build", "not_there_at_all", "install"),
    ],
)
def test_what_cannot_be_built_says_why(folder: Path, arch: str, said: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        build_named(arch)
    assert said in caught.value.message
    assert hint in caught.value.hint
