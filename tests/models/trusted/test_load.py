"""Mirrors auditkit/models/trusted/load.py."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from auditkit.errors import ModelError
from auditkit.models.classifier import ImageClassifier, TextClassifier
from auditkit.models.load import ModelSpec, load_model
from tests.test_convert import typed

# A script that knows nothing of auditkit.
SCRIPT = """
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 8, 3, padding=1)
        self.c2 = nn.Conv2d(8, 16, 3, padding=1)
        self.f = nn.Linear(16 * 2 * 2, 10)
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.max_pool2d(F.relu(self.c2(x)), 2)
        return self.f(x.flatten(1))
class Other(Net):
    def forward(self, x):
        return super().forward(1 - x)
if __name__ == "__main__":
    from sklearn.datasets import load_digits
    digits = load_digits()
    x, y = torch.from_numpy(digits.images / 16).float()[:, None], torch.from_numpy(digits.target)
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for epoch in range(6):
        for i in torch.randperm(1200).split(50):
            optimizer.zero_grad(); F.cross_entropy(net(x[i]), y[i]).backward(); optimizer.step()
    net.eval()
    x = (x[1200:] * 255).round()
    print((net(x / 255).argmax(1) == y[1200:]).float().mean().item())
    torch.save({"epoch": 6, "model": net, "optimizer": optimizer}, "net.pt")
    np.savez("test.npz", x=x.numpy().astype("uint8"), y=y[1200:].numpy())
"""


def test_a_whole_module_is_audited_by_following_the_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    (tmp_path / "train.py").write_text(SCRIPT)
    script = [sys.executable, "train.py"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True)
    accuracy = float(done.stdout)

    seen = typed("audit inspect net.pt", tmp_path)
    assert seen.returncode == 1
    advice = re.search(r"type: (audit run net\.pt --trust-code --data DATA),", seen.stdout)
    assert advice is not None
    command = advice[1].replace("DATA", "test.npz")
    command += " --check clean-accuracy --check fgsm-linf --policy none"
    command += " --workers 1 --max-inputs 597 --out r"
    for _ in range(3):  # as often as a message says what to add
        done = typed(command, tmp_path)
        advice = re.search(r"(?:Add|script, say train\.py): (--.*?)(?:, or|$)", done.stderr, re.M)
        if advice is None:
            break
        command += " " + advice[1]
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "r" / "result.json").read_text())
    outcomes = {one["check"]: one for one in result["outcomes"]}
    found = outcomes["clean-accuracy"]["findings"][0]
    assert found["value"] == pytest.approx(accuracy, abs=1e-3)
    assert outcomes["fgsm-linf"]["status"] == "measured", "the named class has gradients"
    assert any("process of its own" in note for note in result["model"]["notes"])

    bundle = typed(command.replace("run", "convert").partition(" --check")[0] + _CONVERT, tmp_path)
    assert bundle.returncode == 0, bundle.stderr

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "train", None)  # taken back at the end, whatever is imported
    del sys.modules["train"]
    spec = ModelSpec(
        source="net.pt",
        trust_code=True,
        arch="train",
        input_shape=(1, 8, 8),
        classes=tuple("0123456789"),
    )
    alone = load_model(spec)
    assert not alone.differentiable
    with pytest.raises(ModelError, match="answers otherwise than the network in the file"):
        load_model(replace(spec, arch="train:Other"))


_CONVERT = (
    " --arch train:Net --classes 0,1,2,3,4,5,6,7,8,9 --input-shape 1,8,8 --out net.safetensors"
)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    with pytest.deprecated_call():
        torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3, 2, 2)), tmp_path / "m.pt")
    return tmp_path / "m.pt"


def test_what_is_not_said_is_asked_for(script: Path) -> None:
    spec = ModelSpec(source=str(script), trust_code=True)
    with pytest.raises(ModelError, match="what its network reads") as caught:
        load_model(spec)
    assert caught.value.hint == "Add: --input-shape C,H,W"
    with pytest.raises(ModelError, match="does not name the classes") as caught:
        load_model(ModelSpec(source=str(script), trust_code=True, input_shape=(3, 2, 2)))
    assert caught.value.hint == "Add: --classes 0,1,2"
    with pytest.raises(ModelError, match="would run code"):
        load_model(ModelSpec(source=str(script), input_shape=(3, 2, 2), classes=("a", "b", "c")))
    with pytest.raises(ModelError, match="--arch auto is for files with weights alone"):
        load_model(ModelSpec(source=str(script), trust_code=True, arch="auto"))


def test_images_are_prepared_as_the_options_say(script: Path) -> None:
    images = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    model = load_model(
        ModelSpec(
            source=str(script),
            trust_code=True,
            input_shape=(3, 2, 2),
            classes=("a", "b", "c"),
            normalise="half",
            layout="bgr",
        )
    )
    assert isinstance(model, ImageClassifier)
    assert not model.differentiable
    with pytest.deprecated_call():
        net = torch.jit.load(str(script))
    torch.testing.assert_close(model.predict(images), net(((images - 0.5) / 0.5).flip(1)).detach())


def test_a_built_in_network_is_known_by_its_tensors(tmp_path: Path) -> None:
    """Also a text network, which has gradients that way."""
    from auditkit.models.load import MODELS

    card = next(one for one in MODELS.values() if one.modality == "text")
    own = load_model(ModelSpec(source=card.name))
    torch.save({"model": own.module, "best": 0.9}, tmp_path / "m.pt")
    again = load_model(ModelSpec(source=str(tmp_path / "m.pt"), trust_code=True))
    assert isinstance(again, TextClassifier)
    assert again.differentiable
    texts = ["a good film", "bad"]
    torch.testing.assert_close(again.predict(texts), own.predict(texts))
