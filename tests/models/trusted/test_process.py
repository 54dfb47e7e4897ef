"""Mirrors auditkit/models/trusted/process.py and child.py: real files, in real processes."""

from __future__ import annotations

import os
import re
import socket
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.errors import ModelError
from auditkit.models.trusted import process
from auditkit.models.trusted.process import TrustedProcess

# What the pickles name; imported here to write them, and again by the child.
CODE = """
import os, socket, sys, time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, does="answer"):
        super().__init__()
        self.does, self.inner = does, nn.Linear(4, 3)
    def forward(self, x):
        if self.does == "exit": sys.exit(7)
        if self.does == "kill": os.kill(os.getpid(), 9)
        if self.does == "hang": time.sleep(600)
        if self.does == "fail": raise ZeroDivisionError("by hand")
        if self.does == "much": torch.ones(1 << 29)
        if self.does == "print": print("x" * 100000)
        if self.does == "tuple": return (self.inner(x),)
        if self.does == "secret": return torch.full((len(x), 3), float("SECRET" in os.environ))
        if self.does == "connect":
            port = int(os.environ["TMPDIR"].rpartition("/")[2])
            socket.create_connection(("127.0.0.1", port), timeout=5)
        return self.inner(x)

class Loads:
    def __init__(self, does): self.does = does
    def __reduce__(self): return (exec, (self.does,))
"""
X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "others_code.py").write_text(textwrap.dedent(CODE))
    monkeypatch.syspath_prepend(tmp_path)
    here = str(Path(__file__).parents[3])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), here]))
    import importlib

    return importlib.import_module("others_code")


def file_of(content: object, tmp_path: Path) -> Path:
    torch.save(content, tmp_path / "m.pt")
    return tmp_path / "m.pt"


def test_a_whole_module_answers_and_gives_its_tensors(code: Any, tmp_path: Path) -> None:
    net = code.Net()
    there = TrustedProcess(file_of({"epoch": 1, "model": net}, tmp_path), "torch-pickle")
    assert there.facts["network"] == "others_code.Net"
    assert there.facts["where"] == "model"
    assert there.facts["parameters"] == 15
    torch.testing.assert_close(torch.from_numpy(there.scores(X)), net(torch.from_numpy(X)).detach())
    state = there.state_dict()
    assert list(state) == ["inner.weight", "inner.bias"]
    torch.testing.assert_close(state["inner.weight"], net.inner.weight.detach())
    assert re.search("at most 8 GiB of memory, and it could open no network", there.note)


def test_programs_answer_in_the_only_batch_size_they_take(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    wanted = net(torch.from_numpy(X)).detach()
    with pytest.deprecated_call():
        script = torch.jit.script(net)
    script.save(str(tmp_path / "m.ts"))
    torch.export.save(torch.export.export(net, (torch.zeros(2, 4),)), tmp_path / "m.pt2")
    for name, kind in (("m.ts", "torchscript"), ("m.pt2", "torch-export")):
        there = TrustedProcess(tmp_path / name, kind)
        for n in (1, 2, 5):
            torch.testing.assert_close(torch.from_numpy(there.scores(X[:n])), wanted[:n])


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("exit", "SystemExit: 7"),
        ("kill", "its process was killed by signal 9"),
        ("fail", "ZeroDivisionError: by hand"),
        ("tuple", "builtins.tuple, expected a tensor"),
        ("much", "can't allocate memory"),
    ],
)
def test_a_fault_is_told_and_the_next_question_is_answered(
    code: Any, tmp_path: Path, does: str, said: str
) -> None:
    net = code.Net(does)
    there = TrustedProcess(file_of(net, tmp_path), "torch-pickle", memory=2**30)
    with pytest.raises(RuntimeError, match=re.escape(said)):
        there.scores(X)
    assert there.state_dict().keys() == net.state_dict().keys()


def test_one_that_hangs_is_ended(
    code: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = TrustedProcess(file_of(code.Net("hang"), tmp_path), "torch-pickle")
    monkeypatch.setattr(process, "ANSWER", 0.5)
    with pytest.raises(RuntimeError, match="longer than the time limit"):
        there.scores(X)


def test_no_connection_can_be_opened(
    code: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("TMPDIR", f"/tmp/{server.getsockname()[1]}")
        there = TrustedProcess(file_of(code.Net("connect"), tmp_path), "torch-pickle")
        if not there.facts["kept_off"]:
            pytest.skip("this system cannot block the network")
        with pytest.raises(RuntimeError, match="PermissionError"):
            there.scores(X)
    with pytest.raises(ModelError, match=r"could not be loaded: PermissionError"):
        TrustedProcess(
            file_of(code.Loads("import socket; socket.socket()"), tmp_path), "torch-pickle"
        )


def test_secrets_of_the_environment_are_not_passed_on(
    code: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "token")
    there = TrustedProcess(file_of(code.Net("secret"), tmp_path), "torch-pickle")
    assert (there.scores(X) == 0).all()


def test_what_it_prints_is_no_output_of_the_audit(
    code: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    TrustedProcess(file_of(code.Net("print"), tmp_path), "torch-pickle").scores(X)
    said = capfd.readouterr()
    assert said.out == ""
    assert "xxxxx" in said.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os._exit(3)", "its process ended with exit code 3"),
        ("raise ValueError('by hand')", "ValueError: by hand"),
        (["a list"], "builtins.list, which is no torch network"),
        ({"a": 1, "b": {"c": 2}}, "a, b, and no torch network among them"),
    ],
)
def test_what_cannot_be_loaded_is_said(
    code: Any, tmp_path: Path, content: object, said: str
) -> None:
    held = code.Loads(content) if isinstance(content, str) else content
    with pytest.raises(ModelError, match=re.escape(said)):
        TrustedProcess(file_of(held, tmp_path), "torch-pickle")


def test_a_class_of_the_script_itself_is_found_where_it_is_said_to_be(
    code: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(sys.modules["__main__"], "Net", code.Net, raising=False)
    monkeypatch.setattr(code.Net, "__module__", "__main__")
    path = file_of(code.Net(), tmp_path)
    with pytest.raises(ModelError, match="the script that wrote it defines Net itself") as caught:
        TrustedProcess(path, "torch-pickle")
    assert "--arch train:Net" in caught.value.hint
    there = TrustedProcess(path, "torch-pickle", definitions="others_code")
    assert there.scores(X).shape == (5, 3)


def test_it_ends_with_the_audit(code: Any, tmp_path: Path) -> None:
    there = TrustedProcess(file_of(code.Net(), tmp_path), "torch-pickle")
    child = there._child
    assert child is not None
    number = child._process.pid
    del there, child
    for _ in range(100):
        if not Path(f"/proc/{number}").exists():
            return
        time.sleep(0.1)
    raise AssertionError("the process still runs")
