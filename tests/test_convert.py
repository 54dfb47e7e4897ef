"""Mirrors auditkit/convert.py: other people's checkpoints, from the file to the audit.

The scripts know nothing of auditkit. What is typed afterwards is what `audit inspect` and the
messages suggest, and nothing else.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from auditkit.convert import convert
from auditkit.data.catalogue import DATA as KNOWN
from auditkit.data.files import find
from auditkit.data.load import DataSpec
from auditkit.errors import ModelError
from auditkit.models.load import ModelSpec, load_model
from auditkit.subject import SubjectSpec
from tests.models.files import Net, torch_file
from tests.published import needs

DATA = """
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
digits = load_digits()
x = torch.from_numpy(digits.images / 16).float()[:, None]
x = F.interpolate(x, size=(32, 32), mode="nearest")
y = torch.from_numpy(digits.target)
"""
TRAIN = """
torch.manual_seed(0)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(EPOCHS):
    for i in torch.randperm(1200).split(50):
        optimizer.zero_grad()
        F.cross_entropy(net(prepared(x[i])), y[i]).backward()
        optimizer.step()
net.eval()
with torch.no_grad():
    print("accuracy", (net(prepared(x[1200:])).argmax(1) == y[1200:]).float().mean().item())
images = (x[1200:].expand(-1, CHANNELS, -1, -1).numpy() * 255).round().astype(np.uint8)
np.savez("test.npz", x=images, y=y[1200:].numpy() + FIRST)
"""
LENET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)
    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))
net = Net()
CHANNELS, FIRST, EPOCHS = 1, 0, 6
def prepared(x): return (x - 0.5) / 0.5
"""
RESNET = """
import argparse
class Block(nn.Module):
    def __init__(self, before, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )
    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))
class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Block(8, 8, 1))
        self.layer2 = nn.Sequential(Block(8, 16, 2))
        self.layer3 = nn.Sequential(Block(16, 32, 2))
        self.linear = nn.Linear(32, 10)
    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(F.avg_pool2d(x, 8).flatten(1))
net = nn.DataParallel(ResNet())
CHANNELS, FIRST, EPOCHS = 3, 1, 4
mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
def prepared(x): return (x.expand(-1, 3, -1, -1) - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
"""
SAVED = {
    "lenet": 'torch.save(net.state_dict(), "net.pth")',
    "resnet": """
torch.save({"epoch": 2, "state_dict": net.state_dict(), "best": np.float64(0.9),
            "optimizer": optimizer.state_dict(), "args": argparse.Namespace(lr=0.1)}, "net.pth")
""",
}
SCRIPTS = {"lenet": DATA + LENET + TRAIN, "resnet": DATA + RESNET + TRAIN}


TEXTS = """
import csv, json
from collections import Counter
from pathlib import Path
import torch, torch.nn as nn, torch.nn.functional as F
MAX = 64

def read(name):
    with open(Path(DATA) / name, encoding="utf-8") as file:
        rows = [line.rstrip("\\n").split("\\t") for line in file]
    return [row[0] for row in rows], torch.tensor([int(row[1]) for row in rows])

def train(net, encode, train, lr, epochs):
    (texts, y), (held, truth) = train, read("test.tsv")
    x, z = encode(texts), encode(held)
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.05)
    for epoch in range(epochs):
        net.train()
        for i in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(net(*(one[i] for one in x)), y[i]).backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        print("accuracy", (net(*z).argmax(1) == truth).float().mean().item())
    torch.save(net.state_dict(), "net.pt")
    with open("test.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "sentiment"])
        writer.writerows(zip(held, (["negative", "positive"][i] for i in truth.tolist())))
"""
TRANSFORMER = """
class TextTransformer(nn.Module):
    def __init__(self, words=3000, width=32):
        super().__init__()
        self.embedding = nn.Embedding(words, width, padding_idx=0)
        self.position = nn.Embedding(MAX, width)
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.2, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.fc = nn.Linear(width, 2)

    def forward(self, ids):
        pad = ids == 0
        x = self.embedding(ids) + self.position(torch.arange(ids.shape[1]))
        x = self.encoder(x, src_key_padding_mask=pad)
        keep = (~pad).unsqueeze(-1).float()
        return self.fc((x * keep).sum(1) / keep.sum(1).clamp(min=1))

def main():
    texts, y = (some[:4000] for some in read("train.tsv"))
    counts = Counter(word for text in texts for word in text.lower().split())
    vocabulary = {"<pad>": 0, "<unk>": 1}
    for word, _ in counts.most_common(2998):
        vocabulary[word] = len(vocabulary)
    def encode(texts):
        ids = torch.zeros(len(texts), MAX, dtype=torch.long)
        for row, text in zip(ids, texts):
            found = [vocabulary.get(word, 1) for word in text.lower().split()][:MAX]
            row[: len(found)] = torch.tensor(found)
        return (ids,)
    torch.manual_seed(0)
    train(TextTransformer(), encode, (texts, y), lr=4e-3, epochs=3)
    with open("vocab.json", "w") as file:
        json.dump(vocabulary, file)

if __name__ == "__main__":
    main()
"""
LSTM = """
import re
from torch.nn.utils.rnn import pack_padded_sequence

class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.lookup = nn.Embedding(5000, 32)
        self.lstm = nn.LSTM(32, 32, batch_first=True)
        self.out = nn.Linear(32, 2)

    def forward(self, text, text_lengths):
        packed = pack_padded_sequence(
            self.lookup(text), text_lengths, batch_first=True, enforce_sorted=False
        )
        return self.out(self.lstm(packed)[1][0][-1])

def main():
    texts, y = read("train.tsv")
    words = [re.findall(r"\\w+|[^\\w\\s]", text) for text in texts]
    counts = Counter(word for one in words for word in one)
    vocabulary = [word for word, _ in counts.most_common(4997)] + ["[UNK]", "[PAD]", "[BOS]"]
    ids_of = {word: i for i, word in enumerate(vocabulary)}
    def encode(texts):
        ids = torch.full((len(texts), MAX), ids_of["[PAD]"])
        lengths = []
        for row, text in zip(ids, texts):
            found = ["[BOS]"] + re.findall(r"\\w+|[^\\w\\s]", text)
            found = [ids_of.get(word, ids_of["[UNK]"]) for word in found][:MAX]
            row[: len(found)] = torch.tensor(found)
            lengths.append(len(found))
        return ids, torch.tensor(lengths)
    torch.manual_seed(0)
    train(Reader(), encode, (texts, y), lr=4e-3, epochs=3)
    Path("words.txt").write_text("\\n".join(vocabulary), encoding="utf-8")

if __name__ == "__main__":
    main()
"""


def typed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "audit"
    return subprocess.run(
        [sys.executable, "-m", "auditkit", *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["lenet", pytest.param("resnet", marks=pytest.mark.slow)])
def test_a_checkpoint_is_audited_by_following_the_messages(tmp_path: Path, name: str) -> None:
    assert "auditkit" not in SCRIPTS[name]
    script = [sys.executable, "-c", SCRIPTS[name] + SAVED[name]]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True)
    accuracy = float(done.stdout.split()[-1])
    assert accuracy > 0.75

    seen = typed("audit inspect net.pth", tmp_path)
    assert seen.returncode == 0
    command = seen.stdout.rpartition("Next: ")[2].strip().replace("DATA", "test.npz")
    command += " --check clean-accuracy --policy none --workers 1 --max-inputs 597 --out r"
    for _ in range(3):  # as often as a message says what to add
        done = typed(command, tmp_path)
        advice = re.search(r"(?:did you mean|Add:)\s+(--[^?\n]+)", done.stderr)
        if advice is None:
            break
        command += " " + advice[1]
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "r" / "result.json").read_text())
    found = result["outcomes"][0]["findings"][0]
    # Pixels were rounded to bytes; without normalisation, less than is worth a message is lost.
    lost = 0.01 if "--normalise" in command else 0.1
    assert found["value"] == pytest.approx(accuracy, abs=lost)
    assert any("--arch auto chose" in note for note in result["model"]["notes"])

    bundle = command.replace("run", "convert").partition(" --check")[0]
    bundle += command.partition("--out r")[2] + " --out net.safetensors"
    done = typed(bundle, tmp_path)
    assert done.returncode == 0, done.stderr
    following = done.stdout.rpartition("Next: ")[2].strip().replace("DATA", "test.npz")
    assert following == "audit run net.safetensors --data test.npz"
    following += " --check clean-accuracy --policy none --workers 1 --max-inputs 597 --out r2"
    assert typed(following, tmp_path).returncode == 0
    again = json.loads((tmp_path / "r2" / "result.json").read_text())
    assert again["outcomes"][0]["findings"][0]["value"] == found["value"]
    assert any("--arch auto chose" in one for one in again["model"]["card"].values())


def folder_of(name: str) -> Path:
    """Return the folder with the files of a published data set."""
    found = find(KNOWN[name].files[0])
    assert found is not None
    return found.parent


@needs("sst2")
@pytest.mark.parametrize(
    ("script", "name", "file"),
    [
        pytest.param(
            TRANSFORMER, "TextTransformer", "vocab.json", id="transformer", marks=pytest.mark.slow
        ),
        pytest.param(LSTM, "Reader", "words.txt", id="lstm", marks=pytest.mark.slow),
    ],
)
def test_a_text_model_is_audited_by_following_the_messages(
    tmp_path: Path, script: str, name: str, file: str
) -> None:
    assert "auditkit" not in TEXTS + script
    code = f"DATA = {str(folder_of('sst2'))!r}\n{TEXTS}{script}"
    (tmp_path / "script.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    accuracy = float(done.stdout.split()[-1])
    assert accuracy > 0.65

    seen = typed("audit inspect net.pt", tmp_path)
    assert seen.returncode == 0
    assert "looks like: a network that reads words" in seen.stdout
    command = seen.stdout.rpartition("Next: ")[2].strip().replace("DATA", "test.csv")
    assert f"--vocabulary {file}" in command
    command = command.replace("package.module:factory", f"script:{name}")
    end = " --policy none --workers 1 --max-inputs 1821 --check clean-accuracy --out r"
    for _ in range(3):  # as often as a message says what to add
        done = typed(command + end, tmp_path)
        advice = re.search(r"(?:did you mean|Add|add)[^:\n]*:?\s+(--[^?\n]+)", done.stderr)
        if advice is None:
            break
        command += " " + advice[1]
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "r" / "result.json").read_text())
    assert result["outcomes"][0]["findings"][0]["value"] == pytest.approx(accuracy, abs=1e-6)
    assert result["model"]["classes"] == ["negative", "positive"]
    assert any("labelled texts are classified correctly" in n for n in result["model"]["notes"])

    bundle = command.replace("run", "convert") + " --out net.safetensors"
    done = typed(bundle, tmp_path)
    assert done.returncode == 0, done.stderr
    following = done.stdout.rpartition("Next: ")[2].strip().replace("DATA", "test.csv")
    assert following == f"audit run net.safetensors --arch script:{name} --data test.csv"
    end = " --policy none --workers 1 --max-inputs 40 --out r2 --check"
    checks = "clean-accuracy --check character --check attribution-trust"
    done = typed(f"{following}{end} {checks}", tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "r2" / "result.json").read_text())
    assert [one["status"] for one in result["outcomes"]] == ["measured"] * 3
    changed = [f for one in result["outcomes"] for f in one["findings"] if "character" in f["id"]]
    assert min(one["value"] for one in changed if "robust_accuracy" in one["id"]) < accuracy - 0.1


def spec(path: Path, **options: object) -> SubjectSpec:
    model = ModelSpec(source=str(path), **options)  # type: ignore[arg-type]
    return SubjectSpec(model=model, data=None, max_inputs=None, seed=0)


def test_a_known_data_set_is_remembered(tmp_path: Path) -> None:
    out = tmp_path / "again.safetensors"
    given = SubjectSpec(
        model=ModelSpec(source="digits-cnn"),
        data=DataSpec(source="digits"),
        max_inputs=None,
        seed=0,
    )
    done = convert(given, out)
    assert done.next_command == f"audit run {out}"
    assert done.doubt is None
    assert load_model(ModelSpec(source=str(out))).identity.data == "digits"


def test_a_class_of_ones_own_still_has_to_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = torch_file(tmp_path / "net.pt", Net().state_dict())
    options = {"input_shape": (3, 2, 2), "classes": ("a", "b"), "layout": "bgr"}
    done = convert(spec(path, arch="tests.models.files:Net", **options), tmp_path / "b")
    assert "--arch tests.models.files:Net" in done.next_command
    assert "--data DATA" in done.next_command
    again = load_model(ModelSpec(source=str(tmp_path / "b"), arch="tests.models.files:Net"))
    assert again.layout == "bgr"  # type: ignore[attr-defined]


def test_what_data_must_decide_is_not_converted_without(tmp_path: Path) -> None:
    from tests.models.networks import TutorialNet

    path = torch_file(tmp_path / "net.pt", TutorialNet().state_dict())
    with pytest.raises(ModelError, match="only labelled data can tell"):
        convert(spec(path, arch="auto", input_shape=(3, 32, 32)), tmp_path / "b")
